//! How many tokens it took.

use serde::{Deserialize, Serialize};

/// AWS's count.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenUsage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

/// OpenAI's count. Tokens of the cache are part of the prompt there; beside it they stand under Anthropic's names.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Details {
    cached_tokens: u64,
}

impl From<TokenUsage> for Usage {
    fn from(usage: TokenUsage) -> Self {
        let read = usage.cache_read_input_tokens.unwrap_or(0);
        let written = usage.cache_write_input_tokens.unwrap_or(0);
        let cached = read > 0 || written > 0;
        Self {
            prompt_tokens: usage.input_tokens.saturating_add(read).saturating_add(written),
            completion_tokens: usage.output_tokens,
            // AWS's sum holds the tokens of the cache already.
            total_tokens: usage.total_tokens,
            prompt_tokens_details: Details { cached_tokens: read },
            cache_read_input_tokens: cached.then_some(read),
            cache_creation_input_tokens: cached.then_some(written),
        }
    }
}

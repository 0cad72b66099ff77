//! What a provider's usage member says, in the spellings that there are (pure).

use serde_json::{Map, Value};

/// More tokens than a call can have used. Who tells of more tells nothing: one wrong number would use a budget up for ever.
const MOST: u64 = 10_000_000;

/// What a call has used, in tokens. Numbers that were not told are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt, the cached ones among them.
    pub input: u64,
    /// Of the prompt, as far as the provider had them in its cache.
    pub cached: u64,
    /// Of the answer.
    pub output: u64,
    /// All of them, where the provider says so.
    pub total: u64,
}

impl Usage {
    /// Reads a usage member: OpenAI's two spellings (`prompt_tokens`, `input_tokens`), Anthropic's, Gemini's
    /// (`promptTokenCount`), Converse's (`inputTokens`) and InvokeModel's (`inputTokenCount`). `None` where it has none of
    /// their numbers, or one of more than 10 million.
    ///
    /// ```
    /// use tower_portkey::limit::Usage;
    ///
    /// let usage = Usage::from_json(br#"{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}"#);
    /// assert_eq!(usage.map(|usage| usage.tokens()), Some(12));
    /// assert_eq!(Usage::from_json(b"{}"), None);
    /// ```
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let members: Map<String, Value> = serde_json::from_slice(json).ok()?;
        let first = |names: &[&str]| names.iter().find_map(|name| number(members.get(*name)?));
        let nested =
            |names: &[&str], name: &str| names.iter().find_map(|outer| number(members.get(*outer)?.get(name)?));
        let sum =
            |names: &[&str]| names.iter().filter_map(|name| number(members.get(*name)?)).fold(0, u64::saturating_add);

        let input = first(&["prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens", "inputTokenCount"]);
        let output =
            first(&["completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens", "outputTokenCount"]);
        let total = first(&["total_tokens", "totalTokenCount", "totalTokens"]);
        input.or(output).or(total)?;
        // Anthropic and Converse count these beside the input, the others within.
        let read = sum(&["cache_read_input_tokens", "cacheReadInputTokens"]);
        let written = sum(&["cache_creation_input_tokens", "cacheWriteInputTokens"]);
        let within = nested(&["prompt_tokens_details", "input_tokens_details"], "cached_tokens");
        let within = within.or_else(|| first(&["cachedContentTokenCount"])).unwrap_or_default();
        let thoughts = sum(&["thoughtsTokenCount"]);
        let usage = Self {
            input: input.unwrap_or_default().saturating_add(read).saturating_add(written),
            cached: within.saturating_add(read),
            output: output.unwrap_or_default().saturating_add(thoughts),
            total: total.unwrap_or_default(),
        };
        usage.plausible()
    }

    /// `None` where nobody can have used so much.
    pub(super) fn plausible(self) -> Option<Self> {
        (self.tokens() <= MOST).then_some(self)
    }

    /// All tokens: as the provider says, but never less than those of prompt and answer.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.total.max(self.input.saturating_add(self.output))
    }

    /// The higher of each number: providers that tell more than once count up.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached: self.cached.max(other.cached),
            output: self.output.max(other.output),
            total: self.total.max(other.total),
        }
    }
}

/// A count, also one that is written as `12.0`.
pub(super) fn number(value: &Value) -> Option<u64> {
    // Saturates; what is below zero or no number counts as nothing.
    value.as_u64().or_else(|| value.as_f64().filter(|number| number.is_finite()).map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (json, input, cached, output, tokens) in [
            (r#"{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}"#, 9, 0, 12, 21),
            (r#"{"prompt_tokens":9,"total_tokens":9}"#, 9, 0, 0, 9),
            (r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":4}}"#, 9, 4, 1, 10),
            (
                r#"{"input_tokens":36,"input_tokens_details":{"cached_tokens":8},"output_tokens":87,"total_tokens":123}"#,
                36,
                8,
                87,
                123,
            ),
            (
                r#"{"input_tokens":20,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":7}"#,
                28,
                5,
                7,
                35,
            ),
            (
                r#"{"promptTokenCount":4,"candidatesTokenCount":6,"thoughtsTokenCount":10,"totalTokenCount":20}"#,
                4,
                0,
                16,
                20,
            ),
            (r#"{"promptTokenCount":9,"cachedContentTokenCount":4,"totalTokenCount":9}"#, 9, 4, 0, 9),
            (r#"{"inputTokens":30,"outputTokens":62,"totalTokens":92,"cacheReadInputTokens":0}"#, 30, 0, 62, 92),
            (r#"{"inputTokenCount":8,"outputTokenCount":9,"invocationLatency":700}"#, 8, 0, 9, 17),
            (r#"{"total_tokens":5}"#, 0, 0, 0, 5),
            (r#"{"output_tokens":15.0,"x":[{}]}"#, 0, 0, 15, 15),
            (r#"{"prompt_tokens":-1,"completion_tokens":10000000}"#, 0, 0, MOST, MOST),
        ] {
            let usage = Usage::from_json(json.as_bytes()).expect(json);
            assert_eq!(
                (usage.input, usage.cached, usage.output, usage.tokens()),
                (input, cached, output, tokens),
                "{json}"
            );
        }
        for json in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"prompt_tokens":null}"#,
            r#"{"prompt_tokens":"9"}"#,
            r#"{"credits":5}"#,
            r#"{"total_tokens":10000001}"#,
            r#"{"prompt_tokens":10000000,"completion_tokens":1}"#,
            r#"{"prompt_tokens":9,"completion_tokens":18446744073709551615}"#,
        ] {
            assert_eq!(Usage::from_json(json.as_bytes()), None, "{json}");
        }
    }
}

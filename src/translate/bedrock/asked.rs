//! The members of a chat completion that are read.

use serde::Deserialize;
use serde_json::value::RawValue;

/// OpenAI's members, those that Portkey adds for Bedrock, and those that some vendors of models know. A member that is
/// null is as good as none.
#[derive(Deserialize)]
pub(super) struct ChatCompletion<'a> {
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) messages: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tools: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stop: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stream: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response_format: Option<&'a RawValue>,
    #[serde(borrow, rename = "guardrailConfig", alias = "guardrail_config")]
    pub(super) guardrail_config: Option<&'a RawValue>,
    #[serde(borrow, rename = "performanceConfig", alias = "performance_config")]
    pub(super) performance_config: Option<&'a RawValue>,
    #[serde(borrow, rename = "additionalModelResponseFieldPaths", alias = "additional_model_response_field_paths")]
    pub(super) response_field_paths: Option<&'a RawValue>,
    // What some vendors know.
    #[serde(borrow, rename = "additionalModelRequestFields", alias = "additional_model_request_fields")]
    pub(super) request_fields: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) top_k: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) user: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning_effort: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) anthropic_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) anthropic_beta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) n: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) frequency_penalty: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) presence_penalty: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) logit_bias: Option<&'a RawValue>,
    #[serde(borrow, rename = "frequencyPenalty")]
    pub(super) ai21_frequency_penalty: Option<&'a RawValue>,
    #[serde(borrow, rename = "presencePenalty")]
    pub(super) ai21_presence_penalty: Option<&'a RawValue>,
    #[serde(borrow, rename = "countPenalty")]
    pub(super) ai21_count_penalty: Option<&'a RawValue>,
}

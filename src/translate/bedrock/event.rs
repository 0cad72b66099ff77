//! The events of ConverseStream, as far as a chat completion has a place for what they say.

use std::borrow::Cow;

use serde::Deserialize;

use super::usage::TokenUsage;

/// An event of this kind, or nothing where it is none.
pub(super) fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockStart<'a> {
    pub(super) content_block_index: u64,
    #[serde(borrow)]
    pub(super) start: Option<Start<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start<'a> {
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolStart<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolStart<'a> {
    #[serde(borrow)]
    pub(super) tool_use_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockDelta<'a> {
    pub(super) content_block_index: u64,
    #[serde(borrow)]
    pub(super) delta: NewPart<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPart<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolDelta<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<ReasoningDelta<'a>>,
}

#[derive(Deserialize)]
pub(super) struct ToolDelta<'a> {
    #[serde(borrow)]
    pub(super) input: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningDelta<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) signature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) redacted_content: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockStop {
    pub(super) content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageStop<'a> {
    #[serde(borrow)]
    pub(super) stop_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) usage: TokenUsage,
}

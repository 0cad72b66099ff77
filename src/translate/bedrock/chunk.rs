//! What OpenAI's clients read of a stream: server-sent events with a chunk each.

use serde::Serialize;

use super::{answer::About, usage::Usage};

/// The end of a stream that is whole.
pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    provider: &'static str,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    delta: Delta<'a>,
    finish_reason: Option<&'a str>,
}

/// What is new.
#[derive(Default, Serialize)]
pub(super) struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_blocks: Option<[ContentBlock<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_calls: Option<[ToolCall<'a>; 1]>,
}

/// A piece of a block, where the answer needn't be OpenAI's to the letter.
#[derive(Serialize)]
pub(super) struct ContentBlock<'a> {
    pub(super) index: u64,
    pub(super) delta: Piece<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Thinking(&'a str),
    Signature(&'a str),
    Data(&'a str),
}

#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    pub(super) index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

pub(super) fn delta(out: &mut Vec<u8>, about: &About, delta: Delta<'_>) {
    chunk(out, about, &[Choice { index: 0, delta, finish_reason: None }], None);
}

pub(super) fn finish(out: &mut Vec<u8>, about: &About, reason: &str) {
    chunk(out, about, &[Choice { index: 0, delta: Delta::default(), finish_reason: Some(reason) }], None);
}

pub(super) fn usage(out: &mut Vec<u8>, about: &About, usage: Usage) {
    chunk(out, about, &[], Some(usage));
}

/// An event of this JSON, in which no line can end.
pub(super) fn event(out: &mut Vec<u8>, json: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(json);
    out.extend_from_slice(b"\n\n");
}

fn chunk(out: &mut Vec<u8>, about: &About, choices: &[Choice<'_>], usage: Option<Usage>) {
    let About { id, created, model, .. } = about;
    let chunk =
        Chunk { id, object: "chat.completion.chunk", created: *created, model, provider: "bedrock", choices, usage };
    out.extend_from_slice(b"data: ");
    // A struct of strings and numbers always serialises, and memory takes it.
    let _ = serde_json::to_writer(&mut *out, &chunk);
    out.extend_from_slice(b"\n\n");
}

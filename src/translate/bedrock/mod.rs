//! OpenAI and AWS Bedrock: Converse, ConverseStream and InvokeModel's embeddings; Anthropic's messages and Cohere's rerank
//! beside them. Everything here is pure: bytes go in,
//! bytes come out.
//!
//! Sources: AWS's API reference of Bedrock Runtime, Smithy's event stream, OpenAI's API reference, and Portkey's gateway
//! for what neither says.

mod answer;
mod asked;
mod chunk;
mod claude;
mod converse;
mod embed;
mod embedded;
mod error;
mod event;
mod fault;
mod fields;
mod format;
mod invoke;
mod media;
mod messages;
mod model;
mod read;
mod request;
mod rerank;
mod rewrite;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod usage;
mod words;

use crate::frame;

pub(super) use answer::{About, answer};
pub(super) use claude::{error as claude_error, token_count};
pub(super) use embed::{Bodies, Embed, Shape, request as embed};
pub(super) use embedded::Embeddings;
pub(super) use error::error;
pub(super) use invoke::{Messages, count_tokens, invoke, messages};
pub(super) use request::{Chat, request as chat};
pub(super) use rerank::{Rerank, answer as reranked, request as rerank};
pub(super) use rewrite::{Rewrite, StreamFault};

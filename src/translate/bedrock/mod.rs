//! OpenAI and AWS Bedrock: Converse, ConverseStream and InvokeModel's embeddings. Everything here is pure: bytes go in,
//! bytes come out.
//!
//! Sources: AWS's API reference of Bedrock Runtime, Smithy's event stream, OpenAI's API reference, and Portkey's gateway
//! for what neither says.

mod answer;
mod asked;
mod chunk;
mod converse;
mod embed;
mod embedded;
mod error;
mod event;
mod fault;
mod fields;
mod format;
mod media;
mod messages;
mod model;
mod read;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod usage;
mod words;

use crate::frame;

pub(super) use answer::{About, answer};
pub(super) use embed::{Bodies, Embed, Shape, request as embed};
pub(super) use embedded::Embeddings;
pub(super) use error::error;
pub(super) use request::{Chat, request as chat};
pub(super) use stream::{ChatStream, StreamFault};

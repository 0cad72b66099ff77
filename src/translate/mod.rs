//! OpenAI's requests for providers that speak another language, and their answers in OpenAI's.
//!
//! [`TranslateLayer`] acts where the [`Target`](crate::context::Target) says so
//! ([`Target::translation`](crate::context::Target::translation)), which `ResolveLayer` does for the unified routes of AWS
//! Bedrock. Every other request passes untouched. It stands above `InjectLayer` and `SignLayer`: what is
//! signed is what was translated.
//!
//! - A chat completion becomes Converse, or ConverseStream where the body has `"stream": true`; the last segment of the
//!   path follows the body.
//! - What Converse can't take, such as an image's `https` URL or a part of an unknown kind, is refused with 400 and the
//!   name of the member, and nothing is sent. Members that Converse has no place for vanish.
//! - A stream of events becomes server-sent events, with checksums checked. An exception within it becomes an event with
//!   an `error` and no `[DONE]` follows; a stream that breaks off or can't be read ends as an error, too.
//! - Other answers than 200 keep their status and get OpenAI's shape.
//! - Anthropic's messages become InvokeModel's of a Claude, and the events that come packed into AWS's are unpacked; errors
//!   look like Anthropic's. Tokens are counted, and documents ranked, in the caller's words, too.
//! - A file becomes an object of S3: its form is read whole, within [`TranslateLayer::body_limit`] and
//!   [`TranslateLayer::body_budget`], and what stands in the form is sent without a copy.
//! - Embeddings become InvokeModel of Titan or Cohere models: one call after another, where the model takes less than was
//!   asked at once.
//!
//! ```
//! use http::{Request, Response, uri::{Authority, Scheme}};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{TranslateLayer, body::FullOr, context::{HostOrigin, ProviderId, Target, Translation}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<FullOr<String>>| {
//!     assert_eq!(request.uri().path(), "/model/amazon.nova-lite-v1%3A0/converse");
//!     let body = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
//!     assert_eq!(request.body().as_full().unwrap(), body);
//!     let answer = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hello"}]}},"stopReason":"end_turn",
//!         "usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#;
//!     Ok::<_, std::convert::Infallible>(Response::new(answer.to_owned()))
//! });
//! let service = TranslateLayer::new().layer(leaf);
//!
//! let ask = |content: &str| {
//!     let bedrock = ProviderId::parse("bedrock").unwrap();
//!     let host = Authority::from_static("bedrock-runtime.us-east-1.amazonaws.com");
//!     let target = Target::builder(bedrock, Scheme::HTTPS, host, HostOrigin::Catalog);
//!     let body = format!(r#"{{"model":"amazon.nova-lite-v1:0","messages":[{{"role":"user","content":{content}}}]}}"#);
//!     Request::post("https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse")
//!         .extension(target.translation(Some(Translation::Converse)).build().unwrap())
//!         .body(FullOr::full(body))
//!         .unwrap()
//! };
//! assert_eq!(service.clone().oneshot(ask(r#""hi""#)).await?.status(), 200);
//! let refused = service.oneshot(ask(r#"[{"type":"image_url","image_url":{"url":"https://e.example/a.png"}}]"#)).await?;
//! assert_eq!(refused.status(), 400);
//! # Ok(()) }
//! ```

mod bedrock;
mod body;
mod error;
mod future;
mod job;
mod layer;
mod prepare;
mod s3;
mod service;

pub use body::TranslateBody;
pub use error::TranslateError;
pub use future::TranslateFuture;
pub use layer::TranslateLayer;
pub use service::Translate;

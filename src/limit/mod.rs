//! How much callers and provider entries may use, and how fast.
//!
//! [`LimitLayer::callers`] holds requests to the limits of the caller's key or token and of its workspace,
//! [`LimitLayer::entries`] each attempt to those of its provider entry. A request has to pass all of them; one that is
//! refused has consumed nothing of those that it would have passed. What is over a rate is answered 429 with
//! `retry-after`, what is over a budget 412; an entry's refusal has OpenAI's shape, and another target of the config may
//! take its place. A [`Counter`] counts: [`LocalCounters`] in memory, or one of your own that several processes share.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{LimitLayer, context::{Principal, RateLimit}, limit::LocalCounters};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |_: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("leaf")))
//! });
//! let service = LimitLayer::callers(LocalCounters::new()).layer(leaf);
//!
//! // Authentication leaves the caller, with its limits.
//! let who = Principal::new("ci").with_limits(Vec::new(), RateLimit::from_json(r#"{"unit":"rpw","value":1}"#)?);
//! for (status, left) in [(200, "0"), (429, "0")] {
//!     let mut request = Request::new(());
//!     request.extensions_mut().insert(who.clone());
//!     let response = service.clone().oneshot(request).await?;
//!     assert_eq!(response.status(), status);
//!     assert_eq!(response.headers()["x-ratelimit-remaining-requests"], left);
//! }
//! # Ok(()) }
//! ```
//!
//! # Requests, tokens, cost
//!
//! Requests count when they pass, whatever becomes of them below. Tokens and cost are taken in advance and settled when
//! the answer has ended:
//!
//! | | tokens |
//! | --- | --- |
//! | taken in advance | what the request says its answers may have ([`ByBody`]), else [a default](LimitLayer::default_output_tokens) for each of them, and a quarter of the bytes of the prompt, media aside and at most 200,000 |
//! | refused | where less is left than the request says, or nothing; a guess shrinks to what the tightest of the rules has left |
//! | answered | what the answer says: the `usage` of JSON, the last one of a stream |
//! | answered without a word, or cut before it | what was taken, or an event's token each, or a quarter of the bytes of text, where that is more; nothing of files, uploads, batches, fine-tuning, moderations, audio and images |
//! | fetched, or counted only (all but `POST`, `count_tokens`) | nothing |
//! | told of more than 10 million tokens | as if it had said nothing |
//! | made later (`background`) | what was taken: it needs `max_output_tokens`, else it is 400 |
//! | failed (no answer, or none of 2xx) | nothing |
//! | dropped before it was answered, or not waited for any longer | the guess for the prompt, which was sent |
//! | dropped in the middle of a stream | what the stream said so far, and at least a token an event |
//!
//! So a limit is exceeded by no more than what requests that were let in use beyond what was taken for them; batches and
//! fine-tuning, whose answers come another day, are counted as requests only. What was taken is held until the answer has
//! ended. A caller's limits see the answer that it gets, not those of other attempts; a provider's answer of 2xx is the last
//! one. Answers are
//! passed on byte by byte as they come; of what passes, no more than the usage member is kept, up to 4 KiB. Compressed
//! answers can't be read, so requests whose tokens count ask for uncompressed ones
//! ([`keep_accept_encoding`](LimitLayer::keep_accept_encoding)). OpenAI's streams say what they have used only where the
//! request asks for it, which the layer does if it is told to, whatever request and config say
//! ([`include_usage`](LimitLayer::include_usage)). Cost is tokens by a [`PriceTable`]: nothing has a price
//! that you don't give it; the model in the path counts before the config's and the body's.
//!
//! # Where they stand
//!
//! `callers` needs the [`Principal`](crate::context::Principal). With [`read_bodies`](LimitLayer::read_bodies) it stands
//! below `ModelLayer`, which reads the bodies of requests whose tokens count; then [`LimitGateLayer`] right below
//! authentication refuses those that have nothing left before anything of them is read. `entries` stands below
//! `StrategyLayer` and above `ResolveLayer`.
//!
//! Windows are fixed: rates and budgets of N days are aligned to 1970-01-01 00:00 UTC, weekly budgets begin on Monday,
//! monthly ones on the 1st, at 00:00 UTC.

mod ask;
mod bill;
mod body;
mod counter;
mod estimate;
mod future;
mod gate;
mod headers;
mod layer;
mod local;
mod none;
mod price;
mod scan;
mod service;
mod ticket;
mod usage;
mod whose;
mod window;

pub use body::LimitBody;
pub use counter::{Counter, Denied, Level, Levels, Part, Reserve, Spent, Taken, Verdict, Want};
pub use estimate::{ByBody, ByLength, Estimate, EstimateUsage};
pub use future::LimitFuture;
pub use gate::{LimitGate, LimitGateFuture, LimitGateLayer, LimitGuard};
pub use layer::LimitLayer;
pub use local::{CounterState, LocalCounters, RestoreError};
pub use none::NoCounter;
pub use price::{Price, PriceError, PriceTable};
pub use service::Limit;
pub use usage::Usage;

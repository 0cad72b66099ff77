//! Which target of a config is asked, how often, and which one after it.
//!
//! A config without a strategy is one target; with one, it is a group of targets, which may be groups themselves.
//! [`StrategyLayer`] asks the inner service for one target after the other until an answer is to be handed on.
//!
//! | mode | target |
//! | --- | --- |
//! | `single` | the first |
//! | `fallback` | one after the other, until a status is 2xx; with `on_status_codes`, for as long as it is one of them. A failure of the gateway itself ends it; a provider that can't be reached, and a target that is refused, don't |
//! | `loadbalance` | one by `weight` (1 unless set; 0: never). With `sticky`, requests whose `hash_fields` read the same get the same one, as long as its circuit is closed, until the next multiple of `ttl` seconds since 1970 |
//! | `conditional` | that of the first condition that holds, else the default |
//!
//! Conditions see the metadata, the members of a JSON body and the path, and compare as JavaScript does: `$eq`, `$ne`,
//! `$in` and `$nin` by value and type, `$gt`, `$gte`, `$lt` and `$lte` by the numbers that texts begin with. What is
//! missing equals nothing, and no pattern (`$regex`) matches it, nor a text of more than 4 KiB, which is no number, either.
//!
//! `retry` asks the same target again, up to five times, before any fallback: for the statuses in `on_status_codes`
//! (429, 500, 502, 503, 504 and 529 unless set), after half a second, then twice as long each time, up to ten seconds,
//! and up to half of it more by chance; or, with `use_retry_after_headers`, after the time that the provider says, but
//! for a tenth of a second at least. All the waits of a request together have [a limit](StrategyLayer::max_wait), so has
//! [the time](StrategyLayer::deadline) in which attempts begin, and there are sixteen attempts at most, whatever the
//! config says.
//!
//! `cb_config` of a saved config leaves a target out of `fallback` and `loadbalance` for its `cooldown_interval` after
//! `failure_threshold` failures in a row; then one request finds out whether it is well again, or leaves it to the next
//! one where it finds nothing out. Nothing counts but what the provider does: no request that is refused here, none that
//! was broken off or had a limit of its own, and none to a provider or host that its caller chose. Where every target of
//! a group is left out, none is.
//!
//! Each attempt gets the request as it came, changed by `default_params`, `override_params` and `drop_params` of its
//! target and of the groups around it, in this order. The body's bytes are shared, not copied. Only the head of an answer decides: what is handed
//! on streams, and there is no retry any more; what isn't is dropped unread. The answer says in
//! `x-portkey-last-used-option-index` which target it is from, and in `x-portkey-retry-attempt-count` how often that
//! was asked again: -1 where no try or no time was left. A request with one target that is asked once costs a look at its
//! extensions.
//!
//! Waiting needs tokio's timer.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_portkey::{
//!     ConfigLayer, ExtractLayer, ModelLayer, StrategyLayer, body::FullOr, context::RequestConfig, model::NoEntries,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<FullOr<String>>| {
//!     let target = request.extensions().get().map(RequestConfig::path);
//!     let status = if target == Some("config.targets[0]") { 500 } else { 200 };
//!     Response::builder().status(status).body(String::new())
//! });
//! let service = ServiceBuilder::new()
//!     .layer(ExtractLayer::new())
//!     .layer(ConfigLayer::new())
//!     .layer(ModelLayer::new(NoEntries))
//!     .layer(StrategyLayer::new())
//!     .service(leaf);
//! let request = |strategy: &str| {
//!     let target = r#"{"provider":"openai","api_key":"sk-1"}"#;
//!     let config = format!(r#"{{"strategy":{strategy},"targets":[{target},{target}]}}"#);
//!     Request::post("/v1/chat/completions").header("x-portkey-config", config).body(String::from("{}"))
//! };
//!
//! let answer = service.clone().oneshot(request(r#"{"mode":"fallback"}"#)?).await?;
//! assert_eq!(answer.status(), 200);
//! assert_eq!(answer.headers()["x-portkey-last-used-option-index"], "config.targets[1]");
//!
//! let nobody = r#"{"mode":"conditional","default":"","conditions":[{"query":{"metadata.team":"a"},"then":"one"}]}"#;
//! assert_eq!(service.oneshot(request(nobody)?).await?.status(), 400);
//! # Ok(()) }
//! ```

mod apply;
mod attempt;
mod breaker;
mod choose;
mod condition;
mod facts;
mod future;
mod held;
mod layer;
mod outcome;
mod retry;
mod service;
mod trial;
mod walk;
mod weigh;

#[cfg(test)]
mod tests;

pub use future::StrategyFuture;
pub use layer::StrategyLayer;
pub use service::Strategy;

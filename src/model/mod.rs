//! Which provider, entry and model a request names.
//!
//! A provider entry is a stored credential, named by a slug: in the config, as `x-portkey-provider: @slug`, as
//! `x-portkey-virtual-key: slug`, in the body's model (`"model": "@slug/gpt-4o"`), or in the query (`?model=@slug/gpt-4o`),
//! in this order; a built-in provider (`x-portkey-provider: openai`) comes last. [`ModelLayer`] looks entries up with a
//! [`ResolveProvider`], on behalf of the caller's workspace; a slug that this workspace doesn't know is refused (400), by
//! the same words whether somebody else has it or nobody. Slugs are taken out of body and query, byte for byte, so that
//! the provider reads its own model's name. Without a [`Principal`](crate::context::Principal) there are no entries.
//!
//! This is the only place that reads a request's body, and it reads no more than it has to:
//!
//! | the body | of which requests |
//! | --- | --- |
//! | is not touched | there are no entries, or it can't name a model |
//! | is read until it names a model without a slug; the rest streams on | those that may name an entry |
//! | is read as a whole, up to [a limit](ModelLayer::limit) | the model has a slug; only the body can name the provider; the config changes members, asks for them or may have the request sent again; the entry is limited to some models |
//!
//! A body that is read as a whole is one chunk below, and `content-length` says how long it is. It is read strictly: one
//! that names its model twice is refused, and so is, where the entry is limited to some models, whatever could be read in
//! two ways, before anything is sent.
//!
//! `GET /v1/models` without a provider is answered here: the models of the entries that the caller's workspace can use
//! ([`ResolveProvider::list`]).
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_portkey::{
//!     ConfigLayer, ExtractLayer, ModelLayer, Secret, body::FullOr,
//!     context::{Entry, Principal, ProviderId, Visibility}, model::EntrySet,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let openai = ProviderId::parse("openai").expect("a provider");
//! let entry = Entry::new("prod", openai)?.with_api_key(Secret::from("sk-1"))?;
//! let entries = EntrySet::new().with(entry, Visibility::workspaces("default", ["default"]));
//!
//! let leaf = service_fn(async |request: Request<FullOr<Full<bytes::Bytes>>>| {
//!     assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), r#"{"model":"gpt-4o"}"#);
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let service = ServiceBuilder::new()
//!     .layer(ExtractLayer::new())
//!     .layer(ConfigLayer::new())
//!     .layer(ModelLayer::new(entries))
//!     .service(leaf);
//!
//! for (body, status) in [(r#"{"model":"@prod/gpt-4o"}"#, 200), (r#"{"model":"@else/gpt-4o"}"#, 400)] {
//!     let mut request = Request::post("/v1/chat/completions").body(Full::from(body))?;
//!     request.extensions_mut().insert(Principal::new("ci"));
//!     assert_eq!(service.clone().oneshot(request).await?.status(), status);
//! }
//! # Ok(()) }
//! ```

mod content;
mod entries;
mod future;
mod job;
mod layer;
mod list;
mod look;
mod named;
mod nested;
mod places;
mod read;
mod resolve;
mod rewrite;
mod rules;
mod scan;
mod service;

pub use entries::EntrySet;
pub use future::ModelFuture;
pub use layer::ModelLayer;
pub use resolve::{Listing, NoEntries, ResolveProvider, ResolveProviderFn, resolve_provider_fn};
pub use service::Model;

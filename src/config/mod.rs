//! What a request asks for, validated.
//!
//! [`ConfigLayer`] is Portkey's request validator: content type, provider, custom host, config object and the list of
//! headers to forward are checked in its order and refused with its texts (400). What is left is a
//! [`RequestConfig`](crate::context::RequestConfig), with headers winning over the config where both say something.
//!
//! The config is the header's JSON, or the saved config that the header names, or else the default of the caller's key, or
//! of its workspace. Where a key's default is locked, a header of any kind is refused. Configs in headers are kept
//! decoded, by digest, up to 4 MiB of what they take decoded. A config has up to 16 KiB, 64 targets and 16 patterns.
//!
//! In [saved-only mode](ConfigLayer::saved_only) callers name what is stored, by slug or id, and nothing else.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_portkey::{ConfigLayer, ExtractLayer, context::RequestConfig};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<String>| {
//!     assert!(request.extensions().get::<RequestConfig>().unwrap().provider().is_some());
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let service = ServiceBuilder::new().layer(ExtractLayer::new()).layer(ConfigLayer::new()).service(leaf);
//!
//! for (config, status) in [(r#"{"provider":"openai","api_key":"sk-1"}"#, 200), (r#"{"provider":"openai"}"#, 400)] {
//!     let request = Request::post("/v1/chat/completions").header("x-portkey-config", config).body(String::new())?;
//!     assert_eq!(service.clone().oneshot(request).await?.status(), status);
//! }
//! # Ok(()) }
//! ```

mod cache;
mod decode;
mod inline;
mod layer;
mod request;
mod saved;

pub use layer::{Config, ConfigFuture, ConfigGuard, ConfigLayer};
pub use saved::{ConfigSet, NoConfigs, ResolveConfig, SavedConfig};

//! The caller's headers off, the provider's credential on.
//!
//! [`InjectLayer`] is the one place that decides which of the caller's headers reach the provider ([`Forwarded`]), and
//! the one place that puts a credential onto a request. It strips before it sets, so whatever the caller sent under
//! any name, the credential that goes out is the [`Target`](crate::context::Target)'s, exactly once.
//!
//! ```
//! use http::{HeaderValue, Request, Response, header, uri::{Authority, Scheme}};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{InjectLayer, context::{Credential, CredentialSource, HostOrigin, Placement, ProviderId, Target}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<String>| {
//!     assert_eq!(request.headers()["x-api-key"], "sk-provider");
//!     assert!(!request.headers().contains_key(header::AUTHORIZATION));
//!     assert!(!request.headers().contains_key(header::COOKIE));
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let service = InjectLayer::new().layer(leaf);
//!
//! let credential = Credential::from_raw(&HeaderValue::from_static("sk-provider")).unwrap();
//! let placement = Placement::Header { name: header::HeaderName::from_static("x-api-key"), prefix: "".into() };
//! let target = Target::builder(
//!     ProviderId::parse("anthropic").unwrap(),
//!     Scheme::HTTPS,
//!     Authority::from_static("api.anthropic.com"),
//!     HostOrigin::Catalog,
//! );
//! let mut request = Request::post("https://api.anthropic.com/v1/messages")
//!     .header("authorization", "Bearer mine")
//!     .header("cookie", "session=1")
//!     .body(String::new())?;
//! request.extensions_mut().insert(target.credential(credential, CredentialSource::Stored, placement).build()?);
//! assert_eq!(service.clone().oneshot(request).await?.status(), 200);
//!
//! // No target: nothing is sent.
//! assert_eq!(service.oneshot(Request::new(String::new())).await?.status(), 500);
//! # Ok(()) }
//! ```

mod layer;
mod query;
mod strip;

pub use layer::{Inject, InjectGuard, InjectLayer, Injection};
pub use strip::Forwarded;

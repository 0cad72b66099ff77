//! From a provider's name to its host and the credential for it.
//!
//! [`ResolveLayer`] reads what the request asks for, finds the provider in the catalog, and leaves a
//! [`Target`](crate::context::Target): URL, credential and where the credential goes, as one value. The request's URI
//! becomes the provider's. What the catalog doesn't have can be added as data ([`ProviderSpec`]) or as code
//! ([`Provider`]). A request without the credential that the provider needs is refused with 400; nothing is
//! sent without one.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_portkey::{ConfigLayer, ExtractLayer, ResolveLayer};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<String>| {
//!     assert_eq!(request.uri(), "https://api.groq.com/openai/v1/chat/completions");
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let service = ServiceBuilder::new()
//!     .layer(ExtractLayer::new())
//!     .layer(ConfigLayer::new())
//!     .layer(ResolveLayer::new())
//!     .service(leaf);
//!
//! let groq = || Request::post("/v1/chat/completions").header("x-portkey-provider", "groq");
//! let request = groq().header("authorization", "Bearer gsk-1").body(String::new())?;
//! assert_eq!(service.clone().oneshot(request).await?.status(), 200);
//! assert_eq!(service.oneshot(groq().body(String::new())?).await?.status(), 400);
//! # Ok(()) }
//! ```

#[cfg(feature = "bedrock")]
mod aws;
#[cfg(feature = "exchange")]
mod azure;
mod base;
mod bound;
mod catalog;
mod custom;
#[cfg(feature = "exchange")]
mod exchanged;
mod layer;
#[cfg(feature = "oracle")]
mod oci;
mod own;
mod resolve;
mod template;
#[cfg(feature = "exchange")]
mod vertex;

pub use custom::{ProviderSpec, ProviderSpecError};
pub use layer::{Resolve, ResolveGuard, ResolveLayer};
pub use own::Provider;

//! Members of a JSON body that a provider's own route wants otherwise.
//!
//! [`AmendLayer`] acts where the [`Target`](crate::context::Target) says so
//! ([`Target::amendment`](crate::context::Target::amendment)): a deployment's name in place of a model's, a publisher in front
//! of it, a version beside it. It changes a body that is held whole and is a JSON object; any other passes as it is, and so
//! does every request without an amendment. What is not changed keeps its place and its text.
//!
//! ```
//! use http::{Request, Response, uri::{Authority, Scheme}};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{AmendLayer, body::FullOr, context::{Amendment, HostOrigin, ProviderId, Target}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<FullOr<String>>| {
//!     assert_eq!(request.body().as_full().unwrap(), r#"{"model":"gpt-4o-eu","stop":["a", "b"]}"#);
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let azure = ProviderId::parse("azure-openai").unwrap();
//! let target = Target::builder(azure, Scheme::HTTPS, Authority::from_static("a.openai.azure.com"), HostOrigin::Catalog)
//!     .amendment(Some(Amendment::of_model("gpt-4o-eu")))
//!     .build()?;
//! let request = |body| Request::post("/").extension(target.clone()).body(FullOr::full(body));
//! assert_eq!(AmendLayer::new().layer(leaf).oneshot(request(r#"{"model":"gpt-4o", "stop":["a", "b"]}"#)?).await?.status(), 200);
//! # Ok(()) }
//! ```

mod body;
mod service;

pub use service::{Amend, AmendLayer};

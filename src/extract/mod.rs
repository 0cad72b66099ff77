//! The caller's headers, read once, before anybody trusts them.
//!
//! [`ExtractLayer`] turns every `x-portkey-*` header into typed context ([`PortkeyHeaders`](crate::context)), makes sure
//! that the request has a trace id, drops the headers that only the gateway may write, and refuses with 400 what has two
//! meanings: a header that may stand once and stands twice, a name that differs from a protected one by `_` for `-`, a
//! path that another server could read as another path. A request that has been through three gateways of this kind
//! already (`cdn-loop`, RFC 8586) goes in a circle, and is refused with 508.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{ExtractLayer, context::PortkeyHeaders, header::PortkeyHeader};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let leaf = service_fn(async |request: Request<String>| {
//!     let portkey = request.extensions().get::<PortkeyHeaders>().unwrap();
//!     assert_eq!(portkey.text(PortkeyHeader::Provider), Some("openai"));
//!     Ok::<_, std::convert::Infallible>(Response::new(portkey.trace_id().as_str().to_owned()))
//! });
//! let service = ExtractLayer::new().layer(leaf);
//!
//! let request = Request::get("/v1/models").header("x-portkey-provider", "openai");
//! assert_eq!(service.clone().oneshot(request.body(String::new()).unwrap()).await?.status(), 200);
//!
//! let twice = Request::get("/v1/models").header("x-portkey-provider", "a").header("x-portkey-provider", "b");
//! assert_eq!(service.oneshot(twice.body(String::new()).unwrap()).await?.status(), 400);
//! # Ok(()) }
//! ```

mod hops;
mod layer;
mod parse;
mod target;

pub use layer::{Extract, ExtractGuard, ExtractLayer};

//! An error of anything below becomes an answer.
//!
//! Refusals are responses already; what travels as `Err` are failures of the network. [`RescueLayer`] is where they
//! become answers, once: 502 and 504 with Portkey's JSON, or trailers-only for gRPC. A service whose `poll_ready` fails
//! is reported ready, and the request it then gets is answered 502: an error that is swallowed there would leave the
//! client waiting for ever. A panic becomes 500 with a fixed text.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::RescueLayer;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let leaf = service_fn(async |request: Request<bool>| match request.into_body() {
//!     true => Ok(Response::new(String::from("hello"))),
//!     false => Err(std::io::Error::other("secret of the network")),
//! });
//! let service = RescueLayer::new().layer(leaf);
//!
//! let Ok(passed) = service.clone().oneshot(Request::new(true)).await;
//! assert_eq!(passed.status(), 200);
//! let Ok(failed) = service.oneshot(Request::new(false)).await;
//! assert_eq!(failed.status(), 502);
//! # }
//! ```

mod future;
mod layer;
mod service;

pub use future::RescueFuture;
pub use layer::RescueLayer;
pub use service::Rescue;

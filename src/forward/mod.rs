//! The leaf: the request goes out, the response comes back, both streaming.
//!
//! [`Forward`] sends a request that has a [`Target`](crate::context::Target) to its URI, over HTTP/1.1 or HTTP/2 (by
//! ALPN), from a pool of connections. It follows no redirect, touches no body, keeps trailers, and takes headers that
//! belong to one connection off in both directions. Whatever the provider echoes of the credential is taken out of the
//! response's headers.
//!
//! Every connection is made by one connector, [`egress`]: it resolves a name once, checks every address, and dials what it
//! checked. Failures are [`Rejection`](crate::rejection::Rejection)s as errors; [`RescueLayer`](crate::RescueLayer)
//! answers them.
//!
//! A request that opens a WebSocket ([`Handshake`](crate::context::Handshake)) gets a connection of its own, over HTTP/1.1.
//! Once the provider has answered 101, bytes go back and forth as they are, until a side closes or both are silent. The
//! server in front has to hand its connection over: hyper's `with_upgrades`, as `axum::serve` does it.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, service_fn};
//! use tower_portkey::{
//!     ConfigLayer, ExtractLayer, Forward, InjectLayer, ModelLayer, RescueLayer, ResolveLayer,
//!     StrategyLayer, body::FullOr,
//!     forward::Client, model::NoEntries,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().first_byte_timeout(std::time::Duration::from_secs(60)).build()?;
//! let proxy = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(ExtractLayer::new())
//!     .layer(ConfigLayer::new())
//!     .layer(ModelLayer::new(NoEntries))
//!     .layer(StrategyLayer::new())
//!     .layer(ResolveLayer::new())
//!     .layer(InjectLayer::new())
//!     .service(Forward::<FullOr<Full<Bytes>>>::new(client));
//! # drop(proxy);
//! # Ok(()) }
//! ```

mod body;
mod client;
mod echo;
pub mod egress;
mod error;
mod fetch;
mod future;
mod pause;
mod response;
mod service;
mod upgrade;

pub use body::{ForwardBody, StreamError};
pub use client::{Client, ClientBuilder};
pub use egress::ClientError;
pub use fetch::{FetchError, FetchErrorKind, FetchLimits};
pub use future::ForwardFuture;
pub use pause::Pause;
pub use service::Forward;

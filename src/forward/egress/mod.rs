//! The one way out, also for programs of their own: a connector that can't be turned against who runs it.
//!
//! [`Egress`] is a `tower::Service<Uri>` whose connections hyper-util's client takes. For each of them it
//!
//! - waits for a place among the connections that the host, and all hosts together, may have;
//! - looks the name up **once**, and checks **every** address, literals included, by [`ip_verdict`]. Private, loopback and
//!   special-purpose addresses are for [`Reach::Private`], metadata services for nobody; one bad address refuses them all;
//! - refuses the addresses that the process itself listens on;
//! - dials a checked address, directly or by `CONNECT` through a [`Proxy`] that is told the address and not the name;
//! - speaks TLS with the name of the URI (SNI and certificate), where the scheme is `https`.
//!
//! [`ip_verdict`]: crate::host::ip_verdict
//!
//! ```
//! use std::{io, net::SocketAddr};
//! use bytes::Bytes;
//! use http_body_util::Empty;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower_portkey::forward::egress::{BoxFuture, Egress, Resolve};
//!
//! /// A name server in somebody else's hand: a public address, and one within.
//! struct Rebinding;
//!
//! impl Resolve for Rebinding {
//!     fn resolve(&self, _host: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
//!         Box::pin(async move { Ok(vec![([1, 1, 1, 1], port).into(), ([127, 0, 0, 1], port).into()]) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let egress = Egress::builder().resolver(Rebinding).build()?;
//! let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(egress);
//! let refused = client.get("http://webhook.example/".parse()?).await.unwrap_err();
//! assert!(refused.is_connect()); // Nothing was dialled: neither address.
//! # Ok(()) }
//! ```

mod connector;
mod dial;
mod error;
mod places;
mod policy;
mod proxy;
mod resolve;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub use connector::{Egress, EgressBuilder};
pub use error::{EgressError, EgressErrorKind};
pub use policy::Reach;
pub use proxy::{Proxy, ProxyError};
pub use resolve::{BoxFuture, Resolve, SystemResolver};
pub use stream::EgressStream;
pub use tls::ClientError;

//! The engine of most layers: look at the head, perhaps wait for somebody, then refuse, or note something and go on.
//!
//! A [`Guard`] decides and admits; [`GuardLayer`] does the rest: readiness, futures, bodies, rendering. A ready
//! decision ([`Decision::Now`]) costs no allocation, no clone of the inner service and no second poll. A guard never
//! sees the body, so it works with every body type.
//!
//! A new layer in a dozen lines:
//!
//! ```
//! use std::future::Ready;
//! use http::{Request, Response, request::Parts};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{guard::{Decision, Guard, GuardLayer}, rejection::{Kind, Rejection}};
//!
//! /// Only callers that name a tenant come in.
//! struct Tenant;
//!
//! impl Guard for Tenant {
//!     type Grant = ();
//!     type Future = Ready<Result<(), Rejection>>;
//!
//!     fn decide(&self, head: &Parts) -> Decision<(), Self::Future> {
//!         let refusal = || Rejection::new(Kind::InvalidRequest).with_message("x-tenant is missing");
//!         Decision::Now(head.headers.get("x-tenant").map(drop).ok_or_else(refusal))
//!     }
//!
//!     fn admit(&self, head: &mut Parts, (): ()) {
//!         head.headers.remove("x-tenant");
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let leaf = service_fn(async |request: Request<String>| {
//!     assert!(!request.headers().contains_key("x-tenant"));
//!     Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
//! });
//! let service = GuardLayer::new(Tenant).layer(leaf);
//!
//! let passed = Request::builder().header("x-tenant", "a").body(String::new()).unwrap();
//! assert_eq!(service.clone().oneshot(passed).await?.status(), 200);
//! assert_eq!(service.oneshot(Request::new(String::new())).await?.status(), 400);
//! # Ok(()) }
//! ```

mod future;
mod layer;
mod service;

pub use future::GuardFuture;
pub use layer::GuardLayer;
pub use service::GuardService;

use std::future::Future;

use http::request::Parts;

use crate::rejection::Rejection;

/// Decides about a request by its head.
pub trait Guard {
    /// What deciding found out and admitting writes down.
    type Grant;
    /// A decision that has to wait.
    type Future: Future<Output = Result<Self::Grant, Rejection>>;

    /// Reads the head and changes nothing.
    fn decide(&self, head: &Parts) -> Decision<Self::Grant, Self::Future>;

    /// Writes what was decided into the head; the only place that may. Called once, after `decide` said yes, with the
    /// same head.
    fn admit(&self, head: &mut Parts, grant: Self::Grant);
}

/// A decision that is there, or one that has to wait.
#[derive(Debug)]
pub enum Decision<T, F> {
    /// Decided. The common case; costs nothing.
    Now(Result<T, Rejection>),
    /// Somebody has to be asked first.
    Later(F),
}

impl<T, F> Decision<T, F> {
    /// Yes.
    pub fn pass(grant: T) -> Self {
        Self::Now(Ok(grant))
    }

    /// No.
    #[must_use]
    pub fn refuse(rejection: Rejection) -> Self {
        Self::Now(Err(rejection))
    }
}

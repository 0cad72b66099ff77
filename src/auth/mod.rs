//! Who is calling.
//!
//! [`PortkeyAuthLayer`] finds the caller's credential (`x-portkey-api-key`, else `authorization`), has it validated,
//! takes it off the request and leaves a [`Principal`](crate::context::Principal). [`RequireScopeLayer`] then asks for the scope of the
//! route. Whatever fails is refused: no credential and an unknown one are 401, a validator that can't answer is 503.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{GatewayKey, PortkeyAuthLayer, context::Principal};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<String>| {
//!     assert!(!request.headers().contains_key("x-portkey-api-key"), "the credential is taken off");
//!     let who = request.extensions().get::<Principal>().unwrap();
//!     Ok::<_, std::convert::Infallible>(Response::new(who.subject().to_owned()))
//! });
//! let key = GatewayKey::new("pk-7Qm2vX9tRb4Ls8Kd1Wn6", Principal::new("ci"))?;
//! let service = PortkeyAuthLayer::keys([key])?.layer(leaf);
//!
//! let request = Request::get("/").header("x-portkey-api-key", "pk-7Qm2vX9tRb4Ls8Kd1Wn6");
//! assert_eq!(service.clone().oneshot(request.body(String::new())?).await?.status(), 200);
//! assert_eq!(service.oneshot(Request::get("/").body(String::new())?).await?.status(), 401);
//! # Ok(()) }
//! ```

mod future;
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub mod jwt;
mod key;
mod keys;
mod layer;
mod location;
mod scope;
mod standing;
mod validate;

pub use future::AuthFuture;
pub use key::{GatewayKey, KeyError, KeyErrorKind};
pub use keys::KeySet;
pub use layer::{Admitted, AuthGuard, PortkeyAuth, PortkeyAuthLayer};
pub use scope::{RequireScope, RequireScopeLayer, ScopeGuard};
pub use validate::{Validate, ValidateFn, validate_fn};

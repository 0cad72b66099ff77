//! The question that authentication asks: whose credential is this?

use std::{
    fmt,
    future::{Future, Ready},
    sync::Arc,
};

use crate::{
    context::{Credential, Principal},
    guard::Decision,
    rejection::Rejection,
};

/// Says whose credential it is.
///
/// An answer that is there is [`Decision::Now`] and costs nothing; one that has to be fetched is [`Decision::Later`]. An
/// unknown credential is `Kind::InvalidKey`; a store that can't answer is [`Rejection::unavailable`], never a pass and
/// never "unknown". Expiry, status and scope of the [`Principal`] are judged by the layers, not here.
pub trait Validate {
    /// An answer that has to be waited for.
    type Future: Future<Output = Result<Principal, Rejection>>;

    /// Whose credential this is.
    fn validate(&self, credential: &Credential) -> Decision<Principal, Self::Future>;
}

impl<V: Validate> Validate for Arc<V> {
    type Future = V::Future;

    fn validate(&self, credential: &Credential) -> Decision<Principal, V::Future> {
        V::validate(self, credential)
    }
}

/// A [`Validate`] made of an async closure, which is asked on every request: whoever asks a store keeps a cache there.
///
/// ```
/// use tower_portkey::{PortkeyAuthLayer, auth::validate_fn, context::{Credential, Principal}, rejection::{Kind, Rejection}};
///
/// let layer = PortkeyAuthLayer::new(validate_fn(|credential: Credential| async move {
///     match credential.expose() {
///         "let-me-in-please-do" => Ok(Principal::new("guest")),
///         _ => Err(Rejection::new(Kind::InvalidKey)),
///     }
/// }));
/// # drop(layer);
/// ```
pub fn validate_fn<F, Fut>(ask: F) -> ValidateFn<F>
where
    F: Fn(Credential) -> Fut,
    Fut: Future<Output = Result<Principal, Rejection>>,
{
    ValidateFn { ask }
}

/// See [`validate_fn`].
#[derive(Clone)]
pub struct ValidateFn<F> {
    ask: F,
}

impl<F, Fut> Validate for ValidateFn<F>
where
    F: Fn(Credential) -> Fut,
    Fut: Future<Output = Result<Principal, Rejection>>,
{
    type Future = Fut;

    fn validate(&self, credential: &Credential) -> Decision<Principal, Fut> {
        Decision::Later((self.ask)(credential.clone()))
    }
}

impl<F> fmt::Debug for ValidateFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateFn").finish_non_exhaustive()
    }
}

/// The future of a validator that never waits.
pub(super) type Never = Ready<Result<Principal, Rejection>>;

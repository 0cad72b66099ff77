use std::time::SystemTime;

use http::request::Parts;
use tower_layer::Layer;

use super::{
    future::AuthFuture,
    key::{GatewayKey, KeyError},
    keys::KeySet,
    location, standing,
    validate::Validate,
};
use crate::{
    context::{Credential, PortkeyHeaders, Principal, Route},
    guard::{Decision, Guard, GuardLayer, GuardService},
    rejection::{Kind, PortkeyJson, Rejection},
};

/// Lets in whom a [`Validate`] knows. See the [module](super).
#[derive(Debug)]
pub struct PortkeyAuthLayer<V, R = PortkeyJson> {
    guard: GuardLayer<AuthGuard<V>, R>,
}

/// A service behind [`PortkeyAuthLayer`].
pub type PortkeyAuth<S, V, R = PortkeyJson> = GuardService<S, AuthGuard<V>, R>;

impl PortkeyAuthLayer<KeySet> {
    /// Lets in who shows one of these keys.
    ///
    /// # Errors
    ///
    /// The same key twice, or no random numbers.
    pub fn keys(keys: impl IntoIterator<Item = GatewayKey>) -> Result<Self, KeyError> {
        Ok(Self::new(KeySet::new(keys)?))
    }
}

impl<V> PortkeyAuthLayer<V> {
    /// Lets in whom `validator` knows.
    pub fn new(validator: V) -> Self {
        Self { guard: GuardLayer::new(AuthGuard { validator }) }
    }
}

impl<V, R> PortkeyAuthLayer<V, R> {
    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> PortkeyAuthLayer<V, R2> {
        PortkeyAuthLayer { guard: self.guard.render(render) }
    }
}

impl<V, R: Clone> Clone for PortkeyAuthLayer<V, R> {
    fn clone(&self) -> Self {
        Self { guard: self.guard.clone() }
    }
}

impl<S, V, R: Clone> Layer<S> for PortkeyAuthLayer<V, R> {
    type Service = PortkeyAuth<S, V, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.guard.layer(inner)
    }
}

/// The guard of [`PortkeyAuthLayer`].
#[derive(Debug)]
pub struct AuthGuard<V> {
    validator: V,
}

impl<V: Validate> Guard for AuthGuard<V> {
    type Grant = Admitted;
    type Future = AuthFuture<V::Future>;

    fn decide(&self, head: &Parts) -> Decision<Self::Grant, Self::Future> {
        let credential = match location::find(&head.headers) {
            Ok(Some(credential)) => credential,
            Ok(None) => return Decision::refuse(Rejection::new(Kind::MissingKey)),
            Err(refused) => return Decision::refuse(refused),
        };
        let spared = || Route::of(&head.method, head.uri.path()).spares_lapsed_keys(&head.method);
        match self.validator.validate(&credential) {
            Decision::Now(answer) => Decision::Now(answer.and_then(|principal| judge(principal, spared, credential))),
            Decision::Later(future) => Decision::Later(AuthFuture::new(future, credential, spared())),
        }
    }

    fn admit(&self, head: &mut Parts, caller: Self::Grant) {
        tracing::debug!(
            target: "tower_portkey::decision",
            step = "auth",
            subject = caller.principal.subject(),
            organisation = caller.principal.organisation(),
            workspace = caller.principal.workspace(),
        );
        location::remove(&mut head.headers, &caller.credential);
        if let Some(portkey) = head.extensions.get_mut::<PortkeyHeaders>() {
            portkey.consume(caller.credential);
            if !caller.principal.metadata().is_empty() {
                portkey.label(caller.principal.metadata());
            }
        }
        head.extensions.insert(caller.principal);
    }
}

/// A caller, with the credential that has to come off the request.
#[derive(Debug)]
pub struct Admitted {
    credential: Credential,
    principal: Principal,
}

/// Lets a known caller in, unless its key or workspace has lapsed.
pub(super) fn judge(
    principal: Principal,
    spared: impl FnOnce() -> bool,
    credential: Credential,
) -> Result<Admitted, Rejection> {
    // Most keys neither expire nor run out: neither clock nor route is looked at for them.
    if principal.may_lapse() {
        standing::check(&principal, SystemTime::now(), spared())?;
    }
    Ok(Admitted { credential, principal })
}

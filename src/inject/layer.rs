use std::future::Ready;

use http::{HeaderValue, Uri, header::USER_AGENT, request::Parts};
use tower_layer::Layer;

use super::{query, strip::Forwarded};
use crate::{
    context::{Placement, Target},
    guard::{Decision, Guard, GuardLayer, GuardService},
    rejection::{Kind, PortkeyJson, Rejection},
};

/// Strips the caller's headers and puts the target's credential on. See the [module](super).
#[derive(Clone, Debug)]
pub struct InjectLayer<R = PortkeyJson> {
    guard: GuardLayer<InjectGuard, R>,
}

/// A service behind [`InjectLayer`].
pub type Inject<S, R = PortkeyJson> = GuardService<S, InjectGuard, R>;

/// The guard of [`InjectLayer`].
#[derive(Debug)]
pub struct InjectGuard {
    forwarded: Forwarded,
}

impl InjectLayer {
    /// With the header policy [`Forwarded::portkey`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_headers(Forwarded::portkey())
    }

    /// With this header policy.
    #[must_use]
    pub fn with_headers(forwarded: Forwarded) -> Self {
        Self { guard: GuardLayer::new(InjectGuard { forwarded }) }
    }
}

impl<R> InjectLayer<R> {
    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> InjectLayer<R2> {
        InjectLayer { guard: self.guard.render(render) }
    }
}

impl Default for InjectLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for InjectLayer<R> {
    type Service = Inject<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.guard.layer(inner)
    }
}

/// Where the credential goes, made ready: writing it can't fail any more.
#[derive(Debug)]
pub enum Injection {
    /// No credential.
    Nothing,
    /// A header's value, sensitive.
    Header(HeaderValue),
    /// The URI with the credential in its query.
    Uri(Uri),
}

impl Guard for InjectGuard {
    type Grant = Injection;
    type Future = Ready<Result<Injection, Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<Injection, Self::Future> {
        let Some(target) = head.extensions.get::<Target>() else {
            return Decision::refuse(Rejection::misassembled("ResolveLayer"));
        };
        let Some(credential) = target.credential() else {
            return Decision::pass(Injection::Nothing);
        };
        Decision::Now(match target.placement() {
            Placement::None => Ok(Injection::Nothing),
            Placement::Header { prefix, .. } => Ok(Injection::Header(credential.header_value(prefix))),
            Placement::Query { param } => query::set(&head.uri, param, credential.expose())
                .map(Injection::Uri)
                // The error could quote the URI, and with it the credential.
                .map_err(|_| Rejection::new(Kind::Internal)),
        })
    }

    fn admit(&self, head: &mut Parts, injection: Injection) {
        let Parts { headers, extensions, uri, .. } = head;
        let Some(target) = extensions.get::<Target>() else { return };
        self.forwarded.strip(headers, target.is_unified(), target.forward());
        for (name, value) in target.headers() {
            if *name == USER_AGENT || !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        match (injection, target.placement()) {
            (Injection::Header(value), Placement::Header { name, .. }) => {
                headers.insert(name, value);
            }
            (Injection::Uri(with_credential), _) => *uri = with_credential,
            _ => {}
        }
    }
}

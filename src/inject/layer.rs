use std::{fmt, future::Ready};

use http::{HeaderName, HeaderValue, Uri, request::Parts};
use tower_layer::Layer;

use super::{query, strip::Forwarded};
use crate::{
    context::{CredentialSource, Placement, PortkeyHeaders, Target},
    guard::{Decision, Guard, GuardLayer, GuardService},
    header::ACCOUNT,
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

/// What will be written, made ready: writing it can't fail any more. Debug shows nothing.
pub struct Injection {
    /// The credential as a header, sensitive.
    header: Option<(HeaderName, HeaderValue)>,
    /// The URI, where its query has to change.
    uri: Option<Uri>,
}

impl fmt::Debug for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Injection")
    }
}

impl Guard for InjectGuard {
    type Grant = Injection;
    type Future = Ready<Result<Injection, Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<Injection, Self::Future> {
        let Some(target) = head.extensions.get::<Target>() else {
            return Decision::refuse(Rejection::misassembled("ResolveLayer"));
        };
        if target.is_unexchanged() {
            return Decision::refuse(Rejection::misassembled("ExchangeLayer"));
        }
        let (header, in_query) = match (target.credential(), target.placement()) {
            (Some(credential), Placement::Header { name, prefix }) => {
                (Some((name.clone(), credential.header_value(prefix))), None)
            }
            (Some(credential), Placement::Query { .. }) => (None, Some(credential.expose())),
            (_, Placement::None | Placement::Signature) | (None, _) => (None, None),
        };
        let uri = match target.credential_param().filter(|_| in_query.is_some() || head.uri.query().is_some()) {
            // The error could quote the URI, and with it the credential.
            Some(param) => query::set(&head.uri, param, in_query).map(Some).map_err(|_| Rejection::new(Kind::Internal)),
            None => Ok(None),
        };
        Decision::Now(uri.map(|uri| Injection { header, uri }))
    }

    fn admit(&self, head: &mut Parts, injection: Injection) {
        let Parts { headers, extensions, uri, .. } = head;
        let Some(target) = extensions.get::<Target>() else { return };
        let consumed = extensions.get::<PortkeyHeaders>().and_then(PortkeyHeaders::consumed);
        self.forwarded.strip(headers, target.is_unified(), target.forward(), consumed);
        if target.credential_source() == Some(CredentialSource::Stored) {
            for name in &ACCOUNT {
                headers.remove(name);
            }
        }
        let repeats = |value: &HeaderValue| consumed.is_some_and(|key| key.is_repeated_by(value.as_bytes()));
        for header in target.headers().iter().filter(|header| !repeats(&header.value)) {
            if header.value.is_sensitive() && header.name.as_str().contains('-') {
                // To some servers it is the same name.
                headers.remove(header.name.as_str().replace('-', "_"));
            }
            if header.replaces || !headers.contains_key(&header.name) {
                headers.insert(&header.name, header.value.clone());
            }
        }
        if let Some((name, value)) = injection.header {
            headers.insert(name, value);
        }
        if let Some(changed) = injection.uri {
            *uri = changed;
        }
    }
}

use std::future::Ready;

use http::{
    HeaderName, Method,
    header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
    request::Parts,
};
use tower_layer::Layer;

use super::{parse, target};
use crate::{
    context::{Handshake, PortkeyHeaders},
    guard::{Decision, Guard, GuardLayer, GuardService},
    header::{PREFIX, is_secret},
    rejection::{PortkeyJson, Rejection},
};

/// Reads the `x-portkey-*` headers. See the [module](super).
#[derive(Clone, Debug)]
pub struct ExtractLayer<R = PortkeyJson> {
    guard: GuardLayer<ExtractGuard, R>,
}

/// A service behind [`ExtractLayer`].
pub type Extract<S, R = PortkeyJson> = GuardService<S, ExtractGuard, R>;

/// The guard of [`ExtractLayer`].
#[derive(Debug)]
pub struct ExtractGuard(());

impl ExtractLayer {
    /// The layer; it has no knobs.
    #[must_use]
    pub fn new() -> Self {
        Self { guard: GuardLayer::new(ExtractGuard(())) }
    }
}

impl<R> ExtractLayer<R> {
    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> ExtractLayer<R2> {
        ExtractLayer { guard: self.guard.render(render) }
    }
}

impl Default for ExtractLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for ExtractLayer<R> {
    type Service = Extract<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.guard.layer(inner)
    }
}

impl Guard for ExtractGuard {
    type Grant = (PortkeyHeaders, Vec<HeaderName>, Option<Box<Handshake>>);
    type Future = Ready<Result<Self::Grant, Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<Self::Grant, Self::Future> {
        Decision::Now(target::check(head).and_then(|()| {
            let (headers, internal) = parse::read(&head.headers)?;
            let handshake = if head.method == Method::GET { Handshake::of(head)? } else { None };
            Ok((headers, internal, handshake.map(Box::new)))
        }))
    }

    fn admit(&self, head: &mut Parts, (headers, internal, handshake): Self::Grant) {
        if let Some(handshake) = handshake {
            if let Some(authorization) = handshake.authorization() {
                head.headers.insert(AUTHORIZATION, authorization.clone());
            }
            head.headers.remove(SEC_WEBSOCKET_PROTOCOL);
            head.extensions.insert(*handshake);
        }
        for name in internal {
            head.headers.remove(name);
        }
        // So that no layer that prints headers prints these.
        for (name, value) in &mut head.headers {
            if is_secret(name) || *name == SEC_WEBSOCKET_PROTOCOL || name.as_str().starts_with(PREFIX) {
                value.set_sensitive(true);
            }
        }
        head.extensions.insert(headers);
    }
}

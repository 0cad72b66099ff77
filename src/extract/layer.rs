use std::future::Ready;

use http::{HeaderName, request::Parts};
use tower_layer::Layer;

use super::{parse, target};
use crate::{
    context::PortkeyHeaders,
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
    type Grant = (PortkeyHeaders, Vec<HeaderName>);
    type Future = Ready<Result<Self::Grant, Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<Self::Grant, Self::Future> {
        Decision::Now(target::check(head).and_then(|()| parse::read(&head.headers)))
    }

    fn admit(&self, head: &mut Parts, (headers, internal): Self::Grant) {
        for name in internal {
            head.headers.remove(name);
        }
        // So that no layer that prints headers prints these.
        for (name, value) in &mut head.headers {
            if is_secret(name) || name.as_str().starts_with(PREFIX) {
                value.set_sensitive(true);
            }
        }
        head.extensions.insert(headers);
    }
}

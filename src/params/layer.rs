use tower_layer::Layer;

use super::{ApplyParams, budget::Budget};
use crate::rejection::PortkeyJson;

/// Applies a config's changes to JSON bodies. See the [module](super).
#[derive(Clone, Debug)]
pub struct ParamsLayer<R = PortkeyJson> {
    limit: usize,
    budget: Budget,
    render: R,
}

impl ParamsLayer {
    /// Reads bodies of up to 10 MiB, and holds up to 256 MiB of them at a time.
    #[must_use]
    pub fn new() -> Self {
        Self { limit: 10 * 1024 * 1024, budget: Budget::new(256 * 1024 * 1024), render: PortkeyJson }
    }
}

impl<R> ParamsLayer<R> {
    /// The longest body that is read, in bytes.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// How much of all bodies together is held at a time, in bytes. A request that would be over it is answered 503, with
    /// `Retry-After`.
    #[must_use]
    pub fn budget(mut self, bytes: usize) -> Self {
        self.budget = Budget::new(bytes);
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> ParamsLayer<R2> {
        ParamsLayer { limit: self.limit, budget: self.budget, render }
    }
}

impl Default for ParamsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for ParamsLayer<R> {
    type Service = ApplyParams<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        ApplyParams { inner, limit: self.limit, budget: self.budget.clone(), render: self.render.clone() }
    }
}

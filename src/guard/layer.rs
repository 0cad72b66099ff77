use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::GuardService;
use crate::rejection::PortkeyJson;

/// Puts a [`Guard`](super::Guard) in front of a service. A clone is one reference count.
pub struct GuardLayer<G, R = PortkeyJson> {
    guard: Arc<G>,
    render: R,
}

impl<G> GuardLayer<G> {
    /// A layer with this guard; refusals look like Portkey's.
    pub fn new(guard: G) -> Self {
        Self { guard: Arc::new(guard), render: PortkeyJson }
    }
}

impl<G, R> GuardLayer<G, R> {
    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> GuardLayer<G, R2> {
        GuardLayer { guard: self.guard, render }
    }
}

impl<S, G, R: Clone> Layer<S> for GuardLayer<G, R> {
    type Service = GuardService<S, G, R>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, guard: Arc::clone(&self.guard), render: self.render.clone() }
    }
}

impl<G, R: Clone> Clone for GuardLayer<G, R> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard), render: self.render.clone() }
    }
}

impl<G, R> fmt::Debug for GuardLayer<G, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardLayer").field("guard", &std::any::type_name::<G>()).finish_non_exhaustive()
    }
}

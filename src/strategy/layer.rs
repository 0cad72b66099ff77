use std::time::Duration;

use tower_layer::Layer;

use super::Strategy;
use crate::rejection::PortkeyJson;

/// Asks the targets of a config. See the [module](super).
#[derive(Clone, Copy, Debug)]
pub struct StrategyLayer<R = PortkeyJson> {
    max_wait: Duration,
    render: R,
}

impl StrategyLayer {
    /// Waits for up to 60 seconds, all the waits of one request together.
    #[must_use]
    pub fn new() -> Self {
        Self { max_wait: Duration::from_secs(60), render: PortkeyJson }
    }
}

impl<R> StrategyLayer<R> {
    /// How long one request may wait between its attempts, all its waits together. A retry that would have to wait
    /// longer is not made.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> StrategyLayer<R2> {
        StrategyLayer { max_wait: self.max_wait, render }
    }
}

impl Default for StrategyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for StrategyLayer<R> {
    type Service = Strategy<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Strategy { inner, max_wait: self.max_wait, render: self.render.clone() }
    }
}

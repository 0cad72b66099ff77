use std::time::Duration;

use tower_layer::Layer;

use super::{Strategy, trial::Limits};
use crate::rejection::PortkeyJson;

/// Asks the targets of a config. See the [module](super).
///
/// However many targets and retries a config has, one request makes at most 16 attempts, all its targets together. Where
/// that or another limit ends it, the last answer is handed on, with `x-portkey-retry-attempt-count: -1`.
#[derive(Clone, Copy, Debug)]
pub struct StrategyLayer<R = PortkeyJson> {
    limits: Limits,
    render: R,
}

impl StrategyLayer {
    /// Waits for up to 60 seconds, all the waits of one request together, and asks nobody any more after five minutes.
    #[must_use]
    pub fn new() -> Self {
        let limits = Limits { max_wait: Duration::from_secs(60), deadline: Duration::from_secs(300) };
        Self { limits, render: PortkeyJson }
    }
}

impl<R> StrategyLayer<R> {
    /// How long one request may wait between its attempts, all its waits together. A retry that would have to wait
    /// longer is not made.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.limits.max_wait = wait;
        self
    }

    /// How long after the first attempt of a request another one may begin. What has begun is not cut off.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline;
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> StrategyLayer<R2> {
        StrategyLayer { limits: self.limits, render }
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
        Strategy { inner, limits: self.limits, render: self.render.clone() }
    }
}

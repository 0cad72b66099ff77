use tower_layer::Layer;

use super::Rescue;
use crate::rejection::PortkeyJson;

/// Turns errors into answers. See the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct RescueLayer<R = PortkeyJson> {
    render: R,
}

impl RescueLayer {
    /// Answers that look like Portkey's.
    #[must_use]
    pub fn new() -> Self {
        Self { render: PortkeyJson }
    }
}

impl<R> RescueLayer<R> {
    /// Replaces the look of the answers.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> RescueLayer<R2> {
        RescueLayer { render }
    }
}

impl<S, R: Clone> Layer<S> for RescueLayer<R> {
    type Service = Rescue<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue::new(inner, self.render.clone())
    }
}

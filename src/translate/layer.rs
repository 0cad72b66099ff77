use tower_layer::Layer;

use super::Translate;
use crate::rejection::PortkeyJson;

/// Translates for providers that don't speak OpenAI's language. See the [module](super).
#[derive(Clone, Copy, Debug)]
pub struct TranslateLayer<R = PortkeyJson> {
    limit: usize,
    render: R,
}

impl TranslateLayer {
    /// The longest answer that is translated as a whole, in bytes, unless set: 32 MiB.
    pub const ANSWER_LIMIT: usize = 32 * 1024 * 1024;

    /// With the limit [`ANSWER_LIMIT`](Self::ANSWER_LIMIT); refusals look like Portkey's.
    #[must_use]
    pub fn new() -> Self {
        Self { limit: Self::ANSWER_LIMIT, render: PortkeyJson }
    }
}

impl<R> TranslateLayer<R> {
    /// Sets the longest answer that is translated as a whole, in bytes; a longer one is refused with 502. Streams have
    /// no such limit.
    #[must_use]
    pub fn answer_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> TranslateLayer<R2> {
        TranslateLayer { limit: self.limit, render }
    }
}

impl Default for TranslateLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for TranslateLayer<R> {
    type Service = Translate<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Translate { inner, limit: self.limit, render: self.render.clone() }
    }
}

use tower_layer::Layer;

use super::Translate;
use crate::{budget::Budget, rejection::PortkeyJson};

/// Translates for providers that don't speak OpenAI's language. See the [module](super).
///
/// Clones, and the services made by them, share one budget.
#[derive(Clone, Debug)]
pub struct TranslateLayer<R = PortkeyJson> {
    limit: usize,
    answers: Budget,
    render: R,
}

impl TranslateLayer {
    /// The longest answer that is translated as a whole, in bytes, unless set: 32 MiB.
    pub const ANSWER_LIMIT: usize = 32 * 1024 * 1024;

    /// How much of all answers together is held, in bytes, unless set: 256 MiB.
    pub const ANSWER_BUDGET: usize = 256 * 1024 * 1024;

    /// With these limits; refusals look like Portkey's.
    #[must_use]
    pub fn new() -> Self {
        Self { limit: Self::ANSWER_LIMIT, answers: Budget::new(Self::ANSWER_BUDGET), render: PortkeyJson }
    }
}

impl<R> TranslateLayer<R> {
    /// Sets the longest answer that is translated as a whole, in bytes; a longer one is refused with 502. It holds for the
    /// answers to one request together, where embeddings take several calls. Streams have no such limit.
    #[must_use]
    pub fn answer_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets how much of all answers together is held, in bytes: those that are translated as a whole, and what has come of
    /// frames of streams beyond 64 KiB. Beyond it, answers are refused with 503, and streams end as those that can't be read.
    #[must_use]
    pub fn answer_budget(mut self, bytes: usize) -> Self {
        self.answers = Budget::new(bytes);
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> TranslateLayer<R2> {
        TranslateLayer { limit: self.limit, answers: self.answers, render }
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
        Translate { inner, limit: self.limit, answers: self.answers.clone(), render: self.render.clone() }
    }
}

use tower_layer::Layer;

use super::Translate;
use crate::{budget::Budget, rejection::PortkeyJson};

/// Translates for providers that don't speak OpenAI's language. See the [module](super).
///
/// A clone is one reference count. Clones, and the services made by them, share the budget.
#[derive(Clone, Debug)]
pub struct TranslateLayer<R = PortkeyJson> {
    pub(super) limits: Limits,
    render: R,
}

/// How much is held.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) answer: usize,
    pub(super) body: usize,
    pub(super) budget: Budget,
}

impl TranslateLayer {
    /// The longest answer that is translated as a whole, in bytes, unless set: 32 MiB.
    pub const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
    /// The longest request that is read in order to translate it, in bytes, unless set: 32 MiB.
    pub const BODY_LIMIT: usize = 32 * 1024 * 1024;
    /// How much of all requests together is held, in bytes, unless set: 256 MiB.
    pub const BODY_BUDGET: usize = 256 * 1024 * 1024;

    /// With these limits; refusals look like Portkey's.
    #[must_use]
    pub fn new() -> Self {
        let budget = Budget::new(Self::BODY_BUDGET);
        let limits = Limits { answer: Self::ANSWER_LIMIT, body: Self::BODY_LIMIT, budget };
        Self { limits, render: PortkeyJson }
    }
}

impl<R> TranslateLayer<R> {
    /// Sets the longest answer that is translated as a whole, in bytes; a longer one is refused with 502. Streams have
    /// no such limit.
    #[must_use]
    pub fn answer_limit(mut self, bytes: usize) -> Self {
        self.limits.answer = bytes;
        self
    }

    /// Sets the longest request that is read in order to translate it, in bytes; a longer one is refused with 413. Those
    /// that are whole already have no such limit.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// Sets how much of all such requests together is held, in bytes. Beyond it, they are refused with 503.
    #[must_use]
    pub fn body_budget(mut self, bytes: usize) -> Self {
        self.limits.budget = Budget::new(bytes);
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> TranslateLayer<R2> {
        TranslateLayer { limits: self.limits, render }
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
        Translate { inner, limits: self.limits.clone(), render: self.render.clone() }
    }
}

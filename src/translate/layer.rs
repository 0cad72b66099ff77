use std::time::Duration;

use tower_layer::Layer;

use super::Translate;
use crate::{budget::Budget, rejection::PortkeyJson};

/// Translates for providers that don't speak OpenAI's language. See the [module](super).
///
/// A clone is two reference counts. Clones, and the services made by them, share the budgets.
#[derive(Clone, Debug)]
pub struct TranslateLayer<R = PortkeyJson> {
    pub(super) limits: Limits,
    render: R,
}

/// How much is held.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) answer: usize,
    pub(super) answers: Budget,
    pub(super) body: usize,
    pub(super) bodies: Budget,
    pub(super) read_timeout: Duration,
}

impl TranslateLayer {
    /// The longest answer that is translated as a whole, in bytes, unless set: 32 MiB.
    pub const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
    /// The longest request that is read in order to translate it, in bytes, unless set: 32 MiB.
    pub const BODY_LIMIT: usize = 32 * 1024 * 1024;
    /// How much of all requests together is held, in bytes, unless set: 256 MiB.
    pub const BODY_BUDGET: usize = 256 * 1024 * 1024;

    /// How much of all answers together is held, in bytes, unless set: 256 MiB.
    pub const ANSWER_BUDGET: usize = 256 * 1024 * 1024;
    /// How long a request that is read may take to come, unless set: 120 s.
    pub const READ_TIMEOUT: Duration = Duration::from_secs(120);

    /// With these limits; refusals look like Portkey's.
    #[must_use]
    pub fn new() -> Self {
        let limits = Limits {
            answer: Self::ANSWER_LIMIT,
            answers: Budget::new(Self::ANSWER_BUDGET),
            body: Self::BODY_LIMIT,
            bodies: Budget::new(Self::BODY_BUDGET),
            read_timeout: Self::READ_TIMEOUT,
        };
        Self { limits, render: PortkeyJson }
    }
}

impl<R> TranslateLayer<R> {
    /// Sets the longest answer that is translated as a whole, in bytes; a longer one is refused with 502. It holds for the
    /// answers to one request together, where embeddings take several calls. Streams have no such limit.
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
        self.limits.bodies = Budget::new(bytes);
        self
    }

    /// Sets how long such a request may take to come, from when it is first waited for; a slower one is answered 408. Needs
    /// tokio's timer.
    #[must_use]
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.limits.read_timeout = limit;
        self
    }

    /// Sets how much of all answers together is held, in bytes: those that are translated as a whole, and what has come of
    /// frames of streams beyond 64 KiB. Beyond it, answers are refused with 503, and streams end as those that can't be read.
    #[must_use]
    pub fn answer_budget(mut self, bytes: usize) -> Self {
        self.limits.answers = Budget::new(bytes);
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

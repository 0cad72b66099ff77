use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Model, job::Room, resolve::NoEntries};
use crate::{budget::Budget, rejection::PortkeyJson};

/// Finds out which provider or entry a request names, and reads its body where that has to be. See the [module](super).
///
/// A clone is two reference counts, and one budget for the bodies of all clones.
pub struct ModelLayer<E = NoEntries, R = PortkeyJson> {
    room: Room<E>,
    render: R,
}

impl<E> ModelLayer<E> {
    /// Looks entries up here, reads bodies of up to 10 MiB, and holds up to 256 MiB of them at a time.
    #[must_use]
    pub fn new(entries: E) -> Self {
        let budget = Budget::new(256 * 1024 * 1024);
        let read_timeout = Duration::from_secs(120);
        let room = Room { entries: Arc::new(entries), limit: 10 * 1024 * 1024, budget, read_timeout };
        Self { room, render: PortkeyJson }
    }
}

impl<E, R> ModelLayer<E, R> {
    /// The longest body that is read, in bytes. A longer one is answered 413 where it has to be read, and passes where
    /// it would only have been looked at for a slug.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.room.limit = bytes;
        self
    }

    /// How much of all bodies together is held at a time, in bytes. A request that would be over it is answered 503, with
    /// `Retry-After`, where its body has to be read, and passes where it would only have been looked at for a slug.
    #[must_use]
    pub fn budget(mut self, bytes: usize) -> Self {
        self.room.budget = Budget::new(bytes);
        self
    }

    /// How long a body that has to be read may take to come, from when it is first waited for; 120 s unless set. One that
    /// takes longer is answered 408, so that slow senders don't hold the [budget](ModelLayer::budget). Needs tokio's timer.
    #[must_use]
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.room.read_timeout = limit;
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> ModelLayer<E, R2> {
        ModelLayer { room: self.room, render }
    }
}

impl Default for ModelLayer {
    fn default() -> Self {
        Self::new(NoEntries)
    }
}

impl<S, E, R: Clone> Layer<S> for ModelLayer<E, R> {
    type Service = Model<S, E, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Model { inner, room: self.room.clone(), render: self.render.clone() }
    }
}

impl<E, R: Clone> Clone for ModelLayer<E, R> {
    fn clone(&self) -> Self {
        Self { room: self.room.clone(), render: self.render.clone() }
    }
}

impl<E, R> fmt::Debug for ModelLayer<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelLayer").field("limit", &self.room.limit).finish_non_exhaustive()
    }
}

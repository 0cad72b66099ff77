use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// How long a stream may pause between two frames: for bodies, which ask it after a poll that found nothing.
///
/// The clock runs from the first such poll. A stream that never pauses never makes a timer.
#[derive(Debug)]
pub struct Pause {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Pause {
    /// A pause of up to `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, timer: None, is_running: false }
    }

    /// A frame came.
    pub fn end(&mut self) {
        self.is_running = false;
    }

    /// No frame came; ready when the pause has lasted too long.
    pub fn poll_exceeded(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !mem::replace(&mut self.is_running, true) {
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx)
    }
}

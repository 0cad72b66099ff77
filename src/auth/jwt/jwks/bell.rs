//! Waiting for something that happens again and again, without a runtime.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Rings, and wakes whoever waits for it.
#[derive(Clone, Default)]
pub(super) struct Bell(Arc<Mutex<Rings>>);

#[derive(Default)]
struct Rings {
    count: u64,
    closed: bool,
    next: u64,
    waiting: HashMap<u64, Waker>,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.change(|rings| rings.count += 1);
    }

    /// Rings for good: whoever waits now or later is woken.
    pub(super) fn close(&self) {
        self.change(|rings| rings.closed = true);
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Ends when the bell rings next.
    pub(super) fn next(&self) -> Waiting {
        let mut rings = self.lock();
        let id = rings.next;
        rings.next += 1;
        let heard = rings.count;
        // Counted from now on, not from the first poll.
        rings.waiting.insert(id, Waker::noop().clone());
        drop(rings);
        Waiting { bell: self.clone(), id, heard }
    }

    fn change(&self, change: impl FnOnce(&mut Rings)) {
        let mut rings = self.lock();
        change(&mut rings);
        let woken = std::mem::take(&mut rings.waiting);
        drop(rings);
        woken.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when a key set was asked for, whether that brought one or not.
pub(in crate::auth::jwt) struct Waiting {
    bell: Bell,
    id: u64,
    heard: u64,
}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut rings = self.bell.lock();
        if rings.closed || rings.count != self.heard {
            return Poll::Ready(());
        }
        rings.waiting.insert(self.id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.bell.lock().waiting.remove(&self.id);
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

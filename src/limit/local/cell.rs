//! One counter, and what happens to it (pure but for the lock around it).

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::super::{
    counter::{Level, Part, Reserve},
    window::Window,
};
use crate::context::{Resource, Rule, Span};

/// How long a counter stays when its window is over, in seconds: a clock that goes back by less than this finds it again.
const GRACE: u64 = 600;

/// A counter. Whoever holds the lock decides; nobody waits while holding it.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) counter: u128,
    /// Begins with the organisation, in so many bytes.
    name: Box<str>,
    organisation: usize,
    pub(super) resource: Resource,
    /// As the last request knew it.
    limit: AtomicU64,
    /// Put away: nobody counts here any more. Changes under the lock only.
    gone: AtomicBool,
    state: Mutex<State>,
}

/// How far a counter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) window: Window,
    /// Settled.
    pub(super) used: u64,
    /// Taken in advance.
    pub(super) held: u64,
    /// Requests that were refused in this window.
    pub(super) denied: u64,
    /// Whether somebody was told in this window.
    pub(super) alerted: bool,
    /// From when on nobody can use it any more.
    pub(super) forgotten_at: u64,
}

impl Cell {
    pub(super) fn new(rule: &Rule, now: u64) -> Self {
        let forgotten_at = rule.forgotten_at().unwrap_or(u64::MAX);
        let state =
            State { window: Window::of(rule.span(), now), used: 0, held: 0, denied: 0, alerted: false, forgotten_at };
        let name = (rule.name(), rule.organisation());
        Self::with(rule.counter(), name, rule.resource(), rule.limit(), state)
    }

    /// An organisation that the name does not begin with is none.
    pub(super) fn with(
        counter: u128,
        (name, organisation): (&str, &str),
        resource: Resource,
        limit: u64,
        state: State,
    ) -> Self {
        let (limit, gone) = (AtomicU64::new(limit), AtomicBool::new(false));
        let organisation = if name.starts_with(organisation) { organisation.len() } else { 0 };
        Self { counter, name: name.into(), organisation, resource, limit, gone, state: Mutex::new(state) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn organisation(&self) -> &str {
        self.name.get(..self.organisation).unwrap_or_default()
    }

    /// `None` where the counter was put away.
    pub(super) fn lock(&self) -> Option<MutexGuard<'_, State>> {
        // Nothing that is done under the lock panics half-way.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.is_gone()).then_some(state)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Brings the counter up to now, as a rule has it: its window, and how long somebody may use it. A token that is issued
    /// again under one name makes that longer, never shorter.
    pub(super) fn refresh(&self, state: &mut State, rule: &Rule, now: u64) {
        if self.limit() != rule.limit() {
            self.limit.store(rule.limit(), Ordering::Relaxed);
        }
        state.roll(rule.span(), now);
        state.forgotten_at = state.forgotten_at.max(rule.forgotten_at().unwrap_or(u64::MAX));
    }

    /// Puts the counter away where it says nothing any more. Returns whether it is gone.
    pub(super) fn retire(&self, now: u64) -> bool {
        if let Some(state) = self.lock() {
            if state.is_idle(now) {
                self.gone.store(true, Ordering::Release);
            }
        }
        self.is_gone()
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }
}

impl State {
    /// Begins the next window, if its time has come. A clock that goes back stays in the window that has begun: what was
    /// used in it is not granted again. Unless it goes back so far that it was wrong before: who waited for that window
    /// would be locked out until then.
    pub(super) fn roll(&mut self, span: Span, now: u64) {
        if now >= self.window.end || self.window.start > now.saturating_add(GRACE) {
            *self = Self { window: Window::of(span, now), used: 0, held: 0, denied: 0, alerted: false, ..*self };
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.used.saturating_add(self.held)
    }

    /// How much of what is wanted can be taken.
    pub(super) fn room(&self, limit: u64, want: Reserve) -> Option<u64> {
        want.of(self.left(limit))
    }

    pub(super) fn left(&self, limit: u64) -> u64 {
        limit.saturating_sub(self.total())
    }

    pub(super) fn take(&mut self, resource: Resource, amount: u64) -> Part {
        let place = if resource == Resource::Requests { &mut self.used } else { &mut self.held };
        *place = place.saturating_add(amount);
        Part { start: self.window.start, amount }
    }

    /// Puts what was used in the place of a part. Where the part's window is over, so is what was held of it; what was
    /// used beyond counts now.
    pub(super) fn settle(&mut self, part: Part, used: u64) {
        if part.start == self.window.start {
            self.held = self.held.saturating_sub(part.amount);
            self.used = self.used.saturating_add(used);
        } else {
            self.used = self.used.saturating_add(used.saturating_sub(part.amount));
        }
    }

    /// Whether this is the moment to tell somebody. True once a window.
    pub(super) fn crosses(&mut self, threshold: u64) -> bool {
        let now = !self.alerted && threshold != u64::MAX && self.used >= threshold;
        self.alerted |= now;
        now
    }

    pub(super) fn level(&self, limit: u64, now: Duration) -> Level {
        let end = Duration::from_secs(self.window.end);
        Level { limit, remaining: self.left(limit), resets_in: end.saturating_sub(now) }
    }

    fn is_idle(&self, now: u64) -> bool {
        self.window.end.min(self.forgotten_at).saturating_add(GRACE) <= now
    }
}

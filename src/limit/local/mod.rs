//! Counters in this process's memory.

mod cell;
mod report;
mod table;
mod take;

pub use report::{CounterState, RestoreError};

use std::{
    fmt,
    future::Ready,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::counter::{Counter, Spent, Taken, Verdict, Want};
use crate::{
    context::{Rule, Rules},
    guard::Decision,
    rejection::Rejection,
};
use cell::{Cell, State};
use table::{Full, Table};

/// Counters in memory. A clone shares them.
///
/// A counter that is asked for takes its own lock for some nanoseconds and no other; several rules of one request take
/// theirs in one order, so that nobody sees a part of a request counted. What a counter of a window that is over would
/// say is nothing, so it goes some minutes later, when another needs its place; a budget that never begins anew stays.
/// A clock that goes back grants nothing twice: windows that have begun stay.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_portkey::{
///     context::{Principal, RateLimit},
///     guard::Decision,
///     limit::{Counter, LocalCounters, Verdict, Want},
/// };
///
/// let counters = LocalCounters::with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(90));
/// let who = Principal::new("ci").with_limits(Vec::new(), RateLimit::from_json(r#"{"unit":"rpm","value":1}"#)?);
///
/// let ask = || match counters.take(who.rules(), &Want::ONE) {
///     Decision::Now(Ok(Verdict::Denied(denied))) => Err(denied.resets_in),
///     _ => Ok(()),
/// };
/// assert_eq!(ask(), Ok(()));
/// assert_eq!(ask(), Err(Some(Duration::from_secs(30))));
/// # Ok::<(), tower_portkey::context::LimitError>(())
/// ```
pub struct LocalCounters<T = fn() -> SystemTime> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    table: Table,
    clock: T,
}

impl LocalCounters {
    /// No counters yet, and the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemTime::now)
    }
}

impl<T> LocalCounters<T> {
    /// How many counters there may be. A request that needs another is answered 503: to forget one would be to grant what
    /// it has counted once more. An organisation may have as many as there are places free, so that one that makes
    /// counters without end leaves room for the others.
    pub const MOST: usize = 1_000_000;

    /// No counters yet, and this clock.
    pub fn with_clock(clock: T) -> Self {
        Self { shared: Arc::new(Shared { table: Table::new(Self::MOST), clock }) }
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.table.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Fn() -> SystemTime> LocalCounters<T> {
    /// Puts away the counters that say nothing any more, before others need their places.
    pub fn sweep(&self) {
        self.shared.table.sweep(self.now().as_secs());
    }

    /// Where each counter stands, in no order. Counters whose window is over are left out. Nobody is held up by it, so
    /// that one request may be in one of its counters already and not yet in another.
    pub fn snapshot(&self) -> impl Iterator<Item = CounterState> {
        let now = self.now().as_secs();
        self.shared.table.all().filter_map(move |cell| {
            let state = *cell.lock()?;
            (state.window.end > now && state.forgotten_at > now).then(|| CounterState::of(&cell, state))
        })
    }

    /// Puts a counter back as a snapshot had it. What was taken in advance then counts as used, because nobody will settle
    /// it. Where requests were counted meanwhile, both count.
    ///
    /// # Errors
    ///
    /// The state can't be one of a counter, or there are too many.
    pub fn restore(&self, counter: &CounterState) -> Result<(), RestoreError> {
        let now = self.now().as_secs();
        let (cell, used) = counter.to_cell()?;
        if cell.retire(now) {
            return Ok(());
        }
        let cell = self.shared.table.insert(cell, now).map_err(|Full| RestoreError::FULL)?;
        if let Some(mut state) = cell.lock() {
            state.used = state.used.saturating_add(used);
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        (self.shared.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    /// The rule's counter, until it is one that nobody puts away meanwhile.
    fn locked<R>(&self, rule: &Rule, now: u64, change: impl Fn(&mut State) -> R) -> Result<R, Full> {
        let locked = |cell: &Cell| {
            let mut state = cell.lock()?;
            cell.refresh(&mut state, rule, now);
            Some(change(&mut state))
        };
        if let Some(Some(changed)) = self.shared.table.with(rule.counter(), locked) {
            return Ok(changed);
        }
        loop {
            if let Some(changed) = locked(&*self.shared.table.get_or_insert(rule, now)?) {
                return Ok(changed);
            }
        }
    }
}

impl<T: Fn() -> SystemTime> Counter for LocalCounters<T> {
    type Future = Ready<Result<Verdict, Rejection>>;

    fn take(&self, rules: &Rules, want: &Want) -> Decision<Verdict, Self::Future> {
        Decision::Now(self.take_now(rules, want).map_err(full))
    }

    fn peek(&self, rules: &Rules) -> Decision<Verdict, Self::Future> {
        Decision::Now(self.peek_now(rules).map_err(full))
    }

    fn settle(&self, taken: Taken, spent: Spent) {
        let now = self.now().as_secs();
        for (rule, part) in taken.rules().iter().zip(taken.parts()) {
            let used = spent.of(rule.resource(), part.amount);
            self.settle_now(rule, *part, used, now);
        }
    }
}

fn full(_: Full) -> Rejection {
    Rejection::unavailable("there are too many counters")
}

impl Default for LocalCounters {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for LocalCounters<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for LocalCounters<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCounters").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

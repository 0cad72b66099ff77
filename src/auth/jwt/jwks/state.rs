//! What is known of a key set that is fetched, and who may ask for more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;

use super::{Found, bell::Bell, fetch::FetchJwks, remote::Times, set::Keys};

/// Names that were asked for in vain, and are not asked for again for a while.
const UNKNOWN: usize = 128;
/// How long.
const UNKNOWN_FOR: Duration = Duration::from_secs(300);
/// Tokens that may wait for one fetch. More of them are refused at once.
const MOST_WAITING: usize = 1024;

/// A key set and everything about its fetching. Only the driver fetches; whoever misses a key asks it to.
pub(super) struct Remote {
    snapshot: ArcSwapOption<Snapshot>,
    demand: Mutex<Demand>,
    /// Rung by who misses something, heard by the driver.
    wanted: Bell,
    /// Rung by the driver after each attempt.
    done: Bell,
    times: Times,
    io: Arc<dyn FetchJwks>,
}

/// Replaced as a whole, so that nobody ever sees half of a rotation.
struct Snapshot {
    keys: Keys,
    generation: u64,
}

#[derive(Default)]
struct Demand {
    fetching: bool,
    /// When a fetch was last made for a key that was not there.
    asked_at: Option<Duration>,
    /// When the driver tries again by itself, while there is no set.
    retry_at: Duration,
    last_good: Option<Duration>,
    unknown: VecDeque<(Box<str>, Duration)>,
    fetches: u64,
    failures: u64,
    generation: u64,
}

/// How fetching goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwksStatus {
    /// Attempts that ended.
    pub fetches: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Keys in use.
    pub keys: usize,
    /// How long ago the set was last confirmed; `None` where it never was.
    pub age: Option<Duration>,
}

/// What an attempt brought.
pub(super) enum Outcome {
    New(Keys),
    Same,
    Failed,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Other keys than before.
    Swapped,
    /// The same keys, confirmed.
    Confirmed,
    /// None new; the old ones, if there are any, stay in use.
    Kept,
    /// None new, and the old ones are too old.
    Dropped,
}

impl Remote {
    pub(super) fn new(times: Times, io: Arc<dyn FetchJwks>) -> Self {
        // The driver begins with a fetch.
        let demand = Mutex::new(Demand { fetching: true, ..Demand::default() });
        let (wanted, done) = (Bell::default(), Bell::default());
        Self { snapshot: ArcSwapOption::empty(), demand, wanted, done, times, io }
    }

    pub(super) fn wanted(&self) -> Bell {
        self.wanted.clone()
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.snapshot.load().as_ref().map(|snapshot| snapshot.generation)
    }

    pub(super) fn keys<T: Default>(&self, read: impl FnOnce(&Keys) -> T) -> T {
        self.snapshot.load().as_ref().map_or_else(T::default, |snapshot| read(&snapshot.keys))
    }

    pub(super) fn status(&self) -> JwksStatus {
        let keys = self.keys(|keys| keys.ids().count());
        let demand = self.lock();
        let age = demand.last_good.map(|at| self.io.now().saturating_sub(at));
        JwksStatus { fetches: demand.fetches, failures: demand.failures, keys, age }
    }

    pub(super) fn find(&self, id: &str, may_wait: bool) -> Found {
        let snapshot = self.snapshot.load();
        let key = snapshot.as_ref().and_then(|known| Some((known.keys.get(id)?, known.generation)));
        if let Some((key, generation)) = key {
            return Found::Key(Arc::clone(key), generation);
        }
        let mut demand = self.lock();
        let now = self.io.now();
        let missing = if snapshot.is_some() { Found::Unknown } else { Found::NoSet };
        if !may_wait {
            if snapshot.is_some() && demand.is_fresh(now, self.times.unknown) {
                demand.note_unknown(id, now);
            }
            return missing;
        }
        if snapshot.is_some() && demand.is_unknown(id, now) {
            return missing;
        }
        if !demand.fetching {
            let too_soon = match snapshot.as_ref() {
                Some(_) => demand.asked_at.is_some_and(|at| now.saturating_sub(at) < self.times.unknown),
                None => now < demand.retry_at,
            };
            if too_soon {
                return missing;
            }
            demand.fetching = true;
            if snapshot.is_some() {
                demand.asked_at = Some(now);
            }
            self.wanted.ring();
        }
        // Who finds no place to wait may have a good key: nobody knows.
        if self.done.waiting() < MOST_WAITING { Found::Waiting(self.done.next()) } else { Found::NoSet }
    }

    /// Nobody fetches any more: the set would stay in force for ever.
    pub(super) fn stop(&self) {
        self.snapshot.store(None);
        self.done.close();
    }

    /// Notes that a fetch begins.
    pub(super) fn begin(&self) {
        self.lock().fetching = true;
    }

    /// Notes how a fetch ended, and wakes who waits for it.
    pub(super) fn end(&self, outcome: Outcome, fresh_for: Duration) -> Change {
        let now = self.io.now();
        let mut demand = self.lock();
        demand.fetches += 1;
        demand.fetching = false;
        demand.retry_at = now + fresh_for;
        let change = match outcome {
            Outcome::New(keys) => {
                let same = self.snapshot.load().as_ref().is_some_and(|known| known.keys.is(&keys));
                if !same {
                    demand.generation += 1;
                    demand.unknown.clear();
                    self.snapshot.store(Some(Arc::new(Snapshot { keys, generation: demand.generation })));
                }
                if same { Change::Confirmed } else { Change::Swapped }
            }
            Outcome::Same => Change::Confirmed,
            Outcome::Failed => {
                demand.failures += 1;
                let old = demand.last_good.is_some_and(|at| now.saturating_sub(at) >= self.times.stale);
                if old && self.snapshot.swap(None).is_some() { Change::Dropped } else { Change::Kept }
            }
        };
        if matches!(change, Change::Swapped | Change::Confirmed) {
            demand.last_good = Some(now);
        }
        drop(demand);
        self.done.ring();
        change
    }

    fn lock(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.wanted.close();
        self.done.close();
    }
}

impl Demand {
    /// Whether the set was confirmed a moment ago: only then is a key that it lacks known to be none.
    fn is_fresh(&self, now: Duration, moment: Duration) -> bool {
        self.last_good.is_some_and(|at| now.saturating_sub(at) <= moment)
    }

    fn is_unknown(&self, id: &str, now: Duration) -> bool {
        self.unknown.iter().any(|(known, at)| **known == *id && now.saturating_sub(*at) < UNKNOWN_FOR)
    }

    fn note_unknown(&mut self, id: &str, now: Duration) {
        if self.is_unknown(id, now) {
            return;
        }
        self.unknown.retain(|(known, _)| **known != *id);
        if self.unknown.len() == UNKNOWN {
            self.unknown.pop_front();
        }
        self.unknown.push_back((id.into(), now));
    }
}

//! Counters by their digest: no lock, and bounded.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::cell::Cell;
use crate::context::Rule;

/// A power of two.
const BUCKETS: usize = 1 << 14;

/// A list of counters that is replaced, never changed.
type Bucket = Vec<(u128, Arc<Cell>)>;

/// Looking a counter up takes no lock and touches nothing that others write; putting one in copies its bucket, some
/// dozen pointers. A counter that says nothing any more goes when another comes into its bucket.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Box<[ArcSwapOption<Bucket>]>,
    live: AtomicUsize,
    most: usize,
    /// How many of them each organisation has. Locked where counters come and go, never where they are looked up.
    shares: Mutex<HashMap<Box<str>, usize>>,
    /// This process's own: whose names are counted can't choose their bucket.
    seed: [u64; 2],
}

/// There are too many counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

impl Table {
    pub(super) fn new(most: usize) -> Self {
        let buckets = (0..BUCKETS).map(|_| ArcSwapOption::const_empty()).collect();
        let random = RandomState::new();
        let seed = [0_u8, 1].map(|half| random.hash_one(half));
        Self { buckets, live: AtomicUsize::new(0), most, shares: Mutex::default(), seed }
    }

    fn bucket(&self, counter: u128) -> &ArcSwapOption<Bucket> {
        let [low, high] = [counter as u64 ^ self.seed[0], (counter >> 64) as u64 ^ self.seed[1]];
        let product = u128::from(low) * u128::from(high);
        let mixed = product as u64 ^ (product >> 64) as u64;
        &self.buckets[mixed as usize & (BUCKETS - 1)]
    }

    /// Shows a counter, if there is one.
    pub(super) fn with<T>(&self, counter: u128, see: impl FnOnce(&Cell) -> T) -> Option<T> {
        let bucket = self.bucket(counter).load();
        find(bucket.as_deref()?, counter).map(|cell| see(cell))
    }

    pub(super) fn get(&self, counter: u128) -> Option<Arc<Cell>> {
        find(self.bucket(counter).load().as_deref()?, counter).cloned()
    }

    /// The rule's counter, made where there is none.
    pub(super) fn get_or_insert(&self, rule: &Rule, now: u64) -> Result<Arc<Cell>, Full> {
        match self.get(rule.counter()) {
            Some(cell) => Ok(cell),
            None => self.insert(Cell::new(rule, now), now),
        }
    }

    /// Puts a counter in, or returns the one that is there.
    pub(super) fn insert(&self, cell: Cell, now: u64) -> Result<Arc<Cell>, Full> {
        let cell = Arc::new(cell);
        // Held until the counter is in, so that nobody's share is passed by two at once.
        let mut shares = self.shares();
        let (mut found, mut gone) = (None, Vec::new());
        self.bucket(cell.counter).rcu(|old| {
            // Runs again where somebody else was quicker; what it leaves behind last is what was done.
            let all = old.as_deref().map_or(&[][..], Vec::as_slice);
            gone.clear();
            found = find(all, cell.counter).cloned();
            if found.is_some() {
                return old.clone();
            }
            let mut kept = retired(all, now, &mut gone);
            let own =
                |cells: &[Arc<Cell>]| cells.iter().filter(|old| old.organisation() == cell.organisation()).count();
            let share = shares.get(cell.organisation()).map_or(0, |share| share.saturating_sub(own(&gone)));
            let live = self.len().saturating_sub(gone.len());
            if share < self.most.saturating_sub(live) {
                kept.push((cell.counter, Arc::clone(&cell)));
                found = Some(Arc::clone(&cell));
            }
            Some(Arc::new(kept))
        });
        self.forget(&mut shares, &gone);
        let found = found.ok_or(Full);
        if found.as_ref().is_ok_and(|found| Arc::ptr_eq(found, &cell)) {
            self.live.fetch_add(1, Ordering::Relaxed);
            match shares.get_mut(cell.organisation()) {
                Some(share) => *share += 1,
                None => drop(shares.insert(cell.organisation().into(), 1)),
            }
        }
        found
    }

    /// Puts away whatever says nothing any more.
    pub(super) fn sweep(&self, now: u64) {
        for bucket in &self.buckets {
            let mut gone = Vec::new();
            bucket.rcu(|old| {
                gone.clear();
                let kept = retired(old.as_deref()?, now, &mut gone);
                if gone.is_empty() { old.clone() } else { (!kept.is_empty()).then(|| Arc::new(kept)) }
            });
            if !gone.is_empty() {
                self.forget(&mut self.shares(), &gone);
            }
        }
    }

    /// These are in no bucket any more.
    fn forget(&self, shares: &mut HashMap<Box<str>, usize>, gone: &[Arc<Cell>]) {
        self.live.fetch_sub(gone.len(), Ordering::Relaxed);
        for cell in gone {
            if let Some(share) = shares.get_mut(cell.organisation()) {
                *share = share.saturating_sub(1);
                if *share == 0 {
                    shares.remove(cell.organisation());
                }
            }
        }
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<Box<str>, usize>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many counters the fullest bucket has.
    #[cfg(test)]
    pub(super) fn fullest(&self) -> usize {
        let lengths = self.buckets.iter().map(|bucket| bucket.load().as_deref().map_or(0, Vec::len));
        lengths.max().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Cell>> {
        let bucket = |bucket: &ArcSwapOption<Bucket>| bucket.load_full();
        let buckets = self.buckets.iter().filter_map(bucket);
        buckets.flat_map(|bucket| bucket.iter().map(|(_, cell)| Arc::clone(cell)).collect::<Vec<_>>())
    }
}

/// What stays of a bucket; what does not is put away, and noted.
fn retired(all: &[(u128, Arc<Cell>)], now: u64, gone: &mut Vec<Arc<Cell>>) -> Bucket {
    let mut kept = Vec::with_capacity(all.len() + 1);
    for (counter, cell) in all {
        if cell.retire(now) {
            gone.push(Arc::clone(cell));
        } else {
            kept.push((*counter, Arc::clone(cell)));
        }
    }
    kept
}

/// The counter that is in use. One that was put away may still stand beside it.
fn find(bucket: &[(u128, Arc<Cell>)], counter: u128) -> Option<&Arc<Cell>> {
    bucket.iter().find(|(known, cell)| *known == counter && !cell.is_gone()).map(|(_, cell)| cell)
}

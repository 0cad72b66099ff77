//! Counters by their digest: no lock, and bounded.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
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
}

/// There are too many counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

impl Table {
    pub(super) fn new(most: usize) -> Self {
        let buckets = (0..BUCKETS).map(|_| ArcSwapOption::const_empty()).collect();
        Self { buckets, live: AtomicUsize::new(0), most }
    }

    fn bucket(&self, counter: u128) -> &ArcSwapOption<Bucket> {
        // The digest's own bits are as good as a hash of them.
        &self.buckets[counter as usize & (BUCKETS - 1)]
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
        let (mut found, mut gone) = (None, 0);
        self.bucket(cell.counter).rcu(|old| {
            // Runs again where somebody else was quicker; what it leaves behind last is what was done.
            let all = old.as_deref().map_or(&[][..], Vec::as_slice);
            found = find(all, cell.counter).cloned();
            if found.is_some() {
                gone = 0;
                return old.clone();
            }
            let mut kept: Bucket = all.iter().filter(|(_, cell)| !cell.retire(now)).cloned().collect();
            gone = all.len() - kept.len();
            if self.live.load(Ordering::Relaxed).saturating_sub(gone) < self.most {
                kept.push((cell.counter, Arc::clone(&cell)));
                found = Some(Arc::clone(&cell));
            }
            Some(Arc::new(kept))
        });
        let found = found.ok_or(Full);
        self.live.fetch_sub(gone, Ordering::Relaxed);
        if found.as_ref().is_ok_and(|found| Arc::ptr_eq(found, &cell)) {
            self.live.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Puts away whatever says nothing any more.
    pub(super) fn sweep(&self, now: u64) {
        for bucket in &self.buckets {
            let mut gone = 0;
            bucket.rcu(|old| {
                gone = 0;
                let all = old.as_deref()?;
                let kept: Bucket = all.iter().filter(|(_, cell)| !cell.retire(now)).cloned().collect();
                gone = all.len() - kept.len();
                if gone == 0 { old.clone() } else { (!kept.is_empty()).then(|| Arc::new(kept)) }
            });
            self.live.fetch_sub(gone, Ordering::Relaxed);
        }
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

/// The counter that is in use. One that was put away may still stand beside it.
fn find(bucket: &[(u128, Arc<Cell>)], counter: u128) -> Option<&Arc<Cell>> {
    bucket.iter().find(|(known, cell)| *known == counter && !cell.is_gone()).map(|(_, cell)| cell)
}

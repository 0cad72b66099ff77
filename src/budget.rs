//! How much of all bodies together may be held.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes that are left for everybody. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// Bytes that are taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Takes more, or nothing where there is not so much left.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let left = &self.budget.0;
        let taken = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes)).is_ok();
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Share {
    /// Holds so much from now on, more or less than before; unchanged where more is wanted than is left.
    #[cfg(feature = "bedrock")]
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        if let Some(less) = self.bytes.checked_sub(bytes) {
            self.budget.0.fetch_add(less, Ordering::AcqRel);
            self.bytes = bytes;
            return true;
        }
        self.take(bytes - self.bytes)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(10);
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.take(6) && !two.take(5) && two.take(4) && !one.take(1));
        drop(one);
        assert!(two.take(6));
        drop(two);
        assert!(budget.share().take(10));
    }

    #[test]
    #[cfg(feature = "bedrock")]
    fn what_is_held_follows_what_is_needed() {
        let budget = Budget::new(10);
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.resize(8) && !two.resize(3) && one.resize(2) && two.resize(8) && !one.resize(3));
        drop((one, two));
        assert!(budget.share().take(10));
    }
}

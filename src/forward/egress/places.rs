//! How many connections there may be: to one host, and by one connector.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one connector. A clone is one reference count. Asked once a connection, not once a request.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    per_host: usize,
    total: Arc<Semaphore>,
    /// Of hosts with connections; the others are not kept.
    hosts: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    all: Arc<Inner>,
    host: Box<str>,
    own: Option<OwnedSemaphorePermit>,
    _total: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(per_host: usize, total: usize) -> Self {
        let allowed = |count: usize| count.clamp(1, Semaphore::MAX_PERMITS);
        let total = Arc::new(Semaphore::new(allowed(total)));
        Self(Arc::new(Inner { per_host: allowed(per_host), total, hosts: Mutex::default() }))
    }

    /// A place for a connection to this host and port. Waits until there is one.
    pub(super) async fn take(self, host: Box<str>) -> Place {
        let of_host = {
            let mut hosts = self.0.hosts();
            let new = || Arc::new(Semaphore::new(self.0.per_host));
            Arc::clone(hosts.entry(host.clone()).or_insert_with(new))
        };
        // Made before it waits, so that whoever gives up waiting leaves nothing behind.
        let mut place = Place { all: self.0, host, own: None, _total: None };
        // Neither is ever closed, so there always is a permit in the end.
        place.own = of_host.acquire_owned().await.ok();
        place._total = Arc::clone(&place.all.total).acquire_owned().await.ok();
        place
    }

    #[cfg(test)]
    pub(super) fn hosts(&self) -> usize {
        self.0.hosts().len()
    }
}

impl Inner {
    fn hosts(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Semaphore>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hosts = self.all.hosts();
        self.own = None;
        // Every place and everybody who waits for one holds it, too.
        if hosts.get(&self.host).is_some_and(|places| Arc::strong_count(places) == 1) {
            hosts.remove(&self.host);
        }
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn take(places: &Places, host: &str) -> Option<Place> {
        timeout(Duration::from_millis(20), places.clone().take(host.into())).await.ok()
    }

    #[tokio::test]
    async fn a_host_has_its_places_and_all_together_have_theirs() {
        let places = Places::new(2, 3);
        let (first, second) = (take(&places, "a:1").await, take(&places, "a:1").await);
        assert!(first.is_some() && second.is_some());
        assert!(take(&places, "a:1").await.is_none(), "the host's places are taken");
        let other = take(&places, "b:1").await;
        assert!(other.is_some());
        assert!(take(&places, "c:1").await.is_none(), "all places are taken");
        drop(first);
        assert!(take(&places, "c:1").await.is_some());
        assert!(take(&places, "a:1").await.is_some());
        drop((second, other));
        assert_eq!(places.hosts(), 0, "hosts without connections are not kept");
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_leaves_nothing_behind() {
        let places = Places::new(1, 9);
        let held = take(&places, "a:1").await;
        let waiting = tokio::spawn(places.clone().take("a:1".into()));
        tokio::task::yield_now().await;
        drop(held);
        waiting.abort();
        let _ = waiting.await;
        assert_eq!(places.hosts(), 0);
    }
}

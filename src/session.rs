//! What is got from outside, kept until shortly before it ends, and got by one request at a time: keys of an assumed role,
//! access tokens.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::{FutureExt as _, Shared, WeakShared};

use crate::{guard::Decision, rejection::Rejection};

/// The time of day.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A session is got anew this long before it ends, and one that lasts less than twice as long after half of its time.
const EARLY: Duration = Duration::from_secs(300);
/// How long one that couldn't be got anew goes on before somebody tries again.
const AGAIN: Duration = Duration::from_secs(5);
/// Sessions that are kept.
const KEPT: usize = 4096;

/// Something that ends.
#[derive(Clone, Debug)]
pub(crate) struct Session<T> {
    pub(crate) value: T,
    pub(crate) expires_at: SystemTime,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// How a session is got.
pub(crate) type Getting<T> = Boxed<Result<Session<T>, Rejection>>;
type Flight<T> = Boxed<Result<T, Rejection>>;

/// Sessions by the digest of everything that makes them what they are. A clone is one reference count.
pub(crate) struct Sessions<T>(Arc<Shelf<T>>);

struct Shelf<T> {
    salt: [u8; 32],
    places: Mutex<HashMap<[u8; 32], Place<T>>>,
}

struct Place<T> {
    kept: Option<Kept<T>>,
    /// Weak: where everybody who waited has gone, the call ends, and the next request makes a new one.
    flight: Option<WeakShared<Flight<T>>>,
}

struct Kept<T> {
    session: Session<T>,
    /// From when on it is got anew.
    renew_at: SystemTime,
}

impl<T> Kept<T> {
    fn new(session: Session<T>, now: SystemTime) -> Self {
        let lasts = session.expires_at.duration_since(now).unwrap_or_default();
        let renew_at = session.expires_at.checked_sub(EARLY.min(lasts / 2)).unwrap_or(now);
        Self { session, renew_at }
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        now < self.renew_at
    }

    /// The same for some time yet, where it has not ended.
    fn put_off(self, now: SystemTime) -> Option<Self> {
        let renew_at = now.checked_add(AGAIN)?.min(self.session.expires_at);
        (now < self.session.expires_at).then_some(Self { renew_at, ..self })
    }
}

impl<T> Place<T> {
    fn flies(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.upgrade().is_some())
    }
}

impl<T: Clone + Send + Sync + 'static> Sessions<T> {
    pub(crate) fn new() -> Self {
        let mut salt = [0; 32];
        // Two random UUIDs: the digests are of no use outside of this process.
        salt[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        salt[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self(Arc::new(Shelf { salt, places: Mutex::default() }))
    }

    /// The session that is there, or that one caller gets and all others wait for. Nothing is kept of a failure; where a
    /// session can't be got anew, the old one goes on until it ends.
    pub(crate) fn get(
        &self,
        key: [u8; 32],
        clock: &Clock,
        get: impl FnOnce() -> Getting<T>,
    ) -> Decision<T, Boxed<Result<T, Rejection>>> {
        let now = clock();
        let mut places = self.lock();
        if let Some(place) = places.get(&key) {
            if let Some(kept) = place.kept.as_ref().filter(|kept| kept.is_fresh(now)) {
                return Decision::pass(kept.session.value.clone());
            }
            if let Some(flight) = place.flight.as_ref().and_then(WeakShared::upgrade) {
                return Decision::Later(Box::pin(flight));
            }
        }
        if places.len() >= KEPT && !places.contains_key(&key) {
            make_room(&mut places, now);
        }
        let flight = self.flight(key, clock, get());
        places.entry(key).or_default().flight = flight.downgrade();
        Decision::Later(Box::pin(flight))
    }

    fn flight(&self, key: [u8; 32], clock: &Clock, getting: Getting<T>) -> Shared<Flight<T>> {
        let (sessions, clock) = (self.clone(), Arc::clone(clock));
        let flight: Flight<T> = Box::pin(async move {
            let got = getting.await;
            let now = clock();
            let mut places = sessions.lock();
            let place = places.entry(key).or_default();
            place.flight = None;
            match got {
                Ok(session) => {
                    let value = session.value.clone();
                    place.kept = Some(Kept::new(session, now));
                    Ok(value)
                }
                Err(rejection) => {
                    place.kept = place.kept.take().and_then(|old| old.put_off(now));
                    let old = place.kept.as_ref().map(|kept| kept.session.value.clone());
                    if old.is_none() {
                        places.remove(&key);
                    }
                    old.ok_or(rejection)
                }
            }
        });
        flight.shared()
    }
}

impl<T> Sessions<T> {
    /// The digest of a list of parts, each with its length, so that no two lists read the same.
    pub(crate) fn digest<'a>(&self, parts: impl Iterator<Item = Option<&'a str>>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0.salt);
        for part in parts {
            let text = part.unwrap_or_default();
            let length = (text.len() as u64).to_le_bytes();
            hasher.update(&[u8::from(part.is_some())]).update(&length).update(text.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Place<T>>> {
        // What a panic could have left half done is a place without a flight, which the next request fills.
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what has to be got anew anyway, and if that is nothing, one place that nobody is getting.
fn make_room<T>(places: &mut HashMap<[u8; 32], Place<T>>, now: SystemTime) {
    places.retain(|_, place| place.flies() || place.kept.as_ref().is_some_and(|kept| kept.is_fresh(now)));
    if places.len() >= KEPT {
        let victim = places.iter().find(|(_, place)| !place.flies()).map(|(key, _)| *key);
        if let Some(key) = victim {
            places.remove(&key);
        }
    }
}

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self { kept: None, flight: None }
    }
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("len", &self.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicU64, AtomicUsize, Ordering},
        time::UNIX_EPOCH,
    };

    use super::*;
    use crate::rejection::Kind;

    /// Sessions of a number each, by a clock of their own.
    struct Source {
        sessions: Sessions<usize>,
        now: Arc<AtomicU64>,
        calls: AtomicUsize,
    }

    impl Source {
        fn new() -> Self {
            Self { sessions: Sessions::new(), now: Arc::default(), calls: AtomicUsize::new(0) }
        }

        fn clock(&self) -> Clock {
            let now = Arc::clone(&self.now);
            Arc::new(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed)))
        }

        /// What is there at `now`, where a call gives something that lasts for `lasts` seconds, or fails.
        fn at(&self, now: u64, lasts: Option<u64>) -> Result<usize, Kind> {
            self.now.store(now, Ordering::Relaxed);
            let got = self.sessions.get([1; 32], &self.clock(), || {
                let value = self.calls.fetch_add(1, Ordering::Relaxed);
                let expires_at = UNIX_EPOCH + Duration::from_secs(now + lasts.unwrap_or_default());
                let failed = || Rejection::new(Kind::Unavailable);
                Box::pin(ready(lasts.map(|_| Session { value, expires_at }).ok_or_else(failed)))
            });
            match got {
                Decision::Now(value) => value,
                Decision::Later(waiting) => waiting.now_or_never().expect("nobody is waited for"),
            }
            .map_err(|rejection| rejection.kind())
        }
    }

    #[test]
    fn a_session_is_got_anew_five_minutes_or_half_its_time_before_its_end() {
        let source = Source::new();
        assert_eq!((source.at(0, Some(3600)), source.at(3299, None)), (Ok(0), Ok(0)));
        assert_eq!(source.at(3300, Some(120)), Ok(1));
        assert_eq!((source.at(3359, None), source.at(3360, Some(60))), (Ok(1), Ok(2)));
    }

    #[test]
    fn where_it_can_t_be_got_the_old_one_goes_on_to_its_end_and_is_not_asked_for_all_the_time() {
        let source = Source::new();
        assert_eq!(source.at(0, Some(3600)), Ok(0));
        assert_eq!((source.at(3400, None), source.calls.load(Ordering::Relaxed)), (Ok(0), 2));
        assert_eq!((source.at(3404, None), source.calls.load(Ordering::Relaxed)), (Ok(0), 2));
        assert_eq!((source.at(3598, None), source.calls.load(Ordering::Relaxed)), (Ok(0), 3));
        assert_eq!((source.at(3600, None), source.at(3600, None)), (Err(Kind::Unavailable), Err(Kind::Unavailable)));
        assert_eq!((source.at(3600, Some(9)), source.calls.load(Ordering::Relaxed)), (Ok(5), 6));
    }

    #[test]
    fn there_are_only_so_many() {
        let source = Source::new();
        for place in 0..KEPT + 100 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&place.to_le_bytes());
            let expires_at = UNIX_EPOCH + Duration::from_secs(3600);
            let got =
                source.sessions.get(key, &source.clock(), || Box::pin(ready(Ok(Session { value: place, expires_at }))));
            let Decision::Later(waiting) = got else { panic!("it is not there yet") };
            assert_eq!(waiting.now_or_never().and_then(Result::ok), Some(place));
        }
        assert_eq!(source.sessions.lock().len(), KEPT);
        // Of a failure nothing is left.
        let failing =
            source.sessions.get([9; 32], &source.clock(), || Box::pin(ready(Err(Rejection::new(Kind::Unavailable)))));
        let Decision::Later(waiting) = failing else { panic!("it is not there") };
        assert!(waiting.now_or_never().is_some_and(|got| got.is_err()));
        assert!(source.sessions.lock().len() < KEPT);
    }
}

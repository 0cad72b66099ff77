//! Sessions that are kept, and those that are being got.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::{FutureExt as _, Shared, WeakShared};

use super::credentials::{BoxFuture, KeysFuture};
use crate::{context::AwsKeys, guard::Decision, rejection::Rejection};

/// The time of day.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A session is got anew this long before it expires.
const EARLY: Duration = Duration::from_secs(300);
/// Roles whose sessions are kept.
const KEPT: usize = 4096;

/// Keys that end.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) keys: AwsKeys,
    pub(super) expires_at: SystemTime,
}

impl Session {
    fn lasts(&self, now: SystemTime, early: Duration) -> bool {
        now.checked_add(early).is_some_and(|then| then < self.expires_at)
    }
}

pub(super) type Getting = BoxFuture<Result<Session, Rejection>>;
type Flight = BoxFuture<Result<AwsKeys, Rejection>>;

/// Sessions by the digest of everything that makes them what they are. A clone is one reference count.
#[derive(Clone)]
pub(super) struct Sessions(Arc<Shelf>);

struct Shelf {
    salt: [u8; 32],
    places: Mutex<HashMap<[u8; 32], Place>>,
}

#[derive(Default)]
struct Place {
    session: Option<Session>,
    /// Weak: where everybody who waited has gone, the call ends, and the next request makes a new one.
    flight: Option<WeakShared<Flight>>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let mut salt = [0; 32];
        // Two random UUIDs: the digests are of no use outside of this process.
        salt[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        salt[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self(Arc::new(Shelf { salt, places: Mutex::default() }))
    }

    /// The session that is there, or that one caller gets and all others wait for. Nothing is kept of a failure; where a
    /// session can't be got anew, the old one goes on until it ends.
    pub(super) fn get(
        &self,
        key: [u8; 32],
        clock: &Clock,
        get: impl FnOnce() -> Getting,
    ) -> Decision<AwsKeys, KeysFuture> {
        let now = clock();
        let mut places = self.lock();
        if let Some(place) = places.get(&key) {
            if let Some(session) = place.session.as_ref().filter(|session| session.lasts(now, EARLY)) {
                return Decision::pass(session.keys.clone());
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

    fn flight(&self, key: [u8; 32], clock: &Clock, getting: Getting) -> Shared<Flight> {
        let (sessions, clock) = (self.clone(), Arc::clone(clock));
        let flight: Flight = Box::pin(async move {
            let got = getting.await;
            let mut places = sessions.lock();
            let place = places.entry(key).or_default();
            place.flight = None;
            let old = place.session.take().filter(|session| session.lasts(clock(), Duration::ZERO));
            match got {
                Ok(session) => {
                    let keys = session.keys.clone();
                    place.session = Some(session);
                    Ok(keys)
                }
                Err(rejection) => {
                    let keys = old.as_ref().map(|session| session.keys.clone());
                    place.session = old;
                    keys.ok_or(rejection)
                }
            }
        });
        flight.shared()
    }

    /// The digest of a list of parts, each with its length, so that no two lists read the same.
    pub(super) fn digest<'a>(&self, parts: impl Iterator<Item = Option<&'a str>>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0.salt);
        for part in parts {
            let text = part.unwrap_or_default();
            let length = (text.len() as u64).to_le_bytes();
            hasher.update(&[u8::from(part.is_some())]).update(&length).update(text.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Place>> {
        // What a panic could have left half done is a place without a flight, which the next request fills.
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what has ended, and if that is nothing, one place that nobody is getting.
fn make_room(places: &mut HashMap<[u8; 32], Place>, now: SystemTime) {
    let flies = |place: &Place| place.flight.as_ref().is_some_and(|flight| flight.upgrade().is_some());
    let lasts = |place: &Place| place.session.as_ref().is_some_and(|session| session.lasts(now, EARLY));
    places.retain(|_, place| flies(place) || lasts(place));
    if places.len() >= KEPT {
        let victim = places.iter().find(|(_, place)| !flies(place)).map(|(key, _)| *key);
        if let Some(key) = victim {
            places.remove(&key);
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("len", &self.lock().len()).finish_non_exhaustive()
    }
}

//! The one task that fetches a key set.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Weak},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, Uri,
    header::{ACCEPT, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};

use super::{
    fetch::{FetchJwks, JwksRequest},
    remote::{RemoteJwks, Times, address},
    response::{self, FetchFault},
    set::{Keys, MAX_SET, SkippedKey},
    state::{Change, Outcome, Remote},
};

/// Where fetching is told.
const EVENTS: &str = "tower_portkey::jwks";
/// The first pause after a failure while there is no set; each further one is twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Where the set is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Set(Uri),
    Issuer { issuer: Box<str>, document: Uri },
}

/// What one fetch leaves for the next.
struct Fetcher {
    io: Arc<dyn FetchJwks>,
    remote: RemoteJwks,
    /// Where the issuer's document says the keys are, and whether the operator named that host.
    found: Option<(Uri, bool)>,
    /// The validators of the last good answer (RFC 9110, section 8.8).
    validators: HeaderMap,
    /// Failures since the last good answer.
    failed: u32,
    loaded: bool,
}

/// Fetches now, before the set goes stale, and when somebody asks; until nobody holds the set any more.
pub(super) async fn drive(set: Weak<Remote>, io: Arc<dyn FetchJwks>, remote: RemoteJwks) {
    let _stopped = Stopped(set.clone());
    let mut fetcher = Fetcher { io, remote, found: None, validators: HeaderMap::new(), failed: 0, loaded: false };
    loop {
        let fetched = fetcher.fetch().await;
        let Some(held) = set.upgrade() else { return };
        // Listens before the attempt ends: who asks from then on is heard.
        let asked = held.wanted().next();
        let pause = fetcher.end(&held, fetched);
        drop(held);
        first(fetcher.io.sleep(pause), asked).await;
        let Some(held) = set.upgrade() else { return };
        held.begin();
    }
}

/// However the task ends, a panic of the user's [`FetchJwks`] included, nobody waits for it any more, and no key outlives
/// it.
struct Stopped(Weak<Remote>);

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(set) = self.0.upgrade() {
            set.stop();
            if std::thread::panicking() {
                tracing::error!(target: EVENTS, "a key set is no longer fetched: its tokens are refused");
            } else {
                // The runtime ends.
                tracing::debug!(target: EVENTS, "a key set is no longer fetched");
            }
        }
    }
}

/// A good answer: the set, unless it has not changed, and how long it is fresh as far as it says.
type Fetched = Result<(Option<Keys>, Option<Duration>), FetchFault>;

impl Fetcher {
    async fn fetch(&mut self) -> Fetched {
        let (uri, operator) = match (&self.remote.place, &self.found) {
            (Place::Set(uri), _) => (uri.clone(), true),
            (Place::Issuer { .. }, Some(found)) => found.clone(),
            (Place::Issuer { issuer, document }, None) => {
                let found = self.discover(issuer, document).await?;
                self.found = Some(found.clone());
                found
            }
        };
        let mut headers = if self.loaded { self.validators.clone() } else { HeaderMap::new() };
        let conditional = !headers.is_empty();
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let response = self.exchange(uri, headers, operator).await?;
        let max_age = response::max_age(response.headers());
        let validators = validators(response.headers());
        let Some(body) = response::body(response, conditional)? else { return Ok((None, max_age)) };
        let keys = Keys::read(&body).map_err(|(fault, skipped)| FetchFault::Content(told(&fault, &skipped)))?;
        self.validators = validators;
        Ok((Some(keys), max_age))
    }

    async fn discover(&self, issuer: &str, document: &Uri) -> Result<(Uri, bool), FetchFault> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.exchange(document.clone(), headers, true).await?;
        let body = response::body(response, false)?.unwrap_or_default();
        let text = response::keys_of(&body, issuer)?;
        let uri = address(&text, &self.remote.trusted).map_err(|error| FetchFault::Content(error.to_string()))?;
        // The document says where, not the operator: another host may be private only if it is trusted.
        let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let named = uri.host() == document.host() && port(&uri) == port(document);
        let trusted = uri.host().is_some_and(|host| self.remote.trusted.allows(host, port(&uri)));
        Ok((uri, named || trusted))
    }

    async fn exchange(&self, uri: Uri, headers: HeaderMap, operator: bool) -> Result<Response<Bytes>, FetchFault> {
        let timeout = self.remote.times.timeout;
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let fetching = self.io.fetch(JwksRequest { request, operator, timeout, max_body: MAX_SET });
        match first(fetching, self.io.sleep(timeout)).await {
            Some(answer) => answer.map_err(FetchFault::Exchange),
            None => Err(FetchFault::Timeout),
        }
    }

    /// Puts the answer in force, says so, and says how long to wait now.
    fn end(&mut self, set: &Remote, fetched: Fetched) -> Duration {
        let times = self.remote.times;
        let (outcome, pause, why) = match fetched {
            Ok((keys, max_age)) => {
                (self.failed, self.loaded) = (0, true);
                (keys.map_or(Outcome::Same, Outcome::New), fresh_for(max_age, &times), None)
            }
            Err(why) => {
                self.failed += 1;
                // The keys may have moved.
                self.found = None;
                (Outcome::Failed, retry_in(self.failed, self.loaded, &times), Some(why))
            }
        };
        let change = set.end(outcome, pause);
        let keys = set.status().keys;
        match change {
            Change::Swapped => {
                tracing::info!(target: EVENTS, place = %self.remote.place, keys, "new key set");
                let skipped = set.keys(|keys| keys.skipped().to_vec());
                for key in skipped {
                    tracing::warn!(target: EVENTS, place = %self.remote.place, %key, "a key of the set is not used");
                }
            }
            Change::Confirmed => tracing::debug!(target: EVENTS, place = %self.remote.place, keys, "key set confirmed"),
            Change::Kept | Change::Dropped => {
                let why = why.map(|why| why.to_string()).unwrap_or_default();
                if change == Change::Dropped {
                    (self.loaded, self.validators) = (false, HeaderMap::new());
                }
                tracing::error!(target: EVENTS, place = %self.remote.place, why, keys, "the key set can't be fetched");
            }
        }
        pause
    }
}

/// What the next request asks with.
fn validators(headers: &HeaderMap) -> HeaderMap {
    let pairs = [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)];
    pairs.into_iter().filter_map(|(said, asked)| Some((asked, headers.get(said)?.clone()))).collect()
}

fn told(fault: &impl fmt::Display, skipped: &[SkippedKey]) -> String {
    skipped.iter().fold(fault.to_string(), |text, key| format!("{text}; {key}"))
}

/// What an answer says, within bounds, and a little less: the next one is there before this one is stale.
fn fresh_for(max_age: Option<Duration>, times: &Times) -> Duration {
    let said = max_age.map_or(times.refresh, |age| age.saturating_sub(age / 10));
    said.max(times.refresh).min(times.longest.max(times.refresh))
}

fn retry_in(failed: u32, loaded: bool, times: &Times) -> Duration {
    let most = times.unknown.min(times.refresh);
    if loaded { most } else { most.min(FIRST_RETRY.saturating_mul(1 << failed.saturating_sub(1).min(16))) }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold somebody's key.
        let uri = match self {
            Self::Set(uri) | Self::Issuer { document: uri, .. } => uri,
        };
        write!(f, "{}{}", uri.authority().map_or("", |authority| authority.as_str()), uri.path())
    }
}

/// Ends with whichever ends first; `None` where that is the second.
async fn first<T>(mut one: impl Future<Output = T> + Unpin, mut other: impl Future<Output = ()> + Unpin) -> Option<T> {
    poll_fn(|cx| match Pin::new(&mut one).poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut other).poll(cx).map(|()| None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_next_fetch_is() {
        let place = Place::Set(Uri::from_static("https://idp.test/keys"));
        let times =
            RemoteJwks::new("https://idp.test/keys", &crate::host::TrustedHosts::default()).expect("a place").times;
        for (max_age, seconds) in [
            (None, 300),
            (Some(0), 300),
            (Some(60), 300),
            (Some(3600), 3240),
            (Some(86_400), 77_760),
            (Some(1_000_000), 86_400),
            (Some(u64::MAX), 86_400),
        ] {
            assert_eq!(fresh_for(max_age.map(Duration::from_secs), &times).as_secs(), seconds, "{max_age:?}");
        }
        let pauses: Vec<_> = (1..8).map(|failed| retry_in(failed, false, &times).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retry_in(1, true, &times).as_secs(), 30);
        assert_eq!(place.to_string(), "idp.test/keys");
    }
}

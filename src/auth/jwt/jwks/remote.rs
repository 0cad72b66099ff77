//! Where a key set is fetched from, and how often.

use std::{sync::Arc, time::Duration};

use http::Uri;
use url::Url;

use super::{
    Jwks,
    driver::{self, Place},
    error::{JwksError, JwksErrorKind},
    fetch::FetchJwks,
    state::Remote,
};
use crate::host::TrustedHosts;

/// A key set that is fetched, and kept fresh in the background: before it goes stale, and when a token names a key that
/// it doesn't have.
#[derive(Clone, Debug)]
pub struct RemoteJwks {
    pub(super) place: Place,
    pub(super) trusted: TrustedHosts,
    pub(super) times: Times,
}

/// How often, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Between two fetches, where the answer says nothing; never more often in the background.
    pub(super) refresh: Duration,
    /// The longest between two fetches, whatever the answer says.
    pub(super) longest: Duration,
    /// Between two fetches for keys that are not there.
    pub(super) unknown: Duration,
    /// For one exchange.
    pub(super) timeout: Duration,
    /// How long the last good set is kept while fetching fails.
    pub(super) stale: Duration,
}

impl RemoteJwks {
    /// The set at this URL: https, or http where the host is among `trusted`.
    ///
    /// # Errors
    ///
    /// No absolute URL with a host, one with credentials or a fragment, or plain http to another host.
    pub fn new(url: &str, trusted: &TrustedHosts) -> Result<Self, JwksError> {
        Ok(Self::at(Place::Set(address(url, trusted)?), trusted))
    }

    /// The set that this issuer's OpenID configuration names (OpenID Connect Discovery 1.0, section 4). The document
    /// must name the issuer letter by letter.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn discover(issuer: &str, trusted: &TrustedHosts) -> Result<Self, JwksError> {
        let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        Ok(Self::at(Place::Issuer { issuer: issuer.into(), document: address(&document, trusted)? }, trusted))
    }

    fn at(place: Place, trusted: &TrustedHosts) -> Self {
        let times = Times {
            refresh: Duration::from_secs(300),
            longest: Duration::from_secs(86_400),
            unknown: Duration::from_secs(30),
            timeout: Duration::from_secs(2),
            stale: Duration::from_secs(86_400),
        };
        Self { place, trusted: trusted.clone(), times }
    }

    /// How often the set is fetched where the answer has no `cache-control`, and at most; 5 minutes unless set. An
    /// answer that says more is believed, up to 24 hours.
    #[must_use]
    pub fn refresh(mut self, every: Duration) -> Self {
        self.times.refresh = every;
        self
    }

    /// How often, at most, a token that names an unknown key makes the set be fetched; 30 s unless set.
    #[must_use]
    pub fn unknown_kid_interval(mut self, every: Duration) -> Self {
        self.times.unknown = every;
        self
    }

    /// How long one exchange may take; 2 s unless set.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.times.timeout = limit;
        self
    }

    /// How long the last good set is kept while fetching fails; 24 hours unless set.
    #[must_use]
    pub fn keep_stale(mut self, limit: Duration) -> Self {
        self.times.stale = limit;
        self
    }

    /// Where that is, without a query.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// Begins to fetch. Who asks before the first answer is there waits for it.
    #[must_use]
    pub fn start(self, io: impl FetchJwks) -> Jwks {
        let io: Arc<dyn FetchJwks> = Arc::new(io);
        let remote = Arc::new(Remote::new(self.times, Arc::clone(&io)));
        io.spawn(Box::pin(driver::drive(Arc::downgrade(&remote), Arc::clone(&io), self)));
        Jwks::fetched(remote)
    }
}

/// Reads a URL that an operator or an issuer wrote.
pub(super) fn address(text: &str, trusted: &TrustedHosts) -> Result<Uri, JwksError> {
    let url = Url::parse(text).map_err(|_| JwksErrorKind::Url)?;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let (Some(host), Some(port), true) = (url.host_str(), url.port_or_known_default(), bare) else {
        return Err(JwksErrorKind::Url.into());
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && trusted.allows(host, port)) {
        return Err(JwksErrorKind::Scheme.into());
    }
    Ok(url.as_str().parse::<Uri>().map_err(|_| JwksErrorKind::Url)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_or_a_trusted_host() {
        let trusted = TrustedHosts::parse(["127.0.0.1:9000", "idp.internal"]).expect("hosts");
        for (url, kind) in [
            ("https://idp.test/keys?a=b", None),
            ("https://10.0.0.1/keys", None),
            ("http://127.0.0.1:9000/keys", None),
            ("http://idp.internal/keys", None),
            ("http://127.0.0.1:9001/keys", Some(JwksErrorKind::Scheme)),
            ("http://idp.test/keys", Some(JwksErrorKind::Scheme)),
            ("ftp://idp.internal/keys", Some(JwksErrorKind::Scheme)),
            ("file:///etc/passwd", Some(JwksErrorKind::Url)),
            ("https://user:x@idp.test/keys", Some(JwksErrorKind::Url)),
            ("https://idp.test/keys#x", Some(JwksErrorKind::Url)),
            ("idp.test/keys", Some(JwksErrorKind::Url)),
            ("", Some(JwksErrorKind::Url)),
        ] {
            assert_eq!(RemoteJwks::new(url, &trusted).err().map(|error| error.kind()), kind, "{url}");
        }
        let found = RemoteJwks::discover("https://idp.test/", &trusted).expect("an issuer");
        let Place::Issuer { document, .. } = found.place else { panic!("an issuer") };
        assert_eq!(document, "https://idp.test/.well-known/openid-configuration");
    }
}

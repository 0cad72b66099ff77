//! Key sets: given as text, or fetched and kept fresh.

mod bell;
mod driver;
mod error;
mod fetch;
mod key;
mod remote;
mod response;
mod roca;
mod set;
mod state;

pub use error::{JwksError, JwksErrorKind};
pub use fetch::{BoxFuture, FetchJwks, JwksRequest};
pub use key::KeyFault;
pub use remote::RemoteJwks;
pub use set::{SetFault, SkippedKey};
pub use state::JwksStatus;

use std::{fmt, sync::Arc};

pub(super) use bell::Waiting;
pub(super) use key::Key;
use set::Keys;
use state::Remote;

/// A set of public keys, by `kid`. A clone shares it; when the last one is dropped, a set that is fetched is no longer.
///
/// ```
/// use tower_portkey::auth::jwt::Jwks;
///
/// let jwks = Jwks::from_json(r#"{"keys":[
///     {"kid":"k","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///     {"kid":"s","kty":"oct","k":"AAAA"}
/// ]}"#)?;
/// assert_eq!(jwks.key_ids(), [Box::from("k")]);
/// assert_eq!(jwks.skipped()[0].to_string(), r#"keys[1] ("s"): a symmetric key"#);
/// # Ok::<(), tower_portkey::auth::jwt::JwksError>(())
/// ```
#[derive(Clone)]
pub struct Jwks(Source);

#[derive(Clone)]
enum Source {
    Given(Arc<Keys>),
    Fetched(Arc<Remote>),
}

/// What a look-up finds.
#[derive(Debug)]
pub(super) enum Found {
    /// The key, and the generation of the set that it stands in.
    Key(Arc<Key>, u64),
    /// There is no such key.
    Unknown,
    /// Somebody is asking for it.
    Waiting(Waiting),
    /// There is no set at all.
    NoSet,
}

impl Jwks {
    /// A set that is given as JSON text and never changes. Keys that can't be used are [skipped](Self::skipped).
    ///
    /// # Errors
    ///
    /// The text is no key set, or has no key that can be used.
    pub fn from_json(json: &str) -> Result<Self, JwksError> {
        let keys = Keys::read(json.as_bytes()).map_err(|(fault, skipped)| JwksError::of_set(fault, skipped))?;
        Ok(Self(Source::Given(Arc::new(keys))))
    }

    fn fetched(remote: Arc<Remote>) -> Self {
        Self(Source::Fetched(remote))
    }

    /// The names of the keys that are in use now, sorted.
    #[must_use]
    pub fn key_ids(&self) -> Vec<Box<str>> {
        let mut ids: Vec<Box<str>> = self.with(|keys| keys.ids().map(Into::into).collect());
        ids.sort_unstable();
        ids
    }

    /// The keys of the set that are not used.
    #[must_use]
    pub fn skipped(&self) -> Vec<SkippedKey> {
        self.with(|keys| keys.skipped().to_vec())
    }

    /// How fetching goes; `None` for a set that is given.
    #[must_use]
    pub fn status(&self) -> Option<JwksStatus> {
        if let Source::Fetched(remote) = &self.0 { Some(remote.status()) } else { None }
    }

    /// A number that changes with the keys; `None` where there are none.
    pub(super) fn generation(&self) -> Option<u64> {
        match &self.0 {
            Source::Given(_) => Some(0),
            Source::Fetched(remote) => remote.generation(),
        }
    }

    /// The key of this name. `may_wait` says whether one that is not there may be asked for.
    pub(super) fn find(&self, id: &str, may_wait: bool) -> Found {
        match &self.0 {
            Source::Given(keys) => keys.get(id).map_or(Found::Unknown, |key| Found::Key(Arc::clone(key), 0)),
            Source::Fetched(remote) => remote.find(id, may_wait),
        }
    }

    fn with<T: Default>(&self, read: impl FnOnce(&Keys) -> T) -> T {
        match &self.0 {
            Source::Given(keys) => read(keys),
            Source::Fetched(remote) => remote.keys(read),
        }
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("keys", &self.key_ids()).finish_non_exhaustive()
    }
}

//! A set of gateway keys in memory.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::Arc,
};

use arc_swap::ArcSwap;
use aws_lc_rs::{hmac, rand};
use subtle::ConstantTimeEq;

use super::{
    key::{self, GatewayKey, KeyError, KeyErrorKind},
    validate::{Never, Validate},
};
use crate::{
    context::{Credential, Principal},
    guard::Decision,
    rejection::{Kind, Rejection},
};

/// Keys by digest. A presented key is first looked up by its keyed BLAKE3; only one that is not found there pays for
/// SHA-256 and HMAC-SHA-256. Both are keyed with random numbers of this process, and what a look-up finds is compared
/// in constant time, so neither the time nor a copy of the memory's layout helps to guess.
///
/// A clone shares the set.
#[derive(Clone)]
pub struct KeySet(Arc<Indexes>);

struct Indexes {
    pepper: hmac::Key,
    /// By HMAC-SHA-256 of the text's SHA-256: every key.
    all: Index,
    quick_key: [u8; 32],
    /// By keyed BLAKE3 of the text: the keys whose text is known or has been shown once. Never more than `all`.
    quick: ArcSwap<Index>,
}

type Index = HashMap<Digest, Principal, BuildHasherDefault<FirstBytes>>;

impl KeySet {
    /// The set of these keys.
    ///
    /// # Errors
    ///
    /// The same key twice, or no random numbers.
    pub fn new(keys: impl IntoIterator<Item = GatewayKey>) -> Result<Self, KeyError> {
        let pepper = hmac::Key::new(hmac::HMAC_SHA256, &random()?);
        let quick_key = random()?;
        let (mut all, mut quick) = (Index::default(), Index::default());
        for key in keys {
            if let Some(text) = &key.text {
                quick.insert(quick_digest(&quick_key, text.expose()), key.principal.clone());
            }
            if all.insert(digest(&pepper, &key.sha256), key.principal).is_some() {
                return Err(KeyError(KeyErrorKind::Duplicate));
            }
        }
        Ok(Self(Arc::new(Indexes { pepper, all, quick_key, quick: ArcSwap::from_pointee(quick) })))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.all.len()
    }

    /// Whether there is no key, so that everybody is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    fn find(&self, text: &str) -> Option<Principal> {
        let Indexes { pepper, all, quick_key, quick } = &*self.0;
        // Nothing longer than a key is ever hashed.
        if text.len() > GatewayKey::MAX_BYTES {
            return None;
        }
        let shown = quick_digest(quick_key, text);
        if let Some(principal) = look_up(&quick.load(), &shown) {
            return Some(principal);
        }
        key::check(text).ok()?;
        let principal = look_up(all, &digest(pepper, &key::sha256(text)))?;
        quick.rcu(|before| {
            let mut after = Index::clone(before);
            after.insert(Digest(shown.0), principal.clone());
            after
        });
        Some(principal)
    }
}

impl Validate for KeySet {
    type Future = Never;

    fn validate(&self, credential: &Credential) -> Decision<Principal, Never> {
        Decision::Now(self.find(credential.expose()).ok_or_else(|| Rejection::new(Kind::InvalidKey)))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn look_up(index: &Index, digest: &Digest) -> Option<Principal> {
    index.get(digest).cloned()
}

fn digest(pepper: &hmac::Key, sha256: &[u8; 32]) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hmac::sign(pepper, sha256).as_ref());
    Digest(bytes)
}

pub(super) fn quick_digest(key: &[u8; 32], text: &str) -> Digest {
    Digest(*blake3::keyed_hash(key, text.as_bytes()).as_bytes())
}

pub(super) fn random() -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| KeyError(KeyErrorKind::Random))?;
    Ok(bytes)
}

/// A digest: hashed by its own first bytes, compared in constant time.
#[derive(Clone)]
pub(super) struct Digest(pub(super) [u8; 32]);

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

/// A digest is evenly spread already; hashing it again would only cost.
#[derive(Clone, Copy, Default)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, first: u64) {
        self.0 = first;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "pk-7Qm2vX9tRb4Ls8Kd1Wn6Zc3Yh5Jf0GpAeUiOa";
    const B: &str = "imported-key-of-twenty-and-more";

    fn hex(text: &str) -> String {
        key::sha256(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_key_is_found_by_its_text_or_its_digest_alone() {
        let keys = [
            GatewayKey::new(A, Principal::new("a")).expect("a key"),
            GatewayKey::from_sha256(&hex(B), Principal::new("b")).expect("a key"),
        ];
        let set = KeySet::new(keys).expect("a set");
        assert_eq!(set.0.quick.load().len(), 1);
        for (text, expected) in
            [(A, Some("a")), (B, Some("b")), (B, Some("b")), ("unknown-key-0123456789", None), ("", None)]
        {
            assert_eq!(set.find(text).as_ref().map(Principal::subject), expected);
        }
        assert_eq!(set.0.quick.load().len(), 2, "shown once, quick from then on; unknown keys leave nothing behind");
    }

    #[test]
    fn equal_fronts_are_not_equal_keys() {
        let set = KeySet::new([GatewayKey::new(A, Principal::new("a")).expect("a key")]).expect("a set");
        for text in [&A[..A.len() - 1], &format!("{A}x"), &A.replace('Q', "q")] {
            assert!(set.find(text).is_none());
        }
    }

    #[test]
    fn the_same_key_twice_is_an_error() {
        let keys = [
            GatewayKey::new(A, Principal::new("a")).expect("a key"),
            GatewayKey::from_sha256(&hex(A), Principal::new("b")).expect("a key"),
        ];
        assert_eq!(KeySet::new(keys).err().map(|error| error.kind()), Some(KeyErrorKind::Duplicate));
    }
}

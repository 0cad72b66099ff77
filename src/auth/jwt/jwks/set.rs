//! A key set: JSON text becomes keys by id (pure).

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::key::{self, Key, KeyFault};

/// Longest set, in bytes.
pub(super) const MAX_SET: usize = 256 * 1024;
/// Most keys of a set.
const MAX_KEYS: usize = 64;

/// Keys by `kid`. Never changed, only replaced as a whole.
#[derive(Debug)]
pub(in crate::auth::jwt) struct Keys {
    by_id: HashMap<Box<str>, Arc<Key>>,
    skipped: Vec<SkippedKey>,
    digest: [u8; 32],
}

/// A key of a set that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    index: usize,
    id: Option<Box<str>>,
    fault: KeyFault,
}

impl SkippedKey {
    /// Its place in `keys`, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its `kid`, where it has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What is wrong with it.
    #[must_use]
    pub fn fault(&self) -> KeyFault {
        self.fault
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys[{}]", self.index)?;
        // A name from outside: nothing in it may look like something else.
        self.id.as_ref().map_or(Ok(()), |id| write!(f, " ({:.40?})", &**id))?;
        write!(f, ": {}", self.fault)
    }
}

/// Why a whole set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetFault {
    /// Longer than 256 KiB.
    TooLong,
    /// No JSON object with an array `keys`.
    Malformed,
    /// More than 64 keys.
    TooMany,
    /// No key that can be used.
    NoKey,
}

impl fmt::Display for SetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the key set is longer than 256 KiB",
            Self::Malformed => "not a JSON Web Key Set",
            Self::TooMany => "the key set has more than 64 keys",
            Self::NoKey => "the key set has no key that can be used",
        })
    }
}

impl std::error::Error for SetFault {}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl Keys {
    /// Reads a set. A key that can't be used is skipped; a set without any that can is refused, with what was skipped.
    pub(super) fn read(json: &[u8]) -> Result<Self, (SetFault, Vec<SkippedKey>)> {
        let fault = |fault| (fault, Vec::new());
        if json.len() > MAX_SET {
            return Err(fault(SetFault::TooLong));
        }
        let set: Set<'_> = serde_json::from_slice(json).map_err(|_| fault(SetFault::Malformed))?;
        if set.keys.len() > MAX_KEYS {
            return Err(fault(SetFault::TooMany));
        }
        let (mut good, mut skipped) = (Vec::new(), Vec::new());
        for (index, json) in set.keys.into_iter().enumerate() {
            match key::read(json.get()) {
                (Some(id), Ok(key)) => good.push((index, id, Arc::new(key))),
                (id, key) => {
                    let fault = key.err().unwrap_or(KeyFault::NoId);
                    skipped.push(SkippedKey { index, id, fault });
                }
            }
        }
        let repeated = repeated(good.iter().map(|(_, id, _)| &**id));
        let mut by_id = HashMap::with_capacity(good.len());
        for (index, id, key) in good {
            if repeated.contains(&id) {
                skipped.push(SkippedKey { index, id: Some(id), fault: KeyFault::RepeatedId });
            } else {
                by_id.insert(id, key);
            }
        }
        skipped.sort_unstable_by_key(SkippedKey::index);
        if by_id.is_empty() {
            return Err((SetFault::NoKey, skipped));
        }
        Ok(Self { by_id, skipped, digest: *blake3::hash(json).as_bytes() })
    }

    pub(in crate::auth::jwt) fn get(&self, id: &str) -> Option<&Arc<Key>> {
        self.by_id.get(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(|id| &**id)
    }

    pub(super) fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether `other` was read from the same text.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

fn repeated<'a>(ids: impl Iterator<Item = &'a str>) -> HashSet<Box<str>> {
    let mut seen = HashSet::new();
    ids.filter(|id| !seen.insert(*id)).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#""kty":"EC","crv":"P-256","x":"aSeMEV629xgHGxSi3o7GCeAJf01ei1-xRP9OSjJTW2c","y":"y9C-YaTRbzx4LAZpUrZJzF-zUVm7x0f0V0ef6z3aZjE""#;

    fn read(keys: &str) -> Result<Keys, SetFault> {
        Keys::read(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).map_err(|(fault, _)| fault)
    }

    #[test]
    fn a_bad_key_skips_that_key() {
        let small = "A".repeat(171);
        for (key, fault) in [
            ("7".to_owned(), KeyFault::Malformed),
            ("{}".to_owned(), KeyFault::Malformed),
            (format!(r#"{{"kid":"b","kid":"b",{EC}}}"#), KeyFault::Malformed),
            (format!("{{{EC}}}"), KeyFault::NoId),
            (format!(r#"{{"kid":"",{EC}}}"#), KeyFault::NoId),
            (format!(r#"{{"kid":"{}",{EC}}}"#, "k".repeat(129)), KeyFault::NoId),
            (r#"{"kid":"b","kty":"oct","k":"AAAA"}"#.to_owned(), KeyFault::Symmetric),
            (format!(r#"{{"kid":"b","d":"AAAA",{EC}}}"#), KeyFault::Private),
            (format!(r#"{{"kid":"b","use":"enc",{EC}}}"#), KeyFault::Use),
            (format!(r#"{{"kid":"b","key_ops":["sign"],{EC}}}"#), KeyFault::Use),
            (format!(r#"{{"kid":"b","alg":"RS256",{EC}}}"#), KeyFault::Unsupported),
            (format!(r#"{{"kid":"b","alg":"HS256",{EC}}}"#), KeyFault::Unsupported),
            (r#"{"kid":"b","kty":"FUTURE"}"#.to_owned(), KeyFault::Unsupported),
            (format!(r#"{{"kid":"b",{}}}"#, EC.replace("P-256", "P-521")), KeyFault::Unsupported),
            (format!(r#"{{"kid":"b",{}}}"#, EC.replace("P-256", "P-384")), KeyFault::Malformed),
            (format!(r#"{{"kid":"b",{}}}"#, EC.replace("aSe", "bSe")), KeyFault::Weak),
            (format!(r#"{{"kid":"b","kty":"RSA","e":"AQAB","n":"{small}"}}"#), KeyFault::TooSmall),
        ] {
            let set = read(&format!(r#"{{"kid":"a",{EC}}},{key}"#)).expect("one good key");
            assert!(set.get("a").is_some() && set.get("b").is_none(), "{key}");
            assert_eq!(set.skipped().iter().map(SkippedKey::fault).collect::<Vec<_>>(), [fault], "{key}");
        }
    }

    #[test]
    fn neither_of_two_keys_of_one_name_is_used() {
        let set = read(&format!(r#"{{"kid":"a",{EC}}},{{"kid":"b",{EC}}},{{"kid":"a",{EC}}}"#)).expect("one good key");
        assert_eq!(set.ids().collect::<Vec<_>>(), ["b"]);
        let told: Vec<_> = set.skipped().iter().map(ToString::to_string).collect();
        assert_eq!(told[0], r#"keys[0] ("a"): its kid stands there more than once"#);
        assert_eq!(told.len(), 2);
        // One that is for something else takes no name away.
        let set = read(&format!(r#"{{"kid":"a",{EC}}},{{"kid":"a","use":"enc",{EC}}}"#)).expect("one good key");
        assert!(set.get("a").is_some());
    }

    #[test]
    fn a_bad_set_is_no_set() {
        for (json, fault) in [
            ("", SetFault::Malformed),
            ("<html>", SetFault::Malformed),
            ("[]", SetFault::Malformed),
            ("{}", SetFault::Malformed),
            (r#"{"keys":{}}"#, SetFault::Malformed),
            (r#"{"keys":[],"keys":[]}"#, SetFault::Malformed),
            (r#"{"keys":[]}"#, SetFault::NoKey),
            (r#"{"keys":[7]}"#, SetFault::NoKey),
        ] {
            assert_eq!(Keys::read(json.as_bytes()).err().map(|(fault, _)| fault), Some(fault), "{json}");
        }
        assert_eq!(read(&vec!["7"; 65].join(",")).err(), Some(SetFault::TooMany));
        assert_eq!(read(&" ".repeat(MAX_SET)).err(), Some(SetFault::TooLong));
    }
}

//! Configs that came in headers, kept decoded.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use super::decode::{Asks, ConfigError, LONGEST, decode, weight};
use crate::context::ConfigTree;

/// Bytes that decoded configs may take, about.
const CAPACITY: u64 = 4 * 1024 * 1024;
/// What a place in the cache takes beside the config.
const OF_ENTRY: usize = 128;
/// About as many as an application has.
const EXPECTED: usize = 1024;

/// Decoded configs by the keyed digest of their text and of what their validation depended on. Bounded; refusals are not
/// kept. The texts themselves, which may hold credentials, are not either.
pub(super) struct Decoded {
    key: [u8; 32],
    cache: Cache<[u8; 32], (Arc<ConfigTree>, u64), ByRoom>,
}

#[derive(Clone)]
struct ByRoom;

impl Weighter<[u8; 32], (Arc<ConfigTree>, u64)> for ByRoom {
    fn weight(&self, _: &[u8; 32], (_, weight): &(Arc<ConfigTree>, u64)) -> u64 {
        *weight
    }
}

impl Decoded {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        // Two random UUIDs: the key only keeps texts from being chosen to collide.
        key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self { key, cache: Cache::with_weighter(EXPECTED, CAPACITY, ByRoom) }
    }

    /// The config of this text.
    pub(super) fn get(&self, json: &[u8], asked: &Asks<'_>) -> Result<Arc<ConfigTree>, ConfigError> {
        if json.len() > LONGEST {
            return Err(ConfigError::TooLong);
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[u8::from(asked.provider_header) | u8::from(asked.slugs) << 1]).update(json);
        let digest = *hasher.finalize().as_bytes();
        if let Some((tree, _)) = self.cache.get(&digest) {
            return Ok(tree);
        }
        let tree = Arc::new(decode(json, asked)?);
        let weight = u64::try_from(OF_ENTRY + weight(&tree)).unwrap_or(u64::MAX);
        self.cache.insert(digest, (Arc::clone(&tree), weight));
        Ok(tree)
    }
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoded").field("len", &self.cache.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ProviderId;

    #[test]
    fn a_text_is_decoded_once_for_each_way_to_read_it() {
        let decoded = Decoded::new();
        let open = Asks {
            provider_header: false,
            slugs: false,
            saved: false,
            provider: &ProviderId::parse,
            host: &|_, _| None,
        };
        let hosted = Asks { slugs: true, ..open };
        let json = br#"{"provider":"@prod"}"#;
        assert!(decoded.get(json, &open).is_err());
        let (one, two) = (decoded.get(json, &hosted).expect("a config"), decoded.get(json, &hosted).expect("a config"));
        assert!(Arc::ptr_eq(&one, &two));
        assert!(decoded.get(json, &open).is_err(), "what one may name, another may not");
        assert_eq!(decoded.cache.len(), 1);
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let decoded = Decoded::new();
        let asked = Asks {
            provider_header: false,
            slugs: false,
            saved: false,
            provider: &ProviderId::parse,
            host: &|_, _| None,
        };
        for number in 0..2000 {
            let long = "x".repeat(8000);
            let json = format!(r#"{{"provider":"openai","api_key":"{number}","name":"{long}"}}"#);
            decoded.get(json.as_bytes(), &asked).expect("a config");
        }
        assert!(decoded.cache.weight() <= CAPACITY);
    }
}

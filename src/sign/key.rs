//! Signing keys: derived from a secret for one day, region and service, and kept.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac::{HMAC_SHA256, Key, sign_to_buffer},
};
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use super::{canonical::Signed, time::Stamp};
use crate::context::{AwsKeys, AwsSigning};

/// Keys that are kept. About as many as there are credentials, regions and services in use.
const KEPT: usize = 4096;

/// Signing keys by the digest of everything that they are derived from, the secret itself included: whoever knows a key id
/// can't have another's signature. Bounded. A clone is one reference count.
///
/// What is kept is the hash's state with the key in it, which its owner (aws-lc) overwrites when it is dropped.
#[derive(Clone)]
pub(super) struct SigningKeys(Arc<Kept>);

struct Kept {
    salt: [u8; 32],
    cache: Cache<[u8; 32], Arc<Key>>,
}

impl SigningKeys {
    pub(super) fn new() -> Self {
        let mut salt = [0; 32];
        // Two random UUIDs: the digests are of no use outside of this process.
        salt[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        salt[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self(Arc::new(Kept { salt, cache: Cache::new(KEPT) }))
    }

    /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`. `None` only where the hash itself fails.
    pub(super) fn authorization(
        &self,
        request: &Signed<'_>,
        keys: &AwsKeys,
        scope: &Scope<'_>,
        stamp: &Stamp,
    ) -> Option<String> {
        let date = stamp.date();
        let mut text = String::with_capacity(200);
        text.extend(["AWS4-HMAC-SHA256\n", stamp.as_str(), "\n"]);
        text.extend([date, "/", scope.region, "/", scope.service, "/aws4_request\n"]);
        push_hex(&mut text, digest(&SHA256, &request.text()).as_ref());
        let signature = hmac(&*self.key(keys, scope, date)?, text.as_bytes())?;

        let mut line = String::with_capacity(320);
        line.extend(["AWS4-HMAC-SHA256 Credential=", keys.access_key_id(), "/", date, "/", scope.region, "/"]);
        line.extend([scope.service, "/aws4_request, SignedHeaders="]);
        for (index, name) in request.names().enumerate() {
            line.extend([if index > 0 { ";" } else { "" }, name]);
        }
        line.push_str(", Signature=");
        push_hex(&mut line, &*signature);
        Some(line)
    }

    fn key(&self, keys: &AwsKeys, scope: &Scope<'_>, date: &str) -> Option<Arc<Key>> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0.salt);
        for part in [keys.access_key_id(), keys.secret_access_key().expose(), scope.region, scope.service, date] {
            // With the length in front, no two lists of parts read the same.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let place = *hasher.finalize().as_bytes();
        if let Some(key) = self.0.cache.get(&place) {
            return Some(key);
        }
        let key = Arc::new(derive(keys, scope, date)?);
        self.0.cache.insert(place, Arc::clone(&key));
        Some(key)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("len", &self.0.cache.len()).finish_non_exhaustive()
    }
}

/// Region and service that a signature is good for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> From<&'a AwsSigning> for Scope<'a> {
    fn from(signing: &'a AwsSigning) -> Self {
        Self { region: signing.region(), service: signing.service() }
    }
}

fn derive(keys: &AwsKeys, scope: &Scope<'_>, date: &str) -> Option<Key> {
    let first = Zeroizing::new(["AWS4", keys.secret_access_key().expose()].concat());
    let mut key = Key::new(HMAC_SHA256, first.as_bytes());
    for part in [date, scope.region, scope.service, "aws4_request"] {
        key = Key::new(HMAC_SHA256, &*hmac(&key, part.as_bytes())?);
    }
    Some(key)
}

fn hmac(key: &Key, data: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut tag = Zeroizing::new([0; 32]);
    sign_to_buffer(key, data, &mut *tag).ok()?;
    Some(tag)
}

/// SHA-256 of a body, in hexadecimal.
pub(super) fn hash(body: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    push_hex(&mut text, digest(&SHA256, body).as_ref());
    text
}

/// Of 32 bytes at most.
fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 64];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
        (pair[0], pair[1]) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
    }
    // Digits are text.
    text.push_str(std::str::from_utf8(&hex[..2 * bytes.len()]).unwrap_or_default());
}

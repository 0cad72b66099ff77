//! Private keys, read from PEM and kept.

use std::{fmt, sync::Arc};

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pkcs8::{
    EncryptedPrivateKeyInfo,
    pkcs5::{EncryptionScheme, pbes2::Kdf},
};
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use crate::{
    context::OciKey,
    rejection::{Kind, Rejection},
};

/// Keys that are kept. About as many as there are users of OCI in use.
const KEPT: usize = 1024;
/// The most rounds of PBKDF2 that a passphrase is put through: a caller's key says how many.
const MOST_ROUNDS: u32 = 10_000;

/// Keys that were read, by the digest of text and passphrase. Bounded. A clone is one reference count.
#[derive(Clone)]
pub(in crate::sign) struct OciKeys(Arc<Kept>);

struct Kept {
    salt: [u8; 32],
    cache: Cache<[u8; 32], Arc<Pair>>,
}

/// A key that was read.
pub(super) struct Pair(KeyPair);

impl Pair {
    /// `None` only where the library fails.
    pub(super) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
        Some(signature)
    }

    #[cfg(test)]
    pub(super) fn public_key(&self) -> Vec<u8> {
        use aws_lc_rs::signature::KeyPair as _;
        self.0.public_key().as_ref().to_vec()
    }
}

impl OciKeys {
    pub(in crate::sign) fn new() -> Self {
        let mut salt = [0; 32];
        // Two random UUIDs: the digests are of no use outside of this process.
        salt[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        salt[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self(Arc::new(Kept { salt, cache: Cache::new(KEPT) }))
    }

    /// The pair of this key, read at most once as long as it is kept.
    pub(super) fn pair(&self, key: &OciKey) -> Result<Arc<Pair>, Rejection> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0.salt);
        let passphrase = key.passphrase().map(|text| text.expose().as_bytes()).unwrap_or_default();
        for part in [key.private_key().expose().as_bytes(), passphrase] {
            // With the length in front, no two lists of parts read the same.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let place = *hasher.finalize().as_bytes();
        if let Some(pair) = self.0.cache.get(&place) {
            return Ok(pair);
        }
        let pair = Arc::new(read(key).map_err(refused)?);
        self.0.cache.insert(place, Arc::clone(&pair));
        Ok(pair)
    }
}

impl fmt::Debug for OciKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OciKeys").field("len", &self.0.cache.len()).finish_non_exhaustive()
    }
}

/// Whether a key of OCI's can be read: an RSA key of 2048 to 8192 bits, as PKCS#1 or PKCS#8, which may be encrypted
/// (PBES2 with at most 10,000 rounds of PBKDF2). For settings, so that a bad one is told before it is used.
///
/// # Errors
///
/// It can't: [`Kind::InvalidRequest`], saying what is wrong; never the key.
pub fn check_oci_key(key: &OciKey) -> Result<(), Rejection> {
    read(key).map(drop).map_err(refused)
}

fn refused(why: &'static str) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(format!("oracle_private_key {why}"))
}

fn read(key: &OciKey) -> Result<Pair, &'static str> {
    let (label, der) = pem(key.private_key().expose()).ok_or("is no PEM of a private key")?;
    let bad = |_| "is no RSA key of 2048 to 8192 bits";
    let pair = match label {
        "PRIVATE KEY" => KeyPair::from_pkcs8(&der).map_err(bad)?,
        "RSA PRIVATE KEY" => KeyPair::from_der(&der).map_err(bad)?,
        "ENCRYPTED PRIVATE KEY" => {
            let passphrase = key.passphrase().ok_or("is encrypted: oracle_key_passphrase is required")?;
            let sealed = EncryptedPrivateKeyInfo::try_from(&der[..]).map_err(|_| "is no PEM of a private key")?;
            if !is_affordable(&sealed.encryption_algorithm) {
                return Err("is encrypted in a way that is not read: PBES2 with at most 10,000 rounds of PBKDF2 is");
            }
            let opened = sealed.decrypt(passphrase.expose()).map_err(|_| "can't be decrypted by its passphrase")?;
            KeyPair::from_pkcs8(opened.as_bytes()).map_err(bad)?
        }
        _ => return Err("is no PEM of a private key"),
    };
    Ok(Pair(pair))
}

fn is_affordable(scheme: &EncryptionScheme<'_>) -> bool {
    let EncryptionScheme::Pbes2(parameters) = scheme else { return false };
    matches!(&parameters.kdf, Kdf::Pbkdf2(pbkdf2) if pbkdf2.iteration_count <= MOST_ROUNDS)
}

/// Label and content of a PEM (RFC 7468), whose line breaks may be written `\n` or be spaces. What OpenSSL wrote before
/// there was PKCS#8, with headers inside, is none.
fn pem(text: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let rest = text.trim().strip_prefix("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, end) = rest.split_once("-----END ")?;
    // What Oracle's console puts behind the key it makes.
    let (end, _) = end.split_once("-----")?;
    if end != label || body.contains(':') {
        return None;
    }
    let plain = Zeroizing::new(body.replace("\\n", "").replace("\\r", ""));
    let packed: Zeroizing<String> = Zeroizing::new(plain.split_ascii_whitespace().collect());
    Some((label, Zeroizing::new(STANDARD.decode(packed.as_bytes()).ok()?)))
}

//! A gateway key: its text, made or imported, and whose it is.

use std::fmt;

use aws_lc_rs::{digest, rand};

use crate::{context::Principal, secret::Secret};

const PREFIX: &str = "pk_";
const PUBLIC_ID: usize = 12;
/// 43 characters of base62 hold 256 bits.
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
const MINTED: usize = PREFIX.len() + PUBLIC_ID + 1 + SECRET + CHECKSUM;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that callers show, and the [`Principal`] it stands for. The set keeps digests, never the text.
///
/// A text is 20 to 256 bytes of visible ASCII without a dot (a dot is what tells a JWT), so that keys issued by Portkey
/// can be imported. New ones read `pk_<12 base62 public id>_<43 base62 secret><6 base62 CRC-32>`: two underscores, so
/// that a double click selects all of it, and a checksum that turns typing errors away before anything is looked up.
#[derive(Clone)]
pub struct GatewayKey {
    pub(super) sha256: [u8; 32],
    pub(super) text: Option<Secret>,
    pub(super) principal: Principal,
}

impl GatewayKey {
    /// Shortest text, in bytes.
    pub const MIN_BYTES: usize = 20;
    /// Longest text, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// A key with this text.
    ///
    /// # Errors
    ///
    /// The text is shorter than [`MIN_BYTES`](Self::MIN_BYTES) or longer than [`MAX_BYTES`](Self::MAX_BYTES), holds a
    /// character that no key may hold, or has the form of a minted key and a wrong checksum.
    pub fn new(text: impl Into<Secret>, principal: Principal) -> Result<Self, KeyError> {
        let text = text.into();
        check(text.expose())?;
        Ok(Self { sha256: sha256(text.expose()), text: Some(text), principal })
    }

    /// A key of which only the SHA-256 of the text is known, as 64 hex digits.
    ///
    /// # Errors
    ///
    /// `hex` is not 64 hex digits.
    pub fn from_sha256(hex: &str, principal: Principal) -> Result<Self, KeyError> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits: Option<Vec<u8>> = hex.as_bytes().iter().map(digit).collect();
        let bytes = digits
            .map(|digits| digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | digit)).collect());
        let sha256 = bytes.filter(|_| hex.len() == 64).and_then(|bytes: Vec<u8>| bytes.try_into().ok());
        Ok(Self { sha256: sha256.ok_or(KeyError(KeyErrorKind::Digest))?, text: None, principal })
    }

    /// A new key with 256 random bits, and its text: shown once, kept nowhere.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn mint(principal: Principal) -> Result<(Self, Secret), KeyError> {
        let mut text = String::with_capacity(MINTED);
        text.push_str(PREFIX);
        push_random(&mut text, PUBLIC_ID)?;
        text.push('_');
        push_random(&mut text, SECRET)?;
        push_checksum(&mut text);
        let text = Secret::new(text);
        Ok((Self::new(text.clone(), principal)?, text))
    }

    /// Whose key it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayKey").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// Why a key can't be used. Never holds the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(pub(super) KeyErrorKind);

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// Shorter than 20 or longer than 256 bytes.
    Length,
    /// A character outside visible ASCII, or a dot.
    Character,
    /// The form of a minted key, and a checksum that does not fit.
    Checksum,
    /// A digest that is not 64 hex digits.
    Digest,
    /// The same key twice in one set.
    Duplicate,
    /// The system has no random numbers.
    Random,
}

impl KeyError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> KeyErrorKind {
        self.0
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            KeyErrorKind::Length => "a gateway key has 20 to 256 bytes",
            KeyErrorKind::Character => "a gateway key has visible ASCII characters only, and no dot",
            KeyErrorKind::Checksum => "the checksum of the gateway key is wrong",
            KeyErrorKind::Digest => "the digest of a gateway key has 64 hex digits",
            KeyErrorKind::Duplicate => "the gateway key is already in the set",
            KeyErrorKind::Random => "the system has no random numbers",
        })
    }
}

impl std::error::Error for KeyError {}

/// Whether a text can be a key at all. Asked before anything is looked up.
pub(super) fn check(text: &str) -> Result<(), KeyError> {
    let kind = if !(GatewayKey::MIN_BYTES..=GatewayKey::MAX_BYTES).contains(&text.len()) {
        KeyErrorKind::Length
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        KeyErrorKind::Character
    } else if is_minted(text) && !has_checksum(text) {
        KeyErrorKind::Checksum
    } else {
        return Ok(());
    };
    Err(KeyError(kind))
}

pub(super) fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

fn is_minted(text: &str) -> bool {
    let body = text.strip_prefix(PREFIX).filter(|_| text.len() == MINTED);
    body.and_then(|body| body.split_once('_')).is_some_and(|(id, secret)| {
        id.len() == PUBLIC_ID && secret.bytes().chain(id.bytes()).all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn has_checksum(text: &str) -> bool {
    let mut again = text[..MINTED - CHECKSUM].to_owned();
    push_checksum(&mut again);
    again == text
}

fn push_checksum(text: &mut String) {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    text.extend(digits.map(char::from));
}

/// Characters drawn evenly: a byte of 248 or more, the last incomplete round of 62, is thrown away.
fn push_random(text: &mut String, count: usize) -> Result<(), KeyError> {
    let end = text.len() + count;
    let mut bytes = [0; 64];
    while text.len() < end {
        rand::fill(&mut bytes).map_err(|_| KeyError(KeyErrorKind::Random))?;
        let drawn = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(BASE62[usize::from(*byte) % 62]));
        let missing = end - text.len();
        text.extend(drawn.take(missing));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_minted_key_has_its_form_and_no_two_are_alike() {
        let (_, one) = GatewayKey::mint(Principal::new("a")).expect("random numbers");
        let (_, two) = GatewayKey::mint(Principal::new("a")).expect("random numbers");
        assert_ne!(one.expose(), two.expose());
        assert!(is_minted(one.expose()) && has_checksum(one.expose()));
        assert_eq!(one.expose().len(), 65);
    }

    #[test]
    fn the_limits_are_where_they_are_said_to_be() {
        for (text, kind) in [
            ("x".repeat(19), Some(KeyErrorKind::Length)),
            ("x".repeat(20), None),
            ("x".repeat(256), None),
            ("x".repeat(257), Some(KeyErrorKind::Length)),
            (format!("{}.x", "x".repeat(20)), Some(KeyErrorKind::Character)),
            (format!("{} x", "x".repeat(20)), Some(KeyErrorKind::Character)),
            (format!("{}é", "x".repeat(20)), Some(KeyErrorKind::Character)),
        ] {
            let error = GatewayKey::new(text, Principal::new("k")).err();
            assert_eq!(error.map(|error| error.kind()), kind);
        }
    }

    #[test]
    fn a_digest_is_64_hex_digits() {
        assert!(GatewayKey::from_sha256(&"aF".repeat(32), Principal::new("k")).is_ok());
        for hex in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(
                GatewayKey::from_sha256(hex, Principal::new("k")).err().map(|error| error.kind()),
                Some(KeyErrorKind::Digest)
            );
        }
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_found(at in 3usize..65, with in "[0-9A-Za-z]") {
            let (_, secret) = GatewayKey::mint(Principal::new("a")).expect("random numbers");
            let mut text = secret.expose().to_owned();
            prop_assume!(at != 15 && text[at..=at] != with);
            text.replace_range(at..=at, &with);
            prop_assert_eq!(check(&text), Err(KeyError(KeyErrorKind::Checksum)));
        }

        #[test]
        fn checking_never_panics(text in ".*") {
            let _ = check(&text);
        }
    }
}

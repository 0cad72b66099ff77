//! One key of a set: a public JWK becomes something that checks signatures (pure).

use std::{borrow::Cow, fmt};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

use super::roca;
use crate::auth::jwt::{algorithm::Algorithm, error::JwtError, token::MAX_KID};

/// A key that checks signatures. Parsed once, when the set is read, not once a token.
pub(in crate::auth::jwt) struct Key {
    /// One algorithm; two for an RSA key whose JWK names none.
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// Checks a signature that says it was made by `algorithm`.
    pub(in crate::auth::jwt) fn verify(
        &self,
        algorithm: Algorithm,
        allowed: &[Algorithm],
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), JwtError> {
        // A key serves one algorithm: the first of its own that is allowed, never the one that the token picks.
        let serves = self.verifiers.iter().find(|(own, _)| allowed.contains(own));
        match serves {
            Some((own, key)) if *own == algorithm => key.verify_sig(signed, signature).map_err(|_| JwtError::Signature),
            _ => Err(JwtError::KeyAlgorithm),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.verifiers.iter().map(|(algorithm, _)| algorithm)).finish()
    }
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFault {
    /// No JWK, or a member of the wrong type, or one that stands twice.
    Malformed,
    /// No `kid`, so that no token can name it, or one that is longer than 128 bytes.
    NoId,
    /// Another key of the set has the same `kid`: neither is used.
    RepeatedId,
    /// A secret: whoever reads the set could make tokens.
    Symmetric,
    /// The private half stands in the set.
    Private,
    /// A type, curve or algorithm that is not understood, or that don't belong together.
    Unsupported,
    /// `use` or `key_ops` say that it is not for checking signatures.
    Use,
    /// An RSA modulus of fewer than 2048 bits.
    TooSmall,
    /// An RSA key with a weakness that is known (exponent, ROCA), or no key on its curve.
    Weak,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a JSON Web Key",
            Self::NoId => "no kid",
            Self::RepeatedId => "its kid stands there more than once",
            Self::Symmetric => "a symmetric key",
            Self::Private => "a private key",
            Self::Unsupported => "its type, curve or algorithm is not supported",
            Self::Use => "it is not meant for checking signatures",
            Self::TooSmall => "an RSA key of fewer than 2048 bits",
            Self::Weak => "a weak key, or none at all",
        })
    }
}

/// The members of a JWK that matter.
#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    alg: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "use")]
    usage: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key_ops: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    crv: Option<Cow<'a, str>>,
    #[serde(borrow)]
    n: Option<Cow<'a, str>>,
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
    #[serde(borrow)]
    x: Option<Cow<'a, str>>,
    #[serde(borrow)]
    y: Option<Cow<'a, str>>,
    k: Option<IgnoredAny>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
}

/// The `kid` of a JWK, where it has one, and its key.
pub(super) fn read(json: &str) -> (Option<Box<str>>, Result<Key, KeyFault>) {
    match serde_json::from_str::<Jwk<'_>>(json) {
        Ok(jwk) => (jwk.kid.as_deref().map(Into::into), key(&jwk)),
        Err(_) => (None, Err(KeyFault::Malformed)),
    }
}

fn key(jwk: &Jwk<'_>) -> Result<Key, KeyFault> {
    if jwk.kty == "oct" || jwk.k.is_some() {
        return Err(KeyFault::Symmetric);
    }
    if [&jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi, &jwk.oth].into_iter().any(Option::is_some) {
        return Err(KeyFault::Private);
    }
    if !jwk.kid.as_deref().is_some_and(|kid| (1..=MAX_KID).contains(&kid.len())) {
        return Err(KeyFault::NoId);
    }
    let verifies = jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !verifies || jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return Err(KeyFault::Use);
    }
    let named = match jwk.alg.as_deref() {
        Some(name) => Some(Algorithm::of(name).ok_or(KeyFault::Unsupported)?),
        None => None,
    };
    let fits: &[Algorithm] = match (&*jwk.kty, jwk.crv.as_deref()) {
        ("RSA", None) => &[Algorithm::RS256, Algorithm::PS256],
        ("EC", Some("P-256")) => &[Algorithm::ES256],
        ("EC", Some("P-384")) => &[Algorithm::ES384],
        ("OKP", Some("Ed25519")) => &[Algorithm::EdDSA],
        _ => return Err(KeyFault::Unsupported),
    };
    let serves = fits.iter().copied().filter(|fit| named.is_none_or(|named| named == *fit));
    let verifiers = serves.map(|algorithm| Ok((algorithm, parse(jwk, algorithm)?))).collect::<Result<Vec<_>, _>>()?;
    if verifiers.is_empty() { Err(KeyFault::Unsupported) } else { Ok(Key { verifiers }) }
}

fn parse(jwk: &Jwk<'_>, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyFault> {
    match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => {
            let (n, e) = (number(jwk.n.as_deref())?, number(jwk.e.as_deref())?);
            let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
            if bits < 2048 {
                return Err(KeyFault::TooSmall);
            }
            let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
            // RFC 8017 asks for an odd exponent of at least 3; nobody has one of more than four bytes.
            if !odd(&n) || !odd(&e) || e.len() > 4 || e == [1] || roca::is_weak(&n) {
                return Err(KeyFault::Weak);
            }
            let padding =
                if algorithm == Algorithm::RS256 { &RSA_PKCS1_2048_8192_SHA256 } else { &RSA_PSS_2048_8192_SHA256 };
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(padding).map_err(|_| KeyFault::Weak)
        }
        Algorithm::ES256 => point(jwk, &ECDSA_P256_SHA256_FIXED, 32),
        Algorithm::ES384 => point(jwk, &ECDSA_P384_SHA384_FIXED, 48),
        Algorithm::EdDSA => {
            let x = octets(jwk.x.as_deref(), 32)?;
            ParsedPublicKey::new(&ED25519, x).map_err(|_| KeyFault::Weak)
        }
    }
}

/// An uncompressed point (SEC 1, section 2.3.3).
fn point(jwk: &Jwk<'_>, curve: &'static dyn VerificationAlgorithm, length: usize) -> Result<ParsedPublicKey, KeyFault> {
    let (x, y) = (octets(jwk.x.as_deref(), length)?, octets(jwk.y.as_deref(), length)?);
    ParsedPublicKey::new(curve, [&[4][..], &x, &y].concat()).map_err(|_| KeyFault::Weak)
}

fn octets(text: Option<&str>, length: usize) -> Result<Vec<u8>, KeyFault> {
    decode(text).and_then(|bytes| if bytes.len() == length { Ok(bytes) } else { Err(KeyFault::Malformed) })
}

/// A number without the zeros that some issuers put in front.
fn number(text: Option<&str>) -> Result<Vec<u8>, KeyFault> {
    let bytes = decode(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

fn decode(text: Option<&str>) -> Result<Vec<u8>, KeyFault> {
    URL_SAFE_NO_PAD.decode(text.ok_or(KeyFault::Malformed)?).map_err(|_| KeyFault::Malformed)
}

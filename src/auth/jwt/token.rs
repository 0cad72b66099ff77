//! The outside of a token: three parts, a header (pure).

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use super::{algorithm::Algorithm, claims::is_object, error::JwtError, seen::Seen};
use crate::json::Name;

/// Longest token, in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// Longest `kid`, in bytes.
pub(super) const MAX_KID: usize = 128;

/// A token that was taken apart. Nothing in it is verified.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Box<str>,
    pub(super) kind: Type,
    /// How many bytes of the text are signed.
    signed: usize,
    /// The payload: JSON, if it is good.
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// What `typ` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Letter by letter `JWT`.
    Jwt,
    /// A name of JWTs in another case, or of access tokens (RFC 9068).
    Alike,
    /// There is none.
    Absent,
}

/// Whether a text has the form of a JWT: three non-empty parts of base64url letters. Everything else is a key.
#[must_use]
pub(super) fn is_token(text: &str) -> bool {
    // Without a branch for each byte, so that sixteen of them are looked at together.
    let letter = |byte: u8| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        letter | (byte.wrapping_sub(b'0') < 10) | (byte == b'-') | (byte == b'_') | (byte == b'.')
    };
    // Keys have no dot: most texts are looked through once.
    memchr::memchr(b'.', text.as_bytes()).is_some()
        && parts(text).is_some_and(|[.., last]| memchr::memchr(b'.', last.as_bytes()).is_none())
        && text.bytes().fold(true, |all, byte| all & letter(byte))
}

impl Token {
    /// Takes a text apart. The sizes are checked before anything is decoded.
    pub(super) fn open(text: &str) -> Result<Self, JwtError> {
        if text.len() > MAX_TOKEN {
            return Err(JwtError::TooLong);
        }
        let [header, payload, signature] = parts(text).ok_or(JwtError::Encoding)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Encoding);
        let signed = header.len() + 1 + payload.len();
        let json = decode(header)?;
        let Header { alg, kid, typ, extended } = std::str::from_utf8(&json)
            .ok()
            .filter(|json| is_object(json))
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or(JwtError::Header)?;
        let algorithm = alg.as_deref().and_then(Algorithm::of).ok_or(JwtError::Algorithm)?;
        if extended {
            return Err(JwtError::Extension);
        }
        let kid = kid.filter(|kid| (1..=MAX_KID).contains(&kid.len())).ok_or(JwtError::KeyId)?;
        let kind = match typ.as_deref() {
            None => Type::Absent,
            Some("JWT") => Type::Jwt,
            Some(typ) if ["JWT", "at+jwt", "application/at+jwt"].iter().any(|own| own.eq_ignore_ascii_case(typ)) => {
                Type::Alike
            }
            Some(_) => return Err(JwtError::Type),
        };
        let kid = kid.into();
        Ok(Self { algorithm, kid, kind, signed, payload: decode(payload)?, signature: decode(signature)? })
    }

    /// Takes the payload out, as text.
    pub(super) fn take_payload(&mut self) -> Result<String, JwtError> {
        String::from_utf8(std::mem::take(&mut self.payload)).map_err(|_| JwtError::Claims)
    }

    /// The bytes of `text` that are signed.
    pub(super) fn signed<'t>(&self, text: &'t str) -> &'t [u8] {
        &text.as_bytes()[..self.signed]
    }
}

/// Three parts that aren't empty; a fourth would have its dot in the third, where no letter is one.
fn parts(text: &str) -> Option<[&str; 3]> {
    let (header, rest) = text.split_once('.')?;
    let (payload, signature) = rest.split_once('.')?;
    let parts = [header, payload, signature];
    parts.iter().all(|part| !part.is_empty()).then_some(parts)
}

/// The members that matter. `jwk`, `jku`, `x5u`, `x5c` and whatever else a header may name are passed over.
#[derive(Default)]
struct Header<'a> {
    alg: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
    /// Something that has to be understood, and isn't.
    extended: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Header<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = Seen::<32>::new();
        let mut header = Header::default();
        while let Some(Name(name)) = map.next_key()? {
            if !seen.is_new(&name) {
                return Err(A::Error::custom("a member stands twice"));
            }
            let mut text = || map.next_value().map(|Name(text)| Some(text));
            match &*name {
                "alg" => header.alg = text()?,
                "kid" => header.kid = text()?,
                "typ" => header.typ = text()?,
                other => {
                    header.extended |= matches!(other, "crit" | "b64" | "zip");
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn the_header_is_read_strictly() {
        for (header, refused) in [
            (r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#, None),
            (r#"{"alg":"ES384","kid":"k"}"#, None),
            (r#"{"alg":"RS256","kid":"k","jwk":{"d":1},"jku":"http://x","x5u":"http://x","x5c":["x"]}"#, None),
            (r#"{"alg":"RS256","kid":"k","alg":"RS256"}"#, Some(JwtError::Header)),
            (r#"{"alg":"RS256","kid":"k","\u0061lg":"RS256"}"#, Some(JwtError::Header)),
            (r#"{"alg":"RS256","kid":"k","x":1,"x":1}"#, Some(JwtError::Header)),
            (r#"{"alg":1,"kid":"k"}"#, Some(JwtError::Header)),
            (r#"{"alg":null,"kid":"k"}"#, Some(JwtError::Header)),
            (r#"{"alg":"RS256","kid":7}"#, Some(JwtError::Header)),
            (r#"{"alg":"RS256","kid":"k"} x"#, Some(JwtError::Header)),
            ("[]", Some(JwtError::Header)),
            (r#"{"kid":"k"}"#, Some(JwtError::Algorithm)),
            (r#"{"alg":"none","kid":"k"}"#, Some(JwtError::Algorithm)),
            (r#"{"alg":"HS256","kid":"k"}"#, Some(JwtError::Algorithm)),
            (r#"{"alg":"rs256","kid":"k"}"#, Some(JwtError::Algorithm)),
            (r#"{"alg":"RS256 ","kid":"k"}"#, Some(JwtError::Algorithm)),
            (r#"{"alg":"RS256"}"#, Some(JwtError::KeyId)),
            (r#"{"alg":"RS256","kid":""}"#, Some(JwtError::KeyId)),
            (r#"{"alg":"RS256","kid":"k","crit":[]}"#, Some(JwtError::Extension)),
            (r#"{"alg":"RS256","kid":"k","crit":null}"#, Some(JwtError::Extension)),
            (r#"{"alg":"RS256","kid":"k","b64":true}"#, Some(JwtError::Extension)),
            (r#"{"alg":"RS256","kid":"k","zip":"DEF"}"#, Some(JwtError::Extension)),
            (r#"{"alg":"RS256","kid":"k","typ":"JWE"}"#, Some(JwtError::Type)),
            (r#"{"alg":"RS256","kid":"k","typ":"secevent+jwt"}"#, Some(JwtError::Type)),
        ] {
            assert_eq!(Token::open(&token(header)).err(), refused, "{header}");
        }
        for (length, good) in [(1, true), (MAX_KID, true), (MAX_KID + 1, false)] {
            let header = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(length));
            assert_eq!(Token::open(&token(&header)).is_ok(), good, "{length}");
        }
    }

    #[test]
    fn there_is_one_spelling() {
        let good = token(r#"{"alg":"RS256","kid":"k"}"#);
        assert!(Token::open(&good).is_ok() && is_token(&good));
        let bad = good.replace(".e30.", ".e31.");
        // The last two bits of `e31` belong to no byte.
        assert_eq!(Token::open(&bad).err(), Some(JwtError::Encoding));
        for text in [
            format!("{good}="),
            format!("{good}."),
            format!("{good}.x"),
            format!("{good} "),
            good.replace('.', "%2e"),
            good.replace(".e30.", ".e 30."),
            good.replace(".e30.", ".e30=."),
            good.replace(".e30.", "."),
            good.replace(".e30.", ".."),
            good.replace(".e30.", ".e+/0."),
            format!("bearer {good}"),
            format!("{good}\u{e9}"),
            String::new(),
            ".".repeat(1000),
            "a.b".to_owned(),
        ] {
            assert_eq!(Token::open(&text).err(), Some(JwtError::Encoding), "{text}");
            assert!(!is_token(&text), "{text}");
        }
        assert_eq!(Token::open(&"a".repeat(MAX_TOKEN + 1)).err(), Some(JwtError::TooLong));
    }
}

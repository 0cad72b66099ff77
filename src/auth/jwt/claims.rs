//! The payload of a token: bytes become typed claims (pure). Nothing here is verified or judged.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{error::JwtError, seen::Seen};
use crate::json::Name;

/// 9999-12-31T23:59:59Z. What lies behind is no time, but a mistake: milliseconds, or a sentinel.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// What a token says.
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    pub(super) iss: Claim<'a>,
    pub(super) aud: Claim<'a>,
    pub(super) sub: Claim<'a>,
    pub(super) exp: Option<f64>,
    pub(super) nbf: Option<f64>,
    pub(super) jti: Claim<'a>,
    pub(super) portkey_oid: Claim<'a>,
    pub(super) organisation_id: Claim<'a>,
    pub(super) portkey_workspace: Claim<'a>,
    pub(super) workspace_slug: Claim<'a>,
    pub(super) email_id: Claim<'a>,
    pub(super) uid: Claim<'a>,
    pub(super) scope: Claim<'a>,
    pub(super) scopes: Claim<'a>,
    pub(super) default_config: Option<Cow<'a, str>>,
    pub(super) default_metadata: Option<&'a RawValue>,
    pub(super) usage_limits: Option<&'a RawValue>,
    pub(super) rate_limits: Option<&'a RawValue>,
}

/// A claim that is read by its type: what it must be is said by whoever asks.
#[derive(Debug, Default)]
pub(super) enum Claim<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    /// An array of nothing but strings.
    List(Vec<Cow<'a, str>>),
    /// Anything else, `null` too.
    Other,
}

impl<'a> Claims<'a> {
    /// Reads a payload: one JSON object in which no claim stands twice, and no time is anything but a number.
    pub(super) fn read(json: &'a str) -> Result<Self, JwtError> {
        // A text is not shown to serde, whose complaint would repeat it in a longer spelling.
        if !is_object(json) {
            return Err(JwtError::Claims);
        }
        serde_json::from_str(json).map_err(|_| JwtError::Claims)
    }
}

impl Claim<'_> {
    /// The text, where the claim is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The text of a claim that may be missing, but must not be anything else, nor empty.
    pub(super) fn name(&self) -> Result<Option<&str>, JwtError> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) if is_name(text) => Ok(Some(text)),
            _ => Err(JwtError::Claims),
        }
    }
}

/// Whether a text begins like a JSON object.
pub(super) fn is_object(json: &str) -> bool {
    json.trim_ascii_start().starts_with('{')
}

/// Names go into logs, metrics and counters: a sensible length, and nothing that moves a cursor.
fn is_name(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl<'de: 'a, 'a> Deserialize<'de> for Claims<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Claims<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = Seen::<128>::new();
        let mut claims = Claims::default();
        while let Some(Name(name)) = map.next_key()? {
            if !seen.is_new(&name) {
                return Err(A::Error::custom("a claim stands twice"));
            }
            match &*name {
                "iss" => claims.iss = map.next_value()?,
                "aud" => claims.aud = map.next_value()?,
                "sub" => claims.sub = map.next_value()?,
                "jti" => claims.jti = map.next_value()?,
                "exp" => claims.exp = Some(map.next_value::<Time>()?.0),
                "nbf" => claims.nbf = Some(map.next_value::<Time>()?.0),
                // When it was made is no reason to refuse it; that it is a time can be asked for.
                "iat" => {
                    let Time(_) = map.next_value()?;
                }
                "portkey_oid" => claims.portkey_oid = map.next_value()?,
                "organisation_id" => claims.organisation_id = map.next_value()?,
                "portkey_workspace" => claims.portkey_workspace = map.next_value()?,
                "workspace_slug" => claims.workspace_slug = map.next_value()?,
                "email_id" => claims.email_id = map.next_value()?,
                "uid" => claims.uid = map.next_value()?,
                "scope" => claims.scope = map.next_value()?,
                "scopes" => claims.scopes = map.next_value()?,
                "defaults" => {
                    let raw: &'de RawValue = map.next_value()?;
                    if let Some(Defaults { config_id, metadata }) = defaults(raw).map_err(A::Error::custom)? {
                        claims.default_config = config_id.map(|Name(id)| id);
                        claims.default_metadata = metadata;
                    }
                }
                "usage_limits" => claims.usage_limits = map.next_value()?,
                "rate_limits" => claims.rate_limits = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(claims)
    }
}

#[derive(Deserialize)]
struct Defaults<'a> {
    #[serde(borrow)]
    config_id: Option<Name<'a>>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// An object or `null`; for texts as above.
fn defaults(raw: &RawValue) -> Result<Option<Defaults<'_>>, &'static str> {
    if raw.get().starts_with('"') {
        return Err("the defaults are an object");
    }
    serde_json::from_str(raw.get()).map_err(|_| "the defaults can't be read")
}

/// Seconds since 1970 (RFC 7519, section 2), parts of a second allowed.
struct Time(f64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a number, the reader would repeat a text in a longer spelling.
        deserializer.deserialize_any(TimeReader)
    }
}

struct TimeReader;

impl Visitor<'_> for TimeReader {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Time, E> {
        if seconds <= LAST_SECOND { Ok(Time(seconds)) } else { Err(E::custom("no time")) }
    }

    #[allow(clippy::cast_precision_loss, reason = "a number that is not exact is far behind the last second")]
    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Time, E> {
        self.visit_f64(seconds as f64)
    }

    #[allow(clippy::cast_precision_loss, reason = "a number that is not exact is long over")]
    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Time, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Time, E> {
        Err(E::custom("no time"))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Claim<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClaimReader)
    }
}

struct ClaimReader;

impl<'de> Visitor<'de> for ClaimReader {
    type Value = Claim<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claim")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Claim<'de>, E> {
        Ok(Claim::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Claim<'de>, E> {
        Ok(Claim::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claim<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Claim::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Claim<'de>, A::Error> {
        let mut list = Some(Vec::new());
        while let Some(item) = items.next_element::<Item<'de>>()? {
            match (item.0, &mut list) {
                // More of them than a token has bytes for would cost more memory than the token.
                (Some(text), Some(texts)) if texts.len() < MAX_ITEMS => texts.push(text),
                _ => list = None,
            }
        }
        Ok(list.map_or(Claim::Other, Claim::List))
    }
}

/// Most items of a list that is looked at.
const MAX_ITEMS: usize = 128;

/// A string, or something else that was passed over.
struct Item<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Claim::deserialize(deserializer)? {
            Claim::Text(text) => Some(text),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_and_claims_stand_once() {
        for (json, good) in [
            ("{}", true),
            (r#"{"exp":1780000600}"#, true),
            (r#"{"exp":1780000600.5,"nbf":-1,"iat":0}"#, true),
            (r#"{"exp":253402300799}"#, true),
            (r#"{"exp":253402300800}"#, false),
            (r#"{"exp":1780000600000}"#, false),
            (r#"{"exp":1e400}"#, false),
            (r#"{"exp":NaN}"#, false),
            (r#"{"exp":"1780000600"}"#, false),
            (r#"{"exp":null}"#, false),
            (r#"{"exp":[1]}"#, false),
            (r#"{"exp":true}"#, false),
            (r#"{"nbf":null}"#, false),
            (r#"{"iat":"1"}"#, false),
            (r#"{"exp":1,"exp":2}"#, false),
            (r#"{"a":1,"\u0061":2}"#, false),
            (r#"{"a":{"b":1,"b":2}}"#, true),
            (r#"{"defaults":7}"#, false),
            (r#"{"defaults":null,"usage_limits":null}"#, true),
            ("{} {}", false),
            ("null", false),
            ("[]", false),
            ("\"x\"", false),
            ("\u{feff}{}", false),
        ] {
            assert_eq!(Claims::read(json).is_ok(), good, "{json}");
        }
        assert!(Claims::read(&format!("{{\"a\":{}}}", "[".repeat(4000))).is_err());
    }

    #[test]
    fn a_claim_is_what_it_is() {
        let read = |json: &str| {
            let json = format!(r#"{{"aud":{json}}}"#);
            format!("{:?}", Claims::read(&json).expect("claims").aud)
        };
        for (json, claim) in [
            (r#""a""#, r#"Text("a")"#),
            (r#""\u0061""#, r#"Text("a")"#),
            (r#"["a","b"]"#, r#"List(["a", "b"])"#),
            ("[]", "List([])"),
            (r#"["a",7]"#, "Other"),
            (r#"["a",["b"]]"#, "Other"),
            (r#"{"a":1}"#, "Other"),
            ("null", "Other"),
            ("true", "Other"),
            ("-7", "Other"),
            ("7.5", "Other"),
        ] {
            assert_eq!(read(json), claim, "{json}");
        }
        assert_eq!(read(&format!("[{}]", ["\"a\""; 129].join(","))), "Other");
    }

    #[test]
    fn names_have_a_length_and_no_control_characters() {
        let long = "x".repeat(257);
        for (claim, name) in [
            (Claim::Absent, Ok(None)),
            (Claim::Text("ws-1".into()), Ok(Some("ws-1"))),
            (Claim::Text("".into()), Err(JwtError::Claims)),
            (Claim::Text("a\nb".into()), Err(JwtError::Claims)),
            (Claim::Text(long.into()), Err(JwtError::Claims)),
            (Claim::List(vec!["ws-1".into()]), Err(JwtError::Claims)),
            (Claim::Other, Err(JwtError::Claims)),
        ] {
            assert_eq!(claim.name(), name, "{claim:?}");
        }
    }
}

//! What conditions and hashes see of a request (pure).

use std::{borrow::Cow, cell::OnceCell};

use http::{HeaderMap, HeaderValue};

use super::held::{Held, Object};
use crate::{
    context::{Field, Metadata},
    json::Name,
};

/// A request, as far as a strategy may ask for it.
pub(super) struct Facts<'a> {
    headers: &'a HeaderMap,
    path: &'a str,
    metadata: &'a Metadata,
    body: Option<&'a Held>,
    /// The values of the body's members by their place, each read when it is asked for first.
    values: OnceCell<Box<[OnceCell<Value<'a>>]>>,
}

/// The value of a field, as JSON has values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// There is no such field: JavaScript's `undefined`.
    Missing,
    Null,
    Flag(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// An object or an array, as it is written.
    Other(&'a str),
}

impl<'a> Facts<'a> {
    /// `body` is there where it has members that could be asked for.
    pub(super) fn new(headers: &'a HeaderMap, path: &'a str, metadata: &'a Metadata, body: Option<&'a Held>) -> Self {
        Self { headers, path, metadata, body, values: OnceCell::new() }
    }

    pub(super) fn value(&self, field: &Field) -> Value<'_> {
        match field {
            Field::Metadata(name) => self.metadata.get(name).map_or(Value::Missing, |text| Value::Text(text.into())),
            Field::Param(name) => self.member(name).map_or(Value::Missing, Value::shared),
            Field::Header(name) => self.headers.get(&**name).map_or(Value::Missing, header),
            Field::Path => Value::Text(self.path.into()),
            Field::Unknown => Value::Missing,
        }
    }

    /// The member's value. A body that is no JSON object has none.
    fn member(&self, name: &str) -> Option<&Value<'a>> {
        let object: &'a Object = self.body?.object()?;
        let place = object.place(name)?;
        let values = self.values.get_or_init(|| vec![OnceCell::new(); object.members.len()].into());
        let text = || std::str::from_utf8(&object.members[place].1).unwrap_or_default();
        values.get(place).map(|value| value.get_or_init(|| json(text())))
    }
}

impl<'a> Value<'a> {
    /// The same without a copy of its text.
    fn shared(&self) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Null => Value::Null,
            Self::Flag(flag) => Value::Flag(*flag),
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Other(text) => Value::Other(text),
        }
    }

    /// What it reads, where it says anything.
    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Missing | Self::Null => None,
            Self::Flag(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Text(text) => Some(text),
            Self::Other(text) => Some(Cow::Borrowed(text)),
        }
    }
}

/// In UTF-8, or else in ISO 8859-1.
fn header(value: &HeaderValue) -> Value<'_> {
    let bytes = value.as_bytes();
    Value::Text(match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    })
}

/// A value as it is written, which is valid JSON.
fn json(text: &str) -> Value<'_> {
    match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Flag(true),
        Some(b'f') => Value::Flag(false),
        // Text that isn't Unicode (half of a surrogate pair) equals nothing.
        Some(b'"') => serde_json::from_str(text).map_or(Value::Other(text), |Name(text)| Value::Text(text)),
        Some(b'{' | b'[') | None => Value::Other(text),
        // What is too large is infinite, as in JavaScript.
        Some(_) => text.parse().map_or(Value::Other(text), Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn every_field_has_its_value() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user", HeaderValue::from_static("u"));
        headers.insert("x-raw", HeaderValue::from_bytes(b"\xe9").expect("a value"));
        let metadata = Metadata::from_json(br#"{"team":"a"}"#);
        let body = br#" {"t":"\u0061","n":1.50,"big":1e999,"neg":-0,"yes":true,"no":false,"nil":null,"o":{"a":1},"l":[1],"half":"\ud800","t2":1,"t2":2} "#;
        let held = Held::new(Bytes::from_static(body));
        let facts = Facts::new(&headers, "/v1/chat/completions", &metadata, Some(&held));
        let text = |text: &'static str| Value::Text(text.into());
        for (field, expected) in [
            (Field::Metadata("team".into()), text("a")),
            (Field::Metadata("other".into()), Value::Missing),
            (Field::Path, text("/v1/chat/completions")),
            (Field::Header("x-user".into()), text("u")),
            (Field::Header("x-raw".into()), text("é")),
            (Field::Header("no name".into()), Value::Missing),
            (Field::Unknown, Value::Missing),
            (Field::Param("t".into()), text("a")),
            (Field::Param("n".into()), Value::Number(1.5)),
            (Field::Param("big".into()), Value::Number(f64::INFINITY)),
            (Field::Param("neg".into()), Value::Number(0.0)),
            (Field::Param("yes".into()), Value::Flag(true)),
            (Field::Param("no".into()), Value::Flag(false)),
            (Field::Param("nil".into()), Value::Null),
            (Field::Param("o".into()), Value::Other(r#"{"a":1}"#)),
            (Field::Param("l".into()), Value::Other("[1]")),
            (Field::Param("half".into()), Value::Other(r#""\ud800""#)),
            (Field::Param("t2".into()), Value::Number(2.0)),
            (Field::Param("none".into()), Value::Missing),
        ] {
            assert_eq!(facts.value(&field), expected, "{field:?}");
        }
        for body in ["", "[]", "{", "\"t\"", "--x"] {
            let held = Held::new(Bytes::from_static(body.as_bytes()));
            let facts = Facts::new(&headers, "/v1/chat/completions", &metadata, Some(&held));
            assert_eq!(facts.value(&Field::Param("t".into())), Value::Missing, "{body}");
        }
    }
}

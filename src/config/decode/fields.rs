//! Values of a config that become headers of the provider's.

use std::borrow::Cow;

use http::HeaderValue;

use super::json::Json;
use crate::{context::one_line, header::PortkeyHeader};

/// A member of a provider's group. Portkey takes an empty value for an absent one.
pub(super) fn field(name: &str, value: &Json<'_>) -> Option<(PortkeyHeader, HeaderValue)> {
    let field = PortkeyHeader::from_field(name)?;
    let value = match value {
        Json::Text(text) if field == PortkeyHeader::OraclePrivateKey => header(&one_line(text)),
        Json::Text(text) if !text.is_empty() => header(text),
        Json::Flag(flag) => Some(HeaderValue::from_static(if *flag { "true" } else { "false" })),
        Json::Number(number) => header(number),
        Json::Object(members) => header(&ascii_object(members)),
        _ => None,
    };
    Some((field, value?))
}

pub(super) fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An object of strings as JSON that fits into a header.
fn ascii_object(members: &[(Cow<'_, str>, Json<'_>)]) -> String {
    let texts = members.iter().filter_map(|(name, value)| match value {
        Json::Text(text) => Some(format!("{}:{}", ascii_text(name), ascii_text(text))),
        _ => None,
    });
    format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
}

fn ascii_text(text: &str) -> String {
    let mut units = [0; 2];
    let quoted = serde_json::Value::from(text).to_string();
    quoted.chars().fold(String::with_capacity(quoted.len()), |mut ascii, letter| {
        if (' '..='~').contains(&letter) {
            ascii.push(letter);
        } else {
            ascii.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
        ascii
    })
}

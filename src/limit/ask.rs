//! Asks a stream for its usage (pure).

use std::borrow::Cow;

use http::Method;
use serde_json::value::RawValue;

use super::estimate::{NO_BOUND, rest, said};
use crate::{
    context::AfterChanges,
    json::Members,
    rejection::{Kind, Rejection},
};

const ASKED: &[u8] = br#""include_usage":true"#;

/// What is to be seen to when a config has changed a body, which it does below.
pub(super) fn after_changes(include: bool) -> AfterChanges {
    fn bounded(method: &Method, path: &str, body: &[u8]) -> Result<Option<Vec<u8>>, Rejection> {
        let said = (rest(method, path) == "/responses").then(|| said(body)).flatten();
        match said.is_some_and(|said| said.has_no_bound()) {
            true => Err(Rejection::new(Kind::InvalidRequest).with_message(NO_BOUND)),
            false => Ok(None),
        }
    }
    fn asked(method: &Method, path: &str, body: &[u8]) -> Result<Option<Vec<u8>>, Rejection> {
        if tells_if_asked(method, path) { Ok(include_usage(body)) } else { bounded(method, path, body) }
    }
    AfterChanges(if include { asked } else { bounded })
}

/// Whether streams on this route tell their usage where `stream_options` ask for it.
pub(super) fn tells_if_asked(method: &Method, path: &str) -> bool {
    *method == Method::POST && matches!(rest(method, path), "/chat/completions" | "/completions")
}

/// The body of a stream's request with `stream_options.include_usage`, all other bytes as they were; whatever the caller
/// said about it, who would else say how much is counted. `None` where it asks for no stream, asks for its usage already,
/// or can't be read beyond doubt.
pub(super) fn include_usage(body: &[u8]) -> Option<Vec<u8>> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    if one(&members, "stream")??.get() != "true" {
        return None;
    }
    let Some(options) = one(&members, "stream_options")? else {
        let asked = [br#""stream_options":{"#, ASKED, b"}"].concat();
        return Some(inserted(body, &asked));
    };
    // What is no object asks for nothing.
    let Ok(Members(inner)) = serde_json::from_str(options.get()) else {
        return replaced(body, options, &[b"{", ASKED, b"}"].concat());
    };
    match one(&inner, "include_usage")? {
        None => replaced(body, options, &inserted(options.get().as_bytes(), ASKED)),
        Some(value) if value.get() == "true" => None,
        Some(value) => replaced(body, value, b"true"),
    }
}

/// The body with another text in the place of a value that was borrowed from it.
fn replaced(body: &[u8], value: &RawValue, text: &[u8]) -> Option<Vec<u8>> {
    let start = (value.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let (before, rest) = body.split_at_checked(start)?;
    Some([before, text, rest.get(value.get().len()..)?].concat())
}

/// The value of the only member of this name, if there is one; `None` where there are several.
fn one<'m>(members: &[(Cow<'_, str>, &'m RawValue)], name: &str) -> Option<Option<&'m RawValue>> {
    let mut values = members.iter().filter(|(known, _)| known == name).map(|(_, value)| *value);
    let first = values.next();
    values.next().is_none().then_some(first)
}

/// The text of an object with a member more, in the first place.
fn inserted(object: &[u8], member: &[u8]) -> Vec<u8> {
    let inside = 1 + object.iter().position(|byte| *byte == b'{').unwrap_or_default();
    let (open, rest) = object.split_at(inside.min(object.len()));
    let comma: &[u8] = if rest.trim_ascii_start().starts_with(b"}") { b"" } else { b"," };
    [open, member, comma, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_asked_whatever_the_caller_said() {
        for (body, changed) in [
            (
                r#" {"stream" : true, "n":1e0}"#,
                Some(r#" {"stream_options":{"include_usage":true},"stream" : true, "n":1e0}"#),
            ),
            (
                r#"{"stream":true,"stream_options": {} }"#,
                Some(r#"{"stream":true,"stream_options": {"include_usage":true} }"#),
            ),
            (
                r#"{"stream_options":{ "a":{"b":[]}},"stream":true}"#,
                Some(r#"{"stream_options":{"include_usage":true, "a":{"b":[]}},"stream":true}"#),
            ),
            (
                r#"{"stream":true,"stream_options":{"a":1, "include_usage" : false }}"#,
                Some(r#"{"stream":true,"stream_options":{"a":1, "include_usage" : true }}"#),
            ),
            (
                r#"{"stream_options": null ,"stream":true}"#,
                Some(r#"{"stream_options": {"include_usage":true} ,"stream":true}"#),
            ),
            (
                r#"{"stream_options":"no","stream":true}"#,
                Some(r#"{"stream_options":{"include_usage":true},"stream":true}"#),
            ),
            (r#"{"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#, None),
            (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, None),
            (r#"{"stream":true,"stream_options":{},"stream_options":{}}"#, None),
            (r#"{"stream":true,"stream":true}"#, None),
            (r#"{"stream":false}"#, None),
            (r#"{"stream":"true"}"#, None),
            (r#"{"a":{"stream":true}}"#, None),
            ("{}", None),
            ("[true]", None),
            (r#"{"stream":true"#, None),
            ("", None),
        ] {
            let found = include_usage(body.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            assert_eq!(found.as_deref(), changed, "{body}");
            assert!(changed.is_none_or(|changed| include_usage(changed.as_bytes()).is_none()), "{body}");
        }
    }
}

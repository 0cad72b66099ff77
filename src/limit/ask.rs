//! Asks a stream for its usage (pure).

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::Members;

const ASKED: &[u8] = br#""include_usage":true"#;

/// The body of a stream's request with `stream_options.include_usage`, all other bytes as they were. `None` where it asks
/// for no stream, says itself whether it wants its usage, or can't be read beyond doubt.
pub(super) fn include_usage(body: &[u8]) -> Option<Vec<u8>> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    if one(&members, "stream")??.get() != "true" {
        return None;
    }
    match one(&members, "stream_options")? {
        None => {
            let asked = [br#""stream_options":{"#, ASKED, b"}"].concat();
            Some(inserted(body, &asked))
        }
        Some(options) => {
            let Members(inner) = serde_json::from_str(options.get()).ok()?;
            if inner.iter().any(|(name, _)| name == "include_usage") {
                return None;
            }
            // Where the value stands in the body it was borrowed from.
            let start = (options.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
            let (before, from) = body.split_at_checked(start)?;
            Some([before, &inserted(from, ASKED)].concat())
        }
    }
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
    fn streams_that_say_nothing_about_it_are_asked() {
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
            (r#"{"stream":true,"stream_options":{"include_usage":false}}"#, None),
            (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, None),
            (r#"{"stream":true,"stream_options":null}"#, None),
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

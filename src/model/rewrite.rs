//! A model text that begins with a slug: where the slug ends, and how it is taken off (pure).
//!
//! Nothing is written anew: the slug's own bytes are cut out, in the spelling they have, and every other byte stays what
//! it is.

use std::ops::Range;

use bytes::{Buf as _, Bytes};

/// Whether a model text begins with a slug: `@slug/model` or `@slug`, but none of the names of Workers AI (`@cf/…`,
/// `@hf/…`).
pub(super) fn is_slug(text: &str) -> bool {
    text.starts_with('@') && !text.starts_with("@cf/") && !text.starts_with("@hf/")
}

/// The slug that a model text begins with, and the model behind it; `@slug` alone has none.
pub(super) fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let rest = text.strip_prefix('@').filter(|_| is_slug(text))?;
    Some(rest.split_once('/').map_or((rest, None), |(slug, model)| (slug, Some(model))))
}

/// How a text is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// A form field's value: as it stands.
    Plain,
    /// A JSON text, without its quotes: with escapes.
    Json,
    /// A value in a query: with percent signs.
    Percent,
}

/// How many bytes of a text stand before the model, the first slash included. `None` where there is no slash.
pub(super) fn front(raw: &[u8], spelling: Spelling) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let (length, slash) = match (spelling, byte) {
            (_, b'/') => (1, true),
            (Spelling::Json, b'\\') => match raw.get(at + 1) {
                Some(b'u') => (6, raw.get(at + 2..at + 6).is_some_and(|hex| hex.eq_ignore_ascii_case(b"002f"))),
                escaped => (2, escaped == Some(&b'/')),
            },
            (Spelling::Percent, b'%') if raw.get(at + 1..at + 3).is_some_and(|hex| hex.eq_ignore_ascii_case(b"2f")) => {
                (3, true)
            }
            _ => (1, false),
        };
        at += length;
        if slash {
            return Some(at);
        }
    }
    None
}

/// The bytes without that range. Where nobody else holds them, only what stands before the range is moved.
pub(super) fn cut(bytes: Bytes, range: Range<usize>) -> Bytes {
    match bytes.try_into_mut() {
        Ok(mut own) => {
            own.copy_within(..range.start, range.len());
            own.advance(range.len());
            own.freeze()
        }
        Err(shared) => {
            let mut left = Vec::with_capacity(shared.len() - range.len());
            left.extend_from_slice(&shared[..range.start]);
            left.extend_from_slice(&shared[range.end..]);
            left.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slugs_end_at_their_first_slash() {
        for (text, expected) in [
            ("@a/b", Some(("a", Some("b")))),
            ("@a/b/c", Some(("a", Some("b/c")))),
            ("@a", Some(("a", None))),
            ("@a/", Some(("a", Some("")))),
            ("@", Some(("", None))),
            ("@/b", Some(("", Some("b")))),
            ("@cf", Some(("cf", None))),
            ("@cf/x", None),
            ("@hf/x", None),
            ("@CF/x", Some(("CF", Some("x")))),
            ("a/b", None),
            (" @a/b", None),
            ("", None),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }

    fn spelled(text: &str, spelling: Spelling, way: u8) -> String {
        text.chars()
            .map(|letter| match (spelling, letter, way) {
                (Spelling::Json, '"' | '\\', _) | (Spelling::Json, '/', 1) => format!("\\{letter}"),
                (Spelling::Json, letter, 2) if letter.is_ascii() => format!("\\u{:04x}", letter as u32),
                (Spelling::Json, letter, 3) if letter.is_ascii() => format!("\\u{:04X}", letter as u32),
                (Spelling::Percent, letter, way) if way > 1 || !letter.is_ascii_alphanumeric() && letter != '/' => {
                    let mut bytes = [0; 4];
                    letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02x}")).collect()
                }
                _ => letter.to_string(),
            })
            .collect()
    }

    fn read(raw: &str, spelling: Spelling) -> String {
        match spelling {
            Spelling::Plain => raw.to_owned(),
            Spelling::Json => serde_json::from_str(&format!("\"{raw}\"")).expect(raw),
            Spelling::Percent => percent_decode_str(raw).decode_utf8().expect(raw).into_owned(),
        }
    }

    proptest! {
        #[test]
        fn what_is_left_reads_as_the_model(text in "@[a-c/\"\\\\é😀 .]{0,8}", way in 0_u8..4) {
            for spelling in [Spelling::Plain, Spelling::Json, Spelling::Percent] {
                let raw = spelled(&text, spelling, way);
                let model = text.split_once('/').map(|(_, model)| model.to_owned());
                let left = front(raw.as_bytes(), spelling).map(|end| read(&raw[end..], spelling));
                prop_assert_eq!(left, model, "{:?} {}", spelling, raw);
            }
        }

        #[test]
        fn any_bytes_are_answered(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            for spelling in [Spelling::Plain, Spelling::Json, Spelling::Percent] {
                let _ = front(&raw, spelling);
            }
        }

        #[test]
        fn what_is_not_cut_stays(bytes in proptest::collection::vec(any::<u8>(), 0..40), one in 0_usize..40, two in 0_usize..40) {
            let (start, end) = (one.min(two).min(bytes.len()), one.max(two).min(bytes.len()));
            let expected = [&bytes[..start], &bytes[end..]].concat();
            let shared = Bytes::from(bytes.clone());
            let other = shared.clone();
            prop_assert_eq!(&cut(shared, start..end), &expected);
            prop_assert_eq!(&cut(Bytes::from(bytes), start..end), &expected);
            drop(other);
        }
    }
}

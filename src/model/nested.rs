//! Models below the first level of a body (pure): batches, evaluations and sessions name them there.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::look::{LookError, Why};
use crate::json::Name;

/// Every text that stands under `model` anywhere below the first level, but for labels of the caller's own (`metadata`).
/// What is no JSON object or list has none.
///
/// # Errors
///
/// The body is nested so deep that it isn't read to its end.
pub(super) fn models(body: &[u8]) -> Result<Vec<Box<str>>, LookError> {
    let Ok(text) = std::str::from_utf8(body) else { return Ok(Vec::new()) };
    if !text.trim_ascii_start().starts_with(['{', '[']) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    match (Value { found: &mut found, depth: 0, model: false }).deserialize(&mut reader) {
        Ok(()) => Ok(found),
        Err(_) => Err(LookError::NotAnObject(Why::Listed)),
    }
}

struct Value<'f> {
    found: &'f mut Vec<Box<str>>,
    /// Objects and lists around it.
    depth: usize,
    /// Whether it stands under `model`.
    model: bool,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if name == "metadata" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            // The first level is read on its own, more strictly.
            let model = self.depth > 0 && name == "model";
            map.next_value_seed(Value { found: &mut *self.found, depth: self.depth + 1, model })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Value { found: &mut *self.found, depth: self.depth + 1, model: false })?.is_some()
        {
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.model && self.found.iter().all(|known| **known != *text) {
            self.found.push(text.into());
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_below_and_labels_are_not_looked_at() {
        for (body, expected) in [
            (r#"{"model":"a"}"#, &[][..]),
            (
                r#"{"requests":[{"params":{"model":"a"}},{"params":{"mod\u0065l":"b"}},{"params":{"model":"a"}}]}"#,
                &["a", "b"],
            ),
            (r#"{"session":{"model":"a","metadata":{"model":"x"}}}"#, &["a"]),
            (r#"{"metadata":{"a":{"model":"x"}},"tools":[{"properties":{"model":{"type":"string"}}}]}"#, &[]),
            (r#"[{"model":"a"},1.5,-2,null,true,"model"]"#, &["a"]),
            ("RIFF", &[]),
            ("", &[]),
        ] {
            let found = models(body.as_bytes()).expect(body);
            assert_eq!(found.iter().map(|model| &**model).collect::<Vec<_>>(), expected, "{body}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(models(deep.as_bytes()).is_err());
    }
}

//! Labels that a caller puts on a request.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The object in `x-portkey-metadata`, merged over W3C `baggage`: text by name.
///
/// Values are strings of up to [`MAX_CHARS`](Metadata::MAX_CHARS) characters (Portkey's `product/observability/metadata`);
/// an entry that is longer or no string is left out. Text that is no JSON object counts as no metadata. Portkey gives
/// the names `_user`, `_prompt`, `_organisation` and `_environment` a meaning of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Option<Arc<BTreeMap<String, String>>>);

impl Metadata {
    /// Longest value, in characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 128;

    /// Reads the header: JSON in UTF-8, or else in ISO 8859-1, which is what browsers' and Node's `fetch` make of it.
    #[must_use]
    pub fn from_header(value: &http::HeaderValue) -> Self {
        match std::str::from_utf8(value.as_bytes()) {
            Ok(json) => Self::from_json(json.as_bytes()),
            Err(_) => Self::from_json(value.as_bytes().iter().copied().map(char::from).collect::<String>().as_bytes()),
        }
    }

    /// Reads the header's JSON text.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Self {
        let mut reader = serde_json::Deserializer::from_slice(json);
        match reader.deserialize_map(Entries).and_then(|entries| reader.end().map(|()| entries)) {
            Ok(entries) => Self::from(entries),
            Err(_) => Self::default(),
        }
    }

    /// Reads one `baggage` header (W3C Baggage, section 3.3.1): `name=value;property, …`, values percent-encoded.
    #[must_use]
    pub fn from_baggage(text: &str) -> Self {
        let members = text.split(',').filter_map(|member| {
            let (name, value) = member.split(';').next()?.split_once('=')?;
            let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
            let fits = !name.trim().is_empty() && value.chars().count() <= Self::MAX_CHARS;
            fits.then(|| (name.trim().to_owned(), value.into_owned()))
        });
        Self::from(members.collect::<BTreeMap<_, _>>())
    }

    /// These entries, and those of `under` whose name is not among them.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        match (&self.0, &under.0) {
            (None, _) => under,
            (_, None) => self,
            (Some(top), Some(bottom)) => {
                let mut entries = BTreeMap::clone(bottom);
                entries.extend(top.iter().map(|(name, value)| (name.clone(), value.clone())));
                Self::from(entries)
            }
        }
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name).map(String::as_str)
    }

    /// The user the request is made for: the entry `_user`.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.get("_user")
    }

    /// Every entry, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|entries| entries.iter()).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<BTreeMap<String, String>> for Metadata {
    fn from(entries: BTreeMap<String, String>) -> Self {
        Self((!entries.is_empty()).then(|| Arc::new(entries)))
    }
}

/// Keeps the string entries of an object and passes over the others without building them.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value::<Label>()? {
                Label::Text(value) if value.chars().count() <= Metadata::MAX_CHARS => {
                    entries.insert(name, value);
                }
                Label::Text(_) | Label::Other => {}
            }
        }
        Ok(entries)
    }
}

enum Label {
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelReader)
    }
}

/// Builds strings alone: an untagged enum would hold all of an array before it finds that it is no string.
struct LabelReader;

impl<'de> Visitor<'de> for LabelReader {
    type Value = Label;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label")
    }

    fn visit_str<E>(self, text: &str) -> Result<Label, E> {
        Ok(Label::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Label, E> {
        Ok(Label::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Label, E> {
        Ok(Label::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Label, E> {
        Ok(Label::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Label, E> {
        Ok(Label::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Label, E> {
        Ok(Label::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Label, E> {
        Ok(Label::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Label, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Label::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Label, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Label::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_stay_and_what_is_no_object_is_nothing() {
        let metadata = Metadata::from_json(br#"{"_user": "\u00e9", "team": "a", "n": 1, "deep": {"a": []}}"#);
        assert_eq!(metadata.user(), Some("é"));
        assert_eq!(metadata.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["_user", "team"]);
        for text in ["", "{'_user':'x'}", "[]", "\"x\"", "null", "{\"a\":\"b\"} x", "{\"a\":"] {
            assert!(Metadata::from_json(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_value_of_128_characters_fits_and_one_more_does_not() {
        let json = |length| format!("{{\"a\":\"{}\"}}", "é".repeat(length));
        assert_eq!(Metadata::from_json(json(128).as_bytes()).get("a").map(|value| value.chars().count()), Some(128));
        assert!(Metadata::from_json(json(129).as_bytes()).is_empty());
    }

    #[test]
    fn baggage_lies_under_the_header() {
        let baggage = Metadata::from_baggage("team=b, region=eu%20west;ttl=1, broken, =x");
        let merged = Metadata::from_json(br#"{"team":"a"}"#).over(baggage);
        assert_eq!(merged.iter().collect::<Vec<_>>(), [("region", "eu west"), ("team", "a")]);
    }
}

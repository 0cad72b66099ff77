//! JSON objects whose members keep their order and their text.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// More members than anybody's object has.
const MOST_MEMBERS: usize = 4096;

/// The members of an object in their order, each value as it is written.
#[derive(Default)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

/// The first name that stands there twice.
pub(crate) fn duplicate<'m, T>(members: &'m [(Cow<'_, str>, T)]) -> Option<&'m str> {
    /// Up to here looking through the list is quicker than hashing; beyond, it would be quadratic.
    const FEW: usize = 16;

    let mut names = members.iter().map(|(name, _)| &**name);
    if members.len() <= FEW {
        return names
            .enumerate()
            .find(|(index, name)| members[..*index].iter().any(|(earlier, _)| earlier == name))
            .map(|(_, name)| name);
    }
    let mut seen = HashSet::with_capacity(members.len());
    names.find(|name| !seen.insert(*name))
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    if members.len() == MOST_MEMBERS {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Whether some reader could take what has this name for the model, or for models to choose from (OpenRouter: `models`).
pub(crate) fn is_alike(name: &str) -> bool {
    let stem = name.split('[').next().unwrap_or_default().trim();
    name != "model" && (stem.eq_ignore_ascii_case("model") || stem.eq_ignore_ascii_case("models"))
}

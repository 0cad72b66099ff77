//! JSON as a config or a body needs it: borrowed, bounded, every name once.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::path::Path;
use crate::json::{Members, Name, duplicate};

/// How many arrays and objects may stand in one another.
pub(super) const DEEPEST: usize = 16;

/// Members whose values are kept as the caller wrote them, for the body of the request.
const VERBATIM: [&str; 2] = ["override_params", "default_params"];

/// A JSON value that borrows the text it was read from.
pub(super) enum Json<'a> {
    Null,
    Flag(bool),
    /// As written: it may be out of every type's range.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
    /// An object below one of [`VERBATIM`]: looked through, but not taken apart.
    Verbatim(&'a RawValue),
}

/// Why a text is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NotJson,
    TooDeep,
    /// An object has two members of the same name; this is the path of the second.
    Duplicate(String),
}

impl From<serde_json::Error> for Fault {
    fn from(_: serde_json::Error) -> Self {
        Self::NotJson
    }
}

impl<'a> Json<'a> {
    /// Reads one value and nothing behind it.
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if !text.starts_with('{') {
            serde_json::from_str::<&RawValue>(text)?;
        }
        Self::read(text, &Path::Root, DEEPEST)
    }

    /// Reads what begins like an object, or is known to be JSON.
    fn read(text: &'a str, at: &Path<'_>, depth: usize) -> Result<Self, Fault> {
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
                let Members(members) = serde_json::from_str(text)?;
                if let Some(name) = duplicate(&members) {
                    return Err(Fault::Duplicate(at.name(name).to_string()));
                }
                let members = members.into_iter().map(|(name, raw)| {
                    let value = Self::read(raw.get(), &at.name(&name), depth)?;
                    let value = match value {
                        Self::Object(_) if VERBATIM.contains(&&*name) => Self::Verbatim(raw),
                        value => value,
                    };
                    Ok((name, value))
                });
                Self::Object(members.collect::<Result<_, Fault>>()?)
            }
            Some(b'[') => {
                let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let items =
                    items.into_iter().enumerate().map(|(index, raw)| Self::read(raw.get(), &at.index(index), depth));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(text) if !text.contains('\\') => Cow::Borrowed(text),
                _ => serde_json::from_str::<Name<'_>>(text)?.0,
            }),
            Some(b't' | b'f') => Self::Flag(serde_json::from_str(text)?),
            Some(b'n') => Self::Null,
            _ => Self::Number(text),
        })
    }

    /// The type, in the words of Portkey's validator.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Object(_) | Self::Verbatim(_) => "object",
        }
    }

    /// Whether JavaScript takes the value for true.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Flag(flag) => *flag,
            Self::Number(number) => number.parse() != Ok(0.0),
            Self::Text(text) => !text.is_empty(),
            Self::List(_) | Self::Object(_) | Self::Verbatim(_) => true,
        }
    }

    /// A member of an object; of anything else there is none.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(member, _)| member == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether there is a member that JavaScript takes for true.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(Self::is_truthy)
    }

    /// The flag, where it is one.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The text, where it is one and not empty.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "\u{feff}{}",
            "NaN",
            "{]",
            "{} {}",
            "01",
            "1.",
            "+1",
            "'a'",
            "{\"a\":1,}",
            "\"\\ud800\"",
            "\"\n\"",
            "nul",
            "[1",
        ] {
            assert_eq!(Json::parse(text).err(), Some(Fault::NotJson), "{text:?}");
        }
        for (text, kind) in [
            (" null ", "null"),
            ("-0.0e9", "number"),
            ("1e999", "number"),
            ("\t[]\n", "array"),
            ("\"\\u0041\"", "string"),
        ] {
            assert_eq!(Json::parse(text).map(|json| json.kind()).ok(), Some(kind), "{text:?}");
        }
    }

    #[test]
    fn depth_and_names_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::parse(&nested(DEEPEST)).is_ok());
        assert_eq!(Json::parse(&nested(DEEPEST + 1)).err(), Some(Fault::TooDeep));
        assert_eq!(Json::parse(&nested(5000)).err(), Some(Fault::TooDeep));

        let wide = (0..100).map(|n| format!("\"{n}\":0,")).collect::<String>();
        for (text, path) in [
            (r#"{"a":1,"a":1}"#.to_owned(), "a"),
            (r#"{"a":1,"\u0061":1}"#.to_owned(), "a"),
            (r#"{"override_params":{"x":[{},{"y":1,"y":2}]}}"#.to_owned(), "override_params,x,1,y"),
            (format!("{{{wide}\"7\":1}}"), "7"),
        ] {
            assert_eq!(Json::parse(&text).err(), Some(Fault::Duplicate(path.to_owned())), "{text}");
        }
        assert!(Json::parse(&format!("{{{wide}\"a\":{{\"7\":1}}}}")).is_ok());
    }

    #[test]
    fn truth_is_javascripts() {
        for (text, expected) in [
            ("null", false),
            ("false", false),
            ("0", false),
            ("-0.0", false),
            ("0e9", false),
            ("\"\"", false),
            ("true", true),
            ("0.1", true),
            ("\"0\"", true),
            ("[]", true),
            ("{}", true),
            ("1e999", true),
        ] {
            assert_eq!(Json::parse(text).map(|json| json.is_truthy()).ok(), Some(expected), "{text}");
        }
    }
}

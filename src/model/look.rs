//! What a whole body says about the model (pure).
//!
//! Strict, because it decides: by which stored credential the request goes, and whether its model is one that the entry
//! may be used for. What could be read in two ways is refused.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    rewrite::{Spelling, front, split},
    rules::{Content, Rules},
};
use crate::{
    form::{self, FormError},
    json::{Members, Name, duplicate, is_alike},
    rejection::{Kind, Rejection},
};

/// Why a body has to be what it has to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// The config changes members of it.
    pub(super) changes: bool,
    /// The entry is limited to some models.
    pub(super) listed: bool,
    /// Its model is known to begin with a slug, or nobody else says where the request is to go.
    pub(super) decides: bool,
    /// Models may name entries: where forms have models, they are looked for.
    pub(super) names: bool,
}

/// The model of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// Its whole text.
    pub(super) text: Cow<'a, str>,
    /// Where in the body the slug stands, up to the model behind it: what is to be cut out.
    pub(super) cut: Option<Range<usize>>,
}

/// Why a body is refused. Nothing of the body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookError {
    NotAnObject(Why),
    /// Some member stands there twice: which of the two counts would be the provider's choice, not ours.
    Duplicate,
    /// The model stands there twice.
    ModelTwice,
    /// The model is no text.
    ModelNoText,
    /// Another member could be taken for the model.
    ModelAlike,
    Form(FormError),
    /// The content is coded.
    Coded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Changes,
    Listed,
    Decides,
    Route,
}

/// The model that the body names, where it has to be known. `None`, too, for bodies of which nothing has to be known.
pub(super) fn look<'a>(body: &'a [u8], rules: &Rules<'_>, needs: Needs) -> Result<Option<Named<'a>>, LookError> {
    if body.is_empty() {
        return Ok(None);
    }
    if needs.listed && rules.coded {
        return Err(LookError::Coded);
    }
    if let Some(boundary) = rules.form() {
        // Other forms have no model, nor members that a config could change.
        return if rules.in_forms && needs.names || needs.listed { of_form(body, boundary, needs) } else { Ok(None) };
    }
    let text = std::str::from_utf8(body).ok();
    let object = match text {
        Some(text) if needs.changes => all_members(text)?,
        Some(text) => serde_json::from_str(text).ok(),
        None => None,
    };
    let (Some(text), Some(object)) = (text, object) else {
        let why = match needs {
            Needs { changes: true, .. } => Why::Changes,
            _ if rules.in_json => Why::Route,
            Needs { decides: true, .. } if rules.content == Content::Json => Why::Decides,
            Needs { listed: true, .. } if rules.content != Content::Media || may_be_json(body) => Why::Listed,
            _ => return Ok(None),
        };
        return Err(LookError::NotAnObject(why));
    };
    of_object(text, &object, needs)
}

fn of_object<'a>(text: &'a str, object: &Object<'a>, needs: Needs) -> Result<Option<Named<'a>>, LookError> {
    if object.twice {
        return Err(LookError::ModelTwice);
    }
    if object.alike && needs.listed {
        return Err(LookError::ModelAlike);
    }
    let Some(raw) = object.model.map(RawValue::get) else { return Ok(None) };
    let model: Cow<'_, str> = match serde_json::from_str(raw) {
        Ok(Name(model)) => model,
        Err(_) if needs.listed || needs.decides => return Err(LookError::ModelNoText),
        Err(_) => return Ok(None),
    };
    // The value is a part of the text, and its first byte a quote.
    let start = (raw.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize).wrapping_add(1);
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    Ok(Some(named(model, inner.as_bytes(), start, Spelling::Json)))
}

fn of_form<'a>(body: &'a [u8], boundary: &str, needs: Needs) -> Result<Option<Named<'a>>, LookError> {
    let form = form::read(body, boundary).map_err(LookError::Form)?;
    if form.alike && needs.listed {
        return Err(LookError::ModelAlike);
    }
    let Some(range) = form.model else { return Ok(None) };
    let value = &body[range.clone()];
    let text = std::str::from_utf8(value).map_err(|_| LookError::ModelNoText)?;
    Ok(Some(named(Cow::Borrowed(text), value, range.start, Spelling::Plain)))
}

fn named<'a>(text: Cow<'a, str>, raw: &[u8], start: usize, spelling: Spelling) -> Named<'a> {
    let has_model = split(&text).is_some_and(|(_, model)| model.is_some());
    let cut = front(raw, spelling).filter(|_| has_model).map(|length| start..start + length);
    Named { text, cut }
}

/// Whether some reader could take these bytes for a JSON object or list: what comes first, after spaces, zeros and the
/// marks of UTF-8, UTF-16 and UTF-32, is a bracket.
fn may_be_json(body: &[u8]) -> bool {
    let mark = |byte: &u8| *byte <= b' ' || matches!(byte, 0xEF | 0xBB | 0xBF | 0xFE | 0xFF);
    body.iter().find(|byte| !mark(byte)).is_none_or(|byte| matches!(byte, b'{' | b'['))
}

/// What has to be known of an object where nobody changes it.
#[derive(Default)]
struct Object<'a> {
    model: Option<&'a RawValue>,
    twice: bool,
    alike: bool,
}

impl<'a> Object<'a> {
    /// Whether this is the model.
    fn note(&mut self, name: &str) -> bool {
        self.alike |= is_alike(name);
        name == "model"
    }
}

/// The same where a config changes members, so that every one of them has to stand there once.
fn all_members(text: &str) -> Result<Option<Object<'_>>, LookError> {
    let Ok(Members(members)) = serde_json::from_str(text) else { return Ok(None) };
    if duplicate(&members).is_some() {
        return Err(LookError::Duplicate);
    }
    let mut object = Object::default();
    for (name, value) in members {
        if object.note(&name) {
            object.model = Some(value);
        }
    }
    Ok(Some(object))
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some(Name(name)) = map.next_key()? {
                    if object.note(&name) {
                        object.twice |= object.model.replace(map.next_value()?).is_some();
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl From<LookError> for Rejection {
    fn from(error: LookError) -> Self {
        Self::new(Kind::InvalidRequest).with_message(match error {
            LookError::NotAnObject(Why::Changes) => {
                "The body must be a JSON object, because its config changes members of it"
            }
            LookError::NotAnObject(Why::Listed) => {
                "The body must be a JSON object or a form, because the entry is limited to some models"
            }
            LookError::NotAnObject(Why::Decides) => "The body must be a JSON object, because its model names the entry",
            LookError::NotAnObject(Why::Route) => "The body must be a JSON object",
            LookError::Duplicate => {
                "The body must not have a member twice, because its config changes members of it"
            }
            LookError::ModelTwice | LookError::Form(FormError::Twice) => "The body must not name its model twice",
            LookError::ModelNoText => "The model in the body must be a text",
            LookError::ModelAlike => {
                "The body must not have a member that could be taken for model, because the entry is limited to some models"
            }
            LookError::Form(FormError::Malformed) => "The body must be a form of one reading, with the boundary of its content type",
            LookError::Coded => "The body must not be coded, because the entry is limited to some models",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const CHAT: Rules<'_> = Rules { content: Content::Json, in_json: true, in_forms: false, coded: false };
    const OTHER: Rules<'_> = Rules { in_json: false, ..CHAT };
    const MEDIA: Rules<'_> = Rules { content: Content::Media, ..OTHER };
    const FORM: Rules<'_> = Rules { content: Content::Form("x"), in_forms: true, ..OTHER };
    const NONE: Needs = Needs { changes: false, listed: false, decides: false, names: true };
    const LISTED: Needs = Needs { listed: true, ..NONE };

    #[test]
    fn bodies_are_read_as_strictly_as_they_are_needed() {
        let changes = Needs { changes: true, ..NONE };
        let decides = Needs { decides: true, ..NONE };
        let object = |why| Err(LookError::NotAnObject(why));
        let form = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x--\r\n";
        for (rules, needs, body, expected) in [
            (CHAT, NONE, r#"{"model":"m"}"#, Ok(Some("m"))),
            (CHAT, NONE, r#"{"mod\u0065l":"\u006d"}"#, Ok(Some("m"))),
            (CHAT, NONE, r#"{"a":{"model":"m"}}"#, Ok(None)),
            (CHAT, NONE, "", Ok(None)),
            (CHAT, LISTED, "", Ok(None)),
            (CHAT, NONE, "[]", object(Why::Route)),
            (CHAT, NONE, " ", object(Why::Route)),
            (CHAT, LISTED, "\u{feff}{}", object(Why::Route)),
            (CHAT, NONE, r#"{"model":"m","model":"m"}"#, Err(LookError::ModelTwice)),
            (CHAT, NONE, r#"{"model":"m","mod\u0065l":1}"#, Err(LookError::ModelTwice)),
            (CHAT, NONE, r#"{"a":1,"a":2}"#, Ok(None)),
            (CHAT, changes, r#"{"a":1,"a":2}"#, Err(LookError::Duplicate)),
            (OTHER, changes, "RIFF", object(Why::Changes)),
            (FORM, changes, form, Ok(Some("m"))),
            (CHAT, NONE, r#"{"model":1,"Model":2}"#, Ok(None)),
            (CHAT, decides, r#"{"model":1}"#, Err(LookError::ModelNoText)),
            (CHAT, LISTED, r#"{"model":null}"#, Err(LookError::ModelNoText)),
            (CHAT, LISTED, r#"{"model":"\ud800"}"#, Err(LookError::ModelNoText)),
            (CHAT, LISTED, r#"{"model":"m","MODEL":"n"}"#, Err(LookError::ModelAlike)),
            (CHAT, LISTED, r#"{"model":"m","model ":"n"}"#, Err(LookError::ModelAlike)),
            (CHAT, LISTED, r#"{"model":"m","models":["n"]}"#, Err(LookError::ModelAlike)),
            (CHAT, NONE, r#"{"model":"m","models":["n"]}"#, Ok(Some("m"))),
            (OTHER, NONE, "RIFF", Ok(None)),
            (OTHER, decides, "RIFF", object(Why::Decides)),
            (OTHER, LISTED, "RIFF", object(Why::Listed)),
            (MEDIA, LISTED, "RIFF", Ok(None)),
            (MEDIA, LISTED, "\u{feff}RIFF", Ok(None)),
            (MEDIA, LISTED, " \u{feff}\0{", object(Why::Listed)),
            (MEDIA, LISTED, "[", object(Why::Listed)),
            (MEDIA, LISTED, r#" {"model":"m"}"#, Ok(Some("m"))),
            (FORM, NONE, form, Ok(Some("m"))),
            (FORM, NONE, "{}", Err(LookError::Form(FormError::Malformed))),
            (FORM, Needs { names: false, ..NONE }, "{}", Ok(None)),
            (Rules { in_forms: false, ..FORM }, NONE, "{}", Ok(None)),
            (Rules { in_forms: false, ..FORM }, LISTED, "{}", Err(LookError::Form(FormError::Malformed))),
            (Rules { in_json: true, ..FORM }, LISTED, form, object(Why::Route)),
            (Rules { coded: true, ..CHAT }, LISTED, "{}", Err(LookError::Coded)),
            (Rules { coded: true, ..CHAT }, NONE, "{}", Ok(None)),
        ] {
            let found = look(body.as_bytes(), &rules, needs);
            let found = found.map(|named| named.map(|named| named.text.into_owned()));
            assert_eq!(
                found,
                expected.map(|model: Option<&str>| model.map(str::to_owned)),
                "{rules:?} {needs:?} {body}"
            );
        }
        for (rules, body, why) in [
            (CHAT, &b"{\"model\":\"m\",\"a\":\"\xff\"}"[..], Why::Route),
            (MEDIA, b"{\0", Why::Listed),
            (MEDIA, b"\xff\xfe{\0", Why::Listed),
        ] {
            assert_eq!(look(body, &rules, LISTED), Err(LookError::NotAnObject(why)), "{body:?}");
        }
    }

    proptest! {
        /// Whatever else stands in the body: only the slug goes, byte for byte.
        #[test]
        fn what_is_cut_is_the_slug(
            before in "[ \t\r\n]{0,2}",
            space in "[ \t\r\n]{0,2}",
            name in prop_oneof![Just("\"model\""), Just("\"\\u006Dodel\""), Just("\"m\\u006fdel\"")],
            at in prop_oneof![Just("@"), Just("\\u0040")],
            slug in "[a-e]{1,5}",
            slash in prop_oneof![Just("/"), Just("\\/"), Just("\\u002f"), Just("\\u002F")],
            model in "([a-z/@é😀]|\\\\u00e9|\\\\\"|\\\\/){0,6}",
            more in prop_oneof![Just(""), Just(r#","b":{"model":"@x/y"}"#), Just(r#","n":1.10e5,"s":"\ud83d\ude00""#)],
        ) {
            let text = |front: &str| {
                format!("{before}{{{space}\"a\":[1,\"@x/y\"],{name}{space}:{space}\"{front}{model}\"{space}{more}{space}}}")
            };
            let body = text(&format!("{at}{slug}{slash}"));
            let named = look(body.as_bytes(), &CHAT, NONE);
            let named = named.expect("an object").expect("a model");
            let left = super::super::rewrite::cut(body.clone().into(), named.cut.clone().expect("a slug"));
            prop_assert_eq!(&left, &text(""), "{}", body);
            let model: Value = serde_json::from_slice(&left).expect("JSON");
            prop_assert_eq!(Some((&*slug, model["model"].as_str())), split(&named.text));
        }

        #[test]
        fn any_bytes_are_answered(
            body in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                "([{}:,\"]|model|@a/b|--x|\r\n)*".prop_map(String::into_bytes),
            ],
            changes in any::<bool>(), listed in any::<bool>(), decides in any::<bool>(),
        ) {
            for rules in [CHAT, OTHER, MEDIA, FORM] {
                let _ = look(&body, &rules, Needs { changes, listed, decides, names: true });
            }
        }
    }
}

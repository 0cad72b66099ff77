//! Looks for the member `model` in a JSON object that is still coming in (pure).
//!
//! A shortcut only: it says as early as possible that a body names no entry, so that the rest need not be waited for. It
//! doesn't validate, and nothing that protects anything is decided by it.

use memchr::memchr2;

use super::rewrite::is_slug;

/// What is known of the first member `model` so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It may still come.
    Nothing,
    /// It is there and names no entry, or it will not come: the text is no JSON object, or its object has ended.
    Plain,
    /// It is a text that begins with a slug.
    Slug,
}

/// Reads an object chunk by chunk. The time is linear in the bytes that are fed; no memory is taken.
#[derive(Debug)]
pub(super) struct Scan {
    state: State,
    /// How many objects and lists a value that is passed over is deep.
    depth: usize,
}

#[derive(Debug)]
enum State {
    /// Before the object.
    Start,
    /// Before a name, or the end.
    Name,
    /// In a name of which so many letters are those of `model`, or that is another one.
    InName {
        same: Option<usize>,
        escape: Escape,
    },
    Colon {
        ours: bool,
    },
    Value {
        ours: bool,
    },
    /// In a text that is passed over.
    Text {
        escaped: bool,
    },
    /// In a number or word.
    Word,
    /// In an object or list that is passed over.
    Nested,
    /// After a value.
    Comma,
    /// In the model's text: how it begins.
    Model {
        front: Front,
        escape: Escape,
    },
    Known(Seen),
}

const NAME: &[u8] = b"model";

impl Scan {
    pub(super) fn new() -> Self {
        Self { state: State::Start, depth: 0 }
    }

    /// Reads on.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Seen {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            match &mut self.state {
                State::Known(seen) => return *seen,
                State::Text { escaped: escaped @ true } => *escaped = false,
                State::Text { escaped } => match memchr2(b'"', b'\\', &chunk[at..]) {
                    None => return Seen::Nothing,
                    Some(ahead) => {
                        at += ahead;
                        match chunk[at] {
                            b'\\' => *escaped = true,
                            _ => self.state = if self.depth == 0 { State::Comma } else { State::Nested },
                        }
                    }
                },
                _ => self.step(byte),
            }
            at += 1;
        }
        match self.state {
            State::Known(seen) => seen,
            _ => Seen::Nothing,
        }
    }

    fn step(&mut self, byte: u8) {
        const PLAIN: State = State::Known(Seen::Plain);
        let space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let next = match (&mut self.state, byte) {
            (State::Start | State::Name | State::Colon { .. } | State::Value { .. } | State::Comma, _) if space => {
                return;
            }
            (State::Start, b'{') => State::Name,
            (State::Name, b'"') => State::InName { same: Some(0), escape: Escape::None },
            (State::InName { same, escape: Escape::None }, b'"') => State::Colon { ours: *same == Some(NAME.len()) },
            (State::InName { same, escape }, _) => {
                if let Some(unit) = escape.read(byte) {
                    *same =
                        same.filter(|same| NAME.get(*same).copied().map(u16::from) == Some(unit)).map(|same| same + 1);
                }
                return;
            }
            (State::Colon { ours }, b':') => State::Value { ours: *ours },
            (State::Value { ours: true }, b'"') => State::Model { front: Front::default(), escape: Escape::None },
            (State::Value { ours: true }, _) => PLAIN,
            (State::Value { .. } | State::Nested, b'"') => State::Text { escaped: false },
            (State::Value { .. } | State::Nested, b'{' | b'[') => {
                self.depth += 1;
                State::Nested
            }
            (State::Nested, b'}' | b']') => {
                self.depth -= 1;
                if self.depth > 0 {
                    return;
                }
                State::Comma
            }
            (State::Value { .. }, _) => State::Word,
            (State::Word | State::Comma, b',') => State::Name,
            (State::Word, b'}') => PLAIN,
            (State::Word | State::Nested, _) => return,
            (State::Model { front, escape: Escape::None }, b'"') => State::Known(front.seen()),
            (State::Model { front, escape }, _) => match escape.read(byte).map(|unit| front.push(unit)) {
                Some(true) => State::Known(front.seen()),
                _ => return,
            },
            _ => PLAIN,
        };
        self.state = next;
    }
}

/// How a text begins: as much of it as tells a slug from everything else.
#[derive(Debug, Default)]
struct Front {
    text: [u8; 4],
    length: usize,
}

impl Front {
    /// Whether this is enough.
    fn push(&mut self, unit: u16) -> bool {
        // What is not ASCII stands for itself as something that is none of the letters looked for.
        self.text[self.length] = u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?');
        self.length += 1;
        self.text[0] != b'@' || self.length == self.text.len()
    }

    fn seen(&self) -> Seen {
        let text = std::str::from_utf8(&self.text[..self.length]).unwrap_or_default();
        if is_slug(text) { Seen::Slug } else { Seen::Plain }
    }
}

/// Where in an escape of a JSON text we are.
#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Begun,
    Hex { digits: u8, unit: u16 },
}

impl Escape {
    /// The UTF-16 unit, or the raw byte, that ends here.
    fn read(&mut self, byte: u8) -> Option<u16> {
        const NEVER: u16 = u16::MAX;
        let (next, unit) = match (*self, byte) {
            (Self::None, b'\\') => (Self::Begun, None),
            (Self::None, byte) => (Self::None, Some(byte.into())),
            (Self::Begun, b'u') => (Self::Hex { digits: 0, unit: 0 }, None),
            (Self::Begun, b'"' | b'\\' | b'/') => (Self::None, Some(byte.into())),
            // A control character, or nothing at all: in neither case a letter that is looked for.
            (Self::Begun, _) => (Self::None, Some(NEVER)),
            (Self::Hex { digits, unit }, byte) => match char::from(byte).to_digit(16) {
                Some(digit) => {
                    let unit = (unit << 4) | u16::try_from(digit).unwrap_or_default();
                    if digits == 3 { (Self::None, Some(unit)) } else { (Self::Hex { digits: digits + 1, unit }, None) }
                }
                None => (Self::None, Some(NEVER)),
            },
        };
        *self = next;
        unit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::json::Members;

    fn scanned(text: &[u8], sizes: &[usize]) -> Seen {
        let (mut scan, mut rest, mut sizes) = (Scan::new(), text, sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at(rest.len().min(*sizes.next().unwrap_or(&usize::MAX)));
            let seen = scan.feed(chunk);
            if seen != Seen::Nothing {
                return seen;
            }
            rest = more;
        }
        scan.feed(b"")
    }

    #[test]
    fn the_first_model_at_the_top_counts() {
        for (text, seen) in [
            (r#"{"model":"@a/b"}"#, Seen::Slug),
            (r#"{"model":"@a"#, Seen::Nothing),
            (r#"{"model":"@a/b"#, Seen::Slug),
            (r#"{"model":"@"}"#, Seen::Slug),
            (r#"{"model":"gpt"#, Seen::Plain),
            (r#"{"model":"g"#, Seen::Plain),
            (r#"{"model":"@cf/x"}"#, Seen::Plain),
            (r#"{"model":"@hf/x"}"#, Seen::Plain),
            (r#"{"model":"@cf"}"#, Seen::Slug),
            (r#"{"model":"@cfx/"}"#, Seen::Slug),
            (r#"{"model":""}"#, Seen::Plain),
            (r#"{"model":null"#, Seen::Plain),
            (r#"{"model":["@a/b"]"#, Seen::Plain),
            (" \r\n\t{ \"a\" : [ {\"model\":\"@a/b\"} , \"]\" ] , \"model\" : \"@a/b\"", Seen::Slug),
            (r#"{"a":{"model":"@a/b"}}"#, Seen::Plain),
            (r#"{"a":"\"","b":"\\","model":"@a/b""#, Seen::Slug),
            (r#"{"mod\u0065l":"@a/b""#, Seen::Slug),
            (r#"{"model":"\u0040a\/b""#, Seen::Slug),
            (r#"{"model":"\u0040cf\/b""#, Seen::Plain),
            (r#"{"models":"@a/b","mode":"@a/b","Model":"@a/b"}"#, Seen::Plain),
            (r#"{"n":-1.5e3,"t":true,"model":"@a/b""#, Seen::Slug),
            (r#"{"n":1}"#, Seen::Plain),
            ("{}", Seen::Plain),
            ("{", Seen::Nothing),
            ("", Seen::Nothing),
            ("[", Seen::Plain),
            ("\u{feff}{\"model\":\"@a/b\"}", Seen::Plain),
            ("RIFF", Seen::Plain),
        ] {
            for size in [1, 2, 3, 1000] {
                assert_eq!(scanned(text.as_bytes(), &[size]), seen, "{text} by {size}");
            }
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(@|@cf/|@hf/|)[a-z/\"\\\\é😀\u{1}]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                members(inner).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
        let name = prop_oneof![Just("model".to_owned()), "[a-z\"\\\\é]{0,3}"];
        proptest::collection::vec((name, value), 0..5)
    }

    proptest! {
        #[test]
        fn objects_in_any_chunks_are_read_as_serde_reads_them(
            members in members(json()),
            escaped in any::<bool>(),
            pretty in any::<bool>(),
            sizes in proptest::collection::vec(1_usize..9, 1..5),
        ) {
            let write = |value: &Value| if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            let escape = |text: String| match escaped {
                false => text,
                true => text.replace('m', "\\u006d").replace('@', "\\u0040").replace('/', "\\/"),
            };
            let text: Vec<_> = members.iter().map(|(name, value)| {
                format!("{}:{}", escape(Value::from(&**name).to_string()), escape(write(value).expect("JSON")))
            }).collect();
            let text = format!("{{{}}}", text.join(" ,"));
            let read: Members<'_> = serde_json::from_str(&text).expect("an object");
            let model = read.0.iter().find(|(name, _)| name == "model").map(|(_, value)| value.get());
            let model = model.and_then(|model| serde_json::from_str::<String>(model).ok());
            let expected = if model.is_some_and(|model| is_slug(&model)) { Seen::Slug } else { Seen::Plain };
            prop_assert_eq!(scanned(text.as_bytes(), &sizes), expected, "{}", text);
        }

        #[test]
        fn any_bytes_are_answered_alike_in_any_chunks(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "[{}\\[\\]\",:\\\\umodel@cf/0-9 ]{0,60}".prop_map(String::into_bytes),
            ],
            sizes in proptest::collection::vec(1_usize..9, 1..5),
        ) {
            prop_assert_eq!(scanned(&text, &sizes), scanned(&text, &[usize::MAX]));
        }
    }
}

//! Whether a condition holds (pure), as JavaScript compares values.

use super::facts::{Facts, Value};
use crate::context::{Operand, Query, Test};

/// Text longer than this matches no pattern and is no number, because the time that either takes grows with it. In bytes.
const LONGEST_TEXT: usize = 4 * 1024;

/// An operator that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsupported<'a>(pub(super) &'a str);

/// Parts are asked from left to right, and no further than it takes to know.
pub(super) fn holds<'q>(query: &'q Query, facts: &Facts<'_>) -> Result<bool, Unsupported<'q>> {
    match query {
        Query::All(parts) => {
            for part in parts {
                if !holds(part, facts)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Query::Any(parts) => {
            for part in parts {
                if holds(part, facts)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Query::Test(field, test) => passes(test, &facts.value(field)),
    }
}

fn passes<'q>(test: &'q Test, value: &Value<'_>) -> Result<bool, Unsupported<'q>> {
    Ok(match test {
        Test::Equal(operand) => equal(value, operand),
        Test::NotEqual(operand) => !equal(value, operand),
        Test::Greater(operand) => compare(value, operand, |value, operand| value > operand),
        Test::GreaterOrEqual(operand) => compare(value, operand, |value, operand| value >= operand),
        Test::Less(operand) => compare(value, operand, |value, operand| value < operand),
        Test::LessOrEqual(operand) => compare(value, operand, |value, operand| value <= operand),
        Test::In(operands) => operands.iter().any(|operand| equal(value, operand)),
        Test::NotIn(operands) => !operands.iter().any(|operand| equal(value, operand)),
        // An object or an array has no text that anybody would look for.
        Test::Regex(_) if matches!(value, Value::Other(_)) => false,
        Test::Regex(pattern) => {
            let text = value.clone().into_text().filter(|text| text.len() <= LONGEST_TEXT);
            pattern.as_ref().zip(text).is_some_and(|(pattern, text)| pattern.is_match(&text))
        }
        Test::Unsupported(operator) => return Err(Unsupported(operator)),
    })
}

/// JavaScript's `===`: what is missing, an object or an array equals nothing.
fn equal(value: &Value<'_>, operand: &Operand) -> bool {
    match (value, operand) {
        (Value::Null, Operand::Null) => true,
        (Value::Flag(one), Operand::Flag(other)) => one == other,
        (Value::Number(one), Operand::Number(other)) => one == other,
        (Value::Text(one), Operand::Text(other)) => **one == **other,
        _ => false,
    }
}

/// What is no number on either side compares as false.
fn compare(value: &Value<'_>, operand: &Operand, holds: impl FnOnce(f64, f64) -> bool) -> bool {
    let value = match value {
        Value::Number(number) => Some(*number),
        Value::Text(text) if text.len() <= LONGEST_TEXT => parse_float(text),
        Value::Missing | Value::Null | Value::Flag(_) | Value::Text(_) | Value::Other(_) => None,
    };
    let operand = match operand {
        Operand::Number(number) => Some(*number),
        Operand::Text(text) => parse_float(text),
        Operand::Null | Operand::Flag(_) | Operand::Other => None,
    };
    value.zip(operand).is_some_and(|(value, operand)| holds(value, operand))
}

/// The number that a text begins with, as JavaScript's `parseFloat` reads it.
fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with("Infinity") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let fraction = unsigned[whole..].strip_prefix('.').map(digits);
    if whole == 0 && fraction.unwrap_or(0) == 0 {
        return None;
    }
    let mut length = text.len() - unsigned.len() + whole + fraction.map_or(0, |fraction| fraction + 1);
    if let Some(power) = text[length..].strip_prefix(['e', 'E']) {
        let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
        if digits(unsigned) > 0 {
            length += 1 + (power.len() - unsigned.len()) + digits(unsigned);
        }
    }
    text[..length].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use http::HeaderMap;
    use regex_lite::Regex;

    use super::*;
    use crate::context::{Field, Metadata};

    const TEXT: fn(&'static str) -> Value<'static> = |text| Value::Text(Cow::Borrowed(text));

    fn operand(text: &str) -> Operand {
        Operand::Text(text.into())
    }

    #[test]
    fn texts_begin_with_numbers_as_in_javascript() {
        for (text, expected) in [
            ("10", Some(10.0)),
            (" \t\u{feff}-1.5e3x", Some(-1500.0)),
            ("+5", Some(5.0)),
            (".5", Some(0.5)),
            ("-.5.5", Some(-0.5)),
            ("5.", Some(5.0)),
            ("5.e1", Some(50.0)),
            ("1e", Some(1.0)),
            ("1e+", Some(1.0)),
            ("1e-2é", Some(0.01)),
            ("1e999", Some(f64::INFINITY)),
            ("0x10", Some(0.0)),
            ("3 apples", Some(3.0)),
            ("-Infinityx", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("infinity", None),
            ("inf", None),
            ("NaN", None),
            ("", None),
            (".", None),
            ("-", None),
            ("e5", None),
            ("é1", None),
        ] {
            assert_eq!(parse_float(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_operator_compares_as_javascript_does() {
        let pattern = |text: &str| Test::Regex(Regex::new(text).ok());
        let some = || vec![operand("a"), Operand::Number(1.0), Operand::Null, Operand::Other];
        for (value, test, expected) in [
            (TEXT("a"), Test::Equal(operand("a")), true),
            (TEXT("a"), Test::Equal(operand("A")), false),
            (TEXT("1"), Test::Equal(Operand::Number(1.0)), false),
            (Value::Number(1.0), Test::Equal(Operand::Number(1.0)), true),
            (Value::Number(1.0), Test::Equal(operand("1")), false),
            (Value::Flag(true), Test::Equal(Operand::Flag(true)), true),
            (Value::Flag(true), Test::Equal(operand("true")), false),
            (Value::Null, Test::Equal(Operand::Null), true),
            (Value::Missing, Test::Equal(Operand::Null), false),
            (Value::Other("[]"), Test::Equal(Operand::Other), false),
            (Value::Other("[]"), Test::NotEqual(Operand::Other), true),
            (Value::Missing, Test::NotEqual(operand("a")), true),
            (Value::Missing, Test::NotEqual(Operand::Null), true),
            (Value::Null, Test::NotEqual(Operand::Null), false),
            (TEXT("10"), Test::Greater(Operand::Number(9.0)), true),
            (TEXT("10"), Test::Greater(operand("9")), true),
            (TEXT("10 tokens"), Test::Greater(operand("9.5 tokens")), true),
            (Value::Number(9.0), Test::Greater(Operand::Number(9.0)), false),
            (Value::Number(9.0), Test::GreaterOrEqual(Operand::Number(9.0)), true),
            (Value::Number(8.0), Test::Less(operand("9")), true),
            (Value::Number(9.0), Test::Less(operand("9")), false),
            (Value::Number(9.0), Test::LessOrEqual(operand("9")), true),
            (Value::Missing, Test::Less(Operand::Number(9.0)), false),
            (Value::Missing, Test::GreaterOrEqual(Operand::Number(-9.0)), false),
            (Value::Null, Test::LessOrEqual(Operand::Number(0.0)), false),
            (Value::Flag(true), Test::Greater(Operand::Number(0.0)), false),
            (TEXT("many"), Test::GreaterOrEqual(operand("many")), false),
            (TEXT("a"), Test::In(some()), true),
            (TEXT("b"), Test::In(some()), false),
            (Value::Number(1.0), Test::In(some()), true),
            (TEXT("1"), Test::In(some()), false),
            (Value::Null, Test::In(some()), true),
            (Value::Missing, Test::In(some()), false),
            (Value::Other("{}"), Test::In(some()), false),
            (Value::Missing, Test::In(vec![]), false),
            (TEXT("a"), Test::NotIn(some()), false),
            (TEXT("b"), Test::NotIn(some()), true),
            (Value::Missing, Test::NotIn(some()), true),
            (Value::Other("{}"), Test::NotIn(some()), true),
            (TEXT("gpt-4o-mini"), pattern("^gpt-4"), true),
            (TEXT("my gpt-4"), pattern("gpt"), true),
            (TEXT("o3"), pattern("^gpt"), false),
            (Value::Number(42.0), pattern("^4"), true),
            (Value::Flag(true), pattern("^true$"), true),
            (Value::Missing, pattern(".*"), false),
            (Value::Null, pattern(".*"), false),
            (Value::Other("[\"a\"]"), pattern("a"), false),
            (TEXT("("), pattern("("), false),
        ] {
            assert_eq!(passes(&test, &value), Ok(expected), "{value:?} {test:?}");
        }
        let long = Value::Text("a".repeat(LONGEST_TEXT + 1).into());
        assert_eq!(passes(&pattern("a"), &long), Ok(false));
        let long = Value::Text("1".repeat(LONGEST_TEXT + 1).into());
        assert_eq!(passes(&Test::Greater(Operand::Number(0.0)), &long), Ok(false));
    }

    #[test]
    fn parts_are_asked_no_further_than_it_takes() {
        let headers = HeaderMap::new();
        let metadata = Metadata::from_json(br#"{"a":"1"}"#);
        let facts = Facts::new(&headers, "/", &metadata, None);
        let is = |text: &str| Query::Test(Field::Metadata("a".into()), Test::Equal(operand(text)));
        let strange = || Query::Test(Field::Unknown, Test::Unsupported("$zz".into()));
        for (query, expected) in [
            (is("1"), Ok(true)),
            (is("2"), Ok(false)),
            (Query::All(vec![]), Ok(true)),
            (Query::Any(vec![]), Ok(false)),
            (Query::All(vec![is("1"), is("2")]), Ok(false)),
            (Query::Any(vec![is("2"), is("1")]), Ok(true)),
            (Query::All(vec![is("1"), Query::Any(vec![is("2"), Query::All(vec![is("1")])])]), Ok(true)),
            (Query::All(vec![is("2"), strange()]), Ok(false)),
            (Query::Any(vec![is("1"), strange()]), Ok(true)),
            (Query::All(vec![is("1"), strange()]), Err(Unsupported("$zz"))),
            (Query::Any(vec![is("2"), strange()]), Err(Unsupported("$zz"))),
        ] {
            assert_eq!(holds(&query, &facts), expected, "{query:?}");
        }
    }
}

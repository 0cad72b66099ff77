//! Reading JSON piece by piece, so that what is wrong can be named. Every piece is read once for every level it lies deep.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::Fault;
use crate::json::{Members, Name, duplicate};

/// The members of a body that `T` knows. The others are not looked at.
pub(super) fn body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::new("must be UTF-8"))?;
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    // Serde would take a list for a struct, too.
    let read = if text.starts_with('{') { serde_json::from_str(text).ok() } else { None };
    read.ok_or_else(|| Fault::new("must be a JSON object that has no member twice"))
}

/// The members of an object that `T` knows. The others are not looked at.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Fault> {
    if !is_object(raw) {
        // Serde would take a list for a struct, too.
        return Err(Fault::new("must be an object"));
    }
    serde_json::from_str(raw.get()).map_err(|_| Fault::new("has a member twice"))
}

/// All members of an object.
pub(super) fn members(raw: &RawValue) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Fault> {
    let Members(members) = serde_json::from_str(raw.get()).map_err(|_| Fault::new("must be an object"))?;
    match duplicate(&members) {
        Some(_) => Err(Fault::new("has a member twice")),
        None => Ok(members),
    }
}

pub(super) fn list(raw: &RawValue) -> Result<Vec<&RawValue>, Fault> {
    serde_json::from_str(raw.get()).map_err(|_| Fault::new("must be a list"))
}

pub(super) fn text(raw: &RawValue) -> Result<Cow<'_, str>, Fault> {
    let name: Result<Name<'_>, _> = serde_json::from_str(raw.get());
    name.map(|Name(text)| text).map_err(|_| Fault::new("must be a string"))
}

pub(super) fn flag(raw: &RawValue) -> Result<bool, Fault> {
    serde_json::from_str(raw.get()).map_err(|_| Fault::new("must be true or false"))
}

pub(super) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

pub(super) fn is_list(raw: &RawValue) -> bool {
    raw.get().starts_with('[')
}

pub(super) fn is_text(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// A value that goes on as it is written, if it is a number.
pub(super) fn number(raw: &RawValue) -> Result<&RawValue, Fault> {
    let is_number = raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if is_number { Ok(raw) } else { Err(Fault::new("must be a number")) }
}

/// A value that goes on as it is written, if it is an object.
pub(super) fn any_object(raw: &RawValue) -> Result<&RawValue, Fault> {
    if is_object(raw) { Ok(raw) } else { Err(Fault::new("must be an object")) }
}

/// A value that goes on as it is written, whatever it is.
#[allow(clippy::unnecessary_wraps)] // It stands where checks stand.
pub(super) fn anything(raw: &RawValue) -> Result<&RawValue, Fault> {
    Ok(raw)
}

/// JavaScript's idea of a value that counts as given: `false`, `0` and `""` don't.
pub(super) fn is_truthy(raw: &RawValue) -> bool {
    match raw.get() {
        "false" | "null" | "\"\"" => false,
        number if number.starts_with(['-', '0']) => number.parse::<f64>().is_ok_and(|number| number != 0.0),
        _ => true,
    }
}

//! Changes to the members of a JSON body.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, hash_map::Entry},
};

use serde_json::value::RawValue;

use crate::{
    context::Params,
    json::{Members, duplicate},
    rejection::{Kind, Rejection},
};

/// Why a body can't be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParamsError {
    /// It is no JSON object.
    NotAnObject,
    /// It has a member twice: which of the two counts would be the provider's choice, not ours.
    Duplicate,
}

/// The body with the defaults added, the overrides set and the dropped members taken away, in this order.
///
/// As in Portkey, a whole member is set or kept: nothing is merged below. What is not changed keeps its place and its
/// value's exact text.
pub(crate) fn apply(body: &[u8], params: &Params) -> Result<Vec<u8>, ParamsError> {
    let Members(mut members) = serde_json::from_slice(body).map_err(|_| ParamsError::NotAnObject)?;
    if duplicate(&members).is_some() {
        return Err(ParamsError::Duplicate);
    }
    // By name, because caller and config decide how many there are of either.
    let mut places: HashMap<Cow<'_, str>, usize> =
        members.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
    for (name, value) in &params.default {
        if let Entry::Vacant(free) = places.entry(Cow::Borrowed(name)) {
            free.insert(members.len());
            members.push((Cow::Borrowed(name), value));
        }
    }
    for (name, value) in &params.set {
        match places.entry(Cow::Borrowed(name)) {
            Entry::Occupied(place) => members[*place.get()].1 = value,
            Entry::Vacant(free) => {
                free.insert(members.len());
                members.push((Cow::Borrowed(name), value));
            }
        }
    }
    let dropped: HashSet<&str> = params.drop.iter().map(|name| &**name).collect();
    members.retain(|(name, _)| !dropped.contains(&**name));
    Ok(write(&members, body.len()))
}

fn write(members: &[(Cow<'_, str>, &RawValue)], about: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(about + about / 8 + 64);
    body.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        // Writing a string to memory can't fail.
        let _ = serde_json::to_writer(&mut body, name);
        body.push(b':');
        body.extend_from_slice(value.get().as_bytes());
    }
    body.push(b'}');
    body
}

impl From<ParamsError> for Rejection {
    fn from(error: ParamsError) -> Self {
        Self::new(Kind::InvalidRequest).with_message(match error {
            ParamsError::NotAnObject => "The body must be a JSON object, because its config changes members of it",
            ParamsError::Duplicate => "The body must not have a member twice, because its config changes members of it",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn members(text: &str) -> Vec<(Box<str>, Box<RawValue>)> {
        let Members(members) = serde_json::from_str(text).expect(text);
        members.into_iter().map(|(name, value)| (name.into(), value.to_owned())).collect()
    }

    fn params(default: &str, set: &str, drop: &[&str]) -> Params {
        let drop = drop.iter().map(|name| Box::from(*name)).collect();
        Params { default: members(default), set: members(set), drop }
    }

    #[test]
    fn members_are_set_in_order_and_the_rest_is_left_alone() {
        let nothing: &[&str] = &[];
        for (body, default, set, drop, expected) in [
            (r#"{"a":1}"#, "{}", "{}", nothing, r#"{"a":1}"#),
            (" { } ", r#"{"a":1}"#, r#"{"b":2}"#, nothing, r#"{"a":1,"b":2}"#),
            (r#"{"a":null}"#, r#"{"a":1}"#, "{}", nothing, r#"{"a":null}"#),
            (r#"{"a":1,"b":2}"#, "{}", r#"{"a":{"x":1}}"#, nothing, r#"{"a":{"x":1},"b":2}"#),
            (r#"{"a":{"x":1,"y":2}}"#, "{}", r#"{"a":{"x":3}}"#, nothing, r#"{"a":{"x":3}}"#),
            (r#"{"a":1}"#, r#"{"b":2}"#, r#"{"b":3,"c":4}"#, &["a", "c"], r#"{"b":3}"#),
            (r#"{"\u0061":1}"#, "{}", r#"{"a":2}"#, nothing, r#"{"a":2}"#),
            (
                "{\"n\": 1.10 ,\"big\":123456789012345678901,\"s\":\"\\u00e9\\ud800\",\"l\":[ 1, 2 ],\"a\\\"b\":0}",
                "{}",
                r#"{"t":0.70}"#,
                nothing,
                "{\"n\":1.10,\"big\":123456789012345678901,\"s\":\"\\u00e9\\ud800\",\"l\":[ 1, 2 ],\"a\\\"b\":0,\"t\":0.70}",
            ),
        ] {
            let changed = apply(body.as_bytes(), &params(default, set, drop)).expect(body);
            assert_eq!(String::from_utf8(changed).expect("UTF-8"), expected, "{body}");
        }
    }

    #[test]
    fn other_bodies_are_refused_without_a_word_of_them() {
        for body in ["", "null", "[]", "\"LEAKME\"", "{\"a\":LEAKME}", "{\"a\":1}x", "\u{feff}{}", "{\"a\":1", "{a:1}"]
        {
            let error = apply(body.as_bytes(), &Params::default()).expect_err(body);
            assert_eq!(error, ParamsError::NotAnObject, "{body}");
            assert!(!Rejection::from(error).message().contains("LEAKME"));
        }
        assert_eq!(apply(b"{\"a\":\"\xff\"}", &Params::default()), Err(ParamsError::NotAnObject));
        for body in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":1}"#] {
            assert_eq!(apply(body.as_bytes(), &Params::default()), Err(ParamsError::Duplicate), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = apply(&body, &params("{}", r#"{"a":1}"#, &["b"]));
        }

        #[test]
        fn the_result_is_javascripts(
            body in proptest::collection::btree_map("[a-d\"\\\\é]{1,2}", any::<u32>(), 0..6),
            default in proptest::collection::btree_map("[a-d]", any::<u32>(), 0..3),
            set in proptest::collection::btree_map("[a-d]", any::<u32>(), 0..3),
            drop in proptest::collection::vec("[a-d]", 0..2),
        ) {
            let text = |map: &std::collections::BTreeMap<String, u32>| serde_json::to_string(map).expect("JSON");
            let drop_names: Vec<_> = drop.iter().map(String::as_str).collect();
            let changed = apply(text(&body).as_bytes(), &params(&text(&default), &text(&set), &drop_names)).expect("an object");

            let mut expected = default;
            expected.extend(body);
            expected.extend(set);
            expected.retain(|name, _| !drop.contains(name));
            let changed: Map<String, Value> = serde_json::from_slice(&changed).expect("JSON");
            let expected: Map<String, Value> = expected.into_iter().map(|(name, value)| (name, value.into())).collect();
            prop_assert_eq!(changed, expected);
        }
    }
}

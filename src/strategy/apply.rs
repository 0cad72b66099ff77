//! Changes to the members of a JSON body.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::held::Object;
use crate::{
    context::Params,
    json::{Name, is_alike},
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

/// A body after its changes.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) body: Bytes,
    /// The model that it names now, where some change is about the model. What is no text names none.
    pub(super) model: Option<Option<Box<str>>>,
    /// Whether it could be read to name another model, or its model is no text.
    pub(super) unclear: bool,
    /// Whether it asks for a stream.
    pub(super) stream: bool,
}

/// The body with the defaults added, the overrides set and the dropped members taken away, in this order.
///
/// As in Portkey, a whole member is set or kept: nothing is merged below. What is not changed keeps its place and its
/// value's exact text.
pub(super) fn apply(object: &Object, params: &Params) -> Result<Changed, ParamsError> {
    if object.has_duplicates() {
        return Err(ParamsError::Duplicate);
    }
    let mut members: Vec<(&[u8], &[u8])> = object.members.iter().map(|(name, value)| (&**name, &**value)).collect();
    // By name, because caller and config decide how many there are of either.
    let (mut added, mut done) = (HashMap::new(), HashSet::new());
    for (name, value) in params.layers().flat_map(|layer| &layer.default) {
        if object.place(name).is_none() && !added.contains_key(&**name) {
            added.insert(&**name, members.len());
            members.push((name.as_bytes(), value.get().as_bytes()));
        }
    }
    for (name, value) in params.layers().flat_map(|layer| &layer.set) {
        if !done.insert(&**name) {
            continue;
        }
        match object.place(name).or_else(|| added.get(&**name).copied()) {
            Some(place) => members[place].1 = value.get().as_bytes(),
            None => members.push((name.as_bytes(), value.get().as_bytes())),
        }
    }
    let dropped: HashSet<_> = params.layers().flat_map(|layer| &layer.drop).map(|name| name.as_bytes()).collect();
    if !dropped.is_empty() {
        members.retain(|(name, _)| !dropped.contains(name));
    }
    let model = touches_model(params).then(|| {
        let (_, value) = members.iter().find(|(name, _)| *name == b"model")?;
        serde_json::from_slice(value).ok().map(|Name(model)| model.into())
    });
    let no_text = matches!(&model, Some(None)) && members.iter().any(|(name, _)| *name == b"model");
    let alike = members.iter().any(|(name, _)| std::str::from_utf8(name).is_ok_and(is_alike));
    let stream = members.iter().any(|(name, value)| *name == b"stream" && *value == b"true");
    Ok(Changed { body: write(&members, object.length).into(), model, unclear: no_text || alike, stream })
}

fn touches_model(params: &Params) -> bool {
    params.layers().any(|layer| {
        let set = layer.default.iter().chain(&layer.set).map(|(name, _)| name);
        set.chain(&layer.drop).any(|name| **name == *"model")
    })
}

fn write(members: &[(&[u8], &[u8])], about: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(about + about / 8 + 64);
    body.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        // Every name is text, and writing text to memory can't fail.
        let _ = serde_json::to_writer(&mut body, std::str::from_utf8(name).unwrap_or_default());
        body.push(b':');
        body.extend_from_slice(value);
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
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Map, Value, value::RawValue};

    use super::*;
    use crate::json::Members;

    fn apply(body: &[u8], params: &Params) -> Result<Bytes, ParamsError> {
        let object = Object::parse(&Bytes::copy_from_slice(body)).ok_or(ParamsError::NotAnObject)?;
        super::apply(&object, params).map(|changed| changed.body)
    }

    fn members(text: &str) -> Vec<(Box<str>, Box<RawValue>)> {
        let Members(members) = serde_json::from_str(text).expect(text);
        members.into_iter().map(|(name, value)| (name.into(), value.to_owned())).collect()
    }

    fn params(default: &str, set: &str, drop: &[&str]) -> Params {
        let drop = drop.iter().map(|name| Box::from(*name)).collect();
        Params { default: members(default), set: members(set), drop, above: None }
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
            assert_eq!(changed, expected, "{body}");
        }
    }

    #[test]
    fn what_is_nearer_counts_and_what_stands_above_holds_where_it_says_nothing() {
        let top = Arc::new(params(r#"{"d":1,"e":1}"#, r#"{"a":1,"b":1,"c":1}"#, &["x", "y"]));
        let middle = Params { above: Some(Arc::clone(&top)), ..params(r#"{"e":2,"f":2}"#, r#"{"b":2}"#, &[]) };
        let own = Params { above: Some(Arc::new(middle)), ..params(r#"{"f":3}"#, r#"{"c":3,"n":3}"#, &["y"]) };
        let changed = apply(br#"{"x":0,"y":0,"e":0,"b":0}"#, &own).expect("an object");
        assert_eq!(changed, r#"{"e":0,"b":2,"f":3,"d":1,"c":3,"n":3,"a":1}"#);
        assert!(!own.is_empty() && Params { above: Some(top), ..Params::default() }.adds_nothing());
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

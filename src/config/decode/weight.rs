//! How much room a config takes (pure).

use std::{
    mem::{size_of, size_of_val},
    sync::Arc,
};

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use crate::context::{
    Branch, Breaker, Choice, Condition, ConfigObject, ConfigTree, Field, Mode, NamedHost, Operand, Params, ProviderRef,
    Query, Retry, Test,
};

/// What an allocation takes beyond its bytes, about.
const ALLOCATION: usize = 16;
/// What a compiled pattern takes, about, with the room that it matches in.
const PATTERN: usize = 24 * 1024;

/// About how many bytes a config holds. What its objects share counts once.
pub(crate) fn weight(tree: &ConfigTree) -> usize {
    size_of::<ConfigTree>() + tree.slugs.iter().map(|slug| text(slug)).sum::<usize>() + object(&tree.root, None)
}

/// `above` is the object that it stands in.
fn object(object: &ConfigObject, above: Option<&ConfigObject>) -> usize {
    let entry = |named: &Option<ProviderRef>| match named {
        Some(ProviderRef::Slug(slug)) => text(slug),
        Some(ProviderRef::Id(_)) | None => 0,
    };
    let fields = object.fields.iter().map(|(_, value)| size_of::<(u8, HeaderValue)>() + ALLOCATION + value.len());
    let params = own(Some(&object.params), above.map(|above| &above.params));
    let retry = own(object.retry.as_ref(), above.and_then(|above| above.retry.as_ref()));
    let host = own(object.custom_host.as_ref(), above.and_then(|above| above.custom_host.as_ref()));
    let names = own(object.forward_headers.as_ref(), above.and_then(|above| above.forward_headers.as_ref()));
    let below = |breaker: &Breaker| breaker.failure_status_codes.clone();
    let [breaker, of_above] = [Some(object), above].map(|object| object?.breaker.as_ref().and_then(below));
    let failures = own(breaker.as_ref(), of_above.as_ref());
    size_of::<ConfigObject>()
        + ALLOCATION
        + object.path.len()
        + entry(&object.provider)
        + entry(&object.default_provider)
        + object.api_key.as_ref().map_or(0, |key| ALLOCATION + key.expose().len())
        + fields.sum::<usize>()
        + params.map_or(0, changes)
        + retry.map_or(0, |retry| size_of::<Retry>() + codes(retry.on_status_codes.as_deref()))
        // The text, and what was read of it.
        + host.map_or(0, |host| size_of::<NamedHost>() + 3 * text(&host.text))
        + names.map_or(0, |names| names.iter().map(name).sum())
        + codes(failures)
        + object.branch.as_ref().map_or(0, |found| branch(found, object))
}

/// What is not the same as above.
fn own<'a, T: ?Sized>(own: Option<&'a Arc<T>>, above: Option<&Arc<T>>) -> Option<&'a T> {
    own.filter(|own| above.is_none_or(|above| !Arc::ptr_eq(own, above))).map(AsRef::as_ref)
}

fn changes(params: &Params) -> usize {
    let member = |(name, value): &(Box<str>, Box<RawValue>)| text(name) + text(value.get());
    let members = params.default.iter().chain(&params.set).map(member).sum::<usize>();
    size_of::<Params>() + members + params.drop.iter().map(|name| text(name)).sum::<usize>()
}

fn branch(branch: &Branch, object: &ConfigObject) -> usize {
    let mode = match &branch.mode {
        Mode::Single => 0,
        Mode::Fallback { on_status_codes } => codes(on_status_codes.as_deref()),
        Mode::LoadBalance { sticky } => sticky.iter().flat_map(|sticky| &sticky.fields).map(field).sum(),
        Mode::Conditional { conditions, default } => {
            let condition = |one: &Condition| size_of::<Condition>() + query(&one.query) + text(&one.then);
            conditions.iter().map(condition).sum::<usize>() + default.as_deref().map_or(0, text)
        }
    };
    let target = |choice: &Choice| {
        size_of::<Choice>() + choice.name.as_deref().map_or(0, text) + self::object(&choice.object, Some(object))
    };
    mode + branch.targets.iter().map(target).sum::<usize>()
}

fn query(query: &Query) -> usize {
    let parts = match query {
        Query::All(parts) | Query::Any(parts) => ALLOCATION + parts.iter().map(self::query).sum::<usize>(),
        Query::Test(of, test) => field(of) + self::test(test),
    };
    size_of::<Query>() + parts
}

fn test(test: &Test) -> usize {
    match test {
        Test::Equal(one) | Test::NotEqual(one) => operand(one),
        Test::Greater(one) | Test::GreaterOrEqual(one) | Test::Less(one) | Test::LessOrEqual(one) => operand(one),
        Test::In(list) | Test::NotIn(list) => list.iter().map(operand).sum(),
        Test::Regex(pattern) => pattern.as_ref().map_or(0, |_| PATTERN),
        Test::Unsupported(name) => text(name),
    }
}

fn field(field: &Field) -> usize {
    match field {
        Field::Metadata(name) | Field::Param(name) | Field::Header(name) => size_of::<Field>() + text(name),
        Field::Path | Field::Unknown => size_of::<Field>(),
    }
}

fn operand(operand: &Operand) -> usize {
    let beside = if let Operand::Text(beside) = operand { text(beside) } else { 0 };
    size_of::<Operand>() + beside
}

/// With the pointer to it.
fn text(text: &str) -> usize {
    size_of::<Box<str>>() + ALLOCATION + text.len()
}

fn name(name: &HeaderName) -> usize {
    size_of::<HeaderName>() + ALLOCATION + name.as_str().len()
}

fn codes(codes: Option<&[u16]>) -> usize {
    codes.map_or(0, |codes| ALLOCATION + size_of_val(codes))
}

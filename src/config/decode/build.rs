//! From a validated value to the object that layers read.

use std::{borrow::Cow, time::Duration};

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::{Asks, forward::forwardable, json::Json, refine};
use crate::{
    context::{ConfigObject, Credential, ProviderRef},
    header::PortkeyHeader,
    json::Members,
};

/// A longer timeout is none, as in the header.
const LONGEST_TIMEOUT: f64 = 86_400_000.0;

/// Takes what is read here from a config that has passed every check.
pub(super) fn object(config: &Json<'_>, asked: &Asks<'_>) -> ConfigObject {
    let mut object = ConfigObject::default();
    let Json::Object(members) = config else { return object };
    for (name, value) in members {
        match &**name {
            "provider" => object.provider = value.text().and_then(|text| refine::provider(text, asked)),
            "api_key" => object.api_key = value.text().and_then(header).as_ref().and_then(Credential::from_raw),
            "custom_host" => object.custom_host = value.text().map(Into::into),
            "forward_headers" => object.forward_headers = Some(names(value)),
            "request_timeout" => object.request_timeout = timeout(value),
            "strategy" | "targets" => object.has_targets = true,
            "input_guardrails"
            | "output_guardrails"
            | "default_input_guardrails"
            | "default_output_guardrails"
            | "before_request_hooks"
            | "after_request_hooks" => {
                object.has_guardrails |= matches!(value, Json::List(items) if !items.is_empty());
            }
            "default_params" => object.params.default = verbatim(value),
            "override_params" => object.params.set = verbatim(value),
            "drop_params" => object.params.drop = texts(value).map(Into::into).collect(),
            name => object.fields.extend(field(name, value)),
        }
    }
    // The documented name for Azure AI of what is `api_version` for Azure OpenAI.
    let version = config.get("azure_api_version").and_then(Json::text).and_then(header);
    if object.field(PortkeyHeader::AzureApiVersion).is_none() {
        object.fields.extend(version.map(|version| (PortkeyHeader::AzureApiVersion, version)));
    }
    if let Some(slug) = refine::slug(config, asked) {
        object.provider = Some(ProviderRef::Slug(slug.into()));
    }
    object
}

/// A member of a provider's group. Portkey takes an empty value for an absent one.
fn field(name: &str, value: &Json<'_>) -> Option<(PortkeyHeader, HeaderValue)> {
    let field = PortkeyHeader::from_field(name)?;
    let value = match value {
        Json::Text(text) if !text.is_empty() => header(text),
        Json::Flag(flag) => Some(HeaderValue::from_static(if *flag { "true" } else { "false" })),
        Json::Number(number) => header(number),
        Json::Object(members) => header(&ascii_object(members)),
        _ => None,
    };
    Some((field, value?))
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An object of strings as JSON that fits into a header.
fn ascii_object(members: &[(Cow<'_, str>, Json<'_>)]) -> String {
    let texts = members.iter().filter_map(|(name, value)| match value {
        Json::Text(text) => Some(format!("{}:{}", ascii_text(name), ascii_text(text))),
        _ => None,
    });
    format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
}

fn ascii_text(text: &str) -> String {
    let mut units = [0; 2];
    let quoted = serde_json::Value::from(text).to_string();
    quoted.chars().fold(String::with_capacity(quoted.len()), |mut ascii, letter| {
        if (' '..='~').contains(&letter) {
            ascii.push(letter);
        } else {
            ascii.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
        ascii
    })
}

fn names(value: &Json<'_>) -> Vec<HeaderName> {
    texts(value).filter_map(|name| forwardable(name).ok()).collect()
}

fn texts<'j>(value: &'j Json<'_>) -> impl Iterator<Item = &'j str> {
    let items = if let Json::List(items) = value { items.as_slice() } else { &[] };
    items.iter().map(|item| item.text().unwrap_or_default())
}

/// Zero means none.
fn timeout(value: &Json<'_>) -> Option<Duration> {
    let Json::Number(number) = value else { return None };
    let milliseconds = number.parse().ok().filter(|number| (1.0..=LONGEST_TIMEOUT).contains(number))?;
    Some(Duration::from_secs_f64(milliseconds / 1000.0))
}

fn verbatim(value: &Json<'_>) -> Vec<(Box<str>, Box<RawValue>)> {
    let Json::Verbatim(raw) = value else { return Vec::new() };
    let members: Members<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    members.0.into_iter().map(|(name, raw)| (name.into(), raw.to_owned())).collect()
}

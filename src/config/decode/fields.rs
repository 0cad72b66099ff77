//! Values of a config that become headers of the provider's, or parts of its URL.

use std::{borrow::Cow, sync::Arc};

use http::HeaderValue;

use super::json::Json;
use crate::{
    context::{Deployment, one_line},
    header::PortkeyHeader,
};

/// A member of a provider's group. Portkey takes an empty value for an absent one.
pub(super) fn field(name: &str, value: &Json<'_>) -> Option<(PortkeyHeader, HeaderValue)> {
    let field = PortkeyHeader::from_field(name)?;
    let value = match value {
        Json::Text(text) if field == PortkeyHeader::OraclePrivateKey => header(&one_line(text)),
        Json::Text(text) if !text.is_empty() => header(text),
        Json::Flag(flag) => Some(HeaderValue::from_static(if *flag { "true" } else { "false" })),
        Json::Number(number) => header(number),
        Json::Object(members) => header(&ascii_object(members)),
        _ => None,
    };
    Some((field, value?))
}

/// The deployments of Azure OpenAI.
pub(super) fn deployments(value: &Json<'_>) -> Arc<[Deployment]> {
    let items = if let Json::List(items) = value { items.as_slice() } else { &[] };
    let deployment = |item: &Json<'_>| {
        let text = |name| item.get(name).and_then(Json::text).filter(|text| !text.is_empty());
        let own = Deployment::new(text("alias")?, text("deployment_id")?);
        let own = text("api_version").into_iter().fold(own, Deployment::with_api_version);
        let own = text("ai_model_name").into_iter().fold(own, Deployment::with_model);
        Some(if item.get("is_default").and_then(Json::flag).unwrap_or_default() { own.as_default() } else { own })
    };
    items.iter().filter_map(deployment).collect()
}

pub(super) fn header(text: &str) -> Option<HeaderValue> {
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

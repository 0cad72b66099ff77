//! From a validated value to the objects that layers read.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::{
    Asks,
    fields::{field, header},
    forward::forwardable,
    json::Json,
    refine::{self, ModelSlug},
    strategy,
};
use crate::{
    context::{Breaker, Choice, ConfigObject, Credential, NamedHost, Params, ProviderRef, Retry},
    header::PortkeyHeader,
    json::Members,
};

/// A longer timeout is none, as in the header.
const LONGEST_TIMEOUT: f64 = 86_400_000.0;

/// What an object leaves to those that stand in it, unless they say otherwise themselves (wire contract 6.2).
#[derive(Default)]
pub(super) struct Inherited {
    params: Params,
    retry: Option<Retry>,
    breaker: Option<Breaker>,
    custom_host: Option<NamedHost>,
    forward_headers: Option<Vec<HeaderName>>,
    request_timeout: Option<Duration>,
    strict_open_ai_compliance: Option<bool>,
    has_guardrails: bool,
}

/// Takes what is read here from a config that has passed every check. `path` says where it stands.
pub(super) fn object(config: &Json<'_>, asked: &Asks<'_>, path: &str, above: &Inherited) -> ConfigObject {
    let mut object = ConfigObject::default();
    if let Ok(path) = HeaderValue::from_str(path) {
        object.path = path;
    }
    if let Json::Object(members) = config {
        for (name, value) in members {
            member(&mut object, name, value, asked);
        }
    }
    // The documented name for Azure AI of what is `api_version` for Azure OpenAI.
    let version = config.get("azure_api_version").and_then(Json::text).and_then(header);
    if object.field(PortkeyHeader::AzureApiVersion).is_none() {
        object.fields.extend(version.map(|version| (PortkeyHeader::AzureApiVersion, version)));
    }
    if let Some(url) = config.get("custom_host").and_then(Json::text) {
        object.custom_host = (asked.host)(url, refine::slug(config, asked).is_some());
    }
    inherit(&mut object, above);
    if let Some(slug) = refine::slug(config, asked) {
        object.provider = Some(ProviderRef::Slug(slug.into()));
    }
    if asked.slugs {
        split_model(&mut object);
    }
    object.branch = strategy::branch(config, |index, target| {
        let at = format!("{path}.targets[{index}]");
        Choice {
            name: target.get("name").and_then(Json::text).map(Into::into),
            weight: target.get("weight").map_or(1.0, strategy::number),
            object: Arc::new(self::object(target, asked, &at, &left_by(&object))),
        }
    });
    object
}

fn member(object: &mut ConfigObject, name: &str, value: &Json<'_>, asked: &Asks<'_>) {
    match name {
        "provider" => object.provider = value.text().and_then(|text| refine::provider(text, asked)),
        "api_key" => object.api_key = value.text().and_then(header).as_ref().and_then(Credential::from_raw),
        "forward_headers" => object.forward_headers = Some(names(value)),
        "request_timeout" => object.request_timeout = timeout(value),
        "strict_open_ai_compliance" => object.strict_open_ai_compliance = value.flag(),
        "passthrough" => object.passthrough = value.flag().unwrap_or_default(),
        "retry" => object.retry = strategy::retry(value),
        // What callers write themselves has no state that outlives the request.
        "cb_config" if asked.saved => object.breaker = strategy::breaker(value),
        // Portkey's documentation shows it within the strategy, too.
        "strategy" if asked.saved && object.breaker.is_none() => {
            object.breaker = value.get("cb_config").and_then(strategy::breaker);
        }
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

/// An object's own settings win, its params one by one; guardrails of those above hold for it, too.
fn inherit(object: &mut ConfigObject, above: &Inherited) {
    let params = &mut object.params;
    under(&mut params.default, &above.params.default);
    under(&mut params.set, &above.params.set);
    params.drop.extend(above.params.drop.iter().cloned());
    object.retry = object.retry.take().or_else(|| above.retry.clone());
    object.breaker = object.breaker.take().or_else(|| above.breaker.as_ref().map(Breaker::fresh));
    object.custom_host = object.custom_host.take().or_else(|| above.custom_host.clone());
    object.forward_headers = object.forward_headers.take().or_else(|| above.forward_headers.clone());
    object.request_timeout = object.request_timeout.or(above.request_timeout);
    object.strict_open_ai_compliance = object.strict_open_ai_compliance.or(above.strict_open_ai_compliance);
    object.has_guardrails |= above.has_guardrails;
}

fn left_by(object: &ConfigObject) -> Inherited {
    Inherited {
        params: object.params.clone(),
        retry: object.retry.clone(),
        breaker: object.breaker.as_ref().map(Breaker::fresh),
        custom_host: object.custom_host.clone(),
        forward_headers: object.forward_headers.clone(),
        request_timeout: object.request_timeout,
        strict_open_ai_compliance: object.strict_open_ai_compliance,
        has_guardrails: object.has_guardrails,
    }
}

fn under(own: &mut Vec<(Box<str>, Box<RawValue>)>, above: &[(Box<str>, Box<RawValue>)]) {
    for (name, value) in above {
        if !own.iter().any(|(known, _)| known == name) {
            own.push((name.clone(), value.clone()));
        }
    }
}

/// `@slug/model` among the overrides: the slug names the entry where nothing else does, and the model goes on alone.
fn split_model(object: &mut ConfigObject) {
    let Some((_, value)) = object.params.set.iter_mut().find(|(name, _)| &**name == "model") else { return };
    let Some(ModelSlug { slug, model }) = refine::model_slug(value) else { return };
    if let Some(model) = model.and_then(|model| serde_json::value::to_raw_value(&model).ok()) {
        *value = model;
    }
    if object.provider.is_none() {
        object.provider = Some(ProviderRef::Slug(slug.into()));
    }
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

//! From a validated value to the objects that layers read.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::{
    Asks,
    fields::{self, field, header},
    forward::forwardable,
    json::Json,
    refine::{self, ModelSlug},
    strategy,
};
use crate::{
    context::{Breaker, Choice, ConfigObject, Credential, Entry, NamedHost, Params, ProviderRef, Retry},
    header::PortkeyHeader,
    json::Members,
};

/// A longer timeout is none, as in the header.
const LONGEST_TIMEOUT: f64 = 86_400_000.0;

/// What an object leaves to those that stand in it, unless they say otherwise themselves (wire contract 6.2). What can be
/// large is shared.
#[derive(Default)]
pub(super) struct Inherited {
    params: Arc<Params>,
    models: ModelEntries,
    retry: Option<Arc<Retry>>,
    breaker: Option<Breaker>,
    custom_host: Option<Arc<NamedHost>>,
    forward_headers: Option<Arc<[HeaderName]>>,
    request_timeout: Option<Duration>,
    strict_open_ai_compliance: Option<bool>,
    has_guardrails: bool,
}

/// The entries that the models among overrides and defaults name.
#[derive(Clone, Default)]
struct ModelEntries {
    set: Option<Arc<str>>,
    default: Option<Arc<str>>,
}

/// Takes what is read here from a config that has passed every check. `path` says where it stands.
pub(super) fn object(config: &Json<'_>, asked: &Asks<'_>, path: &str, above: &Inherited) -> ConfigObject {
    let (mut object, mut params) = (ConfigObject::default(), Params::default());
    if let Ok(path) = HeaderValue::from_str(path) {
        object.path = path;
    }
    if let Json::Object(members) = config {
        for (name, value) in members {
            member(&mut object, &mut params, name, value, asked);
        }
    }
    // The documented name for Azure AI of what is `api_version` for Azure OpenAI.
    let version = config.get("azure_api_version").and_then(Json::text).and_then(header);
    if object.field(PortkeyHeader::AzureApiVersion).is_none() {
        object.fields.extend(version.map(|version| (PortkeyHeader::AzureApiVersion, version)));
    }
    if let Some(url) = config.get("custom_host").and_then(Json::text) {
        object.custom_host = (asked.host)(url, refine::slug(config, asked).is_some()).map(Arc::new);
    }
    if let Some(slug) = refine::slug(config, asked) {
        object.provider = Some(ProviderRef::Slug(slug.into()));
    }
    let models = if asked.slugs { split_models(&mut params, &above.models) } else { ModelEntries::default() };
    let entry = |slug: &Option<Arc<str>>| slug.as_deref().map(|slug| ProviderRef::Slug(slug.into()));
    object.provider = object.provider.take().or_else(|| entry(&models.set));
    object.default_provider = entry(&models.default);
    inherit(&mut object, params, above);
    let left = left_by(&object, models);
    object.branch = strategy::branch(config, |index, target| {
        let at = format!("{path}.targets[{index}]");
        Choice {
            name: target.get("name").and_then(Json::text).map(Into::into),
            weight: target.get("weight").map_or(1.0, strategy::number),
            object: Arc::new(self::object(target, asked, &at, &left)),
        }
    });
    // Zero attempts were there to take the place of those above.
    object.retry = object.retry.take().filter(|retry| retry.attempts > 0);
    object
}

fn member(object: &mut ConfigObject, params: &mut Params, name: &str, value: &Json<'_>, asked: &Asks<'_>) {
    match name {
        "provider" => object.provider = value.text().and_then(|text| refine::provider(text, asked)),
        "api_key" => object.api_key = value.text().and_then(header).as_ref().and_then(Credential::from_raw),
        "forward_headers" => object.forward_headers = Some(names(value)),
        "request_timeout" => object.request_timeout = timeout(value),
        "strict_open_ai_compliance" => object.strict_open_ai_compliance = value.flag(),
        "passthrough" => object.passthrough = value.flag().unwrap_or_default(),
        "retry" => object.retry = strategy::retry(value).map(Arc::new),
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
        "deployments" => object.deployments = fields::deployments(value),
        "default_params" => params.default = verbatim(value),
        "override_params" => params.set = verbatim(value),
        "drop_params" => params.drop = once(texts(value)),
        name => object.fields.extend(field(name, value)),
    }
}

/// An object's own settings win, its params one by one; guardrails of those above hold for it, too.
fn inherit(object: &mut ConfigObject, params: Params, above: &Inherited) {
    object.params = if params.adds_nothing() {
        Arc::clone(&above.params)
    } else {
        let above = (!above.params.is_empty()).then(|| Arc::clone(&above.params));
        Arc::new(Params { above, ..params })
    };
    object.retry = object.retry.take().or_else(|| above.retry.clone());
    object.breaker = object.breaker.take().or_else(|| above.breaker.as_ref().map(Breaker::fresh));
    object.custom_host = object.custom_host.take().or_else(|| above.custom_host.clone());
    object.forward_headers = object.forward_headers.take().or_else(|| above.forward_headers.clone());
    object.request_timeout = object.request_timeout.or(above.request_timeout);
    object.strict_open_ai_compliance = object.strict_open_ai_compliance.or(above.strict_open_ai_compliance);
    object.has_guardrails |= above.has_guardrails;
}

fn left_by(object: &ConfigObject, models: ModelEntries) -> Inherited {
    Inherited {
        params: Arc::clone(&object.params),
        models,
        retry: object.retry.clone(),
        breaker: object.breaker.as_ref().map(Breaker::fresh),
        custom_host: object.custom_host.clone(),
        forward_headers: object.forward_headers.clone(),
        request_timeout: object.request_timeout,
        strict_open_ai_compliance: object.strict_open_ai_compliance,
        has_guardrails: object.has_guardrails,
    }
}

/// `@slug/model` among overrides and defaults: the slug names an entry, and the model goes on alone. Who says nothing of
/// the model inherits the entry with it.
fn split_models(params: &mut Params, above: &ModelEntries) -> ModelEntries {
    ModelEntries {
        set: split_model(&mut params.set, &above.set),
        default: split_model(&mut params.default, &above.default),
    }
}

fn split_model(members: &mut [(Box<str>, Box<RawValue>)], above: &Option<Arc<str>>) -> Option<Arc<str>> {
    let Some((_, value)) = members.iter_mut().find(|(name, _)| &**name == "model") else {
        // Nobody's slug is longer, and each target would hold a copy.
        return above.clone().filter(|slug| slug.len() <= Entry::MAX_SLUG_BYTES);
    };
    let ModelSlug { slug, model } = refine::model_slug(value)?;
    if let Some(model) = model.and_then(|model| serde_json::value::to_raw_value(&model).ok()) {
        *value = model;
    }
    Some(slug.into())
}

/// Each text once.
fn once<'j>(texts: impl Iterator<Item = &'j str>) -> Vec<Box<str>> {
    let mut known = HashSet::new();
    texts.filter(|text| known.insert(*text)).map(Into::into).collect()
}

fn names(value: &Json<'_>) -> Arc<[HeaderName]> {
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
    let mut kept: Vec<_> = members.0.into_iter().map(|(name, raw)| (name.into(), raw.to_owned())).collect();
    // The room of what was read may be reused, and be too large.
    kept.shrink_to_fit();
    kept
}

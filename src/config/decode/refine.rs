//! What the members of a config must be together.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Asks, findings::Findings, json::Json, path::Path};
use crate::{
    context::ProviderRef,
    json::{Members, Name},
};

const INCOMPLETE: &str = "Invalid configuration. It must have either 'provider' and 'api_key', or 'strategy' and \
                          'targets', or 'cache', or 'retry', or 'request_timeout'";
const VERTEX: &str = "Invalid configuration. ('vertex_project_id' and 'vertex_region') or \
                      ('vertex_service_account_json' and 'vertex_region') are required for 'vertex-ai' provider. \
                      Example: { 'provider': 'vertex-ai', 'vertex_project_id': 'my-project-id', 'vertex_region': \
                      'us-central1', api_key: 'ya29...' }";

/// The provider that a config's `provider` names. What follows a `/` belongs to the slug, other than in the header.
pub(super) fn provider(text: &str, asked: &Asks<'_>) -> Option<ProviderRef> {
    match text.strip_prefix('@') {
        Some(slug) => (asked.slugs && !slug.is_empty()).then(|| ProviderRef::Slug(slug.into())),
        None => (asked.provider)(text).map(ProviderRef::Id),
    }
}

/// The entry that a config names, where entries may be named: by `provider`, else by `virtual_key`, else before the model
/// among the overrides.
pub(super) fn slug<'j>(config: &'j Json<'_>, asked: &Asks<'_>) -> Option<Cow<'j, str>> {
    if !asked.slugs {
        return None;
    }
    let by_provider = config.get("provider").and_then(Json::text).and_then(|text| text.strip_prefix('@'));
    if let Some(slug) = by_provider.or_else(|| config.get("virtual_key")?.text()) {
        return Some(Cow::Borrowed(slug));
    }
    let Some(Json::Verbatim(overrides)) = config.get("override_params") else { return None };
    let Members(members) = serde_json::from_str(overrides.get()).ok()?;
    let (_, model) = members.into_iter().find(|(name, _)| name == "model")?;
    let named = config.get("provider").is_some();
    model_slug(model).filter(|_| !named).map(|found| Cow::Owned(found.slug))
}

/// A model with an entry's slug before it: `@slug/model`. Without a model behind it, the text stays what it is.
pub(super) struct ModelSlug {
    pub(super) slug: String,
    pub(super) model: Option<String>,
}

/// Takes a model's text apart. `@cf/…` and `@hf/…` are names of models.
pub(super) fn model_slug(value: &RawValue) -> Option<ModelSlug> {
    let Name(text) = serde_json::from_str(value.get()).ok()?;
    let rest = text.strip_prefix('@').filter(|rest| !rest.starts_with("cf/") && !rest.starts_with("hf/"))?;
    let (slug, model) = rest.split_once('/').map_or((rest, None), |(slug, model)| (slug, Some(model)));
    (!slug.is_empty()).then(|| ModelSlug { slug: slug.into(), model: model.map(Into::into) })
}

/// Looks at a config whose members all have the right type.
pub(super) fn config(config: &Json<'_>, asked: &Asks<'_>, at: &Path<'_>, findings: &mut Findings) {
    let vertex =
        config.has("vertex_region") && (config.has("vertex_project_id") || config.has("vertex_service_account_json"));
    let provider = config.get("provider").and_then(Json::text).unwrap_or_default();
    // Targets that nothing chooses among would be passed over, and the headers' provider asked instead.
    let unchosen = matches!(config.get("targets"), Some(Json::List(items)) if !items.is_empty());
    let unchosen = unchosen && !config.has("strategy") && provider.is_empty() && slug(config, asked).is_none();
    if unchosen || !is_complete(config, provider, vertex, asked) {
        findings.add(at, INCOMPLETE);
    }
    let named = slug(config, asked).is_some();
    if config.get("custom_host").and_then(Json::text).is_some_and(|host| (asked.host)(host, named).is_none()) {
        findings.add(at, "Invalid custom host");
    }
    if provider == "vertex-ai" && !vertex {
        findings.add(at, VERTEX);
    }
    let strategy = config.get("strategy");
    let mode = strategy.and_then(|strategy| strategy.get("mode")).and_then(Json::text);
    if mode == Some("conditional") && !strategy.is_some_and(|strategy| strategy.has("conditions")) {
        findings.add(&at.name("strategy").name("conditions"), "Required");
    }
}

/// Whether there is enough to work with; one reason is enough.
fn is_complete(config: &Json<'_>, provider: &str, vertex: bool, asked: &Asks<'_>) -> bool {
    const ALONE: [&str; 7] = [
        "cache",
        "retry",
        "request_timeout",
        "after_request_hooks",
        "before_request_hooks",
        "input_guardrails",
        "output_guardrails",
    ];
    // What Portkey's documentation allows beyond its open source validator.
    const HOSTED: [&str; 5] = ["passthrough", "forward_headers", "default_params", "override_params", "drop_params"];
    let both = |one, other| config.get(one).is_some() && config.get(other).is_some();
    both("provider", "api_key")
        || both("strategy", "targets")
        || ALONE.iter().any(|name| config.has(name))
        || slug(config, asked).is_some()
        || (asked.slugs && (both("provider", "custom_host") || HOSTED.iter().any(|name| config.has(name))))
        || (config.has("aws_access_key_id") && config.has("aws_secret_access_key"))
        || (config.has("oracle_tenancy") && config.has("oracle_private_key"))
        || match provider {
            "ollama" | "triton" => true,
            "vertex-ai" => vertex,
            "azure-openai" => config.has("azure_auth_mode") || (asked.slugs && config.has("azure_ad_token")),
            // It is shown the same.
            "azure-ai" => config.has("azure_auth_mode") || config.has("azure_ad_token"),
            // Whether one of the operator's own needs a credential is for the provider to say.
            own => (asked.provider)(own).is_some_and(|id| !id.is_built_in()),
        }
}

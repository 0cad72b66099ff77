//! Azure's providers: their rows, and from a request to a URL of theirs (pure).
//!
//! | provider, version | path | goes to |
//! | --- | --- | --- |
//! | `azure-openai`, a date | what a deployment answers | `/openai/deployments/{id}/…?api-version=…` |
//! | | any other | `/openai/…?api-version=…` |
//! | `azure-openai`, `v1`, `preview`, `latest` | any | `/openai/v1/…`; the body's model becomes the deployment |
//! | `azure-ai` | any | the endpoint's URL, the path, `?api-version=…` |
//! | | files and batches | `/openai/…` at the endpoint's host |
//! | `azure-ai` with Anthropic's endpoint | `/messages` | the endpoint's URL, `/v1/messages` |

use http::{
    HeaderName, HeaderValue, Method,
    uri::{PathAndQuery, Scheme},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Row,
    base::Base,
    plan::{Plan, headers, join, not_offered},
    spec::{Auth, CUSTOM_HOST, Extra, Spec, bearer, from},
};
use crate::{
    context::{Amendment, Deployment, Placement, ProviderHeader, is_azure_v1},
    header::PortkeyHeader::{
        self, AnthropicVersion, AzureApiVersion, AzureDeploymentId, AzureDeploymentName, AzureDeploymentType,
        AzureEndpointName, AzureExtraParameters, AzureFoundryUrl, AzureRegion, OpenAiBeta,
    },
    host::{CustomHost, is_host_label},
    provider::template::{Template, refuse},
    rejection::{Kind, Rejection},
};

/// The rows.
pub(super) const SPECS: &[Spec] = &[
    Spec {
        auth: Auth::Header("api-key", ""),
        headers: &[from("openai-beta", OpenAiBeta)],
        ..bearer("azure-openai", "https://{resource_name}.openai.azure.com/openai", "")
    },
    Spec {
        headers: &[
            Extra { value: Some("drop"), ..from("extra-parameters", AzureExtraParameters) },
            from("azureml-model-deployment", AzureDeploymentName),
        ],
        base_url_field: Some(AzureFoundryUrl),
        ..bearer("azure-ai", CUSTOM_HOST, "")
    },
];

/// What a deployment answers, by POST.
const OF_DEPLOYMENTS: [&str; 8] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/generations",
    "/images/edits",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
];

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AzureAsked<'a> {
    pub(crate) method: &'a Method,
    /// The path below `/v1`.
    pub(crate) rest: &'a str,
    /// Path and query as they go on.
    pub(crate) caller: &'a PathAndQuery,
    /// Whether it is a question in JSON, whose model can be replaced.
    pub(crate) in_json: bool,
    /// The model that the request names.
    pub(crate) model: Option<&'a str>,
    /// The deployments that models are names for.
    pub(crate) deployments: &'a [Deployment],
}

/// Where the request goes.
#[derive(Debug)]
pub(crate) struct AzurePlan {
    pub(crate) plan: Plan,
    pub(crate) amendment: Option<Amendment>,
    /// Whether the deployment that was picked is what is asked, whatever the body says.
    pub(crate) is_pinned: bool,
}

/// Plans a request for Azure OpenAI.
///
/// # Errors
///
/// A field is missing or bad, or no deployment is for this model: [`Kind::InvalidRequest`].
pub(crate) fn openai<'f>(
    row: &Row,
    asked: &AzureAsked<'_>,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    base: Option<&CustomHost>,
) -> Result<AzurePlan, Rejection> {
    let field = |name| field(name).filter(|value| !value.is_empty());
    let deployment = Deployment::of(asked.deployments, asked.model);
    let id = deployment.map(Deployment::id).or_else(|| field(AzureDeploymentId));
    if id.is_none() && !asked.deployments.is_empty() {
        return Err(Rejection::new(Kind::InvalidRequest).with_message("No azure alias passed/default config found"));
    }
    let version = deployment.and_then(Deployment::api_version).or_else(|| field(AzureApiVersion));
    let version = version.map(str::trim).filter(|version| !version.is_empty());
    let realtime = asked.rest == "/realtime";
    // A form keeps the model that it names.
    let mut is_pinned = id.is_some() && asked.in_json;
    let (path, query, amendment) = match version.filter(|version| is_azure_v1(version)) {
        Some(version) => {
            let mut query = Query::without(asked.caller, &["api-version"]);
            if version != "v1" {
                query.set("api-version", version);
            }
            if realtime {
                query.opens("model", id, asked.model);
                query.drop("deployment");
            }
            (format!("/v1{}", asked.rest), query, id.map(Amendment::of_model))
        }
        None => {
            let missing = || refuse(AzureApiVersion, "is required");
            let mut query = match version {
                Some(_) => Query::without(asked.caller, &["api-version"]),
                // On a path of Azure's own, the caller may have said it there.
                None => Query::without(asked.caller, &[]),
            };
            match version {
                Some(version) => query.set("api-version", version),
                None if query.has("api-version") => {}
                None => return Err(missing()),
            }
            let of_deployment = *asked.method == Method::POST && OF_DEPLOYMENTS.contains(&asked.rest);
            let path = match id {
                _ if !of_deployment => asked.rest.to_owned(),
                Some(id) => format!("/deployments/{}{}", segment(id)?, asked.rest),
                None => return Err(refuse(AzureDeploymentId, "is required")),
            };
            if realtime {
                query.opens("deployment", id, asked.model);
            }
            // There the body names the deployment.
            let named = deployment.filter(|_| *asked.method == Method::POST && asked.rest == "/responses");
            is_pinned = of_deployment || named.is_some();
            (path, query, named.map(|own| Amendment::of_model(own.id())))
        }
    };
    let own = query.of(asked.caller)?;
    let (scheme, authority, path_and_query) = match (base, &row.base) {
        (Some(host), _) => {
            (host.scheme().clone(), host.authority().clone(), join(&own, [host.path(), &path, ""], host.query())?)
        }
        (None, Base::Template(template)) => {
            let front = template.path(field)?;
            (Scheme::HTTPS, template.authority(field)?, join(&own, [&front, &path, ""], None)?)
        }
        (None, _) => return Err(Rejection::new(Kind::Internal)),
    };
    let headers = headers(row, asked.method, field)?;
    let plan = Plan { scheme, authority, path_and_query, placement: row.placement.clone(), headers };
    Ok(AzurePlan { plan, amendment, is_pinned })
}

/// Plans a request for Azure AI Foundry. `base` is the endpoint's URL where one is named; else the fields say which of
/// Azure's own it is.
///
/// # Errors
///
/// A field is missing or bad: [`Kind::InvalidRequest`]. The endpoint offers the operation in another way only:
/// [`Kind::NotImplemented`].
pub(crate) fn foundry<'f>(
    row: &Row,
    asked: &AzureAsked<'_>,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    base: Option<&CustomHost>,
) -> Result<AzurePlan, Rejection> {
    let field = |name| field(name).filter(|value| !value.is_empty());
    let (scheme, authority, front, base_query) = match base {
        Some(host) => (host.scheme().clone(), host.authority().clone(), host.path(), host.query()),
        None => {
            let (template, front) = named(field)?;
            (Scheme::HTTPS, template.authority(field)?, front, None)
        }
    };
    let anthropic = front.split('/').any(|segment| segment == "anthropic");
    let version = field(AzureApiVersion).map(str::trim).filter(|version| !version.is_empty());
    let mut query = Query::without(asked.caller, if version.is_some() { &["api-version"] } else { &[] });
    if let Some(version) = version {
        query.set("api-version", version);
    }
    let at_host = ["/files", "/batches"]
        .iter()
        .any(|own| asked.rest.strip_prefix(own).is_some_and(|tail| tail.is_empty() || tail.starts_with('/')));
    let parts = match asked.rest {
        "/chat/completions" if anthropic => return Err(not_offered("azure-ai", asked.rest, "/messages")),
        "/messages" | "/messages/count_tokens" => [front, "/v1", asked.rest],
        rest if at_host => ["/openai", rest, ""],
        rest => [front, "", rest],
    };
    let path_and_query = join(&query.of(asked.caller)?, parts, base_query)?;
    let mut headers = headers(row, asked.method, field)?;
    let mut placement = row.placement.clone();
    if anthropic {
        placement = Placement::Header { name: HeaderName::from_static("x-api-key"), prefix: "".into() };
        headers.push(anthropic_version(field)?);
    }
    Ok(AzurePlan {
        plan: Plan { scheme, authority, path_and_query, placement, headers },
        amendment: None,
        is_pinned: false,
    })
}

fn anthropic_version<'f>(field: impl Fn(PortkeyHeader) -> Option<&'f str>) -> Result<ProviderHeader, Rejection> {
    let given = field(AnthropicVersion).map(HeaderValue::from_str).transpose();
    let given = given.map_err(|_| refuse(AnthropicVersion, "holds a character that no header may carry"))?;
    let replaces = given.is_some();
    let value = given.unwrap_or_else(|| HeaderValue::from_static("2023-06-01"));
    Ok(ProviderHeader { name: HeaderName::from_static("anthropic-version"), value, replaces })
}

/// The endpoint of a deployment, by its type.
fn named<'f>(field: impl Fn(PortkeyHeader) -> Option<&'f str>) -> Result<(Template, &'static str), Rejection> {
    const SERVERLESS: &str = "https://{azure_deployment_name}.{azure_region}.models.ai.azure.com";
    const MANAGED: &str = "https://{azure_endpoint_name}.{azure_region}.inference.ml.azure.com";
    let (template, path) = match field(AzureDeploymentType) {
        Some("serverless") => (SERVERLESS, ""),
        Some("managed") => (MANAGED, "/score"),
        Some(_) => return Err(refuse(AzureDeploymentType, "is serverless or managed")),
        None => return Err(refuse(AzureFoundryUrl, "is required")),
    };
    for name in [AzureDeploymentName, AzureEndpointName, AzureRegion] {
        if field(name).is_some_and(|value| !is_host_label(value)) {
            return Err(refuse(name, "may hold letters, digits and inner hyphens only"));
        }
    }
    Ok((Template::parse(template).ok_or_else(|| Rejection::new(Kind::Internal))?, path))
}

/// One segment of a path: 1 to 256 bytes, and no segment that a server takes for a step.
fn segment(id: &str) -> Result<String, Rejection> {
    if id.len() > 256 || matches!(id, "." | "..") || id.contains("..") || id.bytes().any(|byte| b"/\\%".contains(&byte))
    {
        return Err(refuse(AzureDeploymentId, "is no name of a deployment"));
    }
    Ok(utf8_percent_encode(id, SEGMENT).to_string())
}

/// The caller's query, changed.
#[derive(Debug)]
struct Query(String);

impl Query {
    /// That of `caller` without parameters of these names, in whatever spelling.
    fn without(caller: &PathAndQuery, names: &[&str]) -> Self {
        Self(rest(caller.query().unwrap_or_default(), names))
    }

    fn drop(&mut self, name: &str) {
        self.0 = rest(&self.0, &[name]);
    }

    /// Has the parameter `name` say for which deployment a session is opened: for `own`, whatever the caller says, and
    /// else for what is asked, unless the caller says it there.
    fn opens(&mut self, name: &str, own: Option<&str>, asked: Option<&str>) {
        if own.is_some() {
            self.drop(name);
        }
        if let Some(id) = own.or(asked).filter(|_| !self.has(name)) {
            self.set(name, id);
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.split('&').any(|pair| is_named(pair, name))
    }

    fn set(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.extend([name, "="]);
        self.0.extend(utf8_percent_encode(value, SEGMENT));
    }

    /// Behind the caller's path.
    fn of(&self, caller: &PathAndQuery) -> Result<PathAndQuery, Rejection> {
        let path = caller.path();
        let text = if self.0.is_empty() { path.to_owned() } else { format!("{path}?{}", self.0) };
        PathAndQuery::try_from(text).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
    }
}

/// What is left of a query without parameters of these names.
fn rest(query: &str, names: &[&str]) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let kept = pairs.filter(|pair| !names.iter().any(|name| is_named(pair, name)));
    kept.collect::<Vec<_>>().join("&")
}

fn is_named(pair: &str, name: &str) -> bool {
    let found = pair.split('=').next().unwrap_or_default();
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(found).collect();
    decoded.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::ProviderId, provider::catalog::row};

    #[test]
    fn a_session_in_real_time_names_its_deployment() {
        let row = row(&ProviderId::parse("azure-openai").expect("an id")).expect("a row");
        let own = [Deployment::new("a", "d&1").as_default()];
        let to = |version, query: &str, model, deployments| {
            let caller: PathAndQuery = format!("/v1/realtime?{query}").parse().expect("a path");
            let asked = AzureAsked {
                method: &Method::GET,
                rest: "/realtime",
                caller: &caller,
                in_json: false,
                model,
                deployments,
            };
            let field = |name| match name {
                PortkeyHeader::AzureResourceName => Some("r"),
                AzureApiVersion => Some(version),
                _ => None,
            };
            openai(row, &asked, field, None).expect("a plan").plan.path_and_query.to_string()
        };
        let (classic, none) = ("2024-10-01-preview", &[][..]);
        for (query, model, deployments, expected) in [
            // The deployment that is known is the only one that is named.
            ("model=m", Some("m"), &own[..], "model=m&api-version=2024-10-01-preview&deployment=d%261"),
            ("deployment=x&Deployment%20=y", Some("x"), &own, "api-version=2024-10-01-preview&deployment=d%261"),
            // Else the caller names it, by the parameter's own name before the model's.
            ("deployment=x&model=m", Some("m"), none, "deployment=x&model=m&api-version=2024-10-01-preview"),
            ("model=m%261", Some("m&1"), none, "model=m%261&api-version=2024-10-01-preview&deployment=m%261"),
            ("intent=transcription", None, none, "intent=transcription&api-version=2024-10-01-preview"),
        ] {
            assert_eq!(to(classic, query, model, deployments), format!("/openai/realtime?{expected}"), "{query}");
        }
        for (query, model, deployments, expected) in [
            ("model=m&x=1", Some("m"), &own[..], "x=1&model=d%261"),
            ("deployment=x", Some("x"), &own, "model=d%261"),
            ("deployment=x&x=1&api-version=2024-10-21", Some("x"), none, "x=1&model=x"),
            ("model=m&deployment=x", Some("m"), none, "model=m"),
        ] {
            assert_eq!(to("v1", query, model, deployments), format!("/openai/v1/realtime?{expected}"), "{query}");
        }
    }
}

//! AWS's providers: their rows, and from a request to a URL of theirs (pure).
//!
//! Hosts follow the region and its partition's domain; the region is a host label, so it can't lead elsewhere.

use std::borrow::Cow;

use http::{
    Method,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    Row, bedrock,
    plan::{Plan, headers, join, not_offered},
    spec::{Auth, Extra, OPENAI, Spec, bearer, from, native},
};
use crate::{
    context::{Placement, ProviderHeader, Translation, aws_domain},
    header::PortkeyHeader::{
        self, AnthropicAwsWorkspaceId, AnthropicBeta, AnthropicVersion, AwsRegion, AwsService,
        SagemakerCustomAttributes, SagemakerEnableExplanations, SagemakerInferenceComponent, SagemakerInferenceId,
        SagemakerSessionId, SagemakerTargetContainerHostname, SagemakerTargetModel, SagemakerTargetVariant,
    },
    host::{CustomHost, is_host_label},
    provider::template::refuse,
    rejection::{Kind, Rejection},
};

/// Bedrock's region where nobody says another.
const DEFAULT_REGION: &str = "us-east-1";

/// The rows. Their bases are said for the reader: [`plan`] makes the host.
pub(super) const SPECS: &[Spec] = &[
    Spec { auth: Auth::Signature, ..bearer("bedrock", "https://bedrock-runtime.{aws_region}.amazonaws.com", "") },
    Spec {
        auth: Auth::Signature,
        headers: &[
            from("x-amzn-sagemaker-custom-attributes", SagemakerCustomAttributes),
            from("x-amzn-sagemaker-target-model", SagemakerTargetModel),
            from("x-amzn-sagemaker-target-variant", SagemakerTargetVariant),
            from("x-amzn-sagemaker-target-container-hostname", SagemakerTargetContainerHostname),
            from("x-amzn-sagemaker-inference-id", SagemakerInferenceId),
            from("x-amzn-sagemaker-enable-explanations", SagemakerEnableExplanations),
            from("x-amzn-sagemaker-inference-component", SagemakerInferenceComponent),
            from("x-amzn-sagemaker-session-id", SagemakerSessionId),
        ],
        ..native("sagemaker", "https://runtime.sagemaker.{aws_region}.amazonaws.com", "")
    },
    Spec { auth: Auth::Signature, ..bearer("bedrock-mantle", "https://bedrock-mantle.{aws_region}.api.aws", "") },
    Spec {
        auth: Auth::Signature,
        headers: &[
            from("anthropic-workspace-id", AnthropicAwsWorkspaceId),
            Extra { value: Some("2023-06-01"), ..from("anthropic-version", AnthropicVersion) },
            from("anthropic-beta", AnthropicBeta),
        ],
        ..native("claude-platform-aws", "https://aws-external-anthropic.{aws_region}.api.aws", "/v1")
    },
];

/// Which of AWS's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `{name}.{region}.{domain}`.
    Named(&'static str),
    /// `{name}.{region}.api.aws`, of which the name is the service, too.
    Api(&'static str),
    /// A bucket: `{bucket}.s3.{region}.{domain}`. The name is a label.
    Bucket(String),
}

/// Where an operation is answered.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) path: Cow<'a, str>,
    /// In place of the caller's query.
    pub(super) query: Option<String>,
    pub(super) headers: Vec<ProviderHeader>,
    /// What the body has to be put into.
    pub(super) translation: Option<Translation>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AwsAsked<'a> {
    pub(crate) method: &'a Method,
    /// The path below `/v1`.
    pub(crate) rest: &'a str,
    /// Path and query as the caller sent them.
    pub(crate) caller: &'a PathAndQuery,
    /// Whether it is a unified operation.
    pub(crate) unified: bool,
    /// The model of the body.
    pub(crate) model: Option<&'a str>,
    /// Whether the body asks for a stream.
    pub(crate) stream: bool,
}

/// A plan, and the scope of its signature.
#[derive(Debug)]
pub(crate) struct AwsPlan {
    pub(crate) plan: Plan,
    pub(crate) region: String,
    pub(crate) service: String,
    /// Whether it is one of the control plane's own operations.
    pub(crate) controls: bool,
    /// The bucket that it goes to.
    pub(crate) bucket: Option<String>,
    pub(crate) translation: Option<Translation>,
}

/// Plans a request. `base` takes the place of scheme, host and base path; `domain` that of the region's own.
///
/// # Errors
///
/// A field or the model is missing or bad: [`Kind::InvalidRequest`]. AWS offers the operation in its own way only:
/// [`Kind::NotImplemented`].
pub(crate) fn plan<'f>(
    row: &Row,
    asked: &AwsAsked<'_>,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    base: Option<&CustomHost>,
    domain: Option<&str>,
) -> Result<AwsPlan, Rejection> {
    let field = &|header| field(header).filter(|value| !value.is_empty());
    let region = field(AwsRegion).or(default_region(row.id())).ok_or_else(|| refuse(AwsRegion, "is required"))?;
    let region = label(AwsRegion, region)?;
    let way = match row.id() {
        "bedrock" => bedrock::way(asked, &region, field)?,
        "bedrock-mantle" => mantle(asked),
        "claude-platform-aws" => claude(asked)?,
        _ => sagemaker(asked)?,
    };
    let service = match (&way.endpoint, field(AwsService)) {
        (Endpoint::Bucket(_), _) => "s3".to_owned(),
        (Endpoint::Named(_), Some(service)) => label(AwsService, service)?,
        (Endpoint::Api(name), _) => (*name).to_owned(),
        (Endpoint::Named(_), None) => row.id().to_owned(),
    };
    // Another host answers for every bucket, so the bucket is part of the path there.
    let (scheme, authority, front) = match (base, &way.endpoint) {
        (Some(host), Endpoint::Named(_) | Endpoint::Api(_)) => {
            (host.scheme().clone(), host.authority().clone(), Cow::Borrowed(host.path()))
        }
        (Some(host), Endpoint::Bucket(bucket)) => {
            (host.scheme().clone(), host.authority().clone(), Cow::Owned(format!("{}/{bucket}", host.path())))
        }
        (None, endpoint) => (Scheme::HTTPS, host(endpoint, &region, domain)?, Cow::Borrowed("")),
    };
    let own = match &way.query {
        Some(query) if query.is_empty() => PathAndQuery::try_from(asked.caller.path()),
        Some(query) => PathAndQuery::try_from(format!("{}?{query}", asked.caller.path())),
        None => Ok(asked.caller.clone()),
    };
    let own = own.map_err(|error| Rejection::new(Kind::Internal).with_source(error))?;
    let path_and_query = join(&own, [&front, &way.path, ""], base.and_then(CustomHost::query))?;
    let mut headers = headers(row, asked.method, field)?;
    headers.extend(way.headers);
    let plan = Plan { scheme, authority, path_and_query, placement: Placement::Signature, headers };
    let controls = !asked.unified && way.endpoint == bedrock::CONTROL;
    let bucket = match way.endpoint {
        Endpoint::Bucket(bucket) => Some(bucket),
        Endpoint::Named(_) | Endpoint::Api(_) => None,
    };
    Ok(AwsPlan { plan, region, service, controls, bucket, translation: way.translation })
}

/// SageMaker's runtime has routes of its own only.
fn sagemaker<'a>(asked: &AwsAsked<'a>) -> Result<Way<'a>, Rejection> {
    if asked.unified || (*asked.method == Method::POST && OPENAI.contains(&asked.rest)) {
        return Err(not_offered("sagemaker", asked.rest, "/endpoints/{name}/invocations"));
    }
    let endpoint = Endpoint::Named("runtime.sagemaker");
    Ok(Way { endpoint, path: Cow::Borrowed(asked.rest), query: None, headers: Vec::new(), translation: None })
}

/// Mantle speaks OpenAI's language, and Anthropic's beside it.
fn mantle<'a>(asked: &AwsAsked<'a>) -> Way<'a> {
    let path = match asked.rest {
        "/messages" | "/messages/count_tokens" => Cow::Owned(format!("/anthropic/v1{}", asked.rest)),
        rest if rest.starts_with("/v1/") || rest.starts_with("/anthropic/") => Cow::Borrowed(rest),
        rest => Cow::Owned(format!("/v1{rest}")),
    };
    as_asked(asked, Endpoint::Api("bedrock-mantle"), path)
}

/// Anthropic's own routes, and nothing of OpenAI's.
fn claude<'a>(asked: &AwsAsked<'a>) -> Result<Way<'a>, Rejection> {
    if *asked.method == Method::POST && OPENAI.contains(&asked.rest) {
        return Err(not_offered("claude-platform-aws", asked.rest, "/messages"));
    }
    let path = match asked.rest {
        rest if rest.starts_with("/v1/") => Cow::Borrowed(rest),
        rest => Cow::Owned(format!("/v1{rest}")),
    };
    Ok(as_asked(asked, Endpoint::Api("aws-external-anthropic"), path))
}

/// With the caller's query, but where the body is the question.
fn as_asked<'a>(asked: &AwsAsked<'a>, endpoint: Endpoint, path: Cow<'a, str>) -> Way<'a> {
    let query = asked.caller.query().is_none().then(String::new);
    Way { endpoint, path, query, headers: Vec::new(), translation: None }
}

fn host(endpoint: &Endpoint, region: &str, domain: Option<&str>) -> Result<Authority, Rejection> {
    let domain = domain.unwrap_or_else(|| aws_domain(region));
    let host = match endpoint {
        Endpoint::Named(name) => format!("{name}.{region}.{domain}"),
        Endpoint::Api(name) => api_host(name, region),
        Endpoint::Bucket(bucket) => format!("{bucket}.s3.{region}.{domain}"),
    };
    Authority::try_from(host).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
}

fn api_host(name: &str, region: &str) -> String {
    format!("{name}.{region}.api.aws")
}

fn default_region(id: &str) -> Option<&'static str> {
    id.starts_with("bedrock").then_some(DEFAULT_REGION)
}

/// One host label, in lower case.
pub(super) fn label(header: PortkeyHeader, value: &str) -> Result<String, Rejection> {
    if !is_host_label(value) {
        return Err(refuse(header, "may hold letters, digits and inner hyphens only"));
    }
    Ok(value.to_ascii_lowercase())
}

/// Whether a host that somebody named is an endpoint of this provider's in this region, by `https` on its own port. What
/// stands between name and domain need not be a region: `bedrock-runtime.s3.amazonaws.com` is somebody's bucket, and anybody
/// can have one.
pub(super) fn is_own_host(id: &str, host: &CustomHost, region: Option<&str>) -> bool {
    let own_port = *host.scheme() == Scheme::HTTPS && host.port() == 443;
    let region = region.filter(|region| !region.is_empty()).or(default_region(id)).map(str::to_ascii_lowercase);
    let Some(region) = region.filter(|_| own_port) else { return false };
    let names: &[&str] = match id {
        "bedrock" => &["bedrock", "bedrock-fips", "bedrock-runtime", "bedrock-runtime-fips", "bedrock-agent-runtime"],
        "bedrock-mantle" => return host.host() == api_host("bedrock-mantle", &region),
        "claude-platform-aws" => return host.host() == api_host("aws-external-anthropic", &region),
        _ => &["runtime.sagemaker", "runtime-fips.sagemaker"],
    };
    let rest = names.iter().find_map(|name| host.host().strip_prefix(name)?.strip_prefix('.'));
    rest.and_then(|rest| rest.split_once('.'))
        .is_some_and(|(found, domain)| found == region && aws_domain(found) == domain)
}

//! What a request asks for becomes a target (pure).

use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::AUTHORIZATION,
    request::Parts,
    uri::{self, PathAndQuery},
};

use super::{
    catalog::{self, Plan, Row},
    layer::Settings,
    template,
};
use crate::{
    context::{
        Credential, CredentialSource, HostOrigin, Placement, PortkeyHeaders, Principal, ProviderId, ProviderRef,
        RequestConfig, Route, Target,
    },
    header::{API_KEY, GOOGLE_API_KEY, PortkeyHeader},
    host::CustomHost,
    rejection::{Kind, Rejection},
};

/// The provider's URL and the target, for a request that names a built-in provider.
pub(super) fn resolve(head: &Parts, settings: &Settings) -> Result<(Uri, Target), Rejection> {
    let portkey = head.extensions.get::<PortkeyHeaders>().ok_or_else(|| Rejection::misassembled("ExtractLayer"))?;
    let config = head.extensions.get::<RequestConfig>().ok_or_else(|| Rejection::misassembled("ConfigLayer"))?;
    if config.params().is_some() && !config.params_seen {
        return Err(Rejection::misassembled("ParamsLayer"));
    }
    let route = Route::of(&head.method, head.uri.path());
    let rest = served(&head.method, &route)?;
    if config.has_targets() {
        return Err(not_served("Configs with a strategy and targets are not served"));
    }
    if config.object.as_ref().is_some_and(|object| object.has_guardrails) {
        // To pass the request on without them would let through what they are there to stop.
        return Err(not_served("Configs with guardrails or hooks are not served"));
    }
    let hosted = head.extensions.get::<Principal>().is_some();
    let provider = provider(portkey, config, hosted)?;
    let row = catalog::row(provider)
        .ok_or_else(|| not_served(format!("The provider {} is not served", provider.as_str())))?;

    // A config that names its provider stands alone: neither credential nor fields come from headers. Beside one that
    // doesn't, the headers of the provider's group count and its members don't (wire contract 2.3).
    let object = config.object.as_deref();
    let own = object.filter(|object| object.provider.is_some());
    let of_object = |name| object.and_then(|object| object.field(name)).and_then(|value| value.to_str().ok());
    let field = |name: PortkeyHeader| match object {
        Some(_) if own.is_some() || !row.fields_in_headers() => of_object(name),
        None if !row.fields_in_headers() && name != PortkeyHeader::MistralFimCompletion => None,
        _ => portkey.text(name),
    };
    let (base, origin) = base(row, config, settings, &field)?;
    let caller = caller(head, &route)?;
    let plan = catalog::plan(row, &head.method, rest, &caller, field, base.as_ref())?;

    let found = match own {
        Some(object) => object.api_key.clone(),
        None => of_headers(&head.headers, &plan.placement, row.placement()),
    };
    let credential = found.and_then(|credential| without_own_scheme(credential, &plan.placement));
    if credential.is_none() && !row.is_optional() {
        return Err(missing(row));
    }
    let uri = uri(&plan)?;
    if portkey.consumed().is_some_and(|key| leaves(key, &uri, credential.as_ref())) {
        return Err(Rejection::new(Kind::InvalidRequest)
            .with_message("The caller's gateway key stands where the provider would read it; it never leaves"));
    }

    let mut target = Target::builder(provider, plan.scheme, plan.authority, origin)
        .unified(route.is_unified())
        .forward(config.forward_headers.iter().cloned().chain(row.passes()).collect())
        .timeout(config.request_timeout)
        .credential_param(row.credential_param());
    for header in plan.headers {
        target = target.header(header);
    }
    if let Some(credential) = credential {
        target = target.credential(credential, CredentialSource::Caller, plan.placement);
    }
    Ok((uri, target.build()?))
}

fn uri(plan: &Plan) -> Result<Uri, Rejection> {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(plan.scheme.clone());
    parts.authority = Some(plan.authority.clone());
    parts.path_and_query = Some(plan.path_and_query.clone());
    Uri::from_parts(parts).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
}

/// Whether the gateway key, which has let the caller in, would go on as part of the URL or as the credential, behind
/// whatever scheme.
fn leaves(key: &Credential, uri: &Uri, credential: Option<&Credential>) -> bool {
    let in_url = uri.path_and_query().is_some_and(|target| key.is_repeated_by(target.as_str().as_bytes()));
    let as_credential = |credential: &Credential| {
        key.expose() == credential.expose() || key.is_repeated_by(credential.expose().as_bytes())
    };
    in_url || credential.is_some_and(as_credential)
}

/// The path and query that go on. What a model is asked stands in the body: the query of such a request is dropped, as
/// Portkey drops it, and with it what a caller may have put there by mistake.
fn caller(head: &Parts, route: &Route<'_>) -> Result<PathAndQuery, Rejection> {
    match head.uri.path_and_query() {
        Some(caller) if caller.query().is_none() || !route.asks_a_model() => Ok(caller.clone()),
        _ => PathAndQuery::try_from(head.uri.path()).map_err(|error| Rejection::new(Kind::Internal).with_source(error)),
    }
}

/// The path below `/v1`, where this version serves it.
fn served<'a>(method: &Method, route: &Route<'a>) -> Result<&'a str, Rejection> {
    let Some(rest) = route.rest().filter(|_| *method != Method::CONNECT && *method != Method::TRACE) else {
        return Err(Rejection::new(Kind::NotFound));
    };
    match rest.as_bytes().split(|byte| *byte == b'/').nth(1) {
        Some(b"prompts") => Err(not_served("Prompt templates are not served")),
        // Portkey's own records. No provider has them, and their scopes are not the ones for asking a provider.
        Some(b"logs" | b"feedback" | b"otel" | b"pull") => Err(not_served("Logs and feedback are not served")),
        Some(b"realtime") if *method == Method::GET => Err(not_served("The realtime API is not served")),
        _ => Ok(rest),
    }
}

/// The provider's id. Stored entries are looked up by no layer yet, so every slug is an unknown one.
fn provider(portkey: &PortkeyHeaders, config: &RequestConfig, hosted: bool) -> Result<ProviderId, Rejection> {
    let unknown = |slug: &str| {
        let message = format!("Following keys are not valid: {slug}");
        Err(Rejection::new(Kind::InvalidRequest).with_message(message))
    };
    let named = match config.provider() {
        Some(provider) => Some(provider.clone()),
        None => portkey.provider().and_then(Result::ok),
    };
    match (named, portkey.text(PortkeyHeader::VirtualKey).filter(|_| hosted)) {
        (Some(ProviderRef::Slug(slug)), _) => unknown(&slug),
        (_, Some(slug)) => unknown(slug),
        (Some(ProviderRef::Id(id)), None) => Ok(id),
        (None, None) => Err(Rejection::new(Kind::InvalidRequest)
            .with_message("Either x-portkey-config or x-portkey-provider header is required")),
    }
}

/// The base that takes the place of the provider's, and who named it.
fn base<'f>(
    row: &Row,
    config: &RequestConfig,
    settings: &Settings,
    field: &impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<(Option<CustomHost>, HostOrigin), Rejection> {
    let of_caller = |host: CustomHost| {
        let origin = if host.is_trusted() { HostOrigin::TrustedCaller } else { HostOrigin::Caller };
        (Some(host), origin)
    };
    if let Some(host) = config.custom_host() {
        return Ok(of_caller(host.clone()));
    }
    if let Some((name, url)) = row.base_url_field().and_then(|name| Some((name, field(name)?))) {
        let host = CustomHost::parse(url, &settings.trusted_hosts);
        return host
            .map(of_caller)
            .map_err(|error| template::refuse(name, "is no host that may be named").with_source(error));
    }
    Ok(match ProviderId::parse(row.id()).and_then(|id| settings.base_urls.get(&id)) {
        Some(url) => (Some(url.clone()), HostOrigin::Operator),
        None => (None, HostOrigin::Catalog),
    })
}

/// The credential of a request whose config names no provider: `authorization`, else the header in which the provider
/// itself takes its keys, on this route or on its own ones.
fn of_headers(headers: &HeaderMap, here: &Placement, native: &Placement) -> Option<Credential> {
    if let Some(value) = headers.get(AUTHORIZATION).filter(|value| !is_empty(value)) {
        return Credential::from_authorization(value);
    }
    let own = |placement: &Placement| match placement {
        // What Portkey's clients put there is a gateway key, never a provider's.
        Placement::Header { name, .. } if *name == API_KEY || *name == AUTHORIZATION => None,
        Placement::Header { name, .. } => headers.get(name),
        Placement::Query { .. } => headers.get(GOOGLE_API_KEY),
        Placement::None => None,
    };
    own(here).or_else(|| own(native)).and_then(Credential::from_raw)
}

/// A scheme without a credential is none.
fn is_empty(authorization: &HeaderValue) -> bool {
    let text = authorization.as_bytes().trim_ascii();
    text.is_empty() || text.eq_ignore_ascii_case(b"bearer")
}

/// `Token x` for a provider whose header reads `Token x`: the scheme is not doubled.
fn without_own_scheme(credential: Credential, placement: &Placement) -> Option<Credential> {
    match placement {
        Placement::Header { prefix, .. } if !prefix.is_empty() => credential.without_scheme(prefix.trim_end()),
        _ => Some(credential),
    }
}

fn missing(row: &Row) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(format!(
        "The credential for {} is missing: it is sent as authorization, or as api_key in x-portkey-config",
        row.id()
    ))
}

fn not_served(message: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::new(Kind::NotImplemented).with_message(message)
}

//! What a request asks for becomes a target (pure).

use http::{
    Method, Uri,
    request::Parts,
    uri::{self, PathAndQuery},
};

#[cfg(feature = "bedrock")]
use super::aws;
#[cfg(feature = "oracle")]
use super::oci;
#[cfg(feature = "exchange")]
use super::{azure, exchanged, vertex};
use super::{
    base::base,
    bound::{Bound, bound, may_ask, may_use},
    catalog::{self, Plan, Row},
    layer::Settings,
};
#[cfg(feature = "bedrock")]
use crate::context::Signing;
#[cfg(feature = "exchange")]
use crate::context::TokenExchange;
use crate::{
    context::{
        Credential, CredentialSource, Handshake, HostOrigin, Placement, PortkeyHeaders, ProviderHeader, RequestConfig,
        Route, Stage, Target, TargetBuilder, is_in_query, models_in,
    },
    host::CustomHost,
    rejection::{Kind, Rejection},
};

/// The provider's URL and the target of this attempt.
pub(super) fn resolve(head: &Parts, settings: &Settings) -> Result<(Uri, Target), Rejection> {
    let portkey = head.extensions.get::<PortkeyHeaders>().ok_or_else(|| Rejection::misassembled("ExtractLayer"))?;
    let config = head.extensions.get::<RequestConfig>().ok_or_else(|| Rejection::misassembled("ConfigLayer"))?;
    if config.stage != Stage::Chosen && config.needs_strategy() {
        return Err(Rejection::misassembled("StrategyLayer"));
    }
    let route = Route::of(&head.method, head.uri.path());
    let rest = served(&head.method, &route)?;
    if config.object().is_some_and(|object| object.has_guardrails) {
        // To pass the request on without them would let through what they are there to stop.
        return Err(not_served("Configs with guardrails or hooks are not served"));
    }
    let (row, bound) = bound(config, settings)?;
    if let Bound::Entry(entry) = &bound {
        may_use(entry, config)?;
    }
    if route.is_realtime() && head.method == Method::GET {
        may_open(head, row, &bound)?;
    }

    if matches!(bound, Bound::Entry(_)) && head.method != Method::GET && mints_sessions(rest) {
        // What they answer with opens sessions at the provider, past every limit and list of the entry.
        return Err(not_served("With a provider entry, sessions in real time are opened by GET /v1/realtime"));
    }

    let (base, origin) = base(row, &bound, portkey, config, settings)?;
    let caller = caller(head, &route)?;
    let field = |name| bound.field(row, portkey, name);
    #[cfg(feature = "bedrock")]
    if row.is_of_aws() {
        let mut planned = aws::plan(row, head, &caller, config, field, base.as_ref(), settings)?;
        if let Bound::Entry(entry) = &bound {
            // The model that a unified operation's path is made of is the body's.
            may_ask(entry, config, None, || aws::models(row, head))?;
        }
        let shown = aws::shown(&bound, head, row, portkey, settings)?;
        aws::may_reach(&bound, &planned, &shown, field)?;
        let goes = match shown {
            aws::Shown::Key(key, source) => {
                planned.plan.path_and_query = aws::without_signature(planned.plan.path_and_query)?;
                Goes::With(Some((key, source)), aws::placement(row))
            }
            aws::Shown::Signature(identity, source) => {
                if portkey.consumed().is_some_and(|key| aws::leaves(key, &identity)) {
                    return Err(gateway_key());
                }
                Goes::Signed(aws::signing(identity, &planned.region, &planned.service)?.into(), source)
            }
        };
        let (uri, target) = target(config, portkey, &route, (row, &bound), (planned.plan, origin), goes)?;
        return Ok((uri, target.translation(planned.translation).other_base(base.is_some()).build()?));
    }
    #[cfg(feature = "exchange")]
    if row.is_exchanged() {
        let known = row.id() != "vertex-ai" || vertex::knows_models(head);
        let in_caller = || known.then(|| models_in(head.uri.path(), head.uri.query()));
        let (plan, amendment, known_as, shown) = if row.id() == "vertex-ai" {
            let shown = vertex::shown(&bound, head, row, portkey)?;
            let planned = vertex::plan(row, head, &caller, config, &shown, field, base.as_ref())?;
            vertex::may_reach(&bound, head, &shown, field)?;
            (planned.plan, planned.amendment, None, shown)
        } else {
            let planned = azure::plan(row, head, &caller, config, bound.deployments(), field, base.as_ref())?;
            let shown = azure::shown(&bound, head, row, portkey, &planned.azure.plan.placement)?;
            (planned.azure.plan, planned.azure.amendment, planned.known_as, shown)
        };
        if let Bound::Entry(entry) = &bound {
            // Paths are made of the body's model, or of a deployment that the entry itself names.
            may_ask(entry, config, known_as.as_deref(), in_caller)?;
        }
        let goes = match shown {
            exchanged::Shown::Key(key, placement) => Goes::With(key, placement),
            exchanged::Shown::Exchange(exchange, source) => {
                if portkey.consumed().is_some_and(|key| exchanged::leaves(key, &exchange)) {
                    return Err(gateway_key());
                }
                Goes::Exchanged(exchange, source)
            }
        };
        let (uri, target) = target(config, portkey, &route, (row, &bound), (plan, origin), goes)?;
        return Ok((uri, target.amendment(amendment).other_base(base.is_some()).build()?));
    }
    let mut plan = catalog::plan(row, &head.method, rest, &caller, field, base.as_ref())?;
    if let Bound::Entry(entry) = &bound {
        // Operations of Oracle's own take models under other names.
        let known = row.id() != "oracle" || route.is_unified();
        may_ask(entry, config, None, || {
            known.then(|| elsewhere(head, &plan, base.as_ref().filter(|_| origin == HostOrigin::Operator)))
        })?;
    }
    #[cfg(feature = "oracle")]
    if row.is_signed() {
        let goes = match oci::shown(&bound, head, row, portkey)? {
            aws::Shown::Key(key, source) => Goes::With(Some((key, source)), Placement::bearer()),
            aws::Shown::Signature(key, source) => Goes::Signed(key.into(), source),
        };
        let (uri, target) = target(config, portkey, &route, (row, &bound), (plan, origin), goes)?;
        return Ok((uri, target.build()?));
    }
    let credential = bound.credential(head, row, &plan.placement)?;
    if let Some((credential, _)) = &credential {
        catalog::as_token(row, &mut plan, credential, &head.headers);
    }
    let goes = Goes::With(credential, plan.placement.clone());
    let (uri, target) = target(config, portkey, &route, (row, &bound), (plan, origin), goes)?;
    Ok((uri, target.other_base(base.is_some()).build()?))
}

/// What a request goes out with.
enum Goes {
    With(Option<(Credential, CredentialSource)>, Placement),
    #[cfg(feature = "bedrock")]
    Signed(Signing, CredentialSource),
    #[cfg(feature = "exchange")]
    Exchanged(TokenExchange, CredentialSource),
}

/// The URL of a plan, and what its target is made of.
fn target(
    config: &RequestConfig,
    portkey: &PortkeyHeaders,
    route: &Route<'_>,
    (row, bound): (&Row, &Bound<'_>),
    (plan, origin): (Plan, HostOrigin),
    goes: Goes,
) -> Result<(Uri, TargetBuilder), Rejection> {
    let uri = uri(&plan)?;
    let leaving = match &goes {
        Goes::With(credential, _) => credential.as_ref().map(|(credential, _)| credential),
        #[cfg(feature = "bedrock")]
        Goes::Signed(..) => None,
        #[cfg(feature = "exchange")]
        Goes::Exchanged(..) => None,
    };
    if portkey.consumed().is_some_and(|key| leaves(key, &uri, leaving)) {
        return Err(gateway_key());
    }

    let mut target = Target::builder(row.provider().clone(), plan.scheme, plan.authority, origin)
        .unified(route.is_unified())
        .forward(config.forward_headers().iter().cloned().chain(row.passes()).collect())
        .timeout(config.request_timeout())
        .credential_param(row.credential_param());
    for header in plan.headers {
        target = target.header(header);
    }
    if let Bound::Entry(entry) = bound {
        for (name, value) in entry.headers() {
            target = target.header(ProviderHeader { name: name.clone(), value: value.clone(), replaces: true });
        }
    }
    match goes {
        Goes::With(Some((credential, source)), placement) => target = target.credential(credential, source, placement),
        Goes::With(None, _) => {}
        #[cfg(feature = "bedrock")]
        Goes::Signed(signing, source) => target = target.sign(signing, source),
        #[cfg(feature = "exchange")]
        Goes::Exchanged(exchange, source) => target = target.exchange(exchange, source, Placement::bearer()),
    }
    Ok((uri, target))
}

pub(super) fn gateway_key() -> Rejection {
    Rejection::new(Kind::InvalidRequest)
        .with_message("The caller's gateway key stands where the provider would read it; it never leaves")
}

/// The models that the caller's path and query name, and those of the provider's. What stands in a base of the operator's
/// own was not for the caller to say.
fn elsewhere(head: &Parts, plan: &Plan, own: Option<&CustomHost>) -> Vec<Box<str>> {
    let mut found = models_in(head.uri.path(), head.uri.query());
    let own = own.map(|base| models_in(base.path(), base.query())).unwrap_or_default();
    let sent = models_in(plan.path_and_query.path(), plan.path_and_query.query());
    found.extend(sent.into_iter().filter(|model| !own.contains(model)));
    found
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
        _ => Ok(rest),
    }
}

/// A session begins with a handshake. Its frames are not looked at: where models are listed, the query names one. Azure alone
/// takes a deployment for it.
fn may_open(head: &Parts, row: &Row, bound: &Bound<'_>) -> Result<(), Rejection> {
    let refused = |message| Err(Rejection::new(Kind::InvalidRequest).with_message(message));
    if head.extensions.get::<Handshake>().is_none() {
        return refused("The realtime API is a WebSocket: it asks for upgrade: websocket, over HTTP/1.1");
    }
    let is_named = |name| is_in_query(head.uri.query(), name);
    let names_one = || is_named("model") || row.id().starts_with("azure-") && is_named("deployment");
    match bound {
        Bound::Entry(entry) if entry.models().is_some() && !names_one() => {
            refused("The query must name the model, because the entry is limited to some models")
        }
        _ => Ok(()),
    }
}

/// Below `/realtime`: secrets and calls for sessions that don't come through here.
fn mints_sessions(rest: &str) -> bool {
    rest.split('/').any(|part| part.eq_ignore_ascii_case("realtime"))
}

fn not_served(message: &'static str) -> Rejection {
    Rejection::new(Kind::NotImplemented).with_message(message)
}

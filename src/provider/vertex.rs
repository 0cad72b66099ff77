//! What a request for Vertex AI goes out with (pure).

use http::{Method, request::Parts, uri::PathAndQuery};

use super::{
    bound::{Bound, tenancy},
    catalog::{Row, VertexAsked, VertexPlan, vertex},
    exchanged::{Shown, bad, exchanged, missing},
    template::refuse,
};
use crate::{
    context::{
        CredentialSource, Placement, PortkeyHeaders, RequestConfig, Route, ServiceAccount, Stage, TokenExchange,
        TokenSource,
    },
    header::PortkeyHeader::{self, VertexAuthType, VertexProjectId, VertexRegion, VertexServiceAccountJson},
    host::CustomHost,
    rejection::{Kind, Rejection},
    secret::Secret,
};

/// Plans a request for Vertex AI. `caller` is what goes on of path and query; `shown` may name the project.
pub(super) fn plan<'f>(
    row: &Row,
    head: &Parts,
    caller: &PathAndQuery,
    config: &RequestConfig,
    shown: &Shown,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    base: Option<&CustomHost>,
) -> Result<VertexPlan, Rejection> {
    let route = Route::of(&head.method, head.uri.path());
    if route.asks_a_model() && config.stage == Stage::Read {
        // The model is part of the path, or gets another name.
        return Err(Rejection::misassembled("ModelLayer"));
    }
    let project = project(shown);
    let asked = VertexAsked {
        method: &head.method,
        rest: route.rest().unwrap_or_default(),
        caller,
        unified: route.is_unified(),
        model: config.model.body.as_deref(),
        stream: config.model.stream,
        project,
    };
    vertex(row, &asked, field, base)
}

/// The project of a key file.
fn project(shown: &Shown) -> Option<&str> {
    match shown {
        Shown::Exchange(exchange, _) => match exchange.source() {
            TokenSource::GoogleAccount(account) => account.project(),
            _ => None,
        },
        Shown::Key(..) => None,
    }
}

/// The segments of a path of Google's own, below its version.
fn native(head: &Parts) -> Option<Vec<&str>> {
    let route = Route::of(&head.method, head.uri.path());
    let is_version = |part: &&str| part.starts_with('v') && part.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let parts = route.rest().unwrap_or_default().split('/').skip(1).skip_while(is_version);
    (!route.is_unified()).then(|| parts.collect())
}

/// Refuses what a stored credential is not for: other projects and regions than its own, and Google's control plane.
/// Whoever holds a gateway key could do all that the identity may.
pub(super) fn may_reach<'f>(
    bound: &Bound<'_>,
    head: &Parts,
    shown: &Shown,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<(), Rejection> {
    let Some(parts) = native(head).filter(|_| bound.source() == CredentialSource::Stored) else { return Ok(()) };
    let below = match parts[..] {
        ["projects", project_id, "locations", region, ..] => {
            let own = Some(project_id) == project(shown).or_else(|| field(VertexProjectId))
                && field(VertexRegion).is_some_and(|own| own.eq_ignore_ascii_case(region));
            parts.get(4..).filter(|_| own)
        }
        _ => Some(&parts[..]),
    };
    match below {
        Some(["publishers", _, "models", ..] | ["endpoints", _]) => Ok(()),
        _ => {
            let message = "A stored credential reaches models and endpoints of its own project and region only";
            Err(Rejection::new(Kind::InvalidRequest).with_message(message))
        }
    }
}

/// Whether body, path and query name every model that a request could ask. Google's other operations have other names for
/// them.
pub(super) fn knows_models(head: &Parts) -> bool {
    let route = Route::of(&head.method, head.uri.path());
    match native(head) {
        Some(parts) => parts.windows(3).any(|three| matches!(three, ["publishers", _, "models"])),
        None => route.asks_a_model() || head.method == Method::GET,
    }
}

/// Finds out what is shown to Google: a service account's key file before a token. The gateway's own identity is for entries
/// alone: a caller who could name it would act as the gateway.
pub(super) fn shown(bound: &Bound<'_>, head: &Parts, row: &Row, portkey: &PortkeyHeaders) -> Result<Shown, Rejection> {
    let field = |name| bound.field(row, portkey, name).filter(|value| !value.is_empty());
    let json = field(VertexServiceAccountJson);
    let source = match (field(VertexAuthType), bound, json) {
        (Some("workload"), Bound::Entry(_), _) => TokenSource::GoogleAmbient,
        (Some("workload"), ..) => return Err(refuse(VertexAuthType, "may be workload in a provider entry only")),
        (Some("serviceAccount"), _, None) => return Err(missing(bound, VertexServiceAccountJson)),
        (None | Some("serviceAccount"), _, Some(json)) => {
            let account = ServiceAccount::parse(Secret::from(json));
            TokenSource::GoogleAccount(account.map_err(|error| bad(bound, VertexServiceAccountJson, error))?)
        }
        (None | Some("accessToken"), ..) => {
            return Ok(Shown::Key(bound.credential(head, row, &Placement::bearer())?, Placement::bearer()));
        }
        (Some(_), ..) => return Err(refuse(VertexAuthType, "is serviceAccount, accessToken or workload")),
    };
    let exchange = TokenExchange::new(source, TokenExchange::GOOGLE_SCOPE);
    let exchange = exchange.map_err(|error| bad(bound, VertexServiceAccountJson, error))?;
    Ok(Shown::Exchange(exchanged(bound, exchange, &tenancy(head, bound)), bound.source()))
}

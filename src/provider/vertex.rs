//! What a request for Vertex AI goes out with (pure).

use http::{request::Parts, uri::PathAndQuery};

use super::{
    bound::{Bound, tenancy},
    catalog::{Row, VertexAsked, VertexPlan, vertex},
    exchanged::{Shown, bad, exchanged, missing},
    template::refuse,
};
use crate::{
    context::{Placement, PortkeyHeaders, RequestConfig, Route, ServiceAccount, Stage, TokenExchange, TokenSource},
    header::PortkeyHeader::{self, VertexAuthType, VertexServiceAccountJson},
    host::CustomHost,
    rejection::Rejection,
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
    let project = match shown {
        Shown::Exchange(exchange, _) => match exchange.source() {
            TokenSource::GoogleAccount(account) => account.project(),
            _ => None,
        },
        Shown::Key(..) => None,
    };
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

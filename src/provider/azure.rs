//! What a request for Azure goes out with (pure).

use http::{HeaderValue, request::Parts};

use super::{
    bound::{Bound, tenancy},
    catalog::{AzureAsked, AzurePlan, Row, azure_openai, foundry},
    exchanged::{Shown, exchanged, missing},
    template::refuse,
};
use crate::{
    context::{
        Credential, Deployment, EntraClient, ExchangeError, Placement, PortkeyHeaders, RequestConfig, Route, Stage,
        TokenExchange, TokenSource, models_in,
    },
    header::PortkeyHeader::{
        self, AzureAdToken, AzureAuthMode, AzureEntraClientId, AzureEntraClientSecret, AzureEntraScope,
        AzureEntraTenantId, AzureManagedClientId, AzureModelName, AzureWorkloadClientId,
    },
    host::CustomHost,
    rejection::Rejection,
    secret::Secret,
};

/// Where a request goes, and the model that its deployment is known to be of.
pub(super) struct Planned {
    pub(super) azure: AzurePlan,
    pub(super) known_as: Option<Box<str>>,
}

/// Plans a request for Azure. `caller` is what goes on of path and query.
pub(super) fn plan<'f>(
    row: &Row,
    head: &Parts,
    caller: &http::uri::PathAndQuery,
    config: &RequestConfig,
    deployments: &[Deployment],
    field: impl Fn(PortkeyHeader) -> Option<&'f str> + Copy,
    base: Option<&CustomHost>,
) -> Result<Planned, Rejection> {
    let route = Route::of(&head.method, head.uri.path());
    if config.stage == Stage::Read && route.asks_a_model() {
        // The model may be a name for a deployment.
        return Err(Rejection::misassembled("ModelLayer"));
    }
    let in_query = || models_in("", head.uri.query()).into_iter().next();
    let model = config.model.body.clone().or_else(in_query);
    let asked = AzureAsked {
        method: &head.method,
        rest: route.rest().unwrap_or_default(),
        caller,
        in_json: route.asks_in_json(),
        model: model.as_deref(),
        deployments,
    };
    if row.id() == "azure-ai" {
        return Ok(Planned { azure: foundry(row, &asked, field, base)?, known_as: None });
    }
    let azure = azure_openai(row, &asked, field, base)?;
    // The field's name is the field's deployment's, and of no other one.
    let known_as = match Deployment::of(deployments, model.as_deref()) {
        Some(own) => own.model(),
        None => field(AzureModelName),
    };
    let known_as = known_as.filter(|_| azure.is_pinned).map(Into::into);
    Ok(Planned { azure, known_as })
}

/// Finds out what is shown to Azure: a token before everything else, then what the mode says, then a key. The machine's and
/// the workload's identity are for entries alone: a caller who could name them would act as the gateway.
pub(super) fn shown(
    bound: &Bound<'_>,
    head: &Parts,
    row: &Row,
    portkey: &PortkeyHeaders,
    here: &Placement,
) -> Result<Shown, Rejection> {
    let field = |name| bound.field(row, portkey, name).filter(|value| !value.is_empty());
    let mode = field(AzureAuthMode);
    match (mode, bound) {
        (None | Some("apiKey" | "entra"), _) | (Some("managed" | "workload"), Bound::Entry(_)) => {}
        (Some("managed" | "workload"), _) => {
            return Err(refuse(AzureAuthMode, "may be managed or workload in a provider entry only"));
        }
        (Some(_), _) => return Err(refuse(AzureAuthMode, "is apiKey, entra, managed or workload")),
    }
    if let Some(token) = field(AzureAdToken) {
        let token = HeaderValue::from_str(token).ok().and_then(|line| Credential::from_authorization(&line));
        let token = token.ok_or_else(|| refuse(AzureAdToken, "is no token"))?;
        return Ok(Shown::Key(Some((token, bound.source())), Placement::bearer()));
    }
    let owned = |name| field(name).map(Into::into);
    let source = match mode {
        Some("entra") => entra(bound, field)?,
        Some("managed") => TokenSource::AzureManaged(owned(AzureManagedClientId)),
        Some("workload") => TokenSource::AzureWorkload(owned(AzureWorkloadClientId)),
        _ => match bound.credential(head, row, here) {
            // A secret of Entra's that stands where nothing else could be meant needs no word for it.
            Err(_) if mode.is_none() && field(AzureEntraClientSecret).is_some() => entra(bound, field)?,
            key => return Ok(Shown::Key(key?, here.clone())),
        },
    };
    let scope = field(AzureEntraScope).unwrap_or(TokenExchange::AZURE_SCOPE);
    let exchange = TokenExchange::new(source, scope).map_err(|error| bad(bound, error))?;
    Ok(Shown::Exchange(exchanged(bound, exchange, &tenancy(head, bound)), bound.source()))
}

fn entra<'f>(bound: &Bound<'_>, field: impl Fn(PortkeyHeader) -> Option<&'f str>) -> Result<TokenSource, Rejection> {
    let [tenant, id, secret] = [AzureEntraTenantId, AzureEntraClientId, AzureEntraClientSecret]
        .map(|name| field(name).ok_or_else(|| missing(bound, name)));
    let client = EntraClient::new(tenant?, id?, Secret::from(secret?));
    client.map(TokenSource::Entra).map_err(|error| bad(bound, error))
}

fn bad(bound: &Bound<'_>, error: ExchangeError) -> Rejection {
    let name = match error {
        ExchangeError::Tenant => AzureEntraTenantId,
        ExchangeError::ClientSecret => AzureEntraClientSecret,
        ExchangeError::Scope => AzureEntraScope,
        _ => AzureEntraClientId,
    };
    super::exchanged::bad(bound, name, error)
}

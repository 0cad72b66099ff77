//! From what is shown to a token: kept, or asked for by one request at a time.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use super::{
    answer::{self, Answer, Token},
    assertion::assertion,
    endpoint::{Endpoints, Giver},
    fetch::{BoxFuture, FetchToken, TokenHost, TokenRequest},
    form,
    identity::{AzureWorkload, Google, GoogleFederated, GoogleIdentity},
};
use crate::{
    context::{Credential, EntraClient, ServiceAccount, TokenExchange, TokenSource},
    guard::Decision,
    rejection::{Kind, Rejection},
    session::{Clock, Session, Sessions},
};

/// How long an answer may be, in bytes.
const LONGEST: usize = 64 * 1024;

/// Everybody who can be asked, and what they gave.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) fetch: Option<Arc<dyn FetchToken>>,
    pub(super) endpoints: Endpoints,
    pub(super) managed: bool,
    pub(super) workload: Option<AzureWorkload>,
    pub(super) google: Option<GoogleIdentity>,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
    tokens: Sessions<Credential>,
}

impl Sources {
    pub(super) fn new() -> Self {
        Self {
            fetch: None,
            endpoints: Endpoints::default(),
            managed: false,
            workload: None,
            google: None,
            timeout: Duration::from_secs(5),
            clock: Arc::new(SystemTime::now),
            tokens: Sessions::new(),
        }
    }

    /// The token that is there, or that somebody is asked for.
    pub(super) fn token(
        &self,
        exchange: &TokenExchange,
    ) -> Decision<Credential, BoxFuture<Result<Credential, Rejection>>> {
        let missing = match exchange.source() {
            _ if self.fetch.is_none() => Some("The gateway exchanges no credentials"),
            TokenSource::AzureManaged(_) if !self.managed => Some("The gateway has no managed identity at Azure"),
            TokenSource::AzureWorkload(_) if self.workload.is_none() => {
                Some("The gateway has no workload identity at Azure")
            }
            TokenSource::GoogleAmbient if self.google.is_none() => {
                Some("The gateway has no identity of its own at Google")
            }
            _ => None,
        };
        if let Some(why) = missing {
            return Decision::refuse(Rejection::new(Kind::NotImplemented).with_message(why));
        }
        self.tokens.get(self.place(exchange), &self.clock, || {
            let call = Call { sources: self.clone(), exchange: exchange.clone() };
            Box::pin(async move {
                let Token { credential, lasts } = call.token().await?;
                let now = (call.sources.clock)();
                Ok(Session { value: credential, expires_at: now.checked_add(lasts).unwrap_or(now) })
            })
        })
    }

    /// The place of a token: on whose behalf, which comes first, for what, and everything that is shown for it.
    fn place(&self, exchange: &TokenExchange) -> [u8; 32] {
        let source = exchange.source();
        let shown: [Option<&str>; 3] = match source {
            TokenSource::Entra(client) => [Some(client.tenant()), Some(client.id()), Some(client.secret().expose())],
            TokenSource::AzureManaged(id) | TokenSource::AzureWorkload(id) => [id.as_deref(), None, None],
            TokenSource::GoogleAccount(account) => [Some(account.json().expose()), None, None],
            TokenSource::GoogleAmbient => [None; 3],
        };
        let front = [Some(exchange.tenancy()), Some(source.as_str()), Some(exchange.scope())];
        self.tokens.digest(front.into_iter().chain(shown))
    }
}

/// One token on its way.
struct Call {
    sources: Sources,
    exchange: TokenExchange,
}

impl Call {
    async fn token(&self) -> Result<Token, Rejection> {
        match self.exchange.source() {
            TokenSource::Entra(client) => self.entra(client).await,
            TokenSource::AzureManaged(id) => self.managed(id.as_deref()).await,
            TokenSource::AzureWorkload(id) => self.workload(id.as_deref()).await,
            TokenSource::GoogleAccount(account) => self.account(account).await,
            TokenSource::GoogleAmbient => self.google().await,
        }
    }

    async fn entra(&self, client: &EntraClient) -> Result<Token, Rejection> {
        let (uri, host) = self.sources.endpoints.at(Giver::Entra, None, &entra_path(client.tenant()))?;
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client.id()),
            ("client_secret", client.secret().expose()),
            ("scope", self.exchange.scope()),
        ];
        self.ask(Giver::Entra, form::post(uri, &fields)?, host).await
    }

    async fn managed(&self, client: Option<&str>) -> Result<Token, Rejection> {
        // The metadata service asks for the resource that a scope is of.
        let resource = self.exchange.scope().strip_suffix(".default").unwrap_or(self.exchange.scope());
        let mut fields = vec![("api-version", "2018-02-01"), ("resource", resource)];
        fields.extend(client.map(|id| ("client_id", id)));
        let path = form::query("/metadata/identity/oauth2/token", &fields);
        let (uri, host) = self.sources.endpoints.at(Giver::AzureMetadata, None, &path)?;
        self.ask(Giver::AzureMetadata, form::get(uri, ("metadata", "true"))?, host).await
    }

    async fn workload(&self, client: Option<&str>) -> Result<Token, Rejection> {
        let workload = self.sources.workload.as_ref().ok_or_else(|| Rejection::new(Kind::Internal))?;
        let token = workload.token().map_err(|why| self.failed(Giver::Entra, why))?;
        let path = entra_path(workload.tenant());
        let (uri, host) = self.sources.endpoints.at(Giver::Entra, workload.authority(), &path)?;
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client.unwrap_or(workload.client())),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token.expose()),
            ("scope", self.exchange.scope()),
        ];
        self.ask(Giver::Entra, form::post(uri, &fields)?, host).await
    }

    async fn account(&self, account: &ServiceAccount) -> Result<Token, Rejection> {
        let now = (self.sources.clock)();
        let signed = assertion(account, self.exchange.scope(), now).map_err(|why| self.unusable(why))?;
        let (uri, host) = self.sources.endpoints.at(Giver::Google, None, "/token")?;
        let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", signed.expose())];
        self.ask(Giver::Google, form::post(uri, &fields)?, host).await
    }

    async fn google(&self) -> Result<Token, Rejection> {
        let identity = self.sources.google.as_ref().ok_or_else(|| Rejection::new(Kind::Internal))?;
        match identity.kind() {
            Google::Account(account) => self.account(account).await,
            Google::Metadata => {
                let path = "/computeMetadata/v1/instance/service-accounts/default/token";
                let path = form::query(path, &[("scopes", self.exchange.scope())]);
                let (uri, host) = self.sources.endpoints.at(Giver::GoogleMetadata, None, &path)?;
                self.ask(Giver::GoogleMetadata, form::get(uri, ("metadata-flavor", "Google"))?, host).await
            }
            Google::User(user) => {
                let (uri, host) = self.sources.endpoints.at(Giver::Google, None, "/token")?;
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", &*user.client_id),
                    ("client_secret", user.client_secret.expose()),
                    ("refresh_token", user.refresh_token.expose()),
                ];
                self.ask(Giver::Google, form::post(uri, &fields)?, host).await
            }
            Google::Federated(federated) => self.federated(federated).await,
        }
    }

    async fn federated(&self, federated: &GoogleFederated) -> Result<Token, Rejection> {
        let token = federated.token().map_err(|why| self.failed(Giver::GoogleSts, why))?;
        let (uri, host) = self.sources.endpoints.at(Giver::GoogleSts, None, "/v1/token")?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &*federated.audience),
            ("scope", self.exchange.scope()),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", &*federated.subject_token_type),
            ("subject_token", token.expose()),
        ];
        let own = self.ask(Giver::GoogleSts, form::post(uri, &fields)?, host).await?;
        let Some(path) = federated.other_account() else { return Ok(own) };
        let (uri, host) = self.sources.endpoints.at(Giver::GoogleIam, None, path)?;
        let body = serde_json::json!({"scope": [self.exchange.scope()], "lifetime": "3600s"}).to_string();
        let request = Request::post(uri)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(AUTHORIZATION, own.credential.header_value("Bearer "))
            .body(Bytes::from(body))
            .map_err(|error| Rejection::new(Kind::Internal).with_source(error))?;
        let other = self.ask(Giver::GoogleIam, request, host).await?;
        // It lasts as long as was asked for; the answer says until when, in another form.
        Ok(Token { lasts: Duration::from_secs(3600), ..other })
    }

    async fn ask(&self, giver: Giver, request: Request<Bytes>, host: TokenHost) -> Result<Token, Rejection> {
        let fetch = self.sources.fetch.as_ref().ok_or_else(|| Rejection::new(Kind::Internal))?;
        let asked = TokenRequest { request, host, timeout: self.sources.timeout, max_body: LONGEST };
        let response = fetch.fetch(asked).await.map_err(|error| self.failed(giver, error))?;
        match answer::read(&response) {
            Answer::Token(token) => Ok(token),
            Answer::Refused(code) => Err(self.refused(giver, &code)),
            Answer::Nothing(why) => Err(self.failed(giver, why)),
        }
    }

    /// Trouble that may be over when the next request asks: 503.
    fn failed(&self, giver: Giver, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Rejection {
        Rejection::unavailable(error).with_message(format!("No token could be got from {}", giver.name()))
    }

    /// The credential itself is refused.
    fn refused(&self, giver: Giver, code: &str) -> Rejection {
        let name = giver.name();
        match self.exchange.holder() {
            None => {
                Rejection::new(Kind::InvalidRequest).with_message(format!("{name} refused the credential ({code})"))
            }
            Some(holder) => Rejection::new(Kind::BadGateway)
                .with_message(format!("{name} refused the credential of {holder} ({code})")),
        }
    }

    /// The credential can't be used.
    fn unusable(&self, why: &str) -> Rejection {
        match self.exchange.holder() {
            None => {
                Rejection::new(Kind::InvalidRequest).with_message(format!("The service account can't be used: {why}"))
            }
            Some(holder) => Rejection::new(Kind::BadGateway)
                .with_message(format!("The service account of {holder} can't be used: {why}")),
        }
    }
}

/// The tenant is a GUID or a domain, so it is one segment.
fn entra_path(tenant: &str) -> String {
    format!("/{tenant}/oauth2/v2.0/token")
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("endpoints", &self.endpoints)
            .field("managed", &self.managed)
            .field("workload", &self.workload)
            .field("google", &self.google)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

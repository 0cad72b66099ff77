use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::request::Parts;
use tower_layer::Layer;

use super::{
    ask::Sources,
    fetch::{BoxFuture, FetchToken},
    identity::{AzureWorkload, GoogleIdentity},
};
use crate::{
    context::{Credential, Target, TokenExchange},
    guard::{Decision, Guard, GuardLayer, GuardService},
    host::CustomHost,
    rejection::{PortkeyJson, Rejection},
};

/// Exchanges credentials for access tokens. See the [module](super).
///
/// A clone is one reference count. Clones, and the services made by them, share their tokens.
#[derive(Clone, Debug)]
pub struct ExchangeLayer<R = PortkeyJson> {
    sources: Arc<Sources>,
    render: R,
}

/// A service behind [`ExchangeLayer`].
pub type Exchange<S, R = PortkeyJson> = GuardService<S, ExchangeGuard, R>;

/// The guard of [`ExchangeLayer`].
pub struct ExchangeGuard {
    sources: Arc<Sources>,
}

impl ExchangeLayer {
    /// Asks nobody: requests whose credential has to be exchanged are refused with 501, until
    /// [`fetch`](ExchangeLayer::fetch) says who asks.
    #[must_use]
    pub fn new() -> Self {
        Self { sources: Arc::new(Sources::new()), render: PortkeyJson }
    }
}

impl<R> ExchangeLayer<R> {
    /// Who asks for tokens; nobody unless set.
    #[must_use]
    pub fn fetch(self, fetch: impl FetchToken + 'static) -> Self {
        self.change(|sources| sources.fetch = Some(Arc::new(fetch)))
    }

    /// How long a call may take; 5 s unless set.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        self.change(|sources| sources.timeout = limit)
    }

    /// Where Entra answers ([`CustomHost::operator`]), in place of `https://login.microsoftonline.com`: a sovereign cloud's
    /// authority, for example.
    #[must_use]
    pub fn entra_endpoint(self, url: CustomHost) -> Self {
        self.change(|sources| sources.endpoints.entra = Some(url))
    }

    /// Where Google gives tokens, in place of `https://oauth2.googleapis.com`, `sts.` and `iamcredentials.googleapis.com`.
    #[must_use]
    pub fn google_endpoint(self, url: CustomHost) -> Self {
        self.change(|sources| sources.endpoints.google = Some(url))
    }

    /// Where Azure's metadata service answers, in place of `http://169.254.169.254`.
    #[must_use]
    pub fn azure_metadata_endpoint(self, url: CustomHost) -> Self {
        self.change(|sources| sources.endpoints.azure_metadata = Some(url))
    }

    /// Where Google's metadata service answers, in place of `http://metadata.google.internal`.
    #[must_use]
    pub fn google_metadata_endpoint(self, url: CustomHost) -> Self {
        self.change(|sources| sources.endpoints.google_metadata = Some(url))
    }

    /// Lets entries use the managed identity of this machine; not unless set.
    #[must_use]
    pub fn azure_managed(self, allowed: bool) -> Self {
        self.change(|sources| sources.managed = allowed)
    }

    /// The workload identity of entries that use it; none unless set.
    #[must_use]
    pub fn azure_workload(self, workload: AzureWorkload) -> Self {
        self.change(|sources| sources.workload = Some(workload))
    }

    /// The gateway's own identity at Google, for entries that use it; none unless set.
    #[must_use]
    pub fn google_identity(self, identity: GoogleIdentity) -> Self {
        self.change(|sources| sources.google = Some(identity))
    }

    /// The time of day; the system's unless set.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.change(|sources| sources.clock = Arc::new(now))
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> ExchangeLayer<R2> {
        ExchangeLayer { sources: self.sources, render }
    }

    fn change(mut self, change: impl FnOnce(&mut Sources)) -> Self {
        change(Arc::make_mut(&mut self.sources));
        self
    }
}

impl Default for ExchangeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for ExchangeLayer<R> {
    type Service = Exchange<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let guard = ExchangeGuard { sources: Arc::clone(&self.sources) };
        GuardLayer::new(guard).render(self.render.clone()).layer(inner)
    }
}

impl Guard for ExchangeGuard {
    /// The token, where one was asked for.
    type Grant = Option<Credential>;
    type Future = BoxFuture<Result<Option<Credential>, Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<Self::Grant, Self::Future> {
        let Some(target) = head.extensions.get::<Target>() else {
            return Decision::refuse(Rejection::misassembled("ResolveLayer"));
        };
        let Some(exchange) = target.exchange() else { return Decision::pass(None) };
        match self.sources.token(exchange) {
            Decision::Now(token) => Decision::Now(token.map(Some)),
            Decision::Later(token) => Decision::Later(Box::pin(async move { token.await.map(Some) })),
        }
    }

    fn admit(&self, head: &mut Parts, token: Option<Credential>) {
        let Some(token) = token else { return };
        if let Some(target) = head.extensions.get_mut::<Target>() {
            tracing::debug!(
                target: "tower_portkey::decision",
                step = "exchange",
                source = target.exchange().map(|exchange| exchange.source().as_str()),
                scope = target.exchange().map(TokenExchange::scope),
            );
            target.note_exchanged(token);
        }
    }
}

impl fmt::Debug for ExchangeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sources.fmt(f)
    }
}

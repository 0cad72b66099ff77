use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::request::Parts;
use pin_project_lite::pin_project;
use tower_layer::Layer;

use super::{
    cache::Decoded,
    decode::Asks,
    request::{Read, Source, named_host, read, unknown_id},
    saved::{NoConfigs, ResolveConfig, SavedConfig},
};
use crate::{
    context::{Asked, ConfigTree, ProviderIds, ProviderRef, RequestConfig},
    guard::{Decision, Guard, GuardLayer, GuardService},
    host::TrustedHosts,
    rejection::{PortkeyJson, Rejection},
};

/// Validates what a request asks for, and finds its config. See the [module](super).
#[derive(Clone)]
pub struct ConfigLayer<C = NoConfigs, R = PortkeyJson> {
    trusted_hosts: TrustedHosts,
    saved_only: bool,
    providers: ProviderIds,
    configs: C,
    decoded: Arc<Decoded>,
    render: R,
}

/// A service behind [`ConfigLayer`].
pub type Config<S, C = NoConfigs, R = PortkeyJson> = GuardService<S, ConfigGuard<C>, R>;

/// The guard of [`ConfigLayer`].
#[derive(Debug)]
pub struct ConfigGuard<C> {
    trusted_hosts: TrustedHosts,
    saved_only: bool,
    providers: ProviderIds,
    configs: C,
    decoded: Arc<Decoded>,
}

impl ConfigLayer {
    /// Configs come as JSON in the header, none is saved; callers may name no private host.
    #[must_use]
    pub fn new() -> Self {
        let decoded = Arc::new(Decoded::new());
        let (trusted_hosts, providers) = (TrustedHosts::default(), ProviderIds::default());
        Self { trusted_hosts, saved_only: false, providers, configs: NoConfigs, decoded, render: PortkeyJson }
    }
}

impl<C, R> ConfigLayer<C, R> {
    /// Where saved configs are found; nowhere unless set.
    #[must_use]
    pub fn configs<C2>(self, configs: C2) -> ConfigLayer<C2, R> {
        let Self { trusted_hosts, saved_only, providers, decoded, render, .. } = self;
        ConfigLayer { trusted_hosts, saved_only, providers, configs, decoded, render }
    }

    /// Private and loopback hosts that callers may name as custom host; none unless set.
    #[must_use]
    pub fn trusted_hosts(mut self, hosts: TrustedHosts) -> Self {
        self.trusted_hosts = hosts;
        // What was decoded was judged by other rules.
        self.decoded = Arc::new(Decoded::new());
        self
    }

    /// Whether callers may name stored entries and saved configs only (Portkey: saved-only mode); not unless set. A config
    /// object, a built-in provider, a custom host, a provider's URL and a list of headers to forward are then refused,
    /// the first of them by its code ([`Kind::InlineBlocked`](crate::rejection::Kind::InlineBlocked)). A credential alone
    /// selects nothing, and passes.
    #[must_use]
    pub fn saved_only(mut self, saved_only: bool) -> Self {
        self.saved_only = saved_only;
        self
    }

    /// The ids that headers and configs may name; the built-in ones unless set.
    #[must_use]
    pub fn providers(mut self, providers: ProviderIds) -> Self {
        self.providers = providers;
        self.decoded = Arc::new(Decoded::new());
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> ConfigLayer<C, R2> {
        let Self { trusted_hosts, saved_only, providers, configs, decoded, .. } = self;
        ConfigLayer { trusted_hosts, saved_only, providers, configs, decoded, render }
    }
}

impl Default for ConfigLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<C, R> fmt::Debug for ConfigLayer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigLayer").field("configs", &std::any::type_name::<C>()).finish_non_exhaustive()
    }
}

impl<S, C: Clone, R: Clone> Layer<S> for ConfigLayer<C, R> {
    type Service = Config<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let guard = ConfigGuard {
            trusted_hosts: self.trusted_hosts.clone(),
            saved_only: self.saved_only,
            providers: self.providers.clone(),
            configs: self.configs.clone(),
            decoded: Arc::clone(&self.decoded),
        };
        GuardLayer::new(guard).render(self.render.clone()).layer(inner)
    }
}

impl<C: ResolveConfig> Guard for ConfigGuard<C> {
    type Grant = RequestConfig;
    type Future = ConfigFuture<C::Future>;

    fn decide(&self, head: &Parts) -> Decision<RequestConfig, Self::Future> {
        let read = read(head, &self.trusted_hosts, &self.providers, self.saved_only);
        let Read { asked, forward, named, source, hosted } = match read {
            Ok(read) => read,
            Err(refused) => return Decision::refuse(refused),
        };
        match (source, forward) {
            (Source::None | Source::Saved { .. }, Err(refused)) => Decision::refuse(refused),
            (Source::None, Ok(())) => Decision::Now(Ok(config(asked, named, None))),
            (Source::Inline(json), forward) => {
                let host = |url: &str, may_defer| named_host(url, &self.trusted_hosts, may_defer).ok();
                let (provider_header, provider) = (named.is_some(), |id: &str| self.providers.parse(id));
                let asks = Asks { provider_header, slugs: hosted, saved: false, provider: &provider, host: &host };
                let decoded = self.decoded.get(json.as_bytes(), &asks);
                let decoded = decoded.map_err(Rejection::from).and_then(|tree| forward.map(|()| tree));
                Decision::Now(decoded.map(|tree| config(asked, named, Some(tree))))
            }
            (Source::Saved { id, workspace, required }, Ok(())) => match self.configs.resolve(workspace, id) {
                Decision::Now(found) => Decision::Now(saved(found, (asked, named), required)),
                Decision::Later(future) => {
                    Decision::Later(ConfigFuture { future, waiting: Some(((asked, named), required)) })
                }
            },
        }
    }

    fn admit(&self, head: &mut Parts, config: RequestConfig) {
        tracing::debug!(
            target: "tower_portkey::decision",
            step = "config",
            config = config.source(),
            targets = config.has_targets(),
            custom_host = config.named_host().is_some(),
        );
        head.extensions.insert(config);
    }
}

fn config(asked: Asked, named: Option<ProviderRef>, tree: Option<Arc<ConfigTree>>) -> RequestConfig {
    RequestConfig { asked, named, tree, ..RequestConfig::default() }
}

fn saved(
    found: Result<Option<SavedConfig>, Rejection>,
    (asked, named): (Asked, Option<ProviderRef>),
    required: bool,
) -> Result<RequestConfig, Rejection> {
    match found? {
        None if required => Err(unknown_id()),
        found => Ok(config(asked, named, found.map(|found| found.tree()))),
    }
}

pin_project! {
    /// The wait for a saved config.
    pub struct ConfigFuture<F> {
        #[pin]
        future: F,
        waiting: Option<((Asked, Option<ProviderRef>), bool)>,
    }
}

impl<F: Future<Output = Result<Option<SavedConfig>, Rejection>>> Future for ConfigFuture<F> {
    type Output = Result<RequestConfig, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let found = ready!(this.future.poll(cx));
        let Some((headers, required)) = this.waiting.take() else { return Poll::Pending };
        Poll::Ready(saved(found, headers, required))
    }
}

impl<F> fmt::Debug for ConfigFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigFuture").finish_non_exhaustive()
    }
}

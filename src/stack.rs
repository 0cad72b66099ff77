//! The whole order as one type.

mod sent;

use std::fmt;

use tower_layer::{Identity, Layer, Stack};

use crate::{
    ConfigLayer, ExtractLayer, InjectLayer, LimitGateLayer, LimitLayer, ModelLayer, PortkeyAuthLayer,
    RequireScopeLayer, RescueLayer, ResolveLayer, StrategyLayer,
    config::{Config, NoConfigs},
    context::{ProviderId, ProviderIds},
    extract::Extract,
    host::{CustomHost, TrustedHosts},
    inject::Forwarded,
    limit::{ByBody, Limit, LimitGate, NoCounter, PriceTable},
    model::{Model, NoEntries},
    provider::{Provider, Resolve},
    rejection::PortkeyJson,
    rescue::Rescue,
    strategy::Strategy,
};

pub use sent::Sent;
use sent::SentLayer;

/// Who may come in: holders of a credential with the route's scope.
pub type Authenticated<V> = Stack<RequireScopeLayer, PortkeyAuthLayer<V>>;

/// Who may come in: everybody. Callers bring the provider's credential themselves; there is none to protect.
pub type Anonymous = Identity;

/// Every layer of the path in its order: rescue, extract, auth, scope, limit gate, config, model, limits of callers,
/// strategy, limits of entries, rescue, resolve, and [`Sent`]: inject, with the feature `bedrock` between translate and sign.
/// The second rescue makes answers of failures, which a strategy may answer with the next target.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_portkey::{GatewayKey, PortkeyAuthLayer, PortkeyLayer, body::FullOr, context::Principal};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = GatewayKey::new("pk-7Qm2vX9tRb4Ls8Kd1Wn6", Principal::new("ci").with_scopes(["completions.write"]))?;
/// let layer = PortkeyLayer::builder().auth(PortkeyAuthLayer::keys([key])?).build();
///
/// // In front of a real provider this is `Forward::new(client)`.
/// let leaf = service_fn(async |request: Request<FullOr<String>>| {
///     assert_eq!(request.uri(), "https://api.openai.com/v1/chat/completions");
///     assert_eq!(request.headers()["authorization"], "Bearer sk-provider");
///     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
/// });
/// let gateway = layer.layer(leaf);
///
/// let request = Request::post("/v1/chat/completions")
///     .header("x-portkey-api-key", "pk-7Qm2vX9tRb4Ls8Kd1Wn6")
///     .header("x-portkey-provider", "openai")
///     .header("authorization", "Bearer sk-provider");
/// assert_eq!(gateway.clone().oneshot(request.body(String::new())?).await?.status(), 200);
/// assert_eq!(gateway.oneshot(Request::post("/v1/chat/completions").body(String::new())?).await?.status(), 401);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PortkeyLayer<A, C = NoConfigs, E = NoEntries, K = NoCounter> {
    rescue: RescueLayer,
    extract: ExtractLayer,
    auth: A,
    gate: LimitGateLayer<K>,
    config: ConfigLayer<C>,
    model: ModelLayer<E>,
    callers: LimitLayer<K, ByBody>,
    strategy: StrategyLayer,
    entries: LimitLayer<K, ByBody>,
    resolve: ResolveLayer,
    sent: SentLayer,
}

/// What stands between authentication and the leaf.
pub type Routed<S, C = NoConfigs, E = NoEntries, K = NoCounter> =
    LimitGate<Config<Model<Limited<Strategy<Attempt<S, K>, PortkeyJson>, K>, E, PortkeyJson>, C>, K>;

/// What each attempt passes.
pub type Attempt<S, K = NoCounter> = Limited<Rescue<Resolve<Sent<S>>, PortkeyJson>, K>;

/// A service whose requests are counted.
pub type Limited<S, K> = Limit<S, K, ByBody, PortkeyJson>;

/// A service behind [`PortkeyLayer`].
pub type Portkey<S, A, C = NoConfigs, E = NoEntries, K = NoCounter> =
    Rescue<Extract<<A as Layer<Routed<S, C, E, K>>>::Service>, PortkeyJson>;

impl PortkeyLayer<Anonymous> {
    /// Begins with who may come in.
    pub fn builder() -> PortkeyLayerBuilder<Unset> {
        PortkeyLayerBuilder {
            auth: Unset(()),
            named: Named::default(),
            resolve: ResolveLayer::new(),
            sent: SentLayer::default(),
            body_limit: None,
            configs: NoConfigs,
            entries: NoEntries,
            counter: NoCounter,
            metering: Metering::default(),
        }
    }
}

impl<S, A, C, E, K> Layer<S> for PortkeyLayer<A, C, E, K>
where
    A: Layer<Routed<S, C, E, K>>,
    C: Clone,
    E: Clone,
    K: Clone,
{
    type Service = Portkey<S, A, C, E, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let attempt = self.rescue.layer(self.resolve.layer(self.sent.layer(inner)));
        let chosen = self.callers.layer(self.strategy.layer(self.entries.layer(attempt)));
        let routed = self.config.layer(self.model.layer(chosen));
        self.rescue.layer(self.extract.layer(self.auth.layer(self.gate.layer(routed))))
    }
}

impl<A, C, E, K> fmt::Debug for PortkeyLayer<A, C, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortkeyLayer").field("auth", &std::any::type_name::<A>()).finish_non_exhaustive()
    }
}

/// Nobody has said yet who may come in; a layer can't be built like that.
#[derive(Clone, Copy, Debug)]
pub struct Unset(());

/// Collects the settings of a [`PortkeyLayer`].
#[derive(Clone)]
#[must_use]
pub struct PortkeyLayerBuilder<A, C = NoConfigs, E = NoEntries, K = NoCounter> {
    auth: A,
    named: Named,
    resolve: ResolveLayer,
    sent: SentLayer,
    body_limit: Option<usize>,
    configs: C,
    entries: E,
    counter: K,
    metering: Metering,
}

/// What callers may name.
#[derive(Clone, Debug, Default)]
struct Named {
    trusted_hosts: TrustedHosts,
    saved_only: bool,
    providers: ProviderIds,
}

/// How tokens and cost are counted.
#[derive(Clone, Default)]
struct Metering {
    prices: PriceTable,
    output: Option<u64>,
    include_usage: bool,
}

impl Metering {
    fn of<K>(self, layer: LimitLayer<K>) -> LimitLayer<K, ByBody> {
        let layer = layer.read_bodies().prices(self.prices).include_usage(self.include_usage);
        match self.output {
            Some(tokens) => layer.default_output_tokens(tokens),
            None => layer,
        }
    }
}

impl<C, E, K> PortkeyLayerBuilder<Unset, C, E, K> {
    /// Lets in whom this layer knows, on routes whose scope they have.
    pub fn auth<V>(self, auth: PortkeyAuthLayer<V>) -> PortkeyLayerBuilder<Authenticated<V>, C, E, K> {
        self.with(Stack::new(RequireScopeLayer::by_route(), auth))
    }

    /// Lets everybody in: no gateway credential is asked for, and `authorization` is the provider's. For addresses that
    /// only trusted callers reach. Saved configs and provider entries are nobody's then.
    pub fn anonymous(self) -> PortkeyLayerBuilder<Anonymous, C, E, K> {
        self.with(Identity::new())
    }

    fn with<A>(self, auth: A) -> PortkeyLayerBuilder<A, C, E, K> {
        let Self { auth: Unset(()), named, resolve, sent, body_limit, configs, entries, counter, metering } = self;
        PortkeyLayerBuilder { auth, named, resolve, sent, body_limit, configs, entries, counter, metering }
    }
}

impl<A, C, E, K> PortkeyLayerBuilder<A, C, E, K> {
    /// Where saved configs are found ([`ResolveConfig`](crate::config::ResolveConfig)); nowhere unless set.
    pub fn configs<C2>(self, configs: C2) -> PortkeyLayerBuilder<A, C2, E, K> {
        let Self { auth, named, resolve, sent, body_limit, entries, counter, metering, .. } = self;
        PortkeyLayerBuilder { auth, named, resolve, sent, body_limit, configs, entries, counter, metering }
    }

    /// Where provider entries are found ([`ResolveProvider`](crate::model::ResolveProvider)); nowhere unless set.
    pub fn entries<E2>(self, entries: E2) -> PortkeyLayerBuilder<A, C, E2, K> {
        let Self { auth, named, resolve, sent, body_limit, configs, counter, metering, .. } = self;
        PortkeyLayerBuilder { auth, named, resolve, sent, body_limit, configs, entries, counter, metering }
    }

    /// Who counts what callers and entries use ([`Counter`](crate::limit::Counter)). Nobody unless set: then whoever has
    /// limits is refused.
    pub fn limits<K2>(self, counter: K2) -> PortkeyLayerBuilder<A, C, E, K2> {
        let Self { auth, named, resolve, sent, body_limit, configs, entries, metering, .. } = self;
        PortkeyLayerBuilder { auth, named, resolve, sent, body_limit, configs, entries, counter, metering }
    }

    /// What tokens cost, for budgets in USD; nothing unless set.
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.metering.prices = prices;
        self
    }

    /// See [`LimitLayer::default_output_tokens`].
    pub fn default_output_tokens(mut self, tokens: u64) -> Self {
        self.metering.output = Some(tokens);
        self
    }

    /// See [`LimitLayer::include_usage`]; not unless set.
    pub fn include_usage(mut self, include: bool) -> Self {
        self.metering.include_usage = include;
        self
    }

    /// Private and loopback hosts that callers may name as custom host; none unless set.
    pub fn trusted_hosts(mut self, hosts: TrustedHosts) -> Self {
        self.named.trusted_hosts = hosts;
        self
    }

    /// Whether callers may name stored entries and saved configs only ([`ConfigLayer::saved_only`]); not unless set.
    pub fn saved_only(mut self, saved_only: bool) -> Self {
        self.named.saved_only = saved_only;
        self
    }

    /// The operator's own base URL for a built-in provider ([`CustomHost::operator`]).
    pub fn base_url(mut self, provider: ProviderId, url: CustomHost) -> Self {
        self.resolve = self.resolve.base_url(provider, url);
        self
    }

    /// Adds a provider that the catalog doesn't have ([`ProviderSpec`](crate::provider::ProviderSpec), or an own
    /// [`Provider`]). Everybody may name it by its id, like a built-in one.
    pub fn provider(mut self, provider: impl Provider + 'static) -> Self {
        self.named.providers = self.named.providers.with(provider.id());
        self.resolve = self.resolve.provider(provider);
        self
    }

    /// Which of the caller's headers reach the provider.
    pub fn headers(mut self, forwarded: Forwarded) -> Self {
        self.sent.inject = InjectLayer::with_headers(forwarded);
        self
    }

    /// The longest body that is read, in bytes, where it has to be: to find its model, to change it, or to send it more
    /// than once. 10 MiB unless set.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }
}

impl<V, C, E, K: Clone> PortkeyLayerBuilder<Authenticated<V>, C, E, K> {
    /// The layer.
    #[must_use]
    pub fn build(self) -> PortkeyLayer<Authenticated<V>, C, E, K> {
        self.finish()
    }
}

impl<C, E, K: Clone> PortkeyLayerBuilder<Anonymous, C, E, K> {
    /// The layer.
    #[must_use]
    pub fn build(self) -> PortkeyLayer<Anonymous, C, E, K> {
        self.finish()
    }
}

impl<A, C, E, K: Clone> PortkeyLayerBuilder<A, C, E, K> {
    fn finish(self) -> PortkeyLayer<A, C, E, K> {
        let Named { trusted_hosts, saved_only, providers } = self.named;
        // Where callers are authenticated, no request comes here without a principal.
        let callers = LimitLayer::callers(self.counter.clone()).allow_anonymous();
        let model = ModelLayer::new(self.entries);
        PortkeyLayer {
            rescue: RescueLayer::new(),
            extract: ExtractLayer::new(),
            auth: self.auth,
            gate: LimitGateLayer::with_anonymous(self.counter.clone()),
            resolve: self.resolve.trusted_hosts(trusted_hosts.clone()),
            config: ConfigLayer::new()
                .trusted_hosts(trusted_hosts)
                .saved_only(saved_only)
                .providers(providers)
                .configs(self.configs),
            model: match self.body_limit {
                Some(bytes) => model.limit(bytes),
                None => model,
            },
            callers: self.metering.clone().of(callers),
            strategy: StrategyLayer::new(),
            entries: self.metering.of(LimitLayer::entries(self.counter)),
            sent: self.sent,
        }
    }
}

impl<A, C, E, K> fmt::Debug for PortkeyLayerBuilder<A, C, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortkeyLayerBuilder").field("named", &self.named).finish_non_exhaustive()
    }
}

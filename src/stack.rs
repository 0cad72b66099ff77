//! The whole order as one type.

use std::fmt;

use tower_layer::{Identity, Layer, Stack};

use crate::{
    ConfigLayer, ExtractLayer, InjectLayer, ParamsLayer, PortkeyAuthLayer, RequireScopeLayer, RescueLayer,
    ResolveLayer,
    config::Config,
    context::ProviderId,
    extract::Extract,
    host::{CustomHost, TrustedHosts},
    inject::{Forwarded, Inject},
    params::ApplyParams,
    provider::Resolve,
    rejection::PortkeyJson,
    rescue::Rescue,
};

/// Who may come in: holders of a credential with the route's scope.
pub type Authenticated<V> = Stack<RequireScopeLayer, PortkeyAuthLayer<V>>;

/// Who may come in: everybody. Callers bring the provider's credential themselves; there is none to protect.
pub type Anonymous = Identity;

/// Every layer of the path in its order: rescue, extract, auth, scope, config, params, resolve, inject.
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
pub struct PortkeyLayer<A> {
    rescue: RescueLayer,
    extract: ExtractLayer,
    auth: A,
    config: ConfigLayer,
    params: ParamsLayer,
    resolve: ResolveLayer,
    inject: InjectLayer,
}

/// What stands between authentication and the leaf.
pub type Routed<S> = Config<ApplyParams<Resolve<Inject<S>>, PortkeyJson>>;

/// A service behind [`PortkeyLayer`].
pub type Portkey<S, A> = Rescue<Extract<<A as Layer<Routed<S>>>::Service>, PortkeyJson>;

impl PortkeyLayer<Anonymous> {
    /// Begins with who may come in.
    pub fn builder() -> PortkeyLayerBuilder<Unset> {
        PortkeyLayerBuilder {
            auth: Unset(()),
            trusted_hosts: TrustedHosts::default(),
            base_urls: Vec::new(),
            forwarded: Forwarded::portkey(),
            params: ParamsLayer::new(),
        }
    }
}

impl<S, A: Layer<Routed<S>>> Layer<S> for PortkeyLayer<A> {
    type Service = Portkey<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let resolved = self.resolve.layer(self.inject.layer(inner));
        let routed = self.config.layer(self.params.layer(resolved));
        self.rescue.layer(self.extract.layer(self.auth.layer(routed)))
    }
}

impl<A> fmt::Debug for PortkeyLayer<A> {
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
pub struct PortkeyLayerBuilder<A> {
    auth: A,
    trusted_hosts: TrustedHosts,
    base_urls: Vec<(ProviderId, CustomHost)>,
    forwarded: Forwarded,
    params: ParamsLayer,
}

impl PortkeyLayerBuilder<Unset> {
    /// Lets in whom this layer knows, on routes whose scope they have.
    pub fn auth<V>(self, auth: PortkeyAuthLayer<V>) -> PortkeyLayerBuilder<Authenticated<V>> {
        self.with(Stack::new(RequireScopeLayer::by_route(), auth))
    }

    /// Lets everybody in: no gateway credential is asked for, and `authorization` is the provider's. For addresses that
    /// only trusted callers reach.
    pub fn anonymous(self) -> PortkeyLayerBuilder<Anonymous> {
        self.with(Identity::new())
    }

    fn with<A>(self, auth: A) -> PortkeyLayerBuilder<A> {
        let Self { auth: Unset(()), trusted_hosts, base_urls, forwarded, params } = self;
        PortkeyLayerBuilder { auth, trusted_hosts, base_urls, forwarded, params }
    }
}

impl<A> PortkeyLayerBuilder<A> {
    /// Private and loopback hosts that callers may name as custom host; none unless set.
    pub fn trusted_hosts(mut self, hosts: TrustedHosts) -> Self {
        self.trusted_hosts = hosts;
        self
    }

    /// The operator's own base URL for a built-in provider ([`CustomHost::operator`]).
    pub fn base_url(mut self, provider: ProviderId, url: CustomHost) -> Self {
        self.base_urls.push((provider, url));
        self
    }

    /// Which of the caller's headers reach the provider.
    pub fn headers(mut self, forwarded: Forwarded) -> Self {
        self.forwarded = forwarded;
        self
    }

    /// The longest JSON body that is read in order to change it, in bytes; 10 MiB unless set.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.params = self.params.limit(bytes);
        self
    }
}

impl<V> PortkeyLayerBuilder<Authenticated<V>> {
    /// The layer.
    #[must_use]
    pub fn build(self) -> PortkeyLayer<Authenticated<V>> {
        self.finish()
    }
}

impl PortkeyLayerBuilder<Anonymous> {
    /// The layer.
    #[must_use]
    pub fn build(self) -> PortkeyLayer<Anonymous> {
        self.finish()
    }
}

impl<A> PortkeyLayerBuilder<A> {
    fn finish(self) -> PortkeyLayer<A> {
        let resolve = ResolveLayer::new().trusted_hosts(self.trusted_hosts.clone());
        let resolve = self.base_urls.into_iter().fold(resolve, |layer, (provider, url)| layer.base_url(provider, url));
        PortkeyLayer {
            rescue: RescueLayer::new(),
            extract: ExtractLayer::new(),
            auth: self.auth,
            config: ConfigLayer::new().trusted_hosts(self.trusted_hosts),
            params: self.params,
            resolve,
            inject: InjectLayer::with_headers(self.forwarded),
        }
    }
}

impl<A> fmt::Debug for PortkeyLayerBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortkeyLayerBuilder").field("trusted_hosts", &self.trusted_hosts).finish_non_exhaustive()
    }
}

use std::future::Ready;

use http::request::Parts;
use tower_layer::Layer;

use super::request::read;
use crate::{
    context::RequestConfig,
    guard::{Decision, Guard, GuardLayer, GuardService},
    host::TrustedHosts,
    rejection::{PortkeyJson, Rejection},
};

/// Validates what a request asks for. See the [module](super).
#[derive(Clone, Debug)]
pub struct ConfigLayer<R = PortkeyJson> {
    trusted_hosts: TrustedHosts,
    render: R,
}

/// A service behind [`ConfigLayer`].
pub type Config<S, R = PortkeyJson> = GuardService<S, ConfigGuard, R>;

/// The guard of [`ConfigLayer`].
#[derive(Debug)]
pub struct ConfigGuard {
    trusted_hosts: TrustedHosts,
}

impl ConfigLayer {
    /// Configs come as JSON in the header; no private host is trusted.
    #[must_use]
    pub fn new() -> Self {
        Self { trusted_hosts: TrustedHosts::default(), render: PortkeyJson }
    }
}

impl<R> ConfigLayer<R> {
    /// Private and loopback hosts that callers may name as custom host; none unless set.
    #[must_use]
    pub fn trusted_hosts(mut self, hosts: TrustedHosts) -> Self {
        self.trusted_hosts = hosts;
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> ConfigLayer<R2> {
        ConfigLayer { trusted_hosts: self.trusted_hosts, render }
    }
}

impl Default for ConfigLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for ConfigLayer<R> {
    type Service = Config<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let guard = ConfigGuard { trusted_hosts: self.trusted_hosts.clone() };
        GuardLayer::new(guard).render(self.render.clone()).layer(inner)
    }
}

impl Guard for ConfigGuard {
    type Grant = RequestConfig;
    type Future = Ready<Result<RequestConfig, Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<RequestConfig, Self::Future> {
        Decision::Now(read(head, &self.trusted_hosts))
    }

    fn admit(&self, head: &mut Parts, config: RequestConfig) {
        head.extensions.insert(config);
    }
}

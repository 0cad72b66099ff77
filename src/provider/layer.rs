use std::{collections::HashMap, future::Ready, sync::Arc};

use http::{Uri, request::Parts};
use tower_layer::Layer;

use super::{
    catalog::{self, Row},
    own::Provider,
    resolve::resolve,
};
#[cfg(feature = "bedrock")]
use crate::{context::AwsError, host::is_host_label};
use crate::{
    context::{CredentialSource, Entry, ProviderId, RequestConfig, Target},
    guard::{Decision, Guard, GuardLayer, GuardService},
    host::{CustomHost, TrustedHosts},
    rejection::{PortkeyJson, Rejection},
};

/// Finds the provider, its host and the credential. See the [module](super).
#[derive(Clone, Debug)]
pub struct ResolveLayer<R = PortkeyJson> {
    settings: Arc<Settings>,
    render: R,
}

/// A service behind [`ResolveLayer`].
pub type Resolve<S, R = PortkeyJson> = GuardService<S, ResolveGuard, R>;

/// The guard of [`ResolveLayer`].
#[derive(Debug)]
pub struct ResolveGuard {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) trusted_hosts: TrustedHosts,
    pub(super) base_urls: HashMap<ProviderId, CustomHost>,
    /// Providers that the catalog doesn't have, or has otherwise.
    pub(super) own: HashMap<ProviderId, Arc<Row>>,
    /// In place of the domain of a region's own.
    #[cfg(feature = "bedrock")]
    pub(super) aws_domain: Option<Box<str>>,
    /// Metadata that become tags of the sessions of assumed roles.
    #[cfg(feature = "bedrock")]
    pub(super) aws_session_tags: Vec<Box<str>>,
}

impl Settings {
    /// The operator's own base URL for the provider of a row.
    pub(super) fn base_url<'r>(&'r self, row: &'r Row) -> Option<&'r CustomHost> {
        self.base_urls.get(row.provider()).or_else(|| row.own_base())
    }

    /// What is known of a provider. Where nobody has added one, nothing is looked up but the catalog.
    pub(super) fn row(&self, id: &ProviderId) -> Option<&Row> {
        self.own.get(id).map(|row| &**row).or_else(|| catalog::row(id))
    }
}

impl ResolveLayer {
    /// Built-in providers at their own addresses, with the caller's credential.
    #[must_use]
    pub fn new() -> Self {
        Self { settings: Arc::default(), render: PortkeyJson }
    }

    /// Whether requests for this built-in provider can be served. Those whose credential has to be exchanged for another can't be
    /// yet; those of AWS's, whose credential signs requests, with the feature `bedrock`.
    #[must_use]
    pub fn serves(provider: &ProviderId) -> bool {
        catalog::row(provider).is_some()
    }
}

impl<R> ResolveLayer<R> {
    /// Adds a provider that the catalog doesn't have. Requests, configs and entries name it by its id, which
    /// [`ConfigLayer::providers`](crate::ConfigLayer::providers) has to know, too. Of two with one id, the later counts.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider + 'static) -> Self {
        let row = Row::own(Arc::new(provider));
        Arc::make_mut(&mut self.settings).own.insert(row.provider().clone(), Arc::new(row));
        self
    }

    /// The operator's own base URL for a provider ([`CustomHost::operator`]). It takes the place of scheme,
    /// host and base path, whichever endpoint of the provider's the route would have used.
    #[must_use]
    pub fn base_url(mut self, provider: ProviderId, url: CustomHost) -> Self {
        Arc::make_mut(&mut self.settings).base_urls.insert(provider, url);
        self
    }

    /// Private and loopback hosts that callers may name in a provider's own base URL field; none unless set.
    #[must_use]
    pub fn trusted_hosts(mut self, hosts: TrustedHosts) -> Self {
        Arc::make_mut(&mut self.settings).trusted_hosts = hosts;
        self
    }

    /// The domain of AWS's endpoints, in place of the one that the region says
    /// ([`aws_domain`](crate::context::aws_domain)).
    ///
    /// # Errors
    ///
    /// It is no domain: [`AwsError::Domain`].
    #[cfg(feature = "bedrock")]
    #[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
    pub fn aws_endpoint_domain(mut self, domain: &str) -> Result<Self, AwsError> {
        if !domain.split('.').all(is_host_label) {
            return Err(AwsError::Domain);
        }
        Arc::make_mut(&mut self.settings).aws_domain = Some(domain.to_ascii_lowercase().into());
        Ok(self)
    }

    /// The names of metadata that become tags of the sessions of assumed roles; none unless set. Metadata of the key or token
    /// and of the workspace count ([`Principal::metadata`](crate::context::Principal::metadata)), a request's own don't. Each
    /// combination of their values is a session of its own, and the role has to allow `sts:TagSession`.
    #[cfg(feature = "bedrock")]
    #[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
    #[must_use]
    pub fn aws_session_tags<I: IntoIterator<Item: Into<Box<str>>>>(mut self, names: I) -> Self {
        Arc::make_mut(&mut self.settings).aws_session_tags = names.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> ResolveLayer<R2> {
        ResolveLayer { settings: self.settings, render }
    }
}

impl Default for ResolveLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for ResolveLayer<R> {
    type Service = Resolve<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let guard = ResolveGuard { settings: Arc::clone(&self.settings) };
        GuardLayer::new(guard).render(self.render.clone()).layer(inner)
    }
}

impl Guard for ResolveGuard {
    type Grant = (Uri, Target);
    type Future = Ready<Result<Self::Grant, Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<Self::Grant, Self::Future> {
        Decision::Now(resolve(head, &self.settings))
    }

    fn admit(&self, head: &mut Parts, (uri, target): Self::Grant) {
        tracing::debug!(
            target: "tower_portkey::decision",
            step = "resolve",
            attempt = head.extensions.get::<RequestConfig>().map(RequestConfig::path),
            entry = head.extensions.get::<RequestConfig>().and_then(RequestConfig::entry).map(Entry::slug),
            provider = target.provider().as_str(),
            host = target.authority().as_str(),
            host_of = target.origin().as_str(),
            credential_of = target.credential_source().map(CredentialSource::as_str),
            credential_in = target.credential().and_then(|_| target.placement().name()),
        );
        head.uri = uri;
        head.extensions.insert(target);
    }
}

//! `[upstream]`: how providers are reached.

use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use serde::Deserialize;
use toml::Spanned;
use tower_portkey::{ResolveLayer, context::ProviderId, forward::egress::Proxy, host::CustomHost, host::TrustedHosts};

use super::{error::Problem, secret::SecretRef, tokens};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamTable {
    connect_timeout_ms: NonZeroU64,
    first_byte_timeout_ms: NonZeroU64,
    idle_timeout_ms: NonZeroU64,
    session_idle_timeout_ms: NonZeroU64,
    connections_per_host: NonZeroUsize,
    connections_per_caller_host: NonZeroUsize,
    proxy: Option<Spanned<String>>,
    proxy_credentials: Option<Spanned<SecretRef>>,
    no_proxy: Option<Spanned<Vec<String>>>,
    allow_set_cookie: bool,
    pub(super) base_url: BTreeMap<String, Spanned<String>>,
}

/// How providers are reached.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Until a connection stands.
    pub(crate) connect: Duration,
    /// Until the head of a response is there.
    pub(crate) first_byte: Duration,
    /// Between two chunks of a response.
    pub(crate) idle: Duration,
    /// Of a WebSocket, in both directions.
    pub(crate) session_idle: Duration,
    /// Connections to one host.
    pub(crate) per_host: usize,
    /// Connections to one host that a caller named.
    pub(crate) per_caller_host: usize,
    /// Whom everything goes through, and what the operator calls it.
    pub(crate) proxy: Option<(Proxy, String)>,
    /// Whether callers get the cookies of providers.
    pub(crate) allow_set_cookie: bool,
}

impl UpstreamTable {
    pub(super) fn read(&self) -> Result<Upstream, Problem> {
        let time = |milliseconds: NonZeroU64| Duration::from_millis(milliseconds.get());
        Ok(Upstream {
            connect: time(self.connect_timeout_ms),
            first_byte: time(self.first_byte_timeout_ms),
            idle: time(self.idle_timeout_ms),
            session_idle: time(self.session_idle_timeout_ms),
            per_host: self.connections_per_host.get(),
            per_caller_host: self.connections_per_caller_host.get(),
            proxy: self.proxy()?,
            allow_set_cookie: self.allow_set_cookie,
        })
    }

    fn proxy(&self) -> Result<Option<(Proxy, String)>, Problem> {
        let Some(url) = &self.proxy else {
            let more = [
                ("upstream.proxy_credentials", self.proxy_credentials.as_ref().map(Spanned::span)),
                ("upstream.no_proxy", self.no_proxy.as_ref().map(Spanned::span)),
            ];
            return match more.into_iter().find_map(|(name, span)| Some((name, span?))) {
                Some((name, span)) => Err(Problem::new(Some(span), name, "there is no upstream.proxy")),
                None => Ok(None),
            };
        };
        let problem = |error: &dyn ToString| Problem::new(Some(url.span()), "upstream.proxy", error.to_string());
        let mut proxy = Proxy::http(url.get_ref()).map_err(|error| problem(&error))?;
        if let Some(hosts) = &self.no_proxy {
            let problem =
                |error: &dyn ToString| Problem::new(Some(hosts.span()), "upstream.no_proxy", error.to_string());
            proxy = proxy.bypass(TrustedHosts::parse(hosts.get_ref()).map_err(|error| problem(&error))?);
        }
        if let Some(secret) = &self.proxy_credentials {
            let problem = |why: String| Problem::new(Some(secret.span()), "upstream.proxy_credentials", why);
            let text = secret.get_ref().read().map_err(problem)?;
            proxy = proxy.credentials(&text).map_err(|error| problem(error.to_string()))?;
        }
        Ok(Some((proxy, url.get_ref().clone())))
    }

    pub(super) fn base_urls(&self) -> Result<BTreeMap<String, (ProviderId, CustomHost)>, Problem> {
        let mut urls = BTreeMap::new();
        // These are no providers: `aws` and `tokens` read their addresses.
        let own = |name: &str| name == "sts" || tokens::ADDRESSES.contains(&name);
        for (name, url) in self.base_url.iter().filter(|(name, _)| !own(name)) {
            let problem = |why: String| Problem::new(Some(url.span()), format!("upstream.base_url.{name}"), why);
            let Some(id) = ProviderId::parse(name) else {
                return Err(problem("there is no provider of this id".to_owned()));
            };
            if !ResolveLayer::serves(&id) {
                return Err(problem("this provider is not available in this build".to_owned()));
            }
            let host = CustomHost::operator(url.get_ref()).map_err(|error| problem(error.to_string()))?;
            urls.insert(name.clone(), (id, host));
        }
        Ok(urls)
    }
}

impl Default for UpstreamTable {
    fn default() -> Self {
        let seconds = |seconds: u64| NonZeroU64::new(seconds * 1000).unwrap_or(NonZeroU64::MIN);
        let count = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            connect_timeout_ms: seconds(5),
            first_byte_timeout_ms: seconds(120),
            idle_timeout_ms: seconds(120),
            session_idle_timeout_ms: seconds(300),
            connections_per_host: count(10_000),
            connections_per_caller_host: count(256),
            proxy: None,
            proxy_credentials: None,
            no_proxy: None,
            allow_set_cookie: false,
            base_url: BTreeMap::new(),
        }
    }
}

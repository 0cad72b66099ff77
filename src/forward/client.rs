use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;

use super::egress::{ClientError, Egress, EgressBuilder, Proxy, Reach, Resolve};
use crate::context::HostOrigin;

/// How many times the connections to one of them there may be to all hosts that callers name.
const CALLER_HOSTS: usize = 8;

/// How requests go out: the connector's settings and time limits. A clone is one reference count.
///
/// Roots of trust are the system's; where it has none, Mozilla's as of the build (webpki-roots). Proxies named in the
/// environment are ignored: they would move name resolution out of reach of the address check.
#[derive(Clone, Debug)]
pub struct Client(Arc<Settings>);

struct Settings {
    builder: ClientBuilder,
    tls: ClientConfig,
    /// For the gateway's own errands; made when the first is run.
    own: OnceLock<Pools<Full<Bytes>>>,
    /// For WebSockets, each of which has a connection to itself; made when the first is opened.
    sessions: OnceLock<Pools<Full<Bytes>>>,
}

impl Client {
    /// A client with the limits said at the methods of [`ClientBuilder`].
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            egress: Egress::builder(),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(120),
            session_idle: Duration::from_secs(300),
            per_host: 10_000,
            per_caller_host: 256,
        }
    }

    pub(super) fn first_byte_timeout(&self) -> Duration {
        self.0.builder.first_byte
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.0.builder.idle
    }

    pub(super) fn session_idle_timeout(&self) -> Duration {
        self.0.builder.session_idle
    }

    pub(super) fn own_pools(&self) -> &Pools<Full<Bytes>> {
        self.0.own.get_or_init(|| self.pools())
    }

    /// As [`pools`](Client::pools), of connections over HTTP/1.1 that nobody else uses afterwards.
    pub(super) fn session_pools(&self) -> &Pools<Full<Bytes>> {
        self.0.sessions.get_or_init(|| self.make(true))
    }

    /// Four pools: a connection that was made under one policy is never used under another.
    pub(super) fn pools<B>(&self) -> Pools<B>
    where
        B: http_body::Body<Data: Send> + Send,
    {
        self.make(false)
    }

    fn make<B>(&self, sessions: bool) -> Pools<B>
    where
        B: http_body::Body<Data: Send> + Send,
    {
        let Settings { builder: ClientBuilder { egress, per_host, per_caller_host, .. }, tls, .. } = &*self.0;
        let pool = |reach, per_host: usize, all: usize, kept: u64| {
            let egress = egress.clone().reach(reach).connections_per_host(per_host).connections(all);
            let egress = if sessions { egress.http1() } else { egress };
            let mut builder = legacy::Client::builder(TokioExecutor::new());
            builder
                .pool_idle_timeout(Duration::from_secs(kept))
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .http2_max_header_list_size(64 * 1024);
            if sessions {
                builder.pool_max_idle_per_host(0);
            }
            builder.build(egress.with_tls(tls.clone()))
        };
        let known = |reach| pool(reach, *per_host, usize::MAX, 75);
        // Callers can name any number of hosts: what they leave behind is bounded, and gone sooner.
        let named = |reach| pool(reach, *per_caller_host, per_caller_host.saturating_mul(CALLER_HOSTS), 15);
        Pools {
            catalog: known(Reach::Public),
            operator: known(Reach::Private),
            caller: named(Reach::Public),
            trusted: named(Reach::Private),
        }
    }
}

/// Collects the settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    egress: EgressBuilder,
    first_byte: Duration,
    idle: Duration,
    session_idle: Duration,
    per_host: usize,
    per_caller_host: usize,
}

impl ClientBuilder {
    /// How long waiting for a place, name resolution, TCP and TLS may take together; 5 s unless set.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.egress = self.egress.connect_timeout(limit);
        self
    }

    /// How long the provider may take until the head of its response is there; 120 s unless set.
    #[must_use]
    pub fn first_byte_timeout(mut self, limit: Duration) -> Self {
        self.first_byte = limit;
        self
    }

    /// How long a response's stream may pause between two chunks; 120 s unless set. There is no limit on the whole.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// How long a WebSocket may be silent in both directions; 5 min unless set. There is no limit on the whole.
    #[must_use]
    pub fn session_idle_timeout(mut self, limit: Duration) -> Self {
        self.session_idle = limit;
        self
    }

    /// How many connections there may be to one host and port of the catalog's or the operator's; 10,000 unless set, at
    /// least 1. Whoever wants another one waits within the time for connecting, and is answered 503.
    #[must_use]
    pub fn connections_per_host(mut self, count: usize) -> Self {
        self.per_host = count;
        self
    }

    /// Likewise to one host that a caller named; 256 unless set. To all of them together eight times as many.
    #[must_use]
    pub fn connections_per_caller_host(mut self, count: usize) -> Self {
        self.per_caller_host = count;
        self
    }

    /// Who looks names up; the system unless set.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.egress = self.egress.resolver(resolver);
        self
    }

    /// Connects through a proxy; none unless set.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.egress = self.egress.proxy(proxy);
        self
    }

    /// Where this process listens: never dialled ([`EgressBuilder::own_addresses`]).
    #[must_use]
    pub fn own_addresses(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.egress = self.egress.own_addresses(addresses);
        self
    }

    /// Trusts this root too, a certificate in DER.
    #[must_use]
    pub fn root_certificate(mut self, der: Vec<u8>) -> Self {
        self.egress = self.egress.root_certificate(der);
        self
    }

    /// The client. Reads the system's roots of trust, so it may wait for the disk.
    ///
    /// # Errors
    ///
    /// A root certificate can't be read.
    pub fn build(self) -> Result<Client, ClientError> {
        let tls = self.egress.tls()?;
        Ok(Client(Arc::new(Settings { builder: self, tls, own: OnceLock::new(), sessions: OnceLock::new() })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("egress", &self.egress)
            .field("first_byte", &self.first_byte)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.builder.fmt(f)
    }
}

/// One pool of connections for each kind of host.
pub(super) struct Pools<B> {
    catalog: Pool<B>,
    operator: Pool<B>,
    caller: Pool<B>,
    trusted: Pool<B>,
}

type Pool<B> = legacy::Client<Egress, B>;

impl<B> Pools<B> {
    pub(super) fn of(&self, origin: HostOrigin) -> &Pool<B> {
        match origin {
            HostOrigin::Catalog => &self.catalog,
            HostOrigin::Operator => &self.operator,
            HostOrigin::Caller => &self.caller,
            HostOrigin::TrustedCaller => &self.trusted,
        }
    }
}

//! The connector: a place, a checked address, TLS, all within a time.

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use rustls::{ClientConfig, pki_types::CertificateDer};
use tokio::time::timeout;
use tower_service::Service;

use super::{
    dial::{Dialer, port},
    error::{EgressError, EgressErrorKind},
    places::Places,
    policy::{Policy, Reach},
    proxy::Proxy,
    resolve::{BoxFuture, Resolve, Resolver, SystemResolver},
    stream::EgressStream,
    tls::{self, ClientError},
};

/// Makes connections for `http` and `https` URIs by the rules of the [module](super). A clone is some reference counts
/// and shares the places for connections.
#[derive(Clone)]
pub struct Egress {
    https: HttpsConnector<Dialer>,
    limit: Duration,
    places: Places,
}

impl Egress {
    /// A connector to public addresses, with the settings said at the methods of [`EgressBuilder`].
    #[must_use]
    pub fn builder() -> EgressBuilder {
        EgressBuilder {
            reach: Reach::Public,
            limit: Duration::from_secs(5),
            resolver: Arc::new(SystemResolver),
            proxy: None,
            own: Arc::default(),
            per_host: 10_000,
            total: 10_000,
            roots: Vec::new(),
            http1: false,
        }
    }
}

/// Collects the settings of an [`Egress`].
#[derive(Clone)]
pub struct EgressBuilder {
    reach: Reach,
    limit: Duration,
    resolver: Arc<dyn Resolve>,
    proxy: Option<Arc<Proxy>>,
    own: Arc<[SocketAddr]>,
    per_host: usize,
    total: usize,
    roots: Vec<CertificateDer<'static>>,
    http1: bool,
}

impl EgressBuilder {
    /// Which addresses may be dialled; public ones only unless set.
    #[must_use]
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// How long waiting for a place, name resolution, TCP and TLS may take together; 5 s unless set.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Who looks names up; the system unless set.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Connects through a proxy; none unless set. Those of the environment are ignored: they would move name resolution
    /// out of reach of the check.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(Arc::new(proxy));
        self
    }

    /// Where this process listens: never dialled, so that no request comes back. An unspecified address (`0.0.0.0`, `::`)
    /// stands for all of this machine's.
    #[must_use]
    pub fn own_addresses(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.own = addresses.into_iter().collect();
        self
    }

    /// How many connections there may be to one host and port, in use or kept; 10,000 unless set, at least 1. Whoever
    /// wants another one waits within the time for connecting.
    #[must_use]
    pub fn connections_per_host(mut self, count: usize) -> Self {
        self.per_host = count;
        self
    }

    /// Likewise to all hosts together.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.total = count;
        self
    }

    /// Trusts this root too, a certificate in DER.
    #[must_use]
    pub fn root_certificate(mut self, der: Vec<u8>) -> Self {
        self.roots.push(CertificateDer::from(der));
        self
    }

    /// The connector. Reads the system's roots of trust, so it may wait for the disk.
    ///
    /// # Errors
    ///
    /// A root certificate can't be read.
    pub fn build(self) -> Result<Egress, ClientError> {
        let tls = self.tls()?;
        Ok(self.with_tls(tls))
    }

    /// For connections that stop to speak HTTP, which none of HTTP/2 can.
    pub(in crate::forward) fn http1(mut self) -> Self {
        self.http1 = true;
        self
    }

    pub(in crate::forward) fn tls(&self) -> Result<ClientConfig, ClientError> {
        tls::config(&self.roots)
    }

    pub(in crate::forward) fn with_tls(self, tls: ClientConfig) -> Egress {
        let dialer = Dialer {
            policy: Policy { reach: self.reach, own: self.own },
            resolver: Resolver::new(self.resolver),
            proxy: self.proxy,
            limit: self.limit,
        };
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = if self.http1 {
            builder.enable_http1().wrap_connector(dialer)
        } else {
            builder.enable_all_versions().wrap_connector(dialer)
        };
        Egress { https, limit: self.limit, places: Places::new(self.per_host, self.total) }
    }
}

impl Service<Uri> for Egress {
    type Response = EgressStream;
    type Error = EgressError;
    type Future = BoxFuture<Result<EgressStream, EgressError>>;

    /// Always ready: who has to wait waits in the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { mut https, limit, places } = self.clone();
        // One allocation a connection, not a request.
        Box::pin(async move {
            let started = Instant::now();
            let host = uri.host().ok_or(EgressErrorKind::NoHost)?;
            let place = places.take(format!("{host}:{}", port(&uri)).into());
            let place = timeout(limit, place).await.map_err(|_| EgressErrorKind::Full)?;
            let left = limit.saturating_sub(started.elapsed());
            // The dialer below is always ready, too.
            let connected = timeout(left, https.call(uri)).await.map_err(|_| EgressErrorKind::Timeout)?;
            let io = connected.map_err(|error| match error.downcast::<EgressError>() {
                Ok(error) => *error,
                Err(error) => EgressError::new(EgressErrorKind::Tls, error),
            })?;
            Ok(EgressStream::new(io, place))
        })
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl fmt::Debug for EgressBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressBuilder")
            .field("reach", &self.reach)
            .field("limit", &self.limit)
            .field("proxy", &self.proxy)
            .field("own", &self.own)
            .field("per_host", &self.per_host)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};

use super::{connect::Connect, egress::Reach};
use crate::context::HostOrigin;

/// How requests go out: TLS and time limits. A clone is one reference count.
///
/// Roots of trust are the system's; where it has none, Mozilla's as of the build (webpki-roots). Proxies named in the
/// environment are ignored: they would move name resolution out of reach of the address check.
#[derive(Clone, Debug)]
pub struct Client(Arc<Settings>);

struct Settings {
    limits: Limits,
    tls: ClientConfig,
    /// For the gateway's own errands; made when the first is run.
    own: OnceLock<Pools<Full<Bytes>>>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
}

impl Client {
    /// A client with the limits said at the methods of [`ClientBuilder`].
    #[must_use]
    pub fn builder() -> ClientBuilder {
        let limits = Limits {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(120),
        };
        ClientBuilder { limits, roots: Vec::new() }
    }

    pub(super) fn first_byte_timeout(&self) -> Duration {
        self.0.limits.first_byte
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.0.limits.idle
    }

    pub(super) fn own_pools(&self) -> &Pools<Full<Bytes>> {
        self.0.own.get_or_init(|| self.pools())
    }

    /// Four pools: a connection that was made under one policy is never used under another.
    pub(super) fn pools<B>(&self) -> Pools<B>
    where
        B: http_body::Body<Data: Send> + Send,
    {
        let pool = |reach| {
            legacy::Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(75))
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .http2_max_header_list_size(64 * 1024)
                .build(Connect::new(self.0.tls.clone(), reach, self.0.limits.connect))
        };
        Pools {
            catalog: pool(Reach::Public),
            operator: pool(Reach::Private),
            caller: pool(Reach::Public),
            trusted: pool(Reach::Private),
        }
    }
}

/// Collects the settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    limits: Limits,
    roots: Vec<CertificateDer<'static>>,
}

impl ClientBuilder {
    /// How long name resolution, TCP and TLS may take together; 5 s unless set.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// How long the provider may take until the head of its response is there; 120 s unless set.
    #[must_use]
    pub fn first_byte_timeout(mut self, limit: Duration) -> Self {
        self.limits.first_byte = limit;
        self
    }

    /// How long a response's stream may pause between two chunks; 120 s unless set. There is no limit on the whole.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.limits.idle = limit;
        self
    }

    /// Trusts this root too, a certificate in DER.
    #[must_use]
    pub fn root_certificate(mut self, der: Vec<u8>) -> Self {
        self.roots.push(CertificateDer::from(der));
        self
    }

    /// The client. Reads the system's roots of trust, so it may wait for the disk.
    ///
    /// # Errors
    ///
    /// A root certificate can't be read.
    pub fn build(self) -> Result<Client, ClientError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for root in self.roots {
            roots.add(root).map_err(|error| ClientError(error.into()))?;
        }
        // Said by name, so that no other provider a program may have installed is used.
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Client(Arc::new(Settings { limits: self.limits, tls, own: OnceLock::new() })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A client can't be built: a root certificate can't be read.
#[derive(Debug)]
pub struct ClientError(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a root certificate can't be read")
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// One pool of connections for each kind of host.
pub(super) struct Pools<B> {
    catalog: Pool<B>,
    operator: Pool<B>,
    caller: Pool<B>,
    trusted: Pool<B>,
}

type Pool<B> = legacy::Client<Connect, B>;

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

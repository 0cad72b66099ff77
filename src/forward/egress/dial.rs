//! Resolve once, check every address, dial what was checked.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{client::legacy::connect::proxy::Tunnel, rt::TokioIo};
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use super::{
    error::{EgressError, EgressErrorKind},
    policy::{Policy, Reach},
    proxy::Proxy,
    resolve::{BoxFuture, Resolver},
};

/// Addresses of one name that are tried, one after the other.
const TRIED: usize = 8;

/// Makes TCP connections to what may be dialled. A clone is some reference counts.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    pub(super) policy: Policy,
    pub(super) resolver: Resolver,
    pub(super) proxy: Option<Arc<Proxy>>,
    pub(super) limit: Duration,
}

impl Dialer {
    /// A connection to the URI's host. Names and literals alike are checked here, after resolution, so that neither a
    /// literal nor a name that changes its answer gets around the check.
    pub(super) async fn dial(&self, uri: &Uri) -> Result<TcpStream, EgressError> {
        let host = uri.host().ok_or(EgressErrorKind::NoHost)?;
        let port = port(uri);
        let addresses = self.resolver.addresses(host, port).await?;
        self.policy.judge(&addresses)?;
        let mut last = EgressErrorKind::Resolve.into();
        // Each address has its share of the time, so that one that swallows packets doesn't use up the others'.
        let tried = addresses.len().clamp(1, TRIED);
        let share = self.limit / u32::try_from(tried).unwrap_or(u32::MAX);
        for address in addresses.into_iter().take(tried) {
            match timeout(share, self.connect(host, address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = EgressErrorKind::Timeout.into(),
            }
        }
        Err(last)
    }

    async fn connect(&self, host: &str, address: SocketAddr) -> Result<TcpStream, EgressError> {
        if let Some(proxy) = self.proxy.as_deref().filter(|proxy| goes_through(proxy, host, address)) {
            return self.tunnel(proxy, address).await;
        }
        let failed = |error| EgressError::new(EgressErrorKind::Dial, error);
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }

    /// The same through the proxy, whose own address the operator named.
    async fn tunnel(&self, proxy: &Proxy, address: SocketAddr) -> Result<TcpStream, EgressError> {
        let failed = |error: Box<dyn Error + Send + Sync>| EgressError::new(EgressErrorKind::Proxy, error);
        let destination = Uri::try_from(format!("http://{address}")).map_err(|error| failed(error.into()))?;
        let policy = Policy { reach: Reach::Private, own: Arc::clone(&self.policy.own) };
        let mut tunnel = Tunnel::new(proxy.uri.clone(), Self { policy, proxy: None, ..self.clone() });
        if let Some(authorization) = &proxy.authorization {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        tunnel.call(destination).await.map(TokioIo::into_inner).map_err(|error| failed(error.into()))
    }
}

/// The port that a URI names, or its scheme's.
pub(super) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })
}

fn goes_through(proxy: &Proxy, host: &str, address: SocketAddr) -> bool {
    let ip: IpAddr = address.ip().to_canonical();
    let spared = |host: &str| proxy.bypass.allows(host, address.port());
    !ip.is_loopback() && !ip.is_unspecified() && !spared(host) && !spared(&ip.to_string())
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = EgressError;
    type Future = BoxFuture<Result<Self::Response, EgressError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(&uri).await.map(TokioIo::new) })
    }
}

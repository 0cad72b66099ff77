//! TCP and TLS to a provider, within a time.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use super::egress::{EgressError, Reach, Resolver, dial};

/// Connects by the egress rules, speaks TLS where the scheme asks for it, and gives up after a time.
#[derive(Clone, Debug)]
pub(super) struct Connect {
    https: HttpsConnector<Tcp>,
    limit: Duration,
}

impl Connect {
    pub(super) fn new(tls: ClientConfig, reach: Reach, limit: Duration) -> Self {
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        Self { https: builder.wrap_connector(Tcp { reach, limit, resolver: Resolver::new() }), limit }
    }
}

impl Service<Uri> for Connect {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.https.call(uri), self.limit);
        // One allocation a connection, not a request.
        Box::pin(async move { timeout(limit, connecting).await.map_err(|_| EgressError::Timeout)? })
    }
}

#[derive(Clone, Debug)]
struct Tcp {
    reach: Reach,
    limit: Duration,
    resolver: Resolver,
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, EgressError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { reach, limit, resolver } = self.clone();
        Box::pin(async move { dial(uri, reach, limit, &resolver).await.map(TokioIo::new) })
    }
}

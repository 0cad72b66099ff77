//! The admin listener: where limits stand, and metrics. Whoever reaches its address may read; it changes nothing.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::CONTENT_TYPE, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower_portkey::limit::LocalCounters;

use crate::limits;

/// Connections at a time.
const CONNECTIONS: usize = 32;
/// How long a connection may take, from its first byte to the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listening admin address.
#[derive(Debug)]
pub(crate) struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    counters: LocalCounters,
}

impl Admin {
    /// Listens on an address; port 0 picks a free one.
    pub(crate) async fn bind(address: SocketAddr, counters: LocalCounters) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("admin_listen: {address} can't be listened on: {error}"))
        })?;
        Ok(Self { address: listener.local_addr()?, listener, counters })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self) {
        let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (counters, local) = (self.counters.clone(), self.address.ip().is_loopback());
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(PATIENCE, connection(stream, counters, local)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, counters: LocalCounters, local: bool) {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), host(&request), local, &counters);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false).max_buf_size(16 * 1024);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "admin connection ended");
    }
}

fn host(request: &Request<Incoming>) -> Option<&str> {
    request.headers().get(hyper::header::HOST)?.to_str().ok()
}

fn respond(
    method: &Method,
    path: &str,
    host: Option<&str>,
    local: bool,
    counters: &LocalCounters,
) -> Response<Full<Bytes>> {
    // On loopback, a name that somebody made point here comes from a browser.
    if local && !host.is_none_or(is_local) {
        return page(StatusCode::MISDIRECTED_REQUEST, "text/plain", "not served under this name\n".into());
    }
    match (method, path) {
        (&Method::GET, "/limits") => page(StatusCode::OK, "application/json", limits::json(counters)),
        (&Method::GET, "/metrics") => page(StatusCode::OK, "text/plain; version=0.0.4", limits::metrics(counters)),
        (_, "/limits" | "/metrics") => page(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n".into()),
        _ => page(StatusCode::NOT_FOUND, "text/plain", "/limits and /metrics\n".into()),
    }
}

fn is_local(host: &str) -> bool {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_only_and_on_loopback_only_under_its_own_names() {
        let counters = LocalCounters::new();
        for (method, path, host, local, status) in [
            (Method::GET, "/limits", Some("127.0.0.1:8788"), true, 200),
            (Method::GET, "/metrics", Some("[::1]:8788"), true, 200),
            (Method::GET, "/metrics", Some("LOCALHOST"), true, 200),
            (Method::GET, "/metrics", None, true, 200),
            (Method::GET, "/limits", Some("evil.example"), true, 421),
            (Method::GET, "/limits", Some("gateway.internal"), false, 200),
            (Method::POST, "/limits", None, true, 405),
            (Method::GET, "/", None, true, 404),
        ] {
            assert_eq!(respond(&method, path, host, local, &counters).status(), status, "{method} {path} {host:?}");
        }
    }
}

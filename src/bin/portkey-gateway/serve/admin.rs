//! The admin listener: where limits stand, and metrics. Whoever reaches its address may read; it changes nothing.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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

/// A page's type, and what writes it.
type Page = (&'static str, fn(&LocalCounters) -> String);

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
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // Of a million counters a page is long: one at a time, until it is sent.
        let turn = Arc::new(Semaphore::new(1));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (counters, local) = (self.counters.clone(), self.address.ip().is_loopback());
                    let turn = Arc::clone(&turn);
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(PATIENCE, connection(stream, counters, local, turn)).await;
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

async fn connection(stream: TcpStream, counters: LocalCounters, local: bool, turn: Arc<Semaphore>) {
    // Goes with the connection, when the page was sent.
    let held = Mutex::new(None);
    let answer = service_fn(|request: Request<Incoming>| {
        let asked = route(request.method(), request.uri().path(), host(&request), local);
        let (counters, turn, held) = (counters.clone(), Arc::clone(&turn), &held);
        async move {
            let (kind, write) = match asked {
                Ok(page) => page,
                Err((status, why)) => return Ok::<_, Infallible>(page(status, "text/plain", why.into())),
            };
            let turn = turn.acquire_owned().await;
            // Written on a thread of its own, which keeps the turn where nobody waits any longer.
            match tokio::task::spawn_blocking(move || (write(&counters), turn)).await {
                Ok((text, turn)) => {
                    *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
                    Ok(page(StatusCode::OK, kind, text))
                }
                Err(error) => {
                    tracing::error!(%error, "admin page not written");
                    Ok(page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the page could not be written\n".into()))
                }
            }
        }
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

/// Which page that is, or why there is none.
fn route(method: &Method, path: &str, host: Option<&str>, local: bool) -> Result<Page, (StatusCode, &'static str)> {
    // On loopback, a name that somebody made point here comes from a browser.
    if local && !host.is_none_or(is_local) {
        return Err((StatusCode::MISDIRECTED_REQUEST, "not served under this name\n"));
    }
    match (method, path) {
        (&Method::GET, "/limits") => Ok(("application/json", limits::json)),
        (&Method::GET, "/metrics") => Ok(("text/plain; version=0.0.4", limits::metrics)),
        (_, "/limits" | "/metrics") => Err((StatusCode::METHOD_NOT_ALLOWED, "GET only\n")),
        _ => Err((StatusCode::NOT_FOUND, "/limits and /metrics\n")),
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
            let refusal = route(&method, path, host, local).err();
            assert_eq!(refusal.map_or(200, |(status, _)| status.as_u16()), status, "{method} {path} {host:?}");
        }
    }
}

//! A provider that remembers the last request and answers it like a model.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What reached the provider.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// A provider on a free port of loopback.
#[derive(Debug)]
pub(crate) struct Provider {
    address: SocketAddr,
    last: Arc<Mutex<Option<Received>>>,
}

impl Provider {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let provider = Self { address: listener.local_addr()?, last: Arc::default() };
        let last = Arc::clone(&provider.last);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let last = Arc::clone(&last);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&last), request));
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
                });
            }
        });
        Ok(provider)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came since this was last asked.
    pub(crate) fn received(&mut self) -> Option<Received> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn answer(
    last: Arc<Mutex<Option<Received>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = format!("{} {}", request.method(), request.uri());
    let received = Received { target, headers: texts(request.headers()) };
    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(received);
    let text = r#"{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"hello"}}]}"#;
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

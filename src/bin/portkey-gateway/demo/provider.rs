//! A provider that remembers its requests and answers them like a model; or fails, below `/broken`.
//! At `/keys` it is the issuer of the demo's tokens and shows its key set.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What reached the provider.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A provider on a free port of loopback.
#[derive(Debug)]
pub(crate) struct Provider {
    address: SocketAddr,
    all: Arc<Mutex<Vec<Received>>>,
}

impl Provider {
    /// `keys` is the issuer's key set.
    pub(crate) async fn start(keys: String) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let provider = Self { address: listener.local_addr()?, all: Arc::default() };
        let (all, keys) = (Arc::clone(&provider.all), Bytes::from(keys));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (all, keys) = (Arc::clone(&all), keys.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&all), keys.clone(), request));
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
    pub(crate) fn received(&mut self) -> Vec<Received> {
        std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn answer(
    all: Arc<Mutex<Vec<Received>>>,
    keys: Bytes,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/keys" {
        return Ok(Response::new(Full::from(keys)));
    }
    let body = body.collect().await?.to_bytes();
    let broken = head.uri.path().starts_with("/broken");
    all.lock().unwrap_or_else(PoisonError::into_inner).push(Received {
        target: format!("{} {}", head.method, head.uri),
        headers: texts(&head.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let text = match broken {
        false => r#"{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"hello"}}]}"#,
        true => r#"{"error":{"message":"out of order","type":"server_error"}}"#,
    };
    let mut response = Response::new(Full::from(text));
    if broken {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

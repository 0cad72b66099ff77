//! The demo's caller: any HTTP client would do.

use std::{error::Error, net::SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::requests::Request;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// Of one that says when to come again.
    pub(crate) retry_after: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Caller(Client<HttpConnector, Full<Bytes>>);

impl Caller {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn send(&self, gateway: SocketAddr, request: &Request) -> Result<Answer, Box<dyn Error>> {
        let mut sent = http::Request::builder()
            .method(request.method)
            .uri(format!("http://{gateway}{}", request.path))
            .header("content-type", "application/json");
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        let body = Full::from(request.body());
        let response = self.0.request(sent.body(body)?).await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|seconds| seconds.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, text: String::from_utf8_lossy(&body).into_owned(), retry_after })
    }
}

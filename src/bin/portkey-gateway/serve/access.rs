//! One request: answered, counted, and told in one line.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_portkey::{
    context::{PortkeyHeaders, Principal, Target},
    rejection::Rejection,
};

use super::clock::InFlight;
use crate::gateway::{Current, GatewayBody};

/// Answers a request and writes the line: method, path, status, provider, key id, trace id and the time until the
/// head of the answer. No query, no header, no body. A client that goes away before has its line, too: by then its
/// provider may have been asked, and paid.
pub(crate) async fn answer(
    gateway: Arc<Current>,
    in_flight: InFlight,
    mut request: Request<Incoming>,
) -> Result<Response<Counted>, Infallible> {
    let line =
        Line { began: Instant::now(), method: request.method().clone(), uri: request.uri().clone(), told: false };
    request.extensions_mut().insert(in_flight.attempts());
    let response = gateway.answer(request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        in_flight.upgrades();
    }
    line.tell(&response);
    Ok(response.map(|body| Counted { body, in_flight }))
}

struct Line {
    began: Instant,
    method: Method,
    uri: Uri,
    told: bool,
}

impl Line {
    fn tell(mut self, response: &Response<GatewayBody>) {
        self.told = true;
        let facts = response.extensions();
        tracing::info!(
            target: "portkey_gateway::access",
            method = self.method.as_str(),
            path = self.uri.path(),
            status = response.status().as_u16(),
            provider = facts.get::<Target>().map(|target| target.provider().as_str()),
            key = facts.get::<Principal>().map(Principal::subject),
            trace_id = facts.get::<PortkeyHeaders>().map(|headers| headers.trace_id().as_str()),
            refused = facts.get::<Rejection>().map(|rejection| tracing::field::debug(rejection.kind())),
            ms = self.milliseconds(),
        );
    }

    fn milliseconds(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.told {
            tracing::info!(
                target: "portkey_gateway::access",
                method = self.method.as_str(),
                path = self.uri.path(),
                // As nginx writes it: the client closed the connection before there was an answer.
                status = 499,
                ms = self.milliseconds(),
            );
        }
    }
}

pin_project! {
    /// A body that counts as in flight until it is dropped.
    #[derive(Debug)]
    pub(crate) struct Counted {
        #[pin]
        body: GatewayBody,
        in_flight: InFlight,
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = <GatewayBody as Body>::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        this.in_flight.is_alive();
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

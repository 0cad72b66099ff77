//! One request: answered, counted, and told in one line.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response, Version, header::HOST};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_portkey::{
    context::{PortkeyHeaders, Principal, Target},
    rejection::Rejection,
};

use super::clock::InFlight;
use crate::gateway::{Current, GatewayBody, bad_request, health};

/// Answers a request and writes the line: method, path, status, provider, key id, trace id and the time until the
/// head of the answer. No query, no header, no body.
pub(crate) async fn answer(
    gateway: Arc<Current>,
    in_flight: InFlight,
    request: Request<Incoming>,
) -> Result<Response<Counted>, Infallible> {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().clone());
    let response = match health(&request) {
        Some(page) => page,
        // RFC 9112, section 3.2: an HTTP/1.1 request names its host.
        None if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) => bad_request("host"),
        None => gateway.answer(request).await,
    };
    let facts = response.extensions();
    tracing::info!(
        target: "portkey_gateway::access",
        method = method.as_str(),
        path = path.path(),
        status = response.status().as_u16(),
        provider = facts.get::<Target>().map(|target| target.provider().as_str()),
        key = facts.get::<Principal>().map(Principal::subject),
        trace_id = facts.get::<PortkeyHeaders>().map(|headers| headers.trace_id().as_str()),
        refused = facts.get::<Rejection>().map(|rejection| tracing::field::debug(rejection.kind())),
        ms = began.elapsed().as_secs_f64() * 1000.0,
    );
    Ok(response.map(|body| Counted { body, in_flight }))
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
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

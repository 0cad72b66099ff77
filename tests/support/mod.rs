//! What the tests share: a key, requests from lines of headers, bodies in chunks, and a leaf that shows what it saw.

// Each test binary uses its own part of it.
#![allow(dead_code)]

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::Debug,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, request, response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};
use tower_portkey::{
    Anonymous, Authenticated, GatewayKey, PortkeyAuthLayer, PortkeyLayer,
    auth::KeySet,
    context::{Principal, Target},
    rejection::{Kind, Rejection},
};

/// A key of the gateway's.
pub(crate) const KEY: &str = "pk-7Qm2vX9tRb4Ls8Kd1Wn6Zc3Yh5";
/// A credential of a provider's.
pub(crate) const SK: &str = "sk-provider-0123456789";
/// `SK` as `authorization`.
pub(crate) const BEARER_SK: &str = "Bearer sk-provider-0123456789";
/// The route that most tests take.
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// Headers as they stand in a table.
pub(crate) type Lines<'a> = &'a [(&'a str, &'a str)];

/// A request without a body.
pub(crate) fn request(method: &Method, uri: &str, lines: Lines<'_>) -> Request<Full<Bytes>> {
    request_with(method, uri, lines, "")
}

/// A request with this body.
pub(crate) fn request_with(
    method: &Method,
    uri: &str,
    lines: Lines<'_>,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.parse().expect(uri);
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect(name);
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).expect(value));
    }
    request
}

/// A chat request.
pub(crate) fn chat(lines: Lines<'_>) -> Request<Full<Bytes>> {
    request(&Method::POST, CHAT, lines)
}

/// The same request on behalf of somebody who was authenticated.
pub(crate) fn by<B>(who: Principal, mut request: Request<B>) -> Request<B> {
    request.extensions_mut().insert(who);
    request
}

/// A caller with the scope of most routes.
pub(crate) fn caller() -> Principal {
    Principal::new("ci").with_scopes(["completions.write"])
}

/// Lets in who shows [`KEY`].
pub(crate) fn auth(who: Principal) -> PortkeyAuthLayer<KeySet> {
    PortkeyAuthLayer::keys([GatewayKey::new(KEY, who).expect("a key")]).expect("a set")
}

/// All layers, without authentication.
pub(crate) fn open() -> PortkeyLayer<Anonymous> {
    PortkeyLayer::builder().anonymous().build()
}

/// All layers; [`caller`] is known by [`KEY`].
pub(crate) fn hosted() -> PortkeyLayer<Authenticated<KeySet>> {
    PortkeyLayer::builder().auth(auth(caller())).build()
}

/// What came back, and what the leaf saw if the request reached it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) body: Bytes,
    pub(crate) seen: Option<Seen>,
}

/// What the leaf saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) head: request::Parts,
    pub(crate) hint: SizeHint,
    pub(crate) chunks: Vec<Bytes>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(&self.head.headers, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The kind of the refusal in the extensions.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.head.extensions.get::<Rejection>().map(Rejection::kind)
    }

    /// The refusal's text for the caller.
    pub(crate) fn message(&self) -> Option<&str> {
        self.head.extensions.get::<Rejection>().map(Rejection::message)
    }

    /// What the leaf saw; the request must have reached it.
    pub(crate) fn leaf(&self) -> &Seen {
        self.seen.as_ref().unwrap_or_else(|| panic!("refused: {:?} {:?}", self.head.status, self.message()))
    }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(&self.head.headers, name)
    }

    pub(crate) fn target(&self) -> &Target {
        self.head.extensions.get().expect("a target")
    }

    pub(crate) fn body(&self) -> Bytes {
        self.chunks.concat().into()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).expect("text"))
}

/// Sends one request through a layer to a leaf that answers 200 `leaf`.
pub(crate) fn send<L, B, R>(layer: &L, request: Request<B>) -> Answer
where
    L: Layer<Leaf>,
    L::Service: Service<Request<B>, Response = Response<R>, Error: Debug>,
    R: Body<Data = Bytes, Error: Debug>,
{
    let leaf = Leaf::default();
    let service = layer.layer(leaf.clone());
    block_on(async {
        let (head, body) = service.oneshot(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let seen = leaf.0.lock().expect("a leaf").take();
        Answer { head, body, seen }
    })
}

/// The request as it comes out below a layer: for tests of the next one alone.
pub(crate) fn below<L, R>(layer: &L, request: Request<Full<Bytes>>) -> Request<Full<Bytes>>
where
    L: Layer<Leaf>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Debug>,
    R: Body<Data = Bytes, Error: Debug>,
{
    let answer = send(layer, request);
    let seen = answer.leaf();
    Request::from_parts(seen.head.clone(), Full::new(seen.body()))
}

/// Runs a future to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

/// The innermost service: keeps what it saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf(Arc<Mutex<Option<Seen>>>);

impl<B> Service<Request<B>> for Leaf
where
    B: Body<Data = Bytes, Error: Debug> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let seen = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let (hint, mut body, mut chunks) = (body.size_hint(), Box::pin(body), Vec::new());
            while let Some(frame) = body.frame().await {
                chunks.extend(frame.expect("a frame").into_data());
            }
            *seen.lock().expect("a leaf") = Some(Seen { head, hint, chunks });
            Ok(Response::new(Full::from("leaf")))
        })
    }
}

/// A body that comes in these chunks, waits once before each, and doesn't say how long it is.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    chunks: VecDeque<Bytes>,
    waited: bool,
}

impl Chunks {
    pub(crate) fn new(chunks: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self { chunks: chunks.into_iter().map(Into::into).collect(), waited: false }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.waited = !self.waited;
        if self.waited {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.chunks.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}

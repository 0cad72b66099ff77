//! The stack under test, and the requests that are sent through it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use tokio::sync::mpsc;
use tower::{Layer as _, ServiceExt as _};
use tower_portkey::{
    Forward, InjectLayer, RescueLayer,
    context::{
        Credential, CredentialSource, HostOrigin, Metadata, Placement, PortkeyHeaders, ProviderId, Target,
        TargetBuilder, TraceId,
    },
    forward::{Client, ClientBuilder, StreamError},
    inject::Inject,
    rejection::PortkeyJson,
    rescue::Rescue,
};

use crate::net::soon;

pub(crate) type Sent = UnsyncBoxBody<Bytes, Infallible>;
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, StreamError>>;

pub(crate) const TRACE: &str = "trace-of-this-test";
pub(crate) const CREDENTIAL: &str = "sk-provider/0123456789+";

/// The stack under test. A clone shares the connections.
#[derive(Clone)]
pub(crate) struct Proxy(Rescue<Inject<Forward<Sent>>, PortkeyJson>);

impl Proxy {
    pub(crate) fn new() -> Self {
        Self::with(|client| client)
    }

    /// With these settings of the client; every limit is ten seconds unless set.
    pub(crate) fn with(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let long = Duration::from_secs(10);
        let client = Client::builder().connect_timeout(long).first_byte_timeout(long).idle_timeout(long);
        let client = settings(client).build().expect("a client");
        Self(RescueLayer::new().layer(InjectLayer::new().layer(Forward::new(client))))
    }

    /// Sends a request to the host of its own URI, which the operator named.
    pub(crate) async fn send(&self, request: Request<Sent>) -> Answer {
        let target = target(request.uri(), HostOrigin::Operator);
        self.send_to(target, request).await
    }

    pub(crate) async fn send_to(&self, target: TargetBuilder, mut request: Request<Sent>) -> Answer {
        let trace = TraceId::from_header(&HeaderValue::from_static(TRACE)).expect("a trace id");
        request.extensions_mut().insert(PortkeyHeaders::new(Vec::new(), trace, Metadata::default()));
        request.extensions_mut().insert(target.build().expect("a target"));
        let Ok(answer) = soon(self.0.clone().oneshot(request)).await;
        answer.map(http_body_util::BodyExt::boxed_unsync)
    }
}

/// A target at the host of a URI, with a bearer credential.
pub(crate) fn target(uri: &Uri, origin: HostOrigin) -> TargetBuilder {
    let (scheme, authority) = (uri.scheme().cloned().expect("a scheme"), uri.authority().cloned().expect("a host"));
    let credential = Credential::from_raw(&HeaderValue::from_static(CREDENTIAL)).expect("a credential");
    let placement = Placement::bearer();
    Target::builder(ProviderId::parse("openai").expect("an id"), scheme, authority, origin).credential(
        credential,
        CredentialSource::Caller,
        placement,
    )
}

pub(crate) fn bytes(body: impl Into<Bytes>) -> Sent {
    Full::new(body.into()).boxed_unsync()
}

pub(crate) fn get(url: impl AsRef<str>) -> Request<Sent> {
    Request::get(url.as_ref()).body(bytes("")).expect("a request")
}

pub(crate) fn post(url: impl AsRef<str>, body: Sent) -> Request<Sent> {
    Request::post(url.as_ref()).header("content-type", "application/json").body(body).expect("a request")
}

/// A body that is fed frame by frame. Dropping the sender ends it.
pub(crate) fn feed() -> (mpsc::Sender<Frame<Bytes>>, Sent) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, Feed(receiver).boxed_unsync())
}

pub(crate) struct Feed(pub(crate) mpsc::Receiver<Frame<Bytes>>);

impl Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// The whole body, and the trailers.
pub(crate) async fn read(answer: Answer) -> (Bytes, HeaderMap) {
    let collected = soon(answer.into_body().collect()).await.expect("a whole body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    (collected.to_bytes(), trailers)
}

/// An answer of the gateway's own about a failure on the way to the provider.
pub(crate) async fn assert_failure(answer: Answer, status: u16, message: &str) {
    assert_eq!(answer.headers().get("x-portkey-gateway-exception").map(HeaderValue::as_bytes), Some(&b"true"[..]));
    assert_own(answer, status, &format!(r#"{{"status":"failure","message":"{message}"}}"#)).await;
}

/// An answer of the gateway's own, with the marks that every answer about this target has.
pub(crate) async fn assert_own(answer: Answer, status: u16, body: &str) {
    assert_eq!(answer.status().as_u16(), status);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-portkey-trace-id", TRACE),
        ("x-portkey-provider", "openai"),
        ("x-portkey-last-used-option-index", "config"),
        ("x-portkey-retry-attempt-count", "0"),
        ("x-portkey-cache-status", "DISABLED"),
    ] {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    assert_eq!(read(answer).await.0, body);
}

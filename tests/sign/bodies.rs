//! Bodies: read whole, within their limits, and sent as they were signed.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Collected, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_portkey::{
    SignLayer,
    body::FullOr,
    context::{AwsIdentity, AwsSigning},
    rejection::{Kind, Rejection},
};

use crate::{
    net::{Upstream, soon},
    verify::{SECRET, verify},
    wire::{OK, keys, post, send, target},
};

/// A body that comes in chunks.
struct Chunks(Vec<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // Every other poll has to wait.
        if self.0.len() % 2 == 1 && self.0.last().is_some_and(Bytes::is_empty) {
            cx.waker().wake_by_ref();
            self.0.pop();
            return Poll::Pending;
        }
        Poll::Ready(self.0.pop().map(|chunk| Ok(Frame::data(chunk))))
    }
}

fn signing() -> AwsSigning {
    AwsSigning::new(AwsIdentity::Keys(keys(None)), "us-east-1", "s3").expect("labels")
}

async fn through(layer: SignLayer, body: FullOr<Chunks>) -> Result<Bytes, Kind> {
    let leaf = service_fn(async |request: Request<FullOr<Chunks>>| {
        let hash = request.headers()["x-amz-content-sha256"].clone();
        let Ok(body) = request.into_body().collect().await;
        let mut response = Response::new(Full::new(body.to_bytes()));
        response.headers_mut().insert("x-hash", hash);
        Ok::<_, Infallible>(response)
    });
    let request = Request::put("https://b.s3.us-east-1.amazonaws.com/k").body(body).expect("a request");
    let Ok(response) = layer.layer(leaf).oneshot(request).await;
    if let Some(refused) = response.extensions().get::<Rejection>() {
        return Err(refused.kind());
    }
    Ok(response.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default())
}

#[tokio::test]
async fn chunks_are_put_together() {
    let chunks = ["", "c", "", "b", "", "a"].map(Bytes::from).to_vec();
    assert_eq!(through(SignLayer::always(signing()), FullOr::inner(Chunks(chunks))).await, Ok(Bytes::from("abc")));
    assert_eq!(through(SignLayer::always(signing()), FullOr::full("whole")).await, Ok(Bytes::from("whole")));
}

#[tokio::test]
async fn limits_hold_for_one_and_for_all() {
    let chunks = || FullOr::inner(Chunks(vec![Bytes::from_static(b"0123456789"); 3]));
    let layer = || SignLayer::always(signing());
    assert_eq!(through(layer().body_limit(29), chunks()).await, Err(Kind::PayloadTooLarge));
    assert_eq!(through(layer().body_limit(29), FullOr::full(vec![0; 30])).await, Err(Kind::PayloadTooLarge));
    assert!(through(layer().body_limit(30), chunks()).await.is_ok());
    let tight = layer().body_budget(25);
    assert_eq!(through(tight.clone(), chunks()).await, Err(Kind::Unavailable));
    // What was refused gives back what it had taken.
    let two = FullOr::inner(Chunks(vec![Bytes::from_static(b"0123456789"); 2]));
    assert!(through(tight.clone(), two).await.is_ok());
    // Bytes that are there already take nothing of it.
    assert!(through(tight, FullOr::full(vec![0; 100])).await.is_ok());
}

#[tokio::test]
async fn five_mebibytes_arrive_as_they_were_signed() {
    let upstream = Upstream::answering(OK).await;
    let url = upstream.url("/model/m/invoke");
    let uri = url.parse().expect("a URI");
    let body: Vec<u8> = (0..5 * 1024 * 1024_u32).map(|index| index.to_le_bytes()[0]).collect();
    let response = send(&SignLayer::new(), post(&url, body.clone()), target(&uri, AwsIdentity::Keys(keys(None)))).await;
    assert_eq!(response.status(), 200);
    let arrived = upstream.only_request();
    verify(&arrived, SECRET);
    assert!(arrived.body == body);
}

/// A byte every so often.
struct Slow(tokio::time::Interval);

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_sender_does_not_hold_the_budget_of_all() {
    let layer = SignLayer::always(signing());
    let leaf = service_fn(async |_: Request<FullOr<Slow>>| Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))));
    let slow = Slow(tokio::time::interval(Duration::from_secs(50)));
    let request = Request::put("https://b.s3.us-east-1.amazonaws.com/k").body(FullOr::inner(slow)).expect("a request");
    let began = tokio::time::Instant::now();
    let Ok(response) = layer.layer(leaf).oneshot(request).await;
    assert_eq!((response.status().as_u16(), began.elapsed().as_secs()), (408, 120));
}

#[tokio::test]
async fn what_is_not_for_aws_passes_as_it_is() {
    use tower_portkey::context::{HostOrigin, ProviderId, Target};

    let leaf = service_fn(async |request: Request<FullOr<Chunks>>| {
        assert!(request.body().as_full().is_none(), "nothing was read");
        assert!(request.headers().contains_key("x-amz-date"));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let mut service = SignLayer::new().layer(leaf);
    let openai = ProviderId::parse("openai").expect("an id");
    let host = http::uri::Authority::from_static("api.openai.com");
    let plain = Target::builder(openai, http::uri::Scheme::HTTPS, host, HostOrigin::Catalog).build().expect("a target");
    let request = || {
        let body = FullOr::inner(Chunks(vec![Bytes::from("x")]));
        Request::post("https://api.openai.com/").header("x-amz-date", "1").body(body).expect("a request")
    };
    let mut plain_request = request();
    plain_request.extensions_mut().insert(plain);
    let Ok(response) = soon(service.ready().await.expect("ready").call(plain_request)).await;
    assert_eq!(response.status(), 200);
    let Ok(response) = soon(service.ready().await.expect("ready").call(request())).await;
    assert_eq!(response.status(), 500, "without a target nothing is sent");
}

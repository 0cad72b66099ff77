//! What arrives at the other end of a socket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, Uri, uri::Authority};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer, ServiceExt};
use tower_portkey::{
    Forward, InjectLayer, RescueLayer, Secret, SignLayer,
    body::FullOr,
    context::{
        AwsIdentity, AwsKeys, AwsSigning, CredentialSource, HostOrigin, ProviderHeader, ProviderId, Target,
        TargetBuilder,
    },
    forward::Client,
};

use crate::{
    net::{Upstream, soon},
    verify::{ID, SECRET, verify},
};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

pub(crate) fn keys(token: Option<&str>) -> AwsKeys {
    AwsKeys::new(ID, Secret::from(SECRET), token.map(Secret::from)).expect("keys")
}

pub(crate) fn target(uri: &Uri, identity: AwsIdentity) -> TargetBuilder {
    let (scheme, authority) = (uri.scheme().cloned().expect("a scheme"), uri.authority().cloned().expect("a host"));
    let signing = AwsSigning::new(identity, "us-east-1", "bedrock").expect("labels");
    Target::builder(ProviderId::parse("bedrock").expect("an id"), scheme, authority, HostOrigin::Operator)
        .sign(signing, CredentialSource::Caller)
}

pub(crate) fn client() -> Client {
    Client::builder().connect_timeout(Duration::from_secs(5)).build().expect("a client")
}

/// Sends a request through what stands in front of the wire.
pub(crate) async fn send(
    layer: &SignLayer,
    mut request: Request<FullOr<Full<Bytes>>>,
    target: TargetBuilder,
) -> Response<Bytes> {
    let stack = (RescueLayer::new(), InjectLayer::new(), layer.clone());
    request.extensions_mut().insert(target.build().expect("a target"));
    let Ok(response) = soon(stack.layer(Forward::new(client())).oneshot(request)).await;
    let (head, body) = response.into_parts();
    Response::from_parts(head, soon(body.collect()).await.expect("a body").to_bytes())
}

pub(crate) fn post(url: &str, body: impl Into<Bytes>) -> Request<FullOr<Full<Bytes>>> {
    let body = FullOr::inner(Full::new(body.into()));
    Request::post(url).header("content-type", "application/json").body(body).expect("a request")
}

#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let upstream = Upstream::answering(OK).await;
    for (path, body, token) in [
        ("/model/a%3A0/converse", &b"{}"[..], None),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x%3A0/converse",
            b"{\"a\":1}",
            Some("t0ken=="),
        ),
        ("/model/a:0/invoke", b"", Some("t")),
        ("/foundation-models?byProvider=a+b&x=%2F&y&x=:", b"{}", None),
        ("/x?X-Amz-Signature=00&a=1&X-Amz-Security-Token=forged", b"{}", None),
        ("/a%20b/~c/(d)!*'", b"{}", None),
    ] {
        let url = upstream.url(path);
        let uri: Uri = url.parse().expect("a URI");
        let identity = AwsIdentity::Keys(keys(token));
        let response = send(&SignLayer::new(), post(&url, body), target(&uri, identity)).await;
        assert_eq!(response.status(), 200, "{path}");
        let arrived = upstream.requests().pop().expect("a request");
        let shown = verify(&arrived, SECRET);
        assert_eq!((shown.id.as_str(), shown.region.as_str(), shown.service.as_str()), (ID, "us-east-1", "bedrock"));
        assert_eq!(arrived.header("host"), uri.authority().map(Authority::as_str), "with its port");
        assert_eq!(arrived.header("x-amz-security-token"), token);
        assert_eq!(arrived.body, body);
        assert!(!arrived.target().contains("Signature") && !arrived.target().contains("forged"));
        assert_eq!(arrived.target().split('?').next(), path.split('?').next(), "the path is the caller's");
    }
}

#[tokio::test]
async fn nothing_of_the_callers_gets_into_the_signature_or_out_of_it() {
    let upstream = Upstream::answering(OK).await;
    let url = upstream.url("/model/m/converse");
    let uri: Uri = url.parse().expect("a URI");
    for lines in [
        &[("connection", "x-amz-date")][..],
        &[("connection", "x-amz-date, host, authorization, content-type, x-amz-content-sha256"), ("te", "trailers")],
        &[("connection", "close, X-Amz-Security-Token"), ("x-amz-security-token", "forged")],
        &[(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=X/20250101/r/s/aws4_request, SignedHeaders=host, Signature=0",
        )],
        &[
            ("x-amz-date", "20200101T000000Z"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-target", "Evil.Do"),
        ],
        &[
            ("x-amz-decoded-content-length", "1"),
            ("x-amz-trailer", "x"),
            ("x_amz_date", "1"),
            ("expect", "100-continue"),
        ],
        &[("transfer-encoding", "chunked"), ("content-length", "999"), ("host", "evil.example")],
        &[("x-amzn-trace-id", "Root=1"), ("user-agent", "x"), ("x-custom", "1")],
    ] {
        let mut request = post(&url, "{}");
        for (name, value) in lines {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let response =
            send(&SignLayer::new(), request, target(&uri, AwsIdentity::Keys(keys(Some("real-token"))))).await;
        assert_eq!(response.status(), 200, "{lines:?}");
        let arrived = upstream.requests().pop().expect("a request");
        let shown = verify(&arrived, SECRET);
        // `connection: content-type` takes the header away before anything is signed.
        let own = shown.signed.iter().filter(|name| *name != "content-type").map(String::as_str).collect::<Vec<_>>();
        assert_eq!(own, ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]);
        assert_eq!(arrived.header("x-amz-security-token"), Some("real-token"));
        assert_eq!(arrived.body, b"{}");
        for name in ["x-amz-target", "x-amz-trailer", "x-amz-decoded-content-length", "x_amz_date", "expect"] {
            assert_eq!(arrived.header(name), None);
        }
    }
}

#[tokio::test]
async fn headers_of_the_target_are_signed_and_others_go_along() {
    let upstream = Upstream::answering(OK).await;
    let url = upstream.url("/k");
    let uri: Uri = url.parse().expect("a URI");
    let own = |name: &'static str, value: &'static str| ProviderHeader {
        name: http::HeaderName::from_static(name),
        value: http::HeaderValue::from_static(value),
        replaces: true,
    };
    let target = target(&uri, AwsIdentity::Keys(keys(None)))
        .header(own("x-amz-object-attributes", "ObjectSize"))
        .header(own("x-amzn-sagemaker-target-model", "m"));
    assert_eq!(send(&SignLayer::new(), post(&url, ""), target).await.status(), 200);
    let arrived = upstream.only_request();
    let shown = verify(&arrived, SECRET);
    assert!(shown.signed.iter().any(|name| name == "x-amz-object-attributes"));
    assert_eq!(arrived.header("x-amzn-sagemaker-target-model"), Some("m"));
}

#[tokio::test]
async fn every_attempt_has_its_own_date() {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    let upstream = Upstream::answering(OK).await;
    let url = upstream.url("/model/m/converse");
    let uri: Uri = url.parse().expect("a URI");
    let now = Arc::new(AtomicU64::new(1_735_787_045));
    let clock = Arc::clone(&now);
    let layer = SignLayer::new().clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)));
    for (seconds, date) in [(0, "20250102T030405Z"), (61, "20250102T030506Z"), (86_400, "20250103T030506Z")] {
        now.fetch_add(seconds, Ordering::SeqCst);
        send(&layer, post(&url, "{}"), target(&uri, AwsIdentity::Keys(keys(None)))).await;
        let arrived = upstream.requests().pop().expect("a request");
        assert_eq!(verify(&arrived, SECRET).date, date);
    }
    assert!(SystemTime::now() > UNIX_EPOCH);
}

#[tokio::test]
async fn a_token_that_is_echoed_does_not_come_back() {
    let upstream = Upstream::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            let (token, line) = (request.header("x-amz-security-token"), request.header("authorization"));
            let (token, line) = (token.unwrap_or_default(), line.unwrap_or_default());
            let head = format!("x-echo: {token}\r\nx-line: {line}\r\nauthorization: {line}\r\nx-kept: 1\r\n");
            connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{head}\r\n")).await;
        }
    })
    .await;
    let url = upstream.url("/");
    let uri: Uri = url.parse().expect("a URI");
    let identity = AwsIdentity::Keys(keys(Some("canary-session-token")));
    let response = send(&SignLayer::new(), post(&url, "{}"), target(&uri, identity)).await;
    assert_eq!(response.headers()["x-kept"], "1");
    for name in ["x-echo", "x-line", "authorization"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_signed_does_not_go_out() {
    let upstream = Upstream::answering(OK).await;
    let url = upstream.url("/");
    let uri: Uri = url.parse().expect("a URI");
    let mut request = post(&url, "{}");
    request.extensions_mut().insert(target(&uri, AwsIdentity::Keys(keys(None))).build().expect("a target"));
    let stack = (RescueLayer::new(), InjectLayer::new());
    let Ok(response) = stack.layer(Forward::new(client())).oneshot(request).await;
    assert_eq!(response.status(), 500);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_clock_that_drifts_follows_awss() {
    let behind = UNIX_EPOCH + Duration::from_secs(1_735_787_045);
    // AWS's clock says 03:14:05, ten minutes later.
    let refusing = "HTTP/1.1 403 Forbidden\r\ndate: Thu, 02 Jan 2025 03:14:05 GMT\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::answering(refusing).await;
    let url = upstream.url("/model/m/converse");
    let uri: Uri = url.parse().expect("a URI");
    let callers = |origin| {
        let (scheme, authority) = (uri.scheme().cloned().expect("a scheme"), uri.authority().cloned().expect("a host"));
        let signing = AwsSigning::new(AwsIdentity::Keys(keys(None)), "us-east-1", "bedrock").expect("labels");
        Target::builder(ProviderId::parse("bedrock").expect("an id"), scheme, authority, origin)
            .sign(signing, CredentialSource::Caller)
    };
    for (origin, dates) in [
        (HostOrigin::Operator, ["20250102T030405Z", "20250102T031405Z", "20250102T031405Z"]),
        (HostOrigin::Caller, ["20250102T030405Z"; 3]),
    ] {
        let layer = SignLayer::new().clock(move || behind);
        for date in dates {
            // The client dials no private address that a caller names, so the leaf is another one here.
            let leaf = tower::service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
                let date = request.headers()["x-amz-date"].clone();
                let refusal = Response::builder().status(403).header("date", "Thu, 02 Jan 2025 03:14:05 GMT");
                Ok::<_, std::convert::Infallible>(
                    refusal.header("x-signed", date).body(Full::new(Bytes::new())).expect("an answer"),
                )
            });
            let mut request = post(&url, "{}");
            request.extensions_mut().insert(callers(origin).build().expect("a target"));
            let Ok(response) = layer.layer(leaf).oneshot(request).await;
            assert_eq!(response.headers()["x-signed"], date, "{origin:?}");
        }
    }
    // And over a socket.
    let layer = SignLayer::new().clock(move || behind);
    for date in ["20250102T030405Z", "20250102T031405Z"] {
        send(&layer, post(&url, "{}"), target(&uri, AwsIdentity::Keys(keys(None)))).await;
        assert_eq!(verify(&upstream.requests().pop().expect("a request"), SECRET).date, date);
    }
}

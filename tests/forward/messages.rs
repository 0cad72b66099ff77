//! What reaches the provider, and what comes back, over HTTP/1.1.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::{Body as _, Frame};

use crate::{
    harness::{CREDENTIAL, Proxy, bytes, feed, get, post, read},
    net::{Connection, Upstream},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn every_method_passes() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = Proxy::new();
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "x"];
    for method in methods {
        let request = Request::builder().method(method).uri(upstream.url("/v1/a?b=c")).body(bytes(""));
        assert_eq!(proxy.send(request.expect("a request")).await.status(), 200, "{method}");
    }
    let lines: Vec<_> = upstream.requests().into_iter().map(|request| request.start).collect();
    assert_eq!(lines, methods.map(|method| format!("{method} /v1/a?b=c HTTP/1.1")));
}

#[tokio::test]
async fn the_host_is_the_targets() {
    let upstream = Upstream::answering(OK).await;
    let mut request = post(upstream.url("/v1/chat/completions?a=%20b"), bytes("{}"));
    request.headers_mut().insert("host", HeaderValue::from_static("gateway.example"));
    Proxy::new().send(request).await;
    let received = upstream.only_request();
    assert_eq!(received.start, "POST /v1/chat/completions?a=%20b HTTP/1.1");
    assert_eq!(received.header("host"), Some(&*upstream.address.to_string()));
    assert_eq!(received.header("authorization"), Some(&*format!("Bearer {CREDENTIAL}")));
}

#[tokio::test]
async fn a_body_has_the_length_it_had() {
    let upstream = Upstream::answering(OK).await;
    let proxy = Proxy::new();
    for (method, body, length) in [
        ("POST", "", Some("0")),
        ("PUT", "{}", Some("2")),
        ("GET", "", None),
        ("GET", "{\"a\":1}", Some("7")),
        ("DELETE", "", None),
    ] {
        let request = Request::builder().method(method).uri(upstream.url("/")).header("content-length", "9");
        proxy.send(request.body(bytes(body)).expect("a request")).await;
        let received = upstream.requests().pop().expect("a request");
        assert_eq!((received.text().as_str(), received.header("content-length")), (body, length), "{method}");
        assert_eq!(received.header("transfer-encoding"), None, "{method}");
    }
}

#[tokio::test]
async fn headers_of_the_callers_connection_end_here() {
    let upstream = Upstream::answering(OK).await;
    let (sender, body) = feed();
    let mut request = post(upstream.url("/"), body);
    for (name, value) in [
        ("connection", "keep-alive, X-Local"),
        ("connection", "authorization, content-type, host, x-other"),
        ("x-local", "1"),
        ("x-other", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("te", "deflate"),
        ("transfer-encoding", "gzip, chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("expect", "100-continue"),
        ("x-stays", "1"),
    ] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    sender.send(Frame::data(Bytes::from("{}"))).await.expect("room");
    drop(sender);
    assert_eq!(read(Proxy::new().send(request).await).await.0, "ok");
    let received = upstream.only_request();
    let mut names: Vec<_> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    // The credential is the target's: a caller can't nominate it away. The framing is this connection's own.
    assert_eq!(names, ["authorization", "cdn-loop", "host", "transfer-encoding", "x-stays"]);
    assert_eq!(received.header("transfer-encoding"), Some("chunked"));
    assert_eq!((received.text().as_str(), received.whole), ("{}", true));
}

#[tokio::test]
async fn headers_of_the_providers_connection_end_here() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, X-Local\r\nx-local: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: x\r\n\
         proxy-authenticate: Basic\r\nupgrade: h2c\r\nte: x\r\nhttp2-settings: x\r\ntransfer-encoding: chunked\r\n\
         x-stays: 1\r\nx-stays: 2\r\nretry-after: 7\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    )
    .await;
    let answer = Proxy::new().send(get(upstream.url("/"))).await;
    let own = |name: &str| name.starts_with("x-portkey-");
    let mut names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).filter(|name| !own(name)).collect();
    names.sort_unstable();
    assert_eq!(names, ["retry-after", "x-stays"]);
    assert_eq!(answer.headers().get_all("x-stays").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(read(answer).await.0, "ok");
}

#[tokio::test]
async fn what_is_encoded_stays_encoded() {
    let encoded: Vec<u8> = [&[0x1f, 0x8b, 8][..], &(0..=255).collect::<Vec<u8>>()].concat();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", encoded.len()).into_bytes();
    answer.extend(&encoded);
    let upstream = Upstream::answering(answer).await;
    let mut request = post(upstream.url("/"), bytes(encoded.clone()));
    for (name, value) in [("content-encoding", "br"), ("accept-encoding", "gzip, br, zstd")] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let answer = Proxy::new().send(request).await;
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(read(answer).await.0, encoded);
    let received = upstream.only_request();
    assert_eq!(received.header("content-encoding"), Some("br"));
    assert_eq!(received.header("accept-encoding"), Some("gzip, br, zstd"));
    assert_eq!(received.body, encoded);
}

#[tokio::test]
async fn an_answer_without_a_body_keeps_its_head() {
    for (method, head, status, length) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n", 200, Some("1234")),
        (Method::HEAD, "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n", 404, None),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 1234\r\n\r\n", 304, Some("1234")),
        (Method::POST, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, Some("0")),
    ] {
        let upstream = Upstream::answering(head).await;
        let proxy = Proxy::new();
        for _ in 0..2 {
            let request = Request::builder().method(method.clone()).uri(upstream.url("/")).body(bytes(""));
            let answer = proxy.send(request.expect("a request")).await;
            assert_eq!(answer.status(), status);
            let found = answer.headers().get("content-length").map(|value| value.to_str().expect("text"));
            assert_eq!(found, length, "{head}");
            assert!(answer.body().is_end_stream());
            assert_eq!(read(answer).await.0, "");
        }
        assert_eq!(upstream.connections(), 1, "nothing was left over on the connection: {head}");
    }
}

#[tokio::test]
async fn informational_heads_are_passed_over() {
    let upstream = Upstream::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx-early: 1\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let answer = Proxy::new().send(post(upstream.url("/"), bytes("{}"))).await;
    assert_eq!(answer.status(), 201);
    assert!(!answer.headers().contains_key("x-early"));
    assert_eq!(read(answer).await.0, "ok");
}

#[tokio::test]
async fn an_answer_before_the_request_is_whole_is_the_answer() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        connection.head().await;
        connection.send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig").await;
        connection.wire.finish().await;
    })
    .await;
    let (sender, body) = feed();
    let answer = Proxy::new().send(post(upstream.url("/"), body)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(read(answer).await.0, "big");
    assert!(sender.send(Frame::data(Bytes::from("late"))).await.is_err(), "nobody waits for the rest");
}

#[tokio::test]
async fn redirects_are_the_callers_to_follow() {
    let second = Upstream::answering(OK).await;
    let proxy = Proxy::new();
    for status in [300, 301, 302, 303, 307, 308] {
        let location = second.url("/elsewhere");
        let head = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let first = Upstream::answering(head).await;
        let answer = proxy.send(post(first.url("/v1/chat/completions"), bytes("{}"))).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["location"], location);
        assert_eq!(first.requests().len(), 1);
    }
    assert_eq!(second.connections(), 0);
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntrailer: x-checksum\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-checksum: abc\r\n\r\n",
    )
    .await;
    let (sender, body) = feed();
    let mut request = post(upstream.url("/"), body);
    request.headers_mut().insert("trailer", HeaderValue::from_static("x-digest"));
    request.headers_mut().insert("te", HeaderValue::from_static("gzip;q=0.5, trailers"));
    request.headers_mut().insert("connection", HeaderValue::from_static("te, trailer"));
    sender.send(Frame::data(Bytes::from("{}"))).await.expect("room");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-digest", HeaderValue::from_static("123"));
    sender.send(Frame::trailers(trailers)).await.expect("room");
    drop(sender);

    let answer = Proxy::new().send(request).await;
    assert_eq!(answer.headers()["trailer"], "x-checksum");
    let (body, trailers) = read(answer).await;
    assert_eq!((body, trailers["x-checksum"].as_bytes()), (Bytes::from("ok"), &b"abc"[..]));
    let received = upstream.only_request();
    assert_eq!(received.header("trailer"), Some("x-digest"));
    assert_eq!(received.trailers, [("x-digest".to_owned(), "123".to_owned())]);
}

#[tokio::test]
async fn an_old_providers_version_is_not_the_answers() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        connection.request().await;
        connection.send("HTTP/1.0 200 OK\r\n\r\nhello").await;
    })
    .await;
    let answer = Proxy::new().send(get(upstream.url("/"))).await;
    // A server would frame the answer of this version by closing, and then a broken stream ends like a whole one.
    assert_eq!(answer.version(), http::Version::HTTP_11);
    assert_eq!(read(answer).await.0, "hello");
}

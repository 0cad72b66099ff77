//! Where one request ends and the next begins: one reading, or none.

use crate::{
    net::{Connection, Message, Upstream, soon},
    process::{Gateway, authorised, chat},
};

/// A request that would be smuggled behind another.
fn smuggled() -> String {
    format!("GET /v1/smuggled HTTP/1.1\r\n{}\r\n", authorised())
}

async fn upstream() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let body = request.text();
            connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        }
    })
    .await
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

#[tokio::test]
async fn a_body_with_two_lengths_or_a_strange_one_is_400() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    for lines in [
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: 2\r\ncontent-length: 02\r\ncontent-length: 5\r\n",
        "content-length: 2, 2\r\n",
        "content-length: +2\r\n",
        "content-length: -2\r\n",
        "content-length: 0x2\r\n",
        "content-length: 2 2\r\n",
        "content-length: 18446744073709551618\r\n",
        "content-length: \r\n",
        "content-length : 2\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: \u{b}chunked\r\n",
        "transfer-encoding: \"chunked\"\r\n",
        "transfer-encoding: chunked;a=b\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "x: y\rtransfer-encoding: chunked\r\n",
    ] {
        let start = format!("POST /v1/chat/completions HTTP/1.1\r\n{}", authorised());
        let mut wire = gateway.connect().await;
        let answer = wire.ask(format!("{start}{lines}\r\n0\r\n\r\n{}", smuggled())).await;
        assert_eq!(answer.status(), 400, "{lines:?}: {answer:?}");
        assert!(soon(wire.response(false)).await.is_none(), "{lines:?}: what follows was answered");
    }
    // Where these end is plain; what another server would make of them is not.
    for lines in ["content_length: 2\r\ncontent-length: 5\r\n", "transfer_encoding: chunked\r\ncontent-length: 5\r\n"] {
        let request = format!("POST /v1/chat/completions HTTP/1.1\r\n{}{lines}\r\n0\r\n\r\n", authorised());
        assert_eq!(gateway.ask(request).await.status(), 400, "{lines:?}");
    }
    let old = format!("POST /v1/chat/completions HTTP/1.0\r\n{}{CHUNKED}\r\n0\r\n\r\n", authorised());
    assert_eq!(gateway.ask(old).await.status(), 400, "HTTP/1.0 knew no chunks");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn chunks_win_over_a_length_and_end_the_connection() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    for (lines, number) in [
        ("content-length: 6\r\ntransfer-encoding: chunked\r\n", 1),
        ("transfer-encoding: chunked\r\ncontent-length: 600\r\n", 2),
    ] {
        let start = format!("POST /v1/chat/completions HTTP/1.1\r\n{}", authorised());
        let mut wire = gateway.connect().await;
        let answer = wire.ask(format!("{start}{lines}\r\n2\r\n{{}}\r\n0\r\n\r\n{}", smuggled())).await;
        // RFC 9112, section 6.3: refused, or read by its chunks alone; nothing that follows is a request.
        assert!(matches!(answer.status(), 200 | 400), "{lines:?}: {answer:?}");
        assert!(soon(wire.response(false)).await.is_none(), "{lines:?}: a second answer");
        let requests = upstream.requests();
        assert!(requests.len() <= number, "{lines:?}: {requests:?}");
        for request in requests {
            assert_eq!((request.target(), request.text().as_str()), ("/v1/chat/completions", "{}"));
            assert_eq!(request.header("content-length"), None, "framed anew");
            assert_eq!(request.header("transfer-encoding"), Some("chunked"));
        }
    }
}

#[tokio::test]
async fn the_same_length_twice_is_one_request_at_most() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    let lines = format!("{}content-length: 2\r\ncontent-length: 2\r\n", authorised());
    let mut wire = gateway.connect().await;
    let answer = wire.ask(format!("POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n{{}}")).await;
    assert!(matches!(answer.status(), 200 | 400), "{answer:?}");
    for request in upstream.requests() {
        assert_eq!((request.header("content-length"), request.text().as_str()), (Some("2"), "{}"));
    }
}

#[tokio::test]
async fn a_broken_chunk_is_the_callers_fault_and_ends_the_connection() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    for body in [
        "2\n{}\n0\n\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "ZZ\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}XX0\r\n\r\n",
        "2;a=\nb\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
    ] {
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\n{}{CHUNKED}\r\n", authorised());
        let mut wire = gateway.connect().await;
        let answer = wire.ask(format!("{head}{body}{}", smuggled())).await;
        assert_eq!(answer.status(), 400, "{body:?}: {answer:?}");
        assert_eq!(answer.header("x-portkey-gateway-exception"), None, "{body:?}");
        assert!(soon(wire.response(false)).await.is_none(), "{body:?}: a second answer");
    }
    assert!(upstream.requests().iter().all(|request| !request.whole), "{:?}", upstream.requests());
}

#[tokio::test]
async fn what_follows_a_refused_request_is_not_read_as_one() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    // The length covers what looks like a request; the refusal comes before it is read.
    let inner = smuggled();
    let head = format!("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", inner.len());
    let mut wire = gateway.connect().await;
    let answer = wire.ask(format!("{head}{inner}")).await;
    assert_eq!(answer.status(), 401);
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(300), wire.response(false))
            .await
            .ok()
            .flatten()
            .is_none()
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn malformed_heads_are_400() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    let own = authorised();
    for request in [
        format!("POST  /v1/chat/completions HTTP/1.1\r\n{own}\r\n"),
        format!("POST /v1/chat/completions HTTP/1.2\r\n{own}\r\n"),
        format!("POST /v1/chat/completions HTTP/3\r\n{own}\r\n"),
        format!("POST /v1/chat/completions\r\n{own}\r\n"),
        format!("PO ST /v1/chat/completions HTTP/1.1\r\n{own}\r\n"),
        format!("POST /v1/chat completions HTTP/1.1\r\n{own}\r\n"),
        format!("POST /v1/chat/completions HTTP/1.1\r\n{own}x-a: b\r\n folded\r\n\r\n"),
        format!("POST /v1/chat/completions HTTP/1.1\r\n{own}x-a: b\0c\r\n\r\n"),
        format!("POST /v1/chat/completions HTTP/1.1\r\n{own}x-a: b\rc\r\n\r\n"),
        format!("POST /v1/chat/completions HTTP/1.1\r\n{own}x a: b\r\n\r\n"),
        format!("POST /v1/chat/completions HTTP/1.1\r\n{own}: b\r\n\r\n"),
        format!("POST /v1/chat/completions HTTP/1.1\r\n{own}no colon\r\n\r\n"),
    ] {
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status(), 400, "{request:?}: {answer:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn requests_in_one_go_are_answered_in_their_order() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    let bodies = ["{\"a\":1}", "", "{\"b\":22}", "{\"c\":[]}"];
    let mut all: Vec<u8> = bodies.iter().flat_map(|body| chat("", body)).collect();
    all.extend_from_slice(b"GET /v1/health HTTP/1.1\r\nhost: a\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut wire = gateway.connect().await;
    wire.send(&all).await;
    for body in bodies {
        let answer = soon(wire.response(false)).await.expect("an answer");
        assert_eq!((answer.status(), answer.text().as_str()), (200, body));
    }
    for status in [200, 401] {
        assert_eq!(soon(wire.response(false)).await.expect("an answer").status(), status);
    }
    let received: Vec<_> = upstream.requests().iter().map(Message::text).collect();
    assert_eq!(received, bodies);
}

#[tokio::test]
async fn no_protocol_is_switched() {
    let upstream = upstream().await;
    let gateway = Gateway::required(&upstream).await;
    for lines in [
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
    ] {
        let answer = gateway.ask(format!("GET /v1/models HTTP/1.1\r\n{}{lines}\r\n", authorised())).await;
        assert_eq!(answer.status(), 200);
    }
    for request in upstream.requests() {
        for name in ["connection", "upgrade", "http2-settings"] {
            assert_eq!(request.header(name), None);
        }
    }
}

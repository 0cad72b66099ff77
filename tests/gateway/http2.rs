//! HTTP/2 by prior knowledge, on the same port.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use crate::{
    net::{Connection, Upstream, soon},
    process::{Gateway, KEY, UNAUTHORIZED},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A body that is fed frame by frame.
struct Feed(mpsc::Receiver<Frame<Bytes>>);

impl Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

async fn connect(gateway: &Gateway) -> http2::SendRequest<Feed> {
    let stream = soon(TcpStream::connect(gateway.address)).await.expect("a connection");
    let mut client = http2::Builder::new(TokioExecutor::new());
    let made = soon(client.max_header_list_size(1 << 20).handshake(TokioIo::new(stream))).await;
    let (sender, connection) = made.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn request(path: &str) -> http::request::Builder {
    Request::post(format!("http://gateway.test{path}"))
}

fn authorised(path: &str) -> http::request::Builder {
    let request = request(path).header("x-portkey-api-key", KEY).header("x-portkey-provider", "openai");
    request.header("authorization", "Bearer sk-provider")
}

fn whole(body: &'static str) -> Feed {
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(Frame::data(Bytes::from(body))).expect("room");
    Feed(receiver)
}

async fn text(answer: Response<Incoming>) -> (u16, String) {
    let status = answer.status().as_u16();
    let body = soon(answer.into_body().collect()).await.expect("a whole body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn both_versions_are_served_on_one_port() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let mut client = connect(&gateway).await;
    let health = Request::get("http://gateway.test/v1/health").body(whole("")).expect("a request");
    let answer = soon(client.send_request(health)).await.expect("an answer");
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    let refused = soon(client.send_request(request("/v1/models").body(whole("")).expect("a request"))).await;
    assert_eq!(text(refused.expect("an answer")).await, (401, UNAUTHORIZED.to_owned()));
    let sent = authorised("/v1/chat/completions").header("host", "gateway.test").body(whole("{}"));
    let answer = soon(client.send_request(sent.expect("a request"))).await.expect("an answer");
    assert_eq!(text(answer).await, (200, "ok".to_owned()));
    let received = upstream.only_request();
    assert_eq!((received.start.as_str(), received.text().as_str()), ("POST /v1/chat/completions HTTP/1.1", "{}"));
    assert_eq!(received.header("host"), Some(&*upstream.address.to_string()));
    assert_eq!(gateway.ask(crate::process::chat("", "{}")).await.status(), 200);
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let client = connect(&gateway).await;
    let all: Vec<_> = (0..50)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let request = authorised("/v1/chat/completions").body(whole("{}")).expect("a request");
                text(client.send_request(request).await.expect("an answer")).await
            })
        })
        .collect();
    for one in all {
        assert_eq!(soon(one).await.expect("an answer"), (200, "ok".to_owned()));
    }
    assert_eq!(upstream.requests().len(), 50);
}

#[tokio::test]
async fn the_head_has_the_limits_of_http_1() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    for (lines, length, status) in [(90, 1, 200), (1, 30 << 10, 200), (1, 40 << 10, 431), (101, 1, 431), (500, 1, 431)]
    {
        let value = "a".repeat(length);
        let request = (0..lines)
            .fold(authorised("/v1/chat/completions"), |request, number| request.header(format!("x-{number}"), &value));
        let sent = upstream.requests().len();
        let mut client = connect(&gateway).await;
        let answer = soon(client.send_request(request.body(whole("{}")).expect("a request"))).await;
        let found = answer.as_ref().map(|answer| answer.status().as_u16()).ok();
        // A stream that is reset is refused as well.
        assert!(found == Some(status) || (status == 431 && found.is_none()), "{lines} of {length}: {answer:?}");
        assert_eq!(upstream.requests().len() - sent, usize::from(status == 200), "{lines} of {length}");
    }
}

#[tokio::test]
async fn a_host_that_differs_from_the_authority_is_400() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let mut client = connect(&gateway).await;
    let request = authorised("/v1/chat/completions").header("host", "evil.test").body(whole("{}"));
    let answer = soon(client.send_request(request.expect("a request"))).await.expect("an answer");
    assert_eq!(answer.status(), 400);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn bodies_stream_both_ways_with_trailers() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        connection.head().await;
        connection.send("HTTP/1.1 200 OK\r\ntrailer: x-checksum\r\ntransfer-encoding: chunked\r\n\r\n").await;
        while let Some(chunk) = connection.wire.chunk().await {
            connection.send([format!("{:x}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat()).await;
        }
        connection.send("0\r\nx-checksum: abc\r\n\r\n").await;
        connection.wire.closed().await;
    })
    .await;
    let gateway = Gateway::required(&upstream).await;
    let mut client = connect(&gateway).await;
    let (sender, receiver) = mpsc::channel(8);
    let request = authorised("/v1/chat/completions").header("te", "trailers").body(Feed(receiver));
    let mut answer = soon(client.send_request(request.expect("a request"))).await.expect("an answer");
    for chunk in ["first", "second", "third"] {
        sender.send(Frame::data(Bytes::from(chunk))).await.expect("room");
        let frame = soon(answer.frame()).await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), chunk);
    }
    let digest = HeaderMap::from_iter([(http::HeaderName::from_static("x-digest"), HeaderValue::from_static("1"))]);
    sender.send(Frame::trailers(digest)).await.expect("room");
    drop(sender);
    let end = soon(answer.into_body().collect()).await.expect("a whole body");
    assert_eq!(end.trailers().map(|trailers| trailers["x-checksum"].as_bytes()), Some(&b"abc"[..]));
}

#[tokio::test]
async fn a_reset_stream_ends_the_providers_work_and_a_broken_one_is_reset() {
    let gone = Arc::new(Notify::new());
    let told = Arc::clone(&gone);
    let upstream = Upstream::start(move |mut connection: Connection| {
        let gone = Arc::clone(&told);
        async move {
            let waits = connection.request().await.is_some_and(|request| request.target().ends_with("/wait"));
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
            if waits {
                connection.wire.closed().await;
                gone.notify_one();
            } else {
                // The head is passed on before the stream breaks.
                sleep(Duration::from_millis(200)).await;
            }
        }
    })
    .await;
    let gateway = Gateway::required(&upstream).await;
    let mut client = connect(&gateway).await;
    let request = authorised("/v1/wait").body(whole("{}")).expect("a request");
    let answer = soon(client.send_request(request)).await.expect("an answer");
    assert!(timeout(Duration::from_millis(100), gone.notified()).await.is_err(), "it is still wanted");
    drop(answer);
    timeout(Duration::from_secs(1), gone.notified()).await.expect("the provider still works for nobody");

    let request = authorised("/v1/break").body(whole("{}")).expect("a request");
    let answer = soon(client.send_request(request)).await.expect("an answer");
    assert!(soon(answer.into_body().collect()).await.is_err(), "a broken stream ended as if it were whole");
}

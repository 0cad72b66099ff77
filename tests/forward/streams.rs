//! Bodies stream: nothing waits for a whole, in either direction.

use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::time::{sleep, timeout};

use crate::{
    harness::{Answer, Proxy, feed, get, post, read},
    net::{Connection, Upstream, soon},
};

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Sends every chunk of the request back before it reads the next.
async fn echo() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while connection.head().await.is_some() {
            connection.send(HEAD).await;
            while let Some(chunk) = connection.wire.chunk().await {
                connection.send(format!("{:x}\r\n", chunk.len())).await;
                connection.send([chunk, b"\r\n".to_vec()].concat()).await;
            }
            connection.send("0\r\n\r\n").await;
            // The empty line behind the request's last chunk.
            connection.wire.exactly(2).await;
        }
    })
    .await
}

async fn next(answer: &mut Answer) -> Bytes {
    let frame = soon(answer.body_mut().frame()).await.expect("a frame").expect("no error");
    frame.into_data().expect("data")
}

#[tokio::test]
async fn every_chunk_is_there_before_the_next_is_sent() {
    let upstream = echo().await;
    let proxy = Proxy::new();
    for round in 0..2 {
        let (sender, body) = feed();
        let mut answer = proxy.send(post(upstream.url("/"), body)).await;
        for number in 0..5 {
            let chunk = Bytes::from(format!("chunk {number} of round {round}"));
            sender.send(Frame::data(chunk.clone())).await.expect("room");
            assert_eq!(next(&mut answer).await, chunk);
        }
        drop(sender);
        assert!(soon(answer.body_mut().frame()).await.is_none());
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_large_body_is_the_same_on_the_other_side() {
    let upstream = echo().await;
    let (sender, body) = feed();
    let answer = Proxy::new().send(post(upstream.url("/"), body)).await;
    let whole: Vec<u8> = (0..4u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sent = Bytes::from(whole.clone());
    let sending = tokio::spawn(async move {
        for at in (0..sent.len()).step_by(300_000) {
            let frame = Frame::data(sent.slice(at..sent.len().min(at + 300_000)));
            sender.send(frame).await.expect("room");
        }
    });
    assert!(read(answer).await.0 == whole, "4 MiB came back changed");
    soon(sending).await.expect("everything was sent");
}

#[tokio::test]
async fn a_reader_that_waits_holds_the_provider_back() {
    let (told, mut sent) = tokio::sync::watch::channel(0usize);
    let upstream = Upstream::start(move |mut connection: Connection| {
        let told = told.clone();
        async move {
            connection.request().await;
            connection.send("HTTP/1.1 200 OK\r\n\r\n").await;
            for _ in 0..64 {
                connection.send(vec![b'a'; 1 << 20]).await;
                told.send_modify(|sent| *sent += 1);
            }
        }
    })
    .await;
    let answer =
        Proxy::with(|client| client.idle_timeout(Duration::from_millis(300))).send(get(upstream.url("/"))).await;
    // What fits into the sockets' buffers is written; then the provider has to wait, and so has the idle limit.
    while timeout(Duration::from_millis(500), sent.changed()).await.is_ok() {}
    assert!(*sent.borrow() < 32, "{} MiB were read for nobody", *sent.borrow());
    assert_eq!(read(answer).await.0.len(), 64 << 20);
}

#[tokio::test]
async fn a_callers_body_that_breaks_is_not_whole_at_the_provider() {
    let (told, heard) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let upstream = Upstream::start(move |mut connection: Connection| {
        let told = crate::net::locked(&told).take();
        async move {
            let request = connection.request().await;
            if let (Some(told), Some(request)) = (told, request) {
                let _ = told.send(request);
            }
        }
    })
    .await;
    let (sender, body) = feed();
    let proxy = Proxy::new();
    let request = post(upstream.url("/"), body);
    let waiting = tokio::spawn(async move { proxy.send(request).await.status() });
    sender.send(Frame::data(Bytes::from("half"))).await.expect("room");
    sleep(Duration::from_millis(100)).await;
    waiting.abort();
    let request = soon(heard).await.expect("what the provider had read");
    assert_eq!((request.text().as_str(), request.whole), ("half", false));
}

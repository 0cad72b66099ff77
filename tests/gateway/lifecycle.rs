//! Stopping, and settings that are read again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, sync::Notify, time::sleep};

use crate::{
    net::{Connection, Upstream, Wire, soon},
    process::{Gateway, KEY, UNAUTHORIZED, base, chat, required},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const NEW_KEY: &str = "pk-Zr5Tg6Hy7Uj8Ik9Lo0Pq1";

/// A provider that answers in two halves: the second when it is told to.
async fn halves() -> (Upstream, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let upstream = Upstream::start(move |mut connection: Connection| {
        let told = Arc::clone(&told);
        async move {
            connection.request().await;
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
            told.notified().await;
            connection.send("5\r\nworld\r\n0\r\n\r\n").await;
            connection.wire.closed().await;
        }
    })
    .await;
    (upstream, go)
}

/// Sends a request and waits for the first half of its answer.
async fn first_half(gateway: &Gateway) -> Wire {
    let mut wire = gateway.connect().await;
    wire.send(chat("", "{}")).await;
    assert_eq!(soon(wire.head()).await.expect("a head").status(), 200);
    assert_eq!(soon(wire.chunk()).await.as_deref(), Some(&b"hello"[..]));
    wire
}

async fn refuses_connections(gateway: &Gateway) {
    let began = Instant::now();
    while TcpStream::connect(gateway.address).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(1), "new connections are still taken");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_finish_and_takes_nothing_new() {
    for signal in ["TERM", "INT"] {
        let (upstream, go) = halves().await;
        let settings = required(&upstream).replace("shutdown_grace_seconds = 1", "shutdown_grace_seconds = 9");
        let mut gateway = Gateway::start(&settings).await;
        let mut wire = first_half(&gateway).await;
        let mut kept = gateway.connect().await;
        assert_eq!(kept.ask("GET /v1/health HTTP/1.1\r\nhost: a\r\n\r\n").await.status(), 200);
        let mut fresh = gateway.connect().await;
        gateway.signal(signal).await;
        refuses_connections(&gateway).await;
        // Connections without a request in flight hold nobody up.
        soon(kept.closed()).await;
        soon(fresh.closed()).await;
        sleep(Duration::from_millis(200)).await;
        assert!(gateway.is_running(), "a request is in flight");
        go.notify_one();
        assert_eq!(soon(wire.chunk()).await.as_deref(), Some(&b"world"[..]));
        assert_eq!(soon(wire.exactly(5)).await.as_deref(), Some(&b"0\r\n\r\n"[..]), "a clean end");
        let began = Instant::now();
        assert_eq!(gateway.ended().await.code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(1), "nothing was left to wait for");
    }
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_the_grace() {
    let (upstream, _go) = halves().await;
    let mut gateway = Gateway::required(&upstream).await;
    let mut wire = first_half(&gateway).await;
    let began = Instant::now();
    gateway.signal("TERM").await;
    assert!(soon(wire.chunk()).await.is_none(), "cut, and not ended cleanly");
    assert_eq!(gateway.ended().await.code(), Some(0));
    let took = began.elapsed();
    assert!((900..3_000).contains(&took.as_millis()), "the grace is one second: {took:?}");
    gateway.says("took longer than the grace").await;
}

#[tokio::test]
async fn a_stop_without_requests_is_at_once() {
    let upstream = Upstream::answering(OK).await;
    let mut gateway = Gateway::required(&upstream).await;
    assert_eq!(gateway.ask(chat("", "{}")).await.status(), 200);
    let began = Instant::now();
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_millis(900));
}

async fn status_of(gateway: &Gateway, key: &str) -> u16 {
    let request = String::from_utf8_lossy(&chat("", "{}")).replace(KEY, key);
    let answer = gateway.ask(request).await;
    if answer.status() == 401 {
        assert_eq!(answer.text(), UNAUTHORIZED);
    }
    answer.status()
}

#[tokio::test]
async fn settings_are_read_again() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    assert_eq!((status_of(&gateway, KEY).await, status_of(&gateway, NEW_KEY).await), (200, 401));
    // A connection that stands is served by the new settings, too.
    let mut kept = gateway.connect().await;
    assert_eq!(kept.ask(chat("", "{}")).await.status(), 200);

    gateway.rewrite(&required(&upstream).replace(KEY, NEW_KEY));
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    assert_eq!((status_of(&gateway, KEY).await, status_of(&gateway, NEW_KEY).await), (401, 200));
    assert_eq!(kept.ask(chat("", "{}")).await.status(), 401);

    for (broken, why) in [
        ("mode = ", "gateway.toml:1: "),
        ("mode = \"required\"\nno_such = 1", "unknown field `no_such`"),
        ("mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = \"short\"", "keys[0].key: a gateway key has 20"),
    ] {
        gateway.rewrite(broken);
        gateway.signal("HUP").await;
        let line = gateway.says(why).await;
        assert!(line.contains("the old ones stay in force") && line.contains("ERROR"), "{line}");
        assert_eq!((status_of(&gateway, KEY).await, status_of(&gateway, NEW_KEY).await), (401, 200));
    }
}

#[tokio::test]
async fn a_request_in_flight_keeps_the_settings_it_came_under() {
    let (upstream, go) = halves().await;
    let gateway = Gateway::required(&upstream).await;
    let mut wire = first_half(&gateway).await;
    gateway.rewrite(&required(&upstream).replace(KEY, NEW_KEY));
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    go.notify_one();
    assert_eq!(soon(wire.chunk()).await.as_deref(), Some(&b"world"[..]));
    assert!(soon(wire.chunk()).await.is_none());
}

#[tokio::test]
async fn settings_that_are_read_again_open_no_door_to_the_network() {
    let upstream = Upstream::answering(OK).await;
    // Served on every address. The file's own address is loopback, or becomes it.
    for (listen, arguments) in [("127.0.0.1:0", &["--listen", "0.0.0.0:0"][..]), ("0.0.0.0:0", &[])] {
        let settings = required(&upstream).replace("127.0.0.1:0", listen);
        let gateway = Gateway::start_as(&settings, arguments, &[]).await;
        assert_eq!(status_of(&gateway, NEW_KEY).await, 401);
        gateway.rewrite(&base("open", &upstream));
        gateway.signal("HUP").await;
        gateway.says("settings ").await;
        let anonymous = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-portkey-provider: openai\r\n\
                         authorization: Bearer sk-provider\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(gateway.ask(anonymous).await.status(), 401, "open mode on {}", gateway.address);
        gateway.says("needs allow_open_on_network = true").await;
        assert_eq!(upstream.connections(), 0);
    }
}

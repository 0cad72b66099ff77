//! Bodies through the whole process: byte for byte, streaming, and in little memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    net::{Connection, Upstream, soon},
    process::{Gateway, authorised, chat},
};

/// The same bytes every time, and no pattern in them.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.by_ref().take(size.div_ceil(8)).flat_map(u64::to_le_bytes).take(size).collect()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(body.len() + body.len() / 1000 + 16);
    for chunk in body.chunks(40_000) {
        all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        all.extend_from_slice(chunk);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"0\r\n\r\n");
    all
}

/// Sends every body back, framed as it came.
async fn echo() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.wire.request().await {
            let length = request.body.len();
            if request.header("transfer-encoding").is_some() {
                connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                connection.send(chunked(&request.body)).await;
            } else {
                assert_eq!(request.header("content-length"), Some(&*length.to_string()));
                connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")).await;
                connection.send(&request.body).await;
            }
        }
    })
    .await
}

/// A request with this body in chunks.
fn in_chunks(body: &[u8]) -> Vec<u8> {
    let head = format!("POST /v1/files HTTP/1.1\r\n{}transfer-encoding: chunked\r\n\r\n", authorised());
    [head.as_bytes(), &chunked(body)].concat()
}

/// The most memory that the gateway uses until it is told to stop looking.
struct Peak {
    most: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Peak {
    fn watch(gateway: &Arc<Gateway>) -> Self {
        let (most, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (gateway, seen, stop) = (Arc::clone(gateway), Arc::clone(&most), Arc::clone(&done));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                seen.fetch_max(gateway.resident(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { most, done }
    }

    fn end(self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        self.most.load(Ordering::Relaxed)
    }
}

const LARGE: usize = 64 << 20;
/// What 64 MiB in flight may cost, in KiB.
const GROWTH: u64 = 2 << 10;
/// What a release build may use that serves nobody, in KiB.
const IDLE: u64 = 10 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_the_same_on_the_other_side_and_are_not_kept() {
    let upstream = echo().await;
    let gateway = Arc::new(Gateway::required(&upstream).await);
    let idle = gateway.resident();
    let mut wire = gateway.connect().await;
    let large = noise(LARGE);
    // Requests of every shape, so that buffers and connections are there before memory is looked at.
    for size in [0, 1 << 10, 4 << 20, 16 << 20, 16 << 20] {
        let body = &large[..size];
        for request in [chat("", body), in_chunks(body)] {
            assert!(wire.ask(request).await.body == body, "{} bytes came back changed", body.len());
        }
    }
    let warm = gateway.resident();
    let peak = Peak::watch(&gateway);
    for request in [chat("", &large), in_chunks(&large)] {
        let answer = wire.ask(request).await;
        assert_eq!((answer.status(), answer.whole, answer.body.len()), (200, true, LARGE));
        assert!(answer.body == large, "64 MiB came back changed");
    }
    let peak = peak.end();
    println!("resident: {idle} KiB at start, {warm} KiB warm, {peak} KiB with 64 MiB in flight");
    assert!(peak < warm + GROWTH, "{warm} KiB before, {peak} KiB with 64 MiB in flight");
    assert!(cfg!(debug_assertions) || idle < IDLE, "{idle} KiB at start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_reads_slowly_costs_no_memory() {
    let body = Arc::new(noise(LARGE));
    let sent = Arc::clone(&body);
    let upstream = Upstream::start(move |mut connection: Connection| {
        let sent = Arc::clone(&sent);
        async move {
            while connection.request().await.is_some() {
                connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", sent.len())).await;
                connection.send(&*sent).await;
            }
        }
    })
    .await;
    let gateway = Arc::new(Gateway::required(&upstream).await);
    let mut wire = gateway.connect().await;
    assert!(wire.ask(chat("", "{}")).await.body == *body);
    let warm = gateway.resident();
    let peak = Peak::watch(&gateway);
    wire.send(chat("", "{}")).await;
    assert_eq!(soon(wire.head()).await.expect("a head").status(), 200);
    sleep(Duration::from_millis(700)).await;
    let rest = soon(wire.exactly(LARGE)).await.expect("the whole body");
    let peak = peak.end();
    assert!(rest == *body);
    assert!(peak < warm + GROWTH, "{warm} KiB before, {peak} KiB while nobody read");
}

#[tokio::test]
async fn a_caller_that_goes_ends_the_providers_work_within_a_second() {
    for answer in ["", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"] {
        let (came, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell_came, tell_gone) = (Arc::clone(&came), Arc::clone(&gone));
        let upstream = Upstream::start(move |mut connection: Connection| {
            let (came, gone) = (Arc::clone(&tell_came), Arc::clone(&tell_gone));
            async move {
                connection.request().await;
                connection.send(answer).await;
                came.notify_one();
                connection.wire.closed().await;
                gone.notify_one();
            }
        })
        .await;
        let gateway = Gateway::required(&upstream).await;
        let mut wire = gateway.connect().await;
        wire.send(chat("", "{}")).await;
        soon(came.notified()).await;
        if !answer.is_empty() {
            soon(wire.head()).await.expect("a head");
        }
        assert!(timeout(Duration::from_millis(100), gone.notified()).await.is_err(), "it is still wanted");
        drop(wire);
        timeout(Duration::from_secs(1), gone.notified()).await.expect("the provider still works for nobody");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_no_clean_end_for_the_caller() {
    for head in ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.0 200 OK\r\n\r\nhello"]
    {
        let upstream = Upstream::start(move |mut connection: Connection| async move {
            connection.request().await;
            connection.send(head).await;
            connection.wire.closed().await;
        })
        .await;
        let settings =
            crate::process::required(&upstream).replace("[upstream.", "[upstream]\nidle_timeout_ms = 300\n[upstream.");
        let gateway = Gateway::start(&settings).await;
        let answer = gateway.ask(chat("", "{}")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
        assert!(!answer.whole, "a stream that stalled ended as if it were whole: {answer:?}");
    }
}

#[tokio::test]
async fn a_provider_that_is_busy_says_so_to_the_caller() {
    let body = r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    let upstream = Upstream::answering(format!(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 17\r\nx-ratelimit-remaining-requests: 0\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let gateway = Gateway::required(&upstream).await;
    let answer = gateway.ask(chat("", "{}")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (429, body));
    for (name, value) in
        [("retry-after", "17"), ("x-ratelimit-remaining-requests", "0"), ("content-type", "application/json")]
    {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("x-portkey-gateway-exception"), None);
}

#[tokio::test]
async fn trailers_pass_through_the_process() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntrailer: x-checksum\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-checksum: abc\r\n\r\n",
    )
    .await;
    let gateway = Gateway::required(&upstream).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\n{}connection: te\r\nte: trailers\r\ntrailer: x-digest\r\n\
         transfer-encoding: chunked\r\n\r\n",
        authorised()
    );
    let answer = gateway.ask(format!("{head}2\r\n{{}}\r\n0\r\nx-digest: 123\r\n\r\n")).await;
    assert_eq!(answer.trailers, [("x-checksum".to_owned(), "abc".to_owned())]);
    assert_eq!(upstream.only_request().trailers, [("x-digest".to_owned(), "123".to_owned())]);
}

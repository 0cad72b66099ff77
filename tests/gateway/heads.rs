//! How long a head may be, how long it may take, and what a host is.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    net::{Upstream, Wire, soon},
    process::{Gateway, authorised, chat},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A request whose head has exactly so many bytes.
fn of_length(length: usize) -> Vec<u8> {
    let plain = chat("x-pad: \r\n", "").len();
    chat(&format!("x-pad: {}\r\n", "a".repeat(length - plain)), "")
}

/// A request with exactly so many header lines.
fn of_lines(lines: usize) -> Vec<u8> {
    // Those of `authorised`, and the length.
    let padding = (5..lines).fold(String::new(), |text, number| text + &format!("x-{number}: 1\r\n"));
    chat(&padding, "")
}

#[tokio::test]
async fn heads_have_32_kib_and_100_lines() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    for (request, status) in [
        (of_length(31 << 10), 200),
        (of_length(33 << 10), 431),
        (of_length(1 << 20), 431),
        (of_lines(100), 200),
        (of_lines(101), 431),
        (of_lines(1000), 431),
        (format!("GET /v1/{} HTTP/1.1\r\n{}\r\n", "a".repeat(40 << 10), authorised()).into_bytes(), 431),
    ] {
        let start = String::from_utf8_lossy(&request[..40]).into_owned();
        let answer = gateway.ask(&request).await;
        // A request line of that length alone may be told so.
        let told = answer.status() == status || (status == 431 && answer.status() == 414 && start.starts_with("GET"));
        assert!(told, "{} bytes: {answer:?}", request.len());
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn a_host_is_there_once_and_is_a_host() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let rest = authorised().replace("host: gateway.test\r\n", "");
    let ask = |path: &str, version: &str, hosts: &[&str]| {
        let hosts = hosts.iter().fold(String::new(), |lines, host| lines + &format!("host: {host}\r\n"));
        gateway.ask(format!("GET {path} HTTP/{version}\r\n{hosts}{rest}\r\n"))
    };
    for host in ["gateway.test", "gateway.test:8787", "127.0.0.1", "[::1]:80", "GATEWAY.test."] {
        assert_eq!(ask("/v1/models", "1.1", &[host]).await.status(), 200, "{host}");
    }
    let sent = upstream.requests().len();
    for hosts in [
        &[][..],
        &[""],
        &["a b"],
        &["a/b"],
        &["user@gateway.test"],
        &["http://gateway.test"],
        &["gateway.test:99999"],
        &["gateway.test:x"],
        &["a, b"],
        &["gateway.test", "gateway.test"],
        &["gateway.test", "evil.test"],
        &["gateway.test\0"],
        &["\u{e9}.test"],
    ] {
        assert_eq!(ask("/v1/models", "1.1", hosts).await.status(), 400, "{hosts:?}");
    }
    assert_eq!(ask("/v1/health", "1.1", &[]).await.status(), 400, "RFC 9112, section 3.2, has no exception");
    assert_eq!(upstream.requests().len(), sent);
    assert_eq!(ask("/v1/models", "1.0", &[]).await.status(), 200, "HTTP/1.0 knew no host");
}

/// Sends one byte at a time until the connection is closed; how long that took.
async fn dribble(mut wire: Wire, text: &[u8], began: Instant) -> Duration {
    for byte in text.iter().cycle() {
        wire.send([*byte]).await;
        if tokio::time::timeout(Duration::from_millis(250), wire.closed()).await.is_ok() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it is still open");
    }
    began.elapsed()
}

/// Takes 12 seconds: that is the limit it is about.
#[tokio::test]
async fn a_head_that_takes_longer_than_10_seconds_is_not_waited_for() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let head = format!("GET /v1/models HTTP/1.1\r\n{}x-long: {}", authorised(), "a".repeat(1000));
    let dribbled = dribble(gateway.connect().await, head.as_bytes(), Instant::now());
    let silent = async {
        let mut wire = gateway.connect().await;
        let began = Instant::now();
        tokio::time::timeout(Duration::from_secs(20), wire.closed()).await.expect("it is still open");
        began.elapsed()
    };
    let second_head = async {
        let mut wire = gateway.connect().await;
        assert_eq!(wire.ask(chat("", "{}")).await.status(), 200);
        // Between requests there is more time than for a head.
        sleep(Duration::from_secs(1)).await;
        dribble(wire, head.as_bytes(), Instant::now()).await
    };
    let honest = async {
        for _ in 0..20 {
            sleep(Duration::from_millis(500)).await;
            assert_eq!(soon(gateway.ask(chat("", "{}"))).await.status(), 200);
        }
    };
    let (dribbled, silent, second, ()) = tokio::join!(dribbled, silent, second_head, honest);
    for (took, what) in [(dribbled, "dribbled"), (silent, "silent"), (second, "second")] {
        assert!((9_000..13_000).contains(&took.as_millis()), "{what}: {took:?}");
    }
}

//! Whatever goes wrong between gateway and provider has one exact answer, and a stream that breaks ends as an error.

use std::time::Duration;

use http::Uri;
use http_body_util::BodyExt as _;
use tokio::{net::TcpListener, time::sleep};
use tower_portkey::{
    context::{HostOrigin, Target},
    forward::StreamError,
};

use crate::{
    harness::{Answer, Proxy, TRACE, assert_failure, assert_own, bytes, get, post, target},
    net::{Connection, Upstream, nobody, soon},
};

const UNREACHABLE: &str = "The provider could not be reached";
const BROKE_OFF: &str = "The provider broke off before it answered";
const SILENT: &str = "The provider did not answer in time";
const SHORT: Duration = Duration::from_millis(300);
const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A port that takes connections and never says a word.
async fn mute() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/v1/models", listener.local_addr().expect("an address"));
    (listener, url)
}

#[tokio::test]
async fn a_refused_connection_is_502() {
    let url = format!("http://{}/v1/models", nobody().expect("a port"));
    assert_failure(Proxy::new().send(get(url)).await, 502, UNREACHABLE).await;
}

#[tokio::test]
async fn a_name_without_an_address_is_502() {
    assert_failure(Proxy::new().send(get("http://no-such-name.invalid/v1/models")).await, 502, UNREACHABLE).await;
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_is_504() {
    let (_listener, url) = mute().await;
    let proxy = Proxy::with(|client| client.connect_timeout(SHORT));
    assert_failure(proxy.send(get(url)).await, 504, "Connecting to the provider took too long").await;
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_502() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        connection.wire.finish().await;
    })
    .await;
    let url = format!("https://{}/", upstream.address);
    assert_failure(Proxy::new().send(get(url)).await, 502, UNREACHABLE).await;
}

#[tokio::test]
async fn every_failure_to_connect_to_a_callers_host_reads_the_same() {
    let (_listener, stalls) = mute().await;
    let refused = format!("http://{}/", nobody().expect("a port"));
    let plain = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = Proxy::with(|client| client.connect_timeout(SHORT));
    let no_tls = format!("https://{}/", plain.address);
    for url in [&stalls, &refused, &no_tls, "http://no-such-name.invalid/", "http://169.254.169.254/"] {
        for origin in [HostOrigin::Caller, HostOrigin::TrustedCaller] {
            let request = get(url);
            let target = target(request.uri(), origin);
            assert_failure(proxy.send_to(target, request).await, 502, UNREACHABLE).await;
        }
    }
}

#[tokio::test]
async fn a_provider_that_goes_before_its_head_is_502() {
    let closing = Upstream::start(|mut connection: Connection| async move {
        connection.request().await;
    })
    .await;
    let resetting = Upstream::start(|mut connection: Connection| async move {
        connection.request().await;
        connection.wire.reset();
    })
    .await;
    let half_a_head = Upstream::start(|mut connection: Connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\ncontent-le").await;
    })
    .await;
    for upstream in [closing, resetting, half_a_head] {
        assert_failure(Proxy::new().send(get(upstream.url("/"))).await, 502, BROKE_OFF).await;
        assert_eq!(upstream.requests().len(), 1, "a request that was sent is never sent again");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_502() {
    let many = (0..101).fold(String::new(), |lines, number| lines + &format!("x-{number}: 1\r\n"));
    for head in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-folded: a\r\n b\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-nul: a\0b\r\ncontent-length: 0\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"),
        &format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n", "a".repeat(1 << 20)),
    ] {
        let upstream = Upstream::answering(head).await;
        assert_failure(Proxy::new().send(get(upstream.url("/"))).await, 502, BROKE_OFF).await;
    }
}

#[tokio::test]
async fn switching_protocols_without_being_asked_is_502() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let upstream = Upstream::answering(switch).await;
    let request = http::Request::get(upstream.url("/"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(bytes(""))
        .expect("a request");
    let message = "The provider switched protocols unasked";
    assert_failure(Proxy::new().send(request).await, 502, message).await;
    assert_eq!(upstream.only_request().header("upgrade"), None);
}

/// Takes requests and answers none of them.
async fn silent() -> Upstream {
    Upstream::start(|mut connection: Connection| async move { while connection.request().await.is_some() {} }).await
}

#[tokio::test]
async fn a_head_that_does_not_come_is_504() {
    let upstream = silent().await;
    let proxy = Proxy::with(|client| client.first_byte_timeout(SHORT));
    assert_failure(proxy.send(get(upstream.url("/"))).await, 504, SILENT).await;
}

#[tokio::test]
async fn informational_heads_do_not_put_the_limit_off() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        connection.request().await;
        loop {
            connection.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await;
            sleep(SHORT / 10).await;
        }
    })
    .await;
    let proxy = Proxy::with(|client| client.first_byte_timeout(SHORT));
    assert_failure(proxy.send(get(upstream.url("/"))).await, 504, SILENT).await;
}

#[tokio::test]
async fn the_requests_own_limit_is_408_and_named() {
    let upstream = silent().await;
    let (_listener, stalls) = mute().await;
    for url in [upstream.url("/"), stalls] {
        let request = post(url, bytes("{}"));
        let target = target(request.uri(), HostOrigin::Operator).timeout(Some(SHORT));
        let answer = Proxy::new().send_to(target, request).await;
        assert!(!answer.headers().contains_key("x-portkey-gateway-exception"), "the caller chose the limit");
        let body = r#"{"error":{"message":"Request exceeded the timeout sent in the request: 300ms","type":"timeout_error","param":null,"code":null}}"#;
        assert_own(answer, 408, body).await;
    }
}

#[tokio::test]
async fn the_requests_own_limit_ends_with_the_head() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        connection.request().await;
        connection.send(format!("{HEAD}1\r\na\r\n")).await;
        sleep(2 * SHORT).await;
        connection.send("1\r\nb\r\n0\r\n\r\n").await;
        connection.wire.closed().await;
    })
    .await;
    let request = get(upstream.url("/"));
    let target = target(request.uri(), HostOrigin::Operator).timeout(Some(SHORT));
    let answer = Proxy::new().send_to(target, request).await;
    assert_eq!(crate::harness::read(answer).await.0, "ab");
}

#[tokio::test]
async fn the_facts_of_a_failed_request_stay_with_its_answer() {
    let request = get(format!("http://{}/", nobody().expect("a port")));
    let answer = Proxy::new().send(request).await;
    let target = answer.extensions().get::<Target>().expect("the target");
    assert_eq!(target.provider().as_str(), "openai");
}

/// What came of the body, and the error it ended with.
async fn broken(answer: Answer) -> (Vec<u8>, StreamError) {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-portkey-trace-id"], TRACE);
    let (mut body, mut received) = (answer.into_body(), Vec::new());
    loop {
        match soon(body.frame()).await {
            Some(Ok(frame)) => received.extend(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => return (received, error),
            None => panic!("a broken stream ended as if it were whole, after {received:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_as_an_error() {
    for (sent, reset) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\nx-close-delimited: 1\r\n\r\nhello", true),
        (&format!("{HEAD}5\r\nhello\r\n"), false),
        (&format!("{HEAD}5\r\nhello\r\n"), true),
        (&format!("{HEAD}5\r\nhello\r\n0\r\n"), false),
        (&format!("{HEAD}5\r\nhello\r\nZZ\r\n"), false),
        (&format!("{HEAD}5\r\nhelloXX5\r\nworld\r\n0\r\n\r\n"), false),
        (&format!("{HEAD}5\r\nhello\r\n11111111111111111\r\n"), false),
    ] {
        let sent = sent.to_owned();
        let upstream = Upstream::start(move |mut connection: Connection| {
            let sent = sent.clone();
            async move {
                connection.request().await;
                connection.send(sent).await;
                // What was sent is read before a reset throws it away.
                sleep(Duration::from_millis(100)).await;
                if reset {
                    connection.wire.reset();
                }
            }
        })
        .await;
        let (received, error) = broken(Proxy::new().send(get(upstream.url("/"))).await).await;
        assert_eq!((received, error.is_timeout()), (b"hello".to_vec(), false), "{error:?}");
        assert_eq!(error.to_string(), "the provider's stream broke off");
    }
}

#[tokio::test]
async fn a_stream_that_stalls_ends_as_an_error_after_the_idle_limit() {
    for head in [HEAD, "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"] {
        let upstream = Upstream::start(move |mut connection: Connection| async move {
            connection.request().await;
            connection.send(head).await;
            // Longer than the limit in all, and never longer between two pieces.
            for _ in 0..5 {
                connection.send("5\r\nhello\r\n").await;
                sleep(SHORT / 2).await;
            }
            connection.wire.closed().await;
        })
        .await;
        let proxy = Proxy::with(|client| client.idle_timeout(SHORT));
        let (received, error) = broken(proxy.send(get(upstream.url("/"))).await).await;
        assert_eq!(String::from_utf8_lossy(&received).matches("hello").count(), 5);
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(error.to_string(), "the provider's stream paused too long");
    }
}

#[tokio::test]
async fn a_request_without_a_target_or_for_another_host_is_never_sent() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let other = "http://127.0.0.1:1/".parse::<Uri>().expect("a URI");
    let answer = Proxy::new().send_to(target(&other, HostOrigin::Operator), get(upstream.url("/"))).await;
    assert_eq!(answer.status(), 500);
    assert_eq!(upstream.connections(), 0);
}

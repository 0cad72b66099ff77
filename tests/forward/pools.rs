//! Which connections are used again, and which addresses are dialled for whom.

use std::time::Duration;

use tokio::time::sleep;
use tower_portkey::context::HostOrigin::{self, Caller, Catalog, Operator, TrustedCaller};

use crate::{
    harness::{Proxy, assert_failure, bytes, get, post, read, target},
    net::{Connection, Upstream},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again() {
    let upstream = Upstream::answering(OK).await;
    let proxy = Proxy::new();
    for _ in 0..5 {
        assert_eq!(read(proxy.clone().send(post(upstream.url("/"), bytes("{}"))).await).await.0, "ok");
    }
    assert_eq!((upstream.connections(), upstream.requests().len()), (1, 5));
}

#[tokio::test]
async fn a_connection_that_the_provider_closed_while_idle_is_no_error() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        connection.request().await;
        connection.send(OK).await;
    })
    .await;
    let proxy = Proxy::new();
    for round in 1..=5 {
        assert_eq!(read(proxy.send(post(upstream.url("/"), bytes("{}"))).await).await.0, "ok");
        sleep(Duration::from_millis(50)).await;
        assert_eq!(upstream.connections(), round);
    }
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_no_answer_to_the_next_request() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        let first = connection.request().await.is_some_and(|request| request.target() == "/first");
        let spoiled = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nspoiled";
        connection.send(if first { [OK, spoiled].concat() } else { OK.to_owned() }).await;
        connection.wire.closed().await;
    })
    .await;
    let proxy = Proxy::new();
    assert_eq!(read(proxy.send(get(upstream.url("/first"))).await).await.0, "ok");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(read(proxy.send(get(upstream.url("/second"))).await).await.0, "ok");
}

#[tokio::test]
async fn a_connection_that_broke_is_not_used_again() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
            connection.send(if request.target() == "/half" { half } else { OK }).await;
        }
    })
    .await;
    let proxy = Proxy::new();
    drop(proxy.send(get(upstream.url("/half"))).await);
    assert_eq!(read(proxy.send(get(upstream.url("/"))).await).await.0, "ok");
    assert_eq!(upstream.connections(), 2);
}

/// The same server by name and by both of its literal spellings.
fn spellings(upstream: &Upstream) -> [String; 3] {
    ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"].map(|host| format!("http://{host}:{}/", upstream.address.port()))
}

async fn status(proxy: &Proxy, url: &str, origin: HostOrigin) -> u16 {
    let request = get(url);
    let target = target(request.uri(), origin);
    let answer = proxy.send_to(target, request).await;
    let status = answer.status().as_u16();
    if status == 200 {
        assert_eq!(read(answer).await.0, "ok");
    } else {
        assert_failure(answer, 502, "The provider could not be reached").await;
    }
    status
}

#[tokio::test]
async fn private_addresses_are_dialled_for_hosts_the_operator_chose_and_nobody_else() {
    let upstream = Upstream::answering(OK).await;
    let proxy = Proxy::new();
    for url in spellings(&upstream) {
        for origin in [Catalog, Caller] {
            assert_eq!(status(&proxy, &url, origin).await, 502, "{url} {origin:?}");
        }
    }
    assert_eq!(upstream.connections(), 0, "nothing was dialled");
    for url in spellings(&upstream) {
        for origin in [Operator, TrustedCaller] {
            assert_eq!(status(&proxy, &url, origin).await, 200, "{url} {origin:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_of_one_policy_is_never_used_under_another() {
    let upstream = Upstream::answering(OK).await;
    let proxy = Proxy::new();
    let [url, ..] = spellings(&upstream);
    assert_eq!(status(&proxy, &url, Operator).await, 200);
    for origin in [Catalog, Caller] {
        assert_eq!(status(&proxy, &url, origin).await, 502, "a waiting connection is no way around the check");
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(status(&proxy, &url, TrustedCaller).await, 200);
    assert_eq!(upstream.connections(), 2);
    assert_eq!(status(&proxy, &url, Operator).await, 200);
    assert_eq!(status(&proxy, &url, TrustedCaller).await, 200);
    assert_eq!((upstream.connections(), upstream.requests().len()), (2, 4));
}

#[tokio::test]
async fn metadata_services_are_dialled_for_nobody() {
    let proxy = Proxy::with(|client| client.connect_timeout(Duration::from_millis(500)));
    for url in ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://100.100.100.200/"] {
        for origin in [Catalog, Operator, Caller, TrustedCaller] {
            // 502, and not the 504 of an address that swallows packets: it was not even tried.
            assert_eq!(status(&proxy, url, origin).await, 502, "{url} {origin:?}");
        }
    }
}

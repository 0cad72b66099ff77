//! Who drops the answer ends the provider's work.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

use crate::{
    harness::{Proxy, get, post},
    net::{Connection, Upstream, soon},
};

/// The time in which a provider must notice.
const NOTICED: Duration = Duration::from_secs(1);

/// A provider that sends `answer` to a request's head, and tells when it got one and when the connection is gone.
async fn watched(answer: &'static str) -> (Upstream, Arc<Notify>, Arc<Notify>) {
    let (came, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_came, tell_gone) = (Arc::clone(&came), Arc::clone(&gone));
    let upstream = Upstream::start(move |mut connection: Connection| {
        let (came, gone) = (Arc::clone(&tell_came), Arc::clone(&tell_gone));
        async move {
            connection.head().await;
            connection.send(answer).await;
            came.notify_one();
            connection.wire.closed().await;
            gone.notify_one();
        }
    })
    .await;
    (upstream, came, gone)
}

#[tokio::test]
async fn while_the_head_is_waited_for() {
    let (upstream, came, gone) = watched("").await;
    let (proxy, url) = (Proxy::new(), upstream.url("/"));
    let waiting = tokio::spawn(async move { proxy.send(get(url)).await });
    soon(came.notified()).await;
    assert!(timeout(Duration::from_millis(100), gone.notified()).await.is_err(), "it is still wanted");
    waiting.abort();
    timeout(NOTICED, gone.notified()).await.expect("the connection stayed open");
}

#[tokio::test]
async fn while_the_body_is_sent() {
    let (upstream, came, gone) = watched("").await;
    let (sender, body) = crate::harness::feed();
    let (proxy, request) = (Proxy::new(), post(upstream.url("/"), body));
    let waiting = tokio::spawn(async move { proxy.send(request).await });
    soon(came.notified()).await;
    waiting.abort();
    timeout(NOTICED, gone.notified()).await.expect("the connection stayed open");
    timeout(NOTICED, sender.closed()).await.expect("the caller's body was kept");
}

#[tokio::test]
async fn while_the_answer_streams() {
    let (upstream, _, gone) = watched("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
    let proxy = Proxy::new();
    let answer = proxy.send(get(upstream.url("/"))).await;
    assert!(timeout(Duration::from_millis(100), gone.notified()).await.is_err(), "it is still wanted");
    drop(answer);
    timeout(NOTICED, gone.notified()).await.expect("the connection stayed open");
}

#[tokio::test]
async fn when_a_limit_is_over() {
    let (upstream, _, gone) = watched("").await;
    let proxy = Proxy::with(|client| client.first_byte_timeout(Duration::from_millis(200)));
    assert_eq!(proxy.send(get(upstream.url("/"))).await.status(), 504);
    timeout(NOTICED, gone.notified()).await.expect("the connection stayed open");
}

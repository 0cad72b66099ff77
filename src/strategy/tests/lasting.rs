//! What lasts longer than a request, and what ends before its time.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
    time::Duration,
};

use http_body_util::Empty;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_circuit_opens_and_is_tried_again_after_its_cooldown() {
    let breaker = || Some(Breaker::new(2, Duration::from_secs(30), None));
    let one = ConfigObject { breaker: breaker(), ..object("config.targets[0]") };
    let two = ConfigObject { breaker: breaker(), ..object("config.targets[1]") };
    let config = named(fallback(vec![one, two]));
    let asked = async |acts: &[Act]| {
        let leaf = Leaf::new(acts);
        send(&leaf, ask(config.clone(), "/v1/chat/completions", "{}")).await.expect("an answer");
        leaf.paths().replace("config.targets", "").replace("+0", "")
    };
    assert_eq!(asked(&[Answer(503)]).await, "[0] [1]");
    assert_eq!(asked(&[Fail]).await, "[0] [1]");
    assert_eq!(asked(&[]).await, "[1]", "open");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(asked(&[Answer(503)]).await, "[0] [1]", "half open");
    assert_eq!(asked(&[]).await, "[1]", "open again");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(asked(&[]).await, "[0]", "half open");
    assert_eq!(asked(&[Answer(503)]).await, "[0] [1]", "closed");
}

/// A host that a caller chose, or a limit, breaks nobody else's circuit.
#[tokio::test(start_paused = true)]
async fn what_the_caller_brings_breaks_no_circuit() {
    let one = ConfigObject { breaker: Some(Breaker::new(1, Duration::from_secs(30), None)), ..object("config") };
    let mut config = named(one);
    config.asked.custom_host = Some(crate::context::NamedHost { text: "https://h.example".into(), host: None });
    send(&Leaf::new(&[Refuse(Kind::BadGateway)]), ask(config.clone(), "/v1/chat/completions", "{}"))
        .await
        .expect("one");
    let opened = |config: &RequestConfig| {
        let breaker = config.tree.as_ref().and_then(|tree| tree.root.breaker.as_ref()).expect("a circuit");
        breaker.opened.load(Ordering::Acquire) != 0
    };
    assert!(!opened(&config));
    config.asked.custom_host = None;
    send(&Leaf::new(&[Refuse(Kind::BadGateway)]), ask(config.clone(), "/v1/chat/completions", "{}"))
        .await
        .expect("one");
    assert!(opened(&config));
}

/// Whether the body of a failed answer is dropped before the next attempt is over, and the good one's is left alone.
#[tokio::test(start_paused = true)]
async fn a_good_body_is_handed_on_unread() {
    let answer = send(&Leaf::new(&[Answer(500)]), chat(fallback(two()))).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(format!("{:?}", answer.body()).contains("Unread"));
}

/// A server may move it to another thread.
const _: fn() = || {
    fn moves<T: Send>() {}
    moves::<crate::strategy::StrategyFuture<Leaf, PortkeyJson, Full<Bytes>>>();
};

/// Sets its flag when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_stops_the_attempt() {
    for root in [object("config"), fallback(two()), group("config", Mode::Single, two())] {
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&dropped);
        let leaf = tower::service_fn(move |_: Request<FullOr<Full<Bytes>>>| {
            let flag = Flag(Arc::clone(&flag));
            async move {
                let _flag = flag;
                std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
            }
        });
        let mut service = StrategyLayer::new().layer(leaf);
        {
            let mut future = pin!(service.call(chat(root)));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut cx).is_pending());
            assert!(!dropped.load(Ordering::Acquire));
        }
        assert!(dropped.load(Ordering::Acquire));
    }
}

#[tokio::test(start_paused = true)]
async fn later_attempts_wait_until_the_service_is_ready() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<FullOr<Full<Bytes>>>, Response<Empty<Bytes>>>();
    let mut service = StrategyLayer::new().layer(mock);
    let mut cx = Context::from_waker(Waker::noop());
    let status = |status: u16| Response::builder().status(status).body(Empty::new()).expect("a response");

    handle.allow(1);
    std::future::poll_fn(|cx| service.poll_ready(cx)).await.expect("ready");
    let mut answer = pin!(service.call(chat(fallback(two()))));
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    let (_, reply) = handle.next_request().await.expect("a request");
    reply.send_response(status(500));
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    assert!(pin!(handle.next_request()).poll(&mut cx).is_pending(), "not ready, so not called");
    handle.allow(1);
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    let (_, reply) = handle.next_request().await.expect("a request");
    reply.send_response(status(200));
    let Poll::Ready(Ok(answer)) = answer.as_mut().poll(&mut cx) else { panic!("no answer") };
    assert_eq!(answer.status(), 200);

    // A service that won't be ready any more can't be asked any more.
    handle.allow(1);
    std::future::poll_fn(|cx| service.poll_ready(cx)).await.expect("ready");
    let mut answer = pin!(service.call(chat(fallback(two()))));
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    let (_, reply) = handle.next_request().await.expect("a request");
    handle.send_error("broken");
    reply.send_response(status(500));
    let Poll::Ready(Err(error)) = answer.as_mut().poll(&mut cx) else { panic!("no error") };
    assert_eq!(error.to_string(), "broken");
}

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

/// A target whose provider the config names.
fn of_config(path: &str) -> ConfigObject {
    ConfigObject { provider: ProviderRef::parse("openai"), ..object(path) }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_opens_and_is_tried_again_after_its_cooldown() {
    let breaker = || Some(Breaker::new(2, Duration::from_secs(30), None));
    let one = ConfigObject { breaker: breaker(), ..of_config("config.targets[0]") };
    let two = ConfigObject { breaker: breaker(), ..of_config("config.targets[1]") };
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

/// A host or provider that a caller chose breaks nobody else's circuit.
#[tokio::test(start_paused = true)]
async fn what_the_caller_brings_breaks_no_circuit() {
    let breaker = || Some(Breaker::new(1, Duration::from_secs(30), Some(vec![400, 412, 502].into())));
    let config = |target: ConfigObject| named(ConfigObject { breaker: breaker(), ..target });
    let own_host = |mut config: RequestConfig| {
        config.asked.custom_host = Some(crate::context::NamedHost { text: "https://h.example".into(), host: None });
        config
    };
    for (config, act, opens) in [
        (config(of_config("config")), Refuse(Kind::BadGateway), true),
        (config(of_config("config")), Answer(502), true),
        (config(of_config("config")), Refuse(Kind::EntryExhausted), true),
        (config(of_config("config")), Refuse(Kind::ModelNotAllowed), false),
        (config(of_config("config")), Refuse(Kind::InvalidRequest), false),
        (own_host(config(of_config("config"))), Refuse(Kind::BadGateway), false),
        (config(object("config")), Refuse(Kind::BadGateway), false),
        (config(ConfigObject { passthrough: true, ..of_config("config") }), Answer(502), false),
    ] {
        send(&Leaf::new(&[act]), ask(config.clone(), "/v1/chat/completions", "{}")).await.expect("an answer");
        assert_eq!(opened(&config) != 0, opens, "{act:?}");
    }
}

/// The state of the circuit of the only target.
fn opened(config: &RequestConfig) -> u64 {
    let breaker = config.tree.as_ref().and_then(|tree| tree.root.breaker.as_ref()).expect("a circuit");
    breaker.opened.load(Ordering::Acquire)
}

/// A request that finds nothing out about the provider leaves that to the next one.
#[tokio::test(start_paused = true)]
async fn who_finds_nothing_out_leaves_it_to_the_next_one() {
    let target =
        || ConfigObject { breaker: Some(Breaker::new(1, Duration::from_secs(30), None)), ..of_config("config") };
    let changing = ConfigObject { params: params(r#"{"a":1}"#).into(), ..target() };
    for (config, body, act) in [
        (named(target()), "{}", Some(Refuse(Kind::InvalidRequest))),
        (named(target()), "{}", Some(Refuse(Kind::Unavailable))),
        (named(target()), "{}", None),
        (named(changing), "no JSON", None),
    ] {
        send(&Leaf::new(&[Answer(502)]), ask(config.clone(), "/v1/chat/completions", "{}")).await.expect("an answer");
        tokio::time::advance(Duration::from_secs(30)).await;
        let before = opened(&config);
        let request = ask(config.clone(), "/v1/chat/completions", body);
        match act {
            Some(act) => drop(send(&Leaf::new(&[act]), request).await.expect("an answer")),
            None => {
                let leaf = tower::service_fn(|_: Request<FullOr<Full<Bytes>>>| {
                    std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>()
                });
                let mut future = Box::pin(StrategyLayer::new().layer(leaf).call(request));
                let asked = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
                assert_eq!(opened(&config) != before, asked, "as long as it takes");
            }
        }
        assert_eq!(opened(&config), before, "{act:?} {body}");
        send(&Leaf::new(&[]), ask(config.clone(), "/v1/chat/completions", "{}")).await.expect("an answer");
        assert_eq!(opened(&config), 0, "a success closes it");
    }
}

/// Who brings a limit keeps nobody from finding out, and finds out only what an answer says.
#[tokio::test(start_paused = true)]
async fn a_callers_patience_is_no_news() {
    let codes = Some(vec![408, 502].into());
    let target = ConfigObject { breaker: Some(Breaker::new(1, Duration::from_secs(30), codes)), ..of_config("config") };
    let config = named(target);
    let mut hasty = config.clone();
    hasty.asked.request_timeout = Some(Duration::from_millis(1));
    let ask = async |config: &RequestConfig, act| {
        let request = ask(config.clone(), "/v1/chat/completions", "{}");
        send(&Leaf::new(&[act]), request).await.expect("an answer");
        opened(config)
    };
    assert_eq!(ask(&hasty, Refuse(Kind::Timeout)).await, 0);
    let before = ask(&config, Refuse(Kind::Timeout)).await;
    assert_ne!(before, 0, "the config's own limit is listed");
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(ask(&hasty, Refuse(Kind::Timeout)).await, before, "still half open");
    let silent = tower::service_fn(|_: Request<FullOr<Full<Bytes>>>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>()
    });
    let request = super::ask(hasty.clone(), "/v1/chat/completions", "{}");
    let mut waiting = Box::pin(StrategyLayer::new().layer(silent).call(request));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(opened(&config), before, "and nobody has to wait for it");
    assert_ne!(ask(&hasty, Answer(502)).await, before, "open again");
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(ask(&hasty, Answer(200)).await, 0);
}

/// However many there would be to ask.
#[tokio::test(start_paused = true)]
async fn attempts_of_one_request_have_a_limit() {
    let targets = |count: usize, attempts| {
        let target =
            |index| ConfigObject { retry: retry(attempts, None), ..object(&format!("config.targets[{index}]")) };
        fallback((0..count).map(target).collect())
    };
    for (config, asked, index, count) in [
        (targets(64, 5), 16, "config.targets[2]", "-1"),
        (targets(64, 0), 16, "config.targets[15]", "-1"),
        (targets(16, 0), 16, "config.targets[15]", "0"),
        (targets(15, 0), 15, "config.targets[14]", "0"),
    ] {
        let leaf = Leaf::new(&[AnswerWith(500, "retry-after-ms", "1"); 99]);
        let answer = send(&leaf, chat(config)).await.expect("an answer");
        assert_eq!(leaf.waits().len(), asked);
        assert_eq!(header(&answer, "x-portkey-last-used-option-index"), index);
        assert_eq!(header(&answer, "x-portkey-retry-attempt-count"), count);
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_deadline() {
    let slow = |told: &'static [u64]| {
        let asked = Arc::new(Mutex::new(told.iter()));
        tower::service_fn(move |_: Request<FullOr<Full<Bytes>>>| {
            let wait = asked.lock().expect("asked").next().copied().unwrap_or_default();
            async move {
                tokio::time::sleep(Duration::from_secs(wait)).await;
                let answer = Response::builder().status(500).header("answered-after", wait);
                Ok::<_, Infallible>(answer.body(Empty::<Bytes>::new()).expect("a response"))
            }
        })
    };
    let root = |attempts| {
        let target = |path| ConfigObject { retry: retry(attempts, None), ..object(path) };
        fallback(vec![target("config.targets[0]"), target("config.targets[1]")])
    };
    for (attempts, waits, deadline, last, count) in [
        (0, &[301, 7][..], None, "301", "-1"),
        (0, &[299, 7], None, "7", "0"),
        (0, &[400, 7], Some(Duration::from_secs(500)), "7", "0"),
        (0, &[400, 7], Some(Duration::MAX), "7", "0"),
        (5, &[1, 9], Some(Duration::ZERO), "1", "-1"),
        // A retry would begin too late, the next target doesn't.
        (1, &[299, 7, 8], Some(Duration::from_millis(299_400)), "7", "-1"),
    ] {
        let layer = StrategyLayer::new();
        let layer = deadline.map_or(layer, |deadline| layer.deadline(deadline));
        let answer = layer.layer(slow(waits)).call(chat(root(attempts))).await.expect("an answer");
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!((&*header("answered-after"), &*header("x-portkey-retry-attempt-count")), (last, count), "{waits:?}");
    }
}

/// Others run in between, however quickly targets are refused.
#[tokio::test(start_paused = true)]
async fn every_attempt_but_the_first_begins_in_a_turn_of_its_own() {
    let targets = (0..4).map(|index| object(&format!("config.targets[{index}]"))).collect();
    let leaf = Leaf::new(&[Refuse(Kind::InvalidRequest); 4]);
    let mut service = StrategyLayer::new().layer(leaf.clone());
    let mut answer = pin!(service.call(chat(fallback(targets))));
    let mut cx = Context::from_waker(Waker::noop());
    for asked in 1..4 {
        assert!(answer.as_mut().poll(&mut cx).is_pending());
        assert_eq!(leaf.waits().len(), asked);
    }
    assert!(answer.as_mut().poll(&mut cx).is_ready());
    assert_eq!(leaf.waits().len(), 4);
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
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    let Poll::Ready(Err(error)) = answer.as_mut().poll(&mut cx) else { panic!("no error") };
    assert_eq!(error.to_string(), "broken");
}

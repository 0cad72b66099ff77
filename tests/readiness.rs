//! Readiness: every layer over a service that panics when it is called without having been polled ready.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers are tests, too.

mod support;

use std::{
    error::Error,
    fmt::Debug,
    future::{Future, Ready, pending, poll_fn},
    marker::PhantomData,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use support::{BEARER_SK, Chunks, KEY, block_on, caller};
use tower::{Layer, Service, ServiceExt};
use tower_portkey::{
    ConfigLayer, ExtractLayer, InjectLayer, LimitGateLayer, LimitLayer, ModelLayer, PortkeyAuthLayer, PortkeyLayer,
    RequireScopeLayer, RescueLayer, ResolveLayer,
    auth::{Validate, validate_fn},
    body::FullOr,
    context::{Credential, RateLimit, Rules},
    guard::{Decision, Guard, GuardLayer},
    limit::{Counter, LocalCounters, Spent, Taken, Verdict, Want},
    rejection::Rejection,
};
use tower_test::mock::{Handle, Mock, Spawn, pair};

type Inner<B> = Mock<Request<B>, Response<Full<Bytes>>>;
type BoxError = Box<dyn Error + Send + Sync>;

const PROVIDER: (&str, &str) = ("x-portkey-provider", "openai");
const CHANGES: (&str, &str) = ("x-portkey-config", r#"{"retry":{"attempts":0},"override_params":{"a":1}}"#);

/// A chat request as a caller sends it.
fn asked(lines: &[(&str, &str)]) -> Request<Chunks> {
    let mut request = support::chat(lines).map(|_| Chunks::new(["{", "}"]));
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    request
}

/// The same request as it comes out below these layers.
fn below<L, R>(layers: &L, lines: &[(&str, &str)]) -> Request<Chunks>
where
    L: Layer<support::Leaf, Service: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Debug>>,
    R: Body<Data = Bytes, Error: Debug>,
{
    let request = asked(lines).map(|_| Full::new(Bytes::new()));
    support::below(layers, request).map(|_| Chunks::new(["{", "}"]))
}

/// A layer of a user's own.
struct Tenant;

impl Guard for Tenant {
    type Grant = HeaderValue;
    type Future = Ready<Result<HeaderValue, Rejection>>;

    fn decide(&self, _: &Parts) -> Decision<HeaderValue, Self::Future> {
        Decision::pass(HeaderValue::from_static("a"))
    }

    fn admit(&self, head: &mut Parts, tenant: HeaderValue) {
        head.headers.insert(HeaderName::from_static("x-tenant"), tenant);
    }
}

/// Asks somebody who answers at the second poll.
fn slow_auth() -> PortkeyAuthLayer<impl Validate<Future: Send> + Clone> {
    PortkeyAuthLayer::new(validate_fn(|_: Credential| {
        let mut asked = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(Ok(caller()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }))
}

/// A counter that is asked after a while.
#[derive(Clone, Debug)]
struct Slow(LocalCounters);

impl Counter for Slow {
    type Future = Pin<Box<dyn Future<Output = Result<Verdict, Rejection>>>>;

    fn take(&self, rules: &Rules, want: &Want) -> Decision<Verdict, Self::Future> {
        let answer = match self.0.take(rules, want) {
            Decision::Now(answer) => answer,
            Decision::Later(_) => panic!("a counter in memory answers at once"),
        };
        Decision::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        }))
    }

    fn peek(&self, rules: &Rules) -> Decision<Verdict, Self::Future> {
        self.take(rules, &Want::ONE)
    }

    fn settle(&self, taken: Taken, spent: Spent) {
        self.0.settle(taken, spent);
    }
}

/// Runs a check over every layer. `B` is the body that the inner service gets.
macro_rules! every_layer {
    ($check:ident) => {
        let key = ("x-portkey-api-key", KEY);
        let sk = ("authorization", BEARER_SK);
        let (extract, config, resolve) = (ExtractLayer::new(), ConfigLayer::new(), ResolveLayer::new());
        let found = (extract.clone(), config.clone());
        let open = PortkeyLayer::builder().anonymous().build();
        let hosted = PortkeyLayer::builder().auth(slow_auth()).build();

        $check::<_, Chunks>("Extract", &extract, || asked(&[]));
        $check::<_, Chunks>("PortkeyAuth", &support::auth(caller()), || asked(&[key]));
        $check::<_, Chunks>("PortkeyAuth, waiting", &slow_auth(), || asked(&[key]));
        $check::<_, Chunks>("RequireScope", &RequireScopeLayer::by_route(), || support::by(caller(), asked(&[])));
        $check::<_, Chunks>("Config", &config, || below(&extract, &[PROVIDER]));
        $check::<_, FullOr<Chunks>>("Model, passing", &ModelLayer::new(tower_portkey::model::NoEntries), || {
            below(&found, &[PROVIDER])
        });
        $check::<_, FullOr<Chunks>>("Model, reading", &ModelLayer::new(tower_portkey::model::NoEntries), || {
            below(&found, &[PROVIDER, CHANGES])
        });
        let (counters, limits) = (LocalCounters::new(), RateLimit::from_json(r#"{"unit":"rpd","value":1000}"#));
        let limited = caller().with_limits(Vec::new(), limits.expect("a limit"));
        let counted = || support::by(limited.clone(), asked(&[]));
        $check::<_, Chunks>("LimitGate", &LimitGateLayer::new(counters.clone()), counted);
        $check::<_, Chunks>("Limit", &LimitLayer::callers(counters.clone()), counted);
        $check::<_, Chunks>("Limit, waiting", &LimitLayer::callers(Slow(counters.clone())), counted);
        $check::<_, Chunks>("Resolve", &resolve, || below(&found, &[PROVIDER, sk]));
        $check::<_, Chunks>("Inject", &InjectLayer::new(), || {
            below(&(extract.clone(), config.clone(), resolve.clone()), &[PROVIDER, sk])
        });
        $check::<_, Chunks>("a user's own", &GuardLayer::new(Tenant), || asked(&[]));
        $check::<_, Chunks>("Rescue", &RescueLayer::new(), || asked(&[]));
        $check::<_, FullOr<Chunks>>("PortkeyLayer, open", &open, || asked(&[PROVIDER, sk, CHANGES]));
        $check::<_, FullOr<Chunks>>("PortkeyLayer, hosted", &hosted, || asked(&[PROVIDER, sk, key, CHANGES]));
    };
}

/// What the checks ask of a service.
trait Checked: Service<Request<Chunks>, Response = Response<Self::Body>, Error: Into<BoxError> + Debug> + Clone {
    type Body: Body<Data = Bytes, Error: Debug> + Debug;
}

impl<S, R> Checked for S
where
    S: Service<Request<Chunks>, Response = Response<R>, Error: Into<BoxError> + Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug> + Debug,
{
    type Body = R;
}

type Over<L, B> = (Spawn<<L as Layer<Inner<B>>>::Service>, Handle<Request<B>, Response<Full<Bytes>>>);

fn over<L: Layer<Inner<B>, Service: Checked>, B>(layer: &L) -> Over<L, B> {
    let (inner, handle) = pair();
    (Spawn::new(layer.layer(inner)), handle)
}

/// Waits for the answer while the inner service answers `inner`.
async fn answered<B>(
    name: &str,
    answer: impl Future<Output = Result<Response<impl Body<Data = Bytes, Error: Debug> + Debug>, impl Debug>>,
    handle: &mut Handle<Request<B>, Response<Full<Bytes>>>,
) {
    let mut answer = pin!(answer);
    let respond = tokio::select! {
        biased;
        early = &mut answer => panic!("{name}: the inner service was not called: {early:?}"),
        request = handle.next_request() => request.expect(name).1,
    };
    respond.send_response(Response::new(Full::from("inner")));
    let response = answer.await.expect(name);
    assert_eq!(response.into_body().collect().await.expect(name).to_bytes(), "inner", "{name}");
}

fn pending_is_passed_on<L: Layer<Inner<B>, Service: Checked>, B>(
    name: &str,
    layer: &L,
    _: impl Fn() -> Request<Chunks>,
) {
    let (mut service, mut handle) = over::<L, B>(layer);
    handle.allow(0);
    assert!(service.poll_ready::<Request<Chunks>>().is_pending(), "{name}");
    assert!(!service.is_woken(), "{name}");
    handle.allow(1);
    assert!(service.is_woken(), "{name}");
    assert!(matches!(service.poll_ready::<Request<Chunks>>(), Poll::Ready(Ok(()))), "{name}");
}

/// The mock's clones are not ready, and panic when they are called.
fn the_ready_service_is_the_one_called<L: Layer<Inner<B>, Service: Checked>, B>(
    name: &str,
    layer: &L,
    request: impl Fn() -> Request<Chunks>,
) {
    let (mut service, mut handle) = over::<L, B>(layer);
    let requests = [request(), request(), request()];
    block_on(async {
        for request in requests {
            handle.allow(1);
            assert!(matches!(service.poll_ready::<Request<Chunks>>(), Poll::Ready(Ok(()))), "{name}");
            answered(name, service.call(request), &mut handle).await;
            assert!(service.poll_ready::<Request<Chunks>>().is_pending(), "{name}: ready without having been asked");
        }
    });
}

fn a_failure_is_passed_on<L: Layer<Inner<B>, Service: Checked>, B>(
    name: &str,
    layer: &L,
    request: impl Fn() -> Request<Chunks>,
) {
    let (mut service, mut handle) = over::<L, B>(layer);
    handle.send_error("gone");
    let Poll::Ready(ready) = service.poll_ready::<Request<Chunks>>() else { panic!("{name}: the failure is lost") };
    if name.starts_with("Rescue") || name.starts_with("PortkeyLayer") {
        assert!(ready.is_ok(), "{name}");
        let [first, second, third] = [request(), request(), request()];
        block_on(async {
            let mut clone = service.clone();
            let failed = service.call(first).await.expect(name);
            assert_eq!(failed.status(), 502, "{name}");
            assert_eq!(failed.headers()["x-portkey-gateway-exception"], "true", "{name}");
            assert!(matches!(service.poll_ready::<Request<Chunks>>(), Poll::Ready(Ok(()))), "{name}");
            answered(name, service.call(second), &mut handle).await;
            assert!(matches!(clone.poll_ready::<Request<Chunks>>(), Poll::Ready(Ok(()))), "{name}");
            answered(name, clone.call(third), &mut handle).await;
        });
    } else {
        let error: BoxError = ready.expect_err(name).into();
        assert_eq!(error.to_string(), "gone", "{name}");
    }
}

#[test]
fn not_yet_ready() {
    every_layer!(pending_is_passed_on);
}

#[test]
fn ready_and_called() {
    every_layer!(the_ready_service_is_the_one_called);
}

#[test]
fn failing_to_be_ready() {
    every_layer!(a_failure_is_passed_on);
}

/// Never answers, and notes when its future is dropped.
struct Hold<B> {
    called: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
    body: PhantomData<fn(B)>,
}

impl<B> Hold<B> {
    fn new() -> Self {
        Self { called: Arc::default(), dropped: Arc::default(), body: PhantomData }
    }
}

impl<B> Clone for Hold<B> {
    fn clone(&self) -> Self {
        Self { called: Arc::clone(&self.called), dropped: Arc::clone(&self.dropped), body: PhantomData }
    }
}

struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<B> Service<Request<B>> for Hold<B> {
    type Response = Response<Full<Bytes>>;
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Rejection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        self.called.store(true, Ordering::Relaxed);
        let held = Held(Arc::clone(&self.dropped));
        Box::pin(async move {
            let _held = held;
            pending().await
        })
    }
}

fn dropping_the_outer_future_drops_the_inner<L: Layer<Hold<B>, Service: Checked>, B>(
    name: &str,
    layer: &L,
    request: impl Fn() -> Request<Chunks>,
) {
    let hold = Hold::new();
    let mut answer = Box::pin(layer.layer(hold.clone()).oneshot(request()));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        assert!(answer.as_mut().poll(&mut cx).is_pending(), "{name}");
    }
    assert!(hold.called.load(Ordering::Relaxed) && !hold.dropped.load(Ordering::Relaxed), "{name}");
    drop(answer);
    assert!(hold.dropped.load(Ordering::Relaxed), "{name}");
}

#[test]
fn dropped_while_called() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _time_runs = runtime.enter();
    every_layer!(dropping_the_outer_future_drops_the_inner);
}

#[test]
fn dropped_while_somebody_is_asked() {
    let asked_about = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&asked_about);
    let layer = PortkeyAuthLayer::new(validate_fn(move |_: Credential| {
        let held = Held(Arc::clone(&held));
        async move {
            let _held = held;
            pending().await
        }
    }));
    let hold = Hold::<Chunks>::new();
    let mut answer = Box::pin(layer.layer(hold.clone()).oneshot(asked(&[("x-portkey-api-key", KEY)])));
    assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(!asked_about.load(Ordering::Relaxed));
    drop(answer);
    assert!(asked_about.load(Ordering::Relaxed) && !hold.called.load(Ordering::Relaxed));
}

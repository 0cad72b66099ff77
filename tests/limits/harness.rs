//! A clock that tests set, a provider that answers what it is told, and the layers around it.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::Service;
use tower_portkey::{
    context::{Principal, RateLimit, UsageLimit},
    limit::LocalCounters,
};

/// Milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl Hands {
    pub(crate) fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

pub(crate) type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;
pub(crate) type Counters = LocalCounters<Clock>;

pub(crate) fn counters() -> (Hands, Counters) {
    let hands = Hands::default();
    let shown = hands.clone();
    let clock = move || SystemTime::UNIX_EPOCH + Duration::from_millis(shown.0.load(Ordering::SeqCst));
    (hands, LocalCounters::with_clock(Box::new(clock)))
}

/// What is used and what is held, by the counter's name.
pub(crate) fn used(counters: &Counters) -> Vec<(String, u64, u64)> {
    let mut all: Vec<_> = counters.snapshot().map(|state| (state.name, state.used, state.held)).collect();
    all.sort();
    all
}

pub(crate) fn usage(json: &str) -> Vec<UsageLimit> {
    UsageLimit::from_json(json).expect("usage limits")
}

pub(crate) fn rates(json: &str) -> Vec<RateLimit> {
    RateLimit::from_json(json).expect("rate limits")
}

/// A caller of organisation `11aa` with these limits.
pub(crate) fn limited(usages: &str, rate: &str) -> Principal {
    Principal::new("k-1")
        .with_organisation("11aa")
        .with_workspace("ws-1")
        .with_scopes(["completions.write"])
        .with_limits(usage(usages), rates(rate))
}

/// A provider whose answers tests make: each call waits until its answer is there.
#[derive(Clone, Default)]
pub(crate) struct Provider(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    answers: Vec<Answer>,
    seen: Vec<HeaderMap>,
    bodies: Vec<Bytes>,
}

/// How a call ends.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Vec<Piece>,
}

#[derive(Clone)]
pub(crate) enum Piece {
    Data(Bytes),
    /// The stream breaks off.
    Broken,
    /// Nothing more comes, and no end either.
    Silence,
}

impl Answer {
    pub(crate) fn json(status: u16, text: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type", "application/json")], body: vec![Piece::Data(text.into())] }
    }

    pub(crate) fn events(events: &[&str]) -> Self {
        let event = |event: &&str| Piece::Data(Bytes::from(format!("data: {event}\n\n")));
        Self {
            status: 200,
            headers: vec![("content-type", "text/event-stream")],
            body: events.iter().map(event).collect(),
        }
    }

    pub(crate) fn and(mut self, piece: Piece) -> Self {
        self.body.push(piece);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Provider {
    /// Answers the calls in this order, and the last one for ever.
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Self(Arc::new(Mutex::new(Told { answers, ..Told::default() })))
    }

    /// The bodies of the calls.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().bodies.clone()
    }

    /// The headers of the calls.
    pub(crate) fn seen(&self) -> Vec<HeaderMap> {
        self.0.lock().unwrap().seen.clone()
    }
}

impl<B> Service<Request<B>> for Provider
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Pieces>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut told = self.0.lock().unwrap();
        let (head, body) = request.into_parts();
        told.seen.push(head.headers);
        let answer = if told.answers.len() > 1 { told.answers.pop() } else { told.answers.last().cloned() };
        drop(told);
        let bodies = Arc::clone(&self.0);
        Box::pin(async move {
            let body = body.collect().await.expect("a body").to_bytes();
            bodies.lock().unwrap().bodies.push(body);
            // A provider without an answer is silent.
            let Some(answer) = answer else { return std::future::pending().await };
            let mut response = Response::builder().status(answer.status);
            for (name, value) in answer.headers {
                response = response.header(name, value);
            }
            let mut response = response.body(Pieces(answer.body.into_iter())).unwrap();
            // As `Forward` does: the facts of the request are the response's.
            *response.extensions_mut() = head.extensions;
            Ok(response)
        })
    }
}

/// A body in pieces.
pub(crate) struct Pieces(std::vec::IntoIter<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        match self.0.next() {
            None => Poll::Ready(None),
            Some(Piece::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Piece::Broken) => Poll::Ready(Some(Err("broken"))),
            Some(Piece::Silence) => {
                self.0 = vec![Piece::Silence].into_iter();
                Poll::Pending
            }
        }
    }
}

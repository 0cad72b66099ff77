use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    attempt::prepare,
    trial::{Original, Step, Trial},
};
use crate::{
    body::FullOr,
    rejection::{Asked, Rejection, RenderRejection, refuse},
};

pin_project! {
    /// The answer of a [`Strategy`](super::Strategy). Dropped early, it drops the attempt under way, too.
    pub struct StrategyFuture<S, R, B>
    where
        S: Service<Request<FullOr<B>>>,
    {
        #[pin]
        state: State<S::Future, Under<S, R>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, U> {
        // One target, asked once: nothing is kept.
        Direct { #[pin] future: F },
        Refused { response: Option<Response<Bytes>> },
        Trying { #[pin] future: F, under: Option<Box<U>> },
        Waiting { #[pin] sleep: Sleep, under: Option<Box<U>> },
        // Whoever asks several targets lets others run in between.
        Readying { under: Option<Box<U>>, has_yielded: bool },
    }
}

/// What is kept while targets are asked. Boxed, so that a request with one target doesn't carry the room.
struct Under<S, R> {
    trial: Trial,
    again: Option<Again<S, R>>,
}

/// What another attempt takes.
pub(super) struct Again<S, R> {
    pub(super) original: Original,
    pub(super) service: S,
    pub(super) render: R,
}

impl<S, R, B> StrategyFuture<S, R, B>
where
    S: Service<Request<FullOr<B>>>,
{
    pub(super) fn direct(future: S::Future) -> Self {
        Self { state: State::Direct { future } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    /// The only attempt.
    pub(super) fn once(future: S::Future, trial: Trial) -> Self {
        Self { state: State::Trying { future, under: Some(Box::new(Under { trial, again: None })) } }
    }

    /// The first of several attempts. The service has been polled ready.
    pub(super) fn several(trial: Trial, again: Again<S, R>) -> Self
    where
        B: Body<Data = Bytes>,
        R: RenderRejection,
    {
        Self { state: attempt(Box::new(Under { trial, again: None }), again) }
    }
}

/// Sends a copy of the request. What the last attempt leaves over is dropped at once.
fn attempt<S, R, B>(mut under: Box<Under<S, R>>, mut again: Again<S, R>) -> State<S::Future, Under<S, R>>
where
    S: Service<Request<FullOr<B>>>,
    B: Body<Data = Bytes>,
    R: RenderRejection,
{
    let mut request = again.original.request.clone().map(FullOr::full);
    let (leaf, retries) = under.trial.target();
    if let Err(rejection) = prepare(&mut request, leaf, retries, &mut again.original.held) {
        return again.refused(rejection);
    }
    let future = again.service.call(request);
    under.again = under.trial.may_go_on().then_some(again);
    State::Trying { future, under: Some(under) }
}

impl<S, R: RenderRejection> Again<S, R> {
    fn refused<F>(self, rejection: Rejection) -> State<F, Under<S, R>> {
        let (head, _) = self.original.request.into_parts();
        let response = refuse(&self.render, rejection, &Asked::of(&head.headers), head.extensions);
        State::Refused { response: Some(response) }
    }
}

impl<S, R, B, ResBody> Future for StrategyFuture<S, R, B>
where
    S: Service<Request<FullOr<B>>, Response = Response<ResBody>>,
    B: Body<Data = Bytes>,
    R: RenderRejection,
{
    type Output = Result<Response<FullOr<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                Projected::Direct { future } => {
                    return future.poll(cx).map_ok(|response| response.map(FullOr::inner));
                }
                Projected::Refused { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(FullOr::full))),
                    // Polled again after it was ready: a caller's mistake, answered as futures do that never end.
                    None => return Poll::Pending,
                },
                Projected::Trying { future, under: place } => {
                    let result = ready!(future.poll(cx));
                    let Some(mut under) = place.take() else { return Poll::Pending };
                    let Under { trial, again } = &mut *under;
                    // Only the answer's head is looked at. The body of one that is not handed on is dropped unread.
                    match trial.judge(&result, again.as_ref().map(|again| &again.original)) {
                        Ok(Step::Done(verdict)) => {
                            return Poll::Ready(result.map(|mut response| {
                                trial.mark(response.headers_mut(), verdict);
                                response.map(FullOr::inner)
                            }));
                        }
                        Ok(Step::Wait(wait)) => State::Waiting { sleep: sleep(wait), under: Some(under) },
                        Ok(Step::Next) => State::Readying { under: Some(under), has_yielded: false },
                        Err(rejection) => match again.take() {
                            Some(again) => again.refused(rejection),
                            None => return Poll::Pending,
                        },
                    }
                }
                Projected::Waiting { sleep, under } => {
                    ready!(sleep.poll(cx));
                    State::Readying { under: under.take(), has_yielded: true }
                }
                Projected::Readying { under: place, has_yielded } => {
                    if !std::mem::replace(has_yielded, true) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    let again = place.as_mut().and_then(|under| under.again.as_mut());
                    let Some(again) = again else { return Poll::Pending };
                    ready!(again.service.poll_ready(cx))?;
                    let Some(mut under) = place.take() else { return Poll::Pending };
                    let Some(again) = under.again.take() else { return Poll::Pending };
                    attempt(under, again)
                }
            };
            state.set(next);
        }
    }
}

impl<S, R, B> fmt::Debug for StrategyFuture<S, R, B>
where
    S: Service<Request<FullOr<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrategyFuture").finish_non_exhaustive()
    }
}

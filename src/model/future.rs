use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    job::{Job, Room, Step},
    list::Question,
    resolve::{Listing, ResolveProvider},
};
use crate::{
    body::FullOr,
    budget::Share,
    rejection::{Asked, Rejection, RenderRejection, refuse},
};

pin_project! {
    /// The answer of a [`Model`](super::Model): the inner service's, or a refusal.
    pub struct ModelFuture<S, E, R, ReqBody>
    where
        S: Service<Request<FullOr<ReqBody>>>,
        E: ResolveProvider,
    {
        #[pin]
        state: State<S::Future, E::Future, Waiting<S, E, R, ReqBody>, Told<R>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, A, W, T> {
        // The share is held until the answer's head is there: by then the body has been sent.
        Forwarded { #[pin] future: F, share: Option<Share> },
        Answered { response: Option<Response<Bytes>> },
        Telling { entries: Listing, told: Option<Box<T>> },
        Asking { #[pin] answer: A, waiting: Option<Box<W>> },
        // The time runs from when the body is first waited for.
        Reading { #[pin] deadline: Option<Sleep>, waiting: Option<Box<W>> },
    }
}

/// What is kept while somebody is waited for. Boxed, so that a request that need not wait doesn't carry the room.
struct Waiting<S, E, R, ReqBody> {
    job: Job<ReqBody>,
    service: S,
    room: Room<E>,
    render: R,
}

/// Who asks for a list of entries, and what it is to look like.
type Told<R> = (Question, Parts, R);

impl<S, E, R, ReqBody> ModelFuture<S, E, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
    E: ResolveProvider,
{
    pub(super) fn forwarded(future: S::Future, share: Option<Share>) -> Self {
        Self { state: State::Forwarded { future, share } }
    }

    /// By the layer itself.
    pub(super) fn answered(response: Response<Bytes>) -> Self {
        Self { state: State::Answered { response: Some(response) } }
    }

    pub(super) fn told(entries: Listing, told: Told<R>) -> Self {
        Self { state: State::Telling { entries, told: Some(Box::new(told)) } }
    }

    /// `service` has been polled ready.
    pub(super) fn waiting(step: Step<E::Future>, job: Job<ReqBody>, service: S, room: Room<E>, render: R) -> Self {
        let waiting = Some(Box::new(Waiting { job, service, room, render }));
        let state = match step {
            Step::Ask(answer) => State::Asking { answer, waiting },
            Step::Read | Step::Done => State::Reading { deadline: None, waiting },
        };
        Self { state }
    }
}

type Next<S, E, R, ReqBody> = State<
    <S as Service<Request<FullOr<ReqBody>>>>::Future,
    <E as ResolveProvider>::Future,
    Waiting<S, E, R, ReqBody>,
    Told<R>,
>;

impl<S, E, R, ReqBody> Waiting<S, E, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
    E: ResolveProvider,
    R: RenderRejection,
    ReqBody: Body<Data = Bytes>,
{
    /// Goes on after something that was waited for.
    fn go_on(mut self: Box<Self>, came: Result<(), Rejection>) -> Next<S, E, R, ReqBody> {
        match came.and_then(|()| self.job.advance(&self.room)) {
            Ok(Step::Ask(answer)) => State::Asking { answer, waiting: Some(self) },
            Ok(Step::Read) => State::Reading { deadline: None, waiting: Some(self) },
            Ok(Step::Done) => {
                let Self { job, mut service, .. } = *self;
                let (request, share) = job.into_request();
                State::Forwarded { future: service.call(request), share }
            }
            Err(rejection) => {
                let asked = Asked::of(&self.job.head.headers);
                let response = refuse(&self.render, rejection, &asked, self.job.head.extensions);
                State::Answered { response: Some(response) }
            }
        }
    }
}

impl<S, E, R, ReqBody, ResBody> Future for ModelFuture<S, E, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>>,
    E: ResolveProvider,
    R: RenderRejection,
    ReqBody: Body<Data = Bytes> + Unpin,
    ReqBody::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<Response<FullOr<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                Projected::Forwarded { future, .. } => {
                    return future.poll(cx).map_ok(|response| response.map(FullOr::inner));
                }
                Projected::Answered { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(FullOr::full))),
                    // Polled again after it was ready: a caller's mistake, answered as futures do that never end.
                    None => return Poll::Pending,
                },
                Projected::Telling { entries, told } => {
                    let entries = ready!(entries.as_mut().poll(cx));
                    let Some(told) = told.take() else { return Poll::Pending };
                    let (question, head, render) = *told;
                    State::Answered { response: Some(question.answer(entries, head, &render)) }
                }
                Projected::Asking { answer, waiting } => {
                    let answer = ready!(answer.poll(cx));
                    let Some(mut waiting) = waiting.take() else { return Poll::Pending };
                    let came = waiting.job.answered(answer);
                    waiting.go_on(came)
                }
                Projected::Reading { mut deadline, waiting } => {
                    let Some(reading) = waiting.as_mut() else { return Poll::Pending };
                    let came = match reading.job.poll_read(cx) {
                        Poll::Ready(came) => came,
                        // Whoever sends slowly doesn't hold what is there for everybody.
                        Poll::Pending => {
                            let limit = reading.room.read_timeout;
                            if deadline.is_none() {
                                deadline.set(Some(sleep(limit)));
                            }
                            let Some(deadline) = deadline.as_pin_mut() else { return Poll::Pending };
                            ready!(deadline.poll(cx));
                            Err(Rejection::too_slow())
                        }
                    };
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    waiting.go_on(came)
                }
            };
            state.set(next);
        }
    }
}

impl<S, E, R, ReqBody> fmt::Debug for ModelFuture<S, E, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
    E: ResolveProvider,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelFuture").finish_non_exhaustive()
    }
}

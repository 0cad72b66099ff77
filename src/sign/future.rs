use std::{
    error::Error,
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

use super::job::{Job, Sent};
use crate::{
    body::FullOr,
    rejection::{Asked, Rejection, RenderRejection, refuse},
};

pin_project! {
    /// The answer of a [`Sign`](super::Sign): the inner service's, or a refusal.
    pub struct SignFuture<S, R, B>
    where
        S: Service<Request<FullOr<B>>>,
    {
        #[pin]
        state: State<S::Future, Waiting<S, R, B>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, W> {
        // Held until the answer's head is there: by then the body has been sent.
        Forwarded { #[pin] future: F, sent: Option<Sent> },
        Refused { response: Option<Response<Bytes>> },
        Waiting { waiting: Option<Box<W>> },
    }
}

/// What is kept while keys or body are waited for. Boxed, so that a request that need not wait doesn't carry the room.
struct Waiting<S, R, B> {
    job: Job<B>,
    service: S,
    render: R,
    /// The time runs from when the body is first waited for.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S, R, B> SignFuture<S, R, B>
where
    S: Service<Request<FullOr<B>>>,
{
    pub(super) fn forwarded(future: S::Future, sent: Option<Sent>) -> Self {
        Self { state: State::Forwarded { future, sent } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    /// `service` has been polled ready.
    pub(super) fn waiting(job: Job<B>, service: S, render: R) -> Self {
        Self { state: State::Waiting { waiting: Some(Box::new(Waiting { job, service, render, deadline: None })) } }
    }
}

impl<S, R, B> Waiting<S, R, B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        match self.job.poll_ready(cx) {
            Poll::Ready(came) => return Poll::Ready(came),
            Poll::Pending if self.job.waits_for_keys() => return Poll::Pending,
            Poll::Pending => {}
        }
        // Whoever sends slowly doesn't hold what is there for everybody.
        let limit = self.job.read_timeout();
        ready!(self.deadline.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(Err(Rejection::too_slow()))
    }
}

impl<S, R, B, ResBody> Future for SignFuture<S, R, B>
where
    S: Service<Request<FullOr<B>>, Response = Response<ResBody>>,
    R: RenderRejection,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Output = Result<Response<FullOr<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                Projected::Forwarded { future, sent } => {
                    let response = ready!(future.poll(cx))?;
                    if let Some(sent) = sent {
                        sent.answered(response.status(), response.headers());
                    }
                    return Poll::Ready(Ok(response.map(FullOr::inner)));
                }
                Projected::Refused { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(FullOr::full))),
                    // Polled again after it was ready: a caller's mistake, answered as futures do that never end.
                    None => return Poll::Pending,
                },
                Projected::Waiting { waiting } => {
                    let Some(came) = waiting.as_mut().map(|waiting| waiting.poll_ready(cx)) else {
                        return Poll::Pending;
                    };
                    let came = ready!(came);
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    let Waiting { job, mut service, render, .. } = *waiting;
                    let signed = match came {
                        Ok(()) => job.sign(),
                        Err(rejection) => Err((rejection, Box::new(job.head))),
                    };
                    match signed {
                        Ok((request, sent)) => State::Forwarded { future: service.call(request), sent: Some(sent) },
                        Err((rejection, head)) => {
                            let asked = Asked::of(&head.headers);
                            State::Refused { response: Some(refuse(&render, rejection, &asked, head.extensions)) }
                        }
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, R, B> fmt::Debug for SignFuture<S, R, B>
where
    S: Service<Request<FullOr<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignFuture").finish_non_exhaustive()
    }
}

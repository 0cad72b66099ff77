use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Guard;
use crate::{
    body::FullOr,
    rejection::{Asked, RenderRejection, refuse},
};

pin_project! {
    /// The answer of a [`GuardService`](super::GuardService): the inner service's, or a refusal.
    pub struct GuardFuture<S, G, R, ReqBody>
    where
        S: Service<Request<ReqBody>>,
        G: Guard,
    {
        #[pin]
        state: State<S::Future, G::Future, Waiting<S, G, R, ReqBody>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, D, W> {
        Forwarded { #[pin] future: F },
        Refused { response: Option<Response<Bytes>> },
        Deciding { #[pin] decision: D, waiting: Option<Box<W>> },
    }
}

/// What is kept while a decision is waited for. Boxed, so that a request that need not wait doesn't carry the room.
struct Waiting<S, G, R, ReqBody> {
    request: (Parts, ReqBody),
    service: S,
    guard: Arc<G>,
    render: R,
}

impl<S, G, R, ReqBody> GuardFuture<S, G, R, ReqBody>
where
    S: Service<Request<ReqBody>>,
    G: Guard,
{
    pub(super) fn forwarded(future: S::Future) -> Self {
        Self { state: State::Forwarded { future } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    /// `service` has been polled ready.
    pub(super) fn waiting(
        decision: G::Future,
        request: (Parts, ReqBody),
        service: S,
        guard: Arc<G>,
        render: R,
    ) -> Self {
        let waiting = Some(Box::new(Waiting { request, service, guard, render }));
        Self { state: State::Deciding { decision, waiting } }
    }
}

impl<S, G, R, ReqBody, ResBody> Future for GuardFuture<S, G, R, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    G: Guard,
    R: RenderRejection,
{
    type Output = Result<Response<FullOr<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                Projected::Forwarded { future } => {
                    return future.poll(cx).map_ok(|response| response.map(FullOr::inner));
                }
                Projected::Refused { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(FullOr::full))),
                    // Polled again after it was ready: a caller's mistake, answered as futures do that never end.
                    None => return Poll::Pending,
                },
                Projected::Deciding { decision, waiting } => {
                    let decided = ready!(decision.poll(cx));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    let Waiting { request: (mut head, body), mut service, guard, render } = *waiting;
                    match decided {
                        Ok(grant) => {
                            guard.admit(&mut head, grant);
                            State::Forwarded { future: service.call(Request::from_parts(head, body)) }
                        }
                        Err(rejection) => {
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

impl<S, G, R, ReqBody> fmt::Debug for GuardFuture<S, G, R, ReqBody>
where
    S: Service<Request<ReqBody>>,
    G: Guard,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}

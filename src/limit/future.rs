use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    body::LimitBody,
    counter::{Counter, Levels},
    headers,
    service::Plan,
    ticket::Ticket,
};
use crate::{
    body::FullOr,
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

pin_project! {
    /// The answer of a [`Limit`](super::Limit): the inner service's, or a refusal. Dropping it settles the request as one
    /// that was cancelled.
    pub struct LimitFuture<S, C, R, ReqBody>
    where
        S: Service<Request<ReqBody>>,
        C: Counter,
    {
        #[pin]
        state: State<S::Future, C::Future, Ticket<C>, Waiting<S, C, R, ReqBody>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, D, T, W> {
        Forwarded { #[pin] future: F, ticket: Option<Box<T>>, levels: Levels },
        Refused { response: Option<Response<Bytes>> },
        Asking { #[pin] verdict: D, waiting: Option<Box<W>> },
    }
}

/// What is kept while a verdict is waited for. Boxed, so that a request that need not wait doesn't carry the room.
struct Waiting<S, C, R, ReqBody> {
    request: (Parts, ReqBody),
    plan: Plan,
    service: S,
    counter: C,
    render: R,
}

impl<S, C, R, ReqBody> LimitFuture<S, C, R, ReqBody>
where
    S: Service<Request<ReqBody>>,
    C: Counter,
{
    pub(super) fn forwarded(future: S::Future, ticket: Option<Box<Ticket<C>>>, levels: Levels) -> Self {
        Self { state: State::Forwarded { future, ticket, levels } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    /// `service` has been polled ready.
    pub(super) fn waiting(
        verdict: C::Future,
        request: (Parts, ReqBody),
        plan: Plan,
        service: S,
        counter: C,
        render: R,
    ) -> Self {
        let waiting = Some(Box::new(Waiting { request, plan, service, counter, render }));
        Self { state: State::Asking { verdict, waiting } }
    }
}

impl<S, C, R, ReqBody, ResBody> Future for LimitFuture<S, C, R, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: Counter,
    R: RenderRejection,
{
    type Output = Result<Response<FullOr<LimitBody<ResBody, C>>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                Projected::Forwarded { future, ticket, levels } => {
                    let answer = ready!(future.poll(cx));
                    return Poll::Ready(answered(answer, ticket.take(), mem::take(levels)));
                }
                Projected::Refused { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(FullOr::full))),
                    // Polled again after it was ready: a caller's mistake, answered as futures do that never end.
                    None => return Poll::Pending,
                },
                Projected::Asking { verdict, waiting } => {
                    let verdict = ready!(verdict.poll(cx));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    let Waiting { request: (mut head, body), plan, mut service, counter, render } = *waiting;
                    match verdict.and_then(|verdict| plan.judge(verdict, &mut head, || counter)) {
                        Ok((ticket, levels)) => {
                            let future = service.call(Request::from_parts(head, body));
                            State::Forwarded { future, ticket, levels }
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

/// What fails gives back what was taken; of everything else the body says what it has used.
fn answered<B, C, E>(
    answer: Result<Response<B>, E>,
    ticket: Option<Box<Ticket<C>>>,
    levels: Levels,
) -> Result<Response<FullOr<LimitBody<B, C>>>, E> {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => {
            if let Some(mut ticket) = ticket {
                ticket.failed();
            }
            return Err(error);
        }
    };
    if !levels.is_empty() {
        // A layer below may have told of a tighter limit.
        let below = response.extensions().get().copied().unwrap_or_default();
        let levels = levels.and(below);
        headers::tell(levels, response.headers_mut());
        response.extensions_mut().insert(levels);
    }
    let ticket = ticket.and_then(|mut ticket| {
        match response.extensions().get::<Rejection>().map(Rejection::kind) {
            // How long an answer is waited for is the caller's to say.
            Some(Kind::Timeout | Kind::GatewayTimeout) => ticket.gave_up(),
            None if response.status().is_success() => {
                ticket.answered(response.headers(), response.extensions());
                return Some(ticket);
            }
            Some(_) | None => ticket.failed(),
        }
        None
    });
    Ok(response.map(|body| FullOr::inner(LimitBody::new(body, ticket))))
}

impl<S, C, R, ReqBody> fmt::Debug for LimitFuture<S, C, R, ReqBody>
where
    S: Service<Request<ReqBody>>,
    C: Counter,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitFuture").finish_non_exhaustive()
    }
}

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    body::TranslateBody,
    job::{self, Job, Room, Way},
    prepare,
    service::first,
};
use crate::{
    body::FullOr,
    budget::Share,
    context::Translation,
    held::Held,
    rejection::{Kind, Rejection, RenderRejection, refuse},
    whole::Reader,
};

pin_project! {
    /// The answer of a [`Translate`](super::Translate): the inner service's, translated where it has to be, or a refusal.
    pub struct TranslateFuture<S, R, ReqBody, ResBody>
    where
        S: Service<Request<FullOr<ReqBody>>>,
    {
        #[pin]
        state: State<S::Future, Job<S, R>, ResBody, Asking<S, R, ReqBody>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, J, B, A> {
        Passed { #[pin] future: F },
        // The request is read.
        Asking { asking: Option<Box<A>> },
        Refused { response: Option<Response<Bytes>> },
        // Boxed, so that a request that is not translated doesn't carry the room.
        Called { #[pin] future: F, job: Option<Box<J>> },
        Reading { #[pin] body: B, read: Held, head: Option<Box<response::Parts>>, job: Option<Box<J>> },
        // Until the service is ready for the next call.
        Waiting { job: Option<Box<J>> },
    }
}

/// A request that is read before it is translated.
pub(super) struct Asking<S, R, B> {
    pub(super) request: Request<FullOr<B>>,
    pub(super) translation: Translation,
    pub(super) reader: Reader,
    /// Has been polled ready.
    pub(super) service: S,
    pub(super) room: Room<R>,
    /// How long the request may take to come. The time runs from when it is first waited for.
    pub(super) limit: Duration,
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
}

impl<S, R, B> Asking<S, R, B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Rejection>> {
        if let Poll::Ready(read) = self.reader.poll(Pin::new(self.request.body_mut()), cx) {
            return Poll::Ready(read);
        }
        let limit = self.limit;
        ready!(self.deadline.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(Err(Rejection::too_slow()))
    }
}

impl<S, R, ReqBody, ResBody> TranslateFuture<S, R, ReqBody, ResBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
{
    pub(super) fn asking(asking: Asking<S, R, ReqBody>) -> Self {
        Self { state: State::Asking { asking: Some(Box::new(asking)) } }
    }

    pub(super) fn passed(future: S::Future) -> Self {
        Self { state: State::Passed { future } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    pub(super) fn called(future: S::Future, job: Job<S, R>) -> Self {
        Self { state: State::Called { future, job: Some(Box::new(job)) } }
    }
}

impl<S, R, ReqBody, ResBody> Future for TranslateFuture<S, R, ReqBody, ResBody>
where
    S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>>,
    R: RenderRejection,
    ReqBody: Body<Data = Bytes> + Unpin,
    ReqBody::Error: Into<Box<dyn Error + Send + Sync>>,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<Response<TranslateBody<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                Projected::Passed { future } => {
                    return future.poll(cx).map_ok(|response| response.map(TranslateBody::inner));
                }
                Projected::Refused { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(TranslateBody::full))),
                    // Polled again after it was ready: a caller's mistake, answered as futures do that never end.
                    None => return Poll::Pending,
                },
                Projected::Asking { asking } => {
                    let Some(reading) = asking.as_mut() else { return Poll::Pending };
                    let read = ready!(reading.poll(cx));
                    let Some(read_all) = asking.take() else { return Poll::Pending };
                    let Asking { mut request, translation, reader, service, mut room, .. } = *read_all;
                    room.request = Some(reader.into_share());
                    let prepared = read.and_then(|body| {
                        *request.body_mut() = FullOr::full(body);
                        prepare::prepare(&mut request, &translation)
                    });
                    match prepared {
                        Ok(prepared) => {
                            let (future, job) = first(service, request, prepared, room);
                            State::Called { future, job: Some(Box::new(job)) }
                        }
                        Err(rejection) => {
                            let facts = std::mem::take(request.extensions_mut());
                            let response = refuse(&room.render, rejection, &room.asked, facts);
                            State::Refused { response: Some(response) }
                        }
                    }
                }
                Projected::Called { future, job } => {
                    let response = ready!(future.poll(cx))?;
                    let Some(job) = job.take() else { return Poll::Pending };
                    let (head, body) = response.into_parts();
                    match job.way(&head) {
                        Ok(Way::Plain) => {
                            return Poll::Ready(Ok(Response::from_parts(head, TranslateBody::inner(body))));
                        }
                        Ok(Way::Stream) => return Poll::Ready(Ok(job.stream(head, body))),
                        Ok(Way::Whole) => {
                            State::Reading { body, read: Held::new(), head: Some(Box::new(head)), job: Some(job) }
                        }
                        Err(rejection) => return Poll::Ready(Ok(job.room.refuse(rejection, head))),
                    }
                }
                Projected::Reading { body, read, head, job } => {
                    let Some(room) = job.as_mut().map(|job| &mut job.room) else { return Poll::Pending };
                    let came = ready!(poll_whole(body, read, room.limit, &mut room.answers, cx));
                    let (Some(head), Some(mut job)) = (head.take(), job.take()) else { return Poll::Pending };
                    match came.and_then(|()| job.take(&head, &read.take())) {
                        Ok(Some(body)) => return Poll::Ready(Ok(job::whole(*head, body))),
                        Ok(None) => State::Waiting { job: Some(job) },
                        Err(rejection) => return Poll::Ready(Ok(job.room.refuse(rejection, *head))),
                    }
                }
                Projected::Waiting { job } => {
                    let Some(rest) = job.as_mut().and_then(|job| job.rest.as_mut()) else { return Poll::Pending };
                    ready!(rest.service.poll_ready(cx))?;
                    let request = prepare::again(&rest.head, rest.bodies.next().unwrap_or_default());
                    State::Called { future: rest.service.call(request), job: job.take() }
                }
            };
            state.set(next);
        }
    }
}

/// Reads a body to its end.
fn poll_whole<B>(
    mut body: Pin<&mut B>,
    read: &mut Held,
    limit: usize,
    share: &mut Share,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Rejection>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        match ready!(body.as_mut().poll_frame(cx)) {
            None => return Poll::Ready(Ok(())),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if data.len() > limit - read.len().min(limit) {
                    let message = "The provider's answer is longer than may be translated";
                    return Poll::Ready(Err(Rejection::new(Kind::BadGateway).with_message(message)));
                }
                if !share.take(read.cost(data.len())) {
                    return Poll::Ready(Err(Rejection::unavailable("the budget for answers is used up")));
                }
                read.push(data);
            }
            Some(Err(error)) => {
                let message = "The provider's answer broke off";
                let rejection = Rejection::new(Kind::BadGateway).with_message(message).with_source(error);
                return Poll::Ready(Err(rejection));
            }
        }
    }
}

impl<S, R, ReqBody, ResBody> fmt::Debug for TranslateFuture<S, R, ReqBody, ResBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TranslateFuture").finish_non_exhaustive()
    }
}

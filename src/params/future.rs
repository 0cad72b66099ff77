use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header::CONTENT_LENGTH, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{apply::apply, budget::Share, service::too_large};
use crate::{
    body::FullOr,
    context::RequestConfig,
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

pin_project! {
    /// The answer of an [`ApplyParams`](super::ApplyParams).
    pub struct ParamsFuture<S, R, ReqBody>
    where
        S: Service<Request<FullOr<ReqBody>>>,
    {
        #[pin]
        state: State<S::Future, ReqBody, Waiting<S, R>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, B, W> {
        // The share is held until the answer's head is there: by then the body has been sent.
        Forwarded { #[pin] future: F, share: Option<Share> },
        Refused { response: Option<Response<Bytes>> },
        Reading { #[pin] body: B, reader: Option<Reader>, waiting: Option<Box<W>> },
    }
}

/// What is kept while a body is read.
struct Waiting<S, R> {
    head: Parts,
    service: S,
    render: R,
}

impl<S, R, ReqBody> ParamsFuture<S, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
{
    pub(super) fn forwarded(future: S::Future) -> Self {
        Self { state: State::Forwarded { future, share: None } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    /// `service` has been polled ready.
    pub(super) fn reading(head: Parts, body: ReqBody, reader: Reader, service: S, render: R) -> Self {
        let waiting = Some(Box::new(Waiting { head, service, render }));
        Self { state: State::Reading { body, reader: Some(reader), waiting } }
    }
}

impl<S, R, ReqBody, ResBody> Future for ParamsFuture<S, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>>,
    ReqBody: Body<Data = Bytes>,
    ReqBody::Error: Into<Box<dyn Error + Send + Sync>>,
    R: RenderRejection,
{
    type Output = Result<Response<FullOr<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                Projected::Forwarded { future, .. } => {
                    return future.poll(cx).map_ok(|response| response.map(FullOr::inner));
                }
                Projected::Refused { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(FullOr::full))),
                    None => return Poll::Pending,
                },
                Projected::Reading { body, reader, waiting } => {
                    let Some(reading) = reader.as_mut() else { return Poll::Pending };
                    let whole = ready!(reading.poll(body, cx));
                    let (Some(Reader { read, share, .. }), Some(waiting)) = (reader.take(), waiting.take()) else {
                        return Poll::Pending;
                    };
                    let Waiting { mut head, mut service, render } = *waiting;
                    match whole.and_then(|()| change(&head, &read)) {
                        Ok(body) => {
                            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                            let request = Request::from_parts(head, FullOr::full(body));
                            State::Forwarded { future: service.call(request), share: Some(share) }
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

/// Reads a body within its limit and everybody's budget.
pub(super) struct Reader {
    read: BytesMut,
    limit: usize,
    share: Share,
}

impl Reader {
    pub(super) fn new(limit: usize, share: Share) -> Self {
        Self { read: BytesMut::new(), limit, share }
    }

    /// Reads until the end. Trailers of a body that is read are dropped with it.
    fn poll<B>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
            let data = frame.map_err(unreadable)?.into_data().unwrap_or_default();
            if self.read.len() + data.len() > self.limit {
                return Poll::Ready(Err(too_large(self.limit)));
            }
            if !self.share.take(data.len()) {
                return Poll::Ready(Err(Rejection::unavailable("the budget for bodies is used up")));
            }
            self.read.extend_from_slice(&data);
        }
        Poll::Ready(Ok(()))
    }
}

fn unreadable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message("The body could not be read to its end").with_source(error)
}

fn change(head: &Parts, body: &[u8]) -> Result<Bytes, Rejection> {
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    match head.extensions.get::<RequestConfig>().and_then(RequestConfig::params) {
        Some(params) => Ok(Bytes::from(apply(body, params)?)),
        None => Err(Rejection::misassembled("ConfigLayer")),
    }
}

impl<S, R, ReqBody> fmt::Debug for ParamsFuture<S, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParamsFuture").finish_non_exhaustive()
    }
}

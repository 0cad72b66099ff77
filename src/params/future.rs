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

use super::{apply::apply, service::too_large};
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
        Forwarded { #[pin] future: F },
        Refused { response: Option<Response<Bytes>> },
        Reading { #[pin] body: B, read: BytesMut, waiting: Option<Box<W>> },
    }
}

/// What is kept while a body is read.
struct Waiting<S, R> {
    head: Parts,
    service: S,
    limit: usize,
    render: R,
}

impl<S, R, ReqBody> ParamsFuture<S, R, ReqBody>
where
    S: Service<Request<FullOr<ReqBody>>>,
{
    pub(super) fn forwarded(future: S::Future) -> Self {
        Self { state: State::Forwarded { future } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    /// `service` has been polled ready.
    pub(super) fn reading(head: Parts, body: ReqBody, limit: usize, service: S, render: R) -> Self {
        let waiting = Some(Box::new(Waiting { head, service, limit, render }));
        Self { state: State::Reading { body, read: BytesMut::new(), waiting } }
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
                Projected::Forwarded { future } => {
                    return future.poll(cx).map_ok(|response| response.map(FullOr::inner));
                }
                Projected::Refused { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(FullOr::full))),
                    None => return Poll::Pending,
                },
                Projected::Reading { body, read, waiting } => {
                    let limit = waiting.as_ref().map_or(0, |waiting| waiting.limit);
                    let whole = ready!(poll_whole(body, read, limit, cx));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    let Waiting { mut head, mut service, render, .. } = *waiting;
                    match whole.and_then(|()| change(&head, read)) {
                        Ok(body) => {
                            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                            let request = Request::from_parts(head, FullOr::full(body));
                            State::Forwarded { future: service.call(request) }
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

/// Reads until the end or the limit. Trailers of a body that is read are dropped with it.
fn poll_whole<B>(
    mut body: Pin<&mut B>,
    read: &mut BytesMut,
    limit: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Rejection>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
        let frame = frame.map_err(|error| {
            Rejection::new(Kind::InvalidRequest)
                .with_message("The body could not be read to its end")
                .with_source(error)
        })?;
        let data = frame.into_data().unwrap_or_default();
        if read.len() + data.len() > limit {
            return Poll::Ready(Err(too_large(limit)));
        }
        read.extend_from_slice(&data);
    }
    Poll::Ready(Ok(()))
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

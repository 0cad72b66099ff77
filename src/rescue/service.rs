use std::{
    convert::Infallible,
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tower_service::Service;

use super::RescueFuture;
use crate::{
    body::FullOr,
    rejection::{Asked, Kind, Rejection, RenderRejection},
};

/// A service that always answers.
pub struct Rescue<S, R> {
    inner: S,
    render: R,
    /// Why the inner service won't be ready. Never cloned: it is about this instance only.
    failed: Option<Rejection>,
}

impl<S, R> Rescue<S, R> {
    pub(super) fn new(inner: S, render: R) -> Self {
        Self { inner, render, failed: None }
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for Rescue<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    R: RenderRejection + Clone,
{
    type Response = Response<FullOr<ResBody>>;
    type Error = Infallible;
    type Future = RescueFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.failed.is_none() {
            self.failed = ready!(self.inner.poll_ready(cx)).err().map(rejection);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let asked = Asked::of(request.headers());
        let render = self.render.clone();
        match self.failed.take() {
            Some(rejection) => RescueFuture::failed(rejection, asked, render),
            // Most layers decide within `call`, so a panic there is caught like one in the future.
            None => match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
                Ok(future) => RescueFuture::called(future, asked, render),
                Err(_) => RescueFuture::failed(Rejection::new(Kind::Internal), asked, render),
            },
        }
    }
}

/// What an error is told as: itself, where it is a [`Rejection`] already; else 502 with the fixed text.
pub(super) fn rejection(error: impl Into<Box<dyn Error + Send + Sync>>) -> Rejection {
    match error.into().downcast::<Rejection>() {
        Ok(rejection) => *rejection,
        Err(error) => Rejection::new(Kind::BadGateway).with_source(error),
    }
}

impl<S: Clone, R: Clone> Clone for Rescue<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.render.clone())
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Rescue<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rescue").field("inner", &self.inner).finish_non_exhaustive()
    }
}

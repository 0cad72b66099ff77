use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use http::{Extensions, Response};
use pin_project_lite::pin_project;

use super::service::rejection;
use crate::{
    body::FullOr,
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

pin_project! {
    /// The answer of a [`Rescue`](super::Rescue).
    pub struct RescueFuture<F, R> {
        #[pin]
        state: State<F>,
        asked: Asked,
        render: R,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Called { #[pin] future: F },
        Failed { rejection: Option<Rejection> },
    }
}

impl<F, R> RescueFuture<F, R> {
    pub(super) fn called(future: F, asked: Asked, render: R) -> Self {
        Self { state: State::Called { future }, asked, render }
    }

    pub(super) fn failed(rejection: Rejection, asked: Asked, render: R) -> Self {
        Self { state: State::Failed { rejection: Some(rejection) }, asked, render }
    }
}

impl<F, R, ResBody, E> Future for RescueFuture<F, R>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
    R: RenderRejection,
{
    type Output = Result<Response<FullOr<ResBody>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let rejection = match this.state.as_mut().project() {
            // The future is not polled again after a panic, so nobody sees what it left half done.
            Projected::Called { future } => match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(response))) => return Poll::Ready(Ok(response.map(FullOr::inner))),
                Ok(Poll::Ready(Err(error))) => rejection(error),
                Err(_) => Rejection::new(Kind::Internal),
            },
            Projected::Failed { rejection } => match rejection.take() {
                Some(rejection) => rejection,
                None => return Poll::Pending,
            },
        };
        this.state.set(State::Failed { rejection: None });
        let response = refuse(this.render, rejection, this.asked, Extensions::new());
        Poll::Ready(Ok(response.map(FullOr::full)))
    }
}

impl<F, R> fmt::Debug for RescueFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RescueFuture").finish_non_exhaustive()
    }
}

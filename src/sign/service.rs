use std::{
    error::Error,
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use tower_service::Service;

use super::{future::SignFuture, job::Job, layer::Settings};
use crate::{
    body::FullOr,
    context::Target,
    rejection::{Asked, PortkeyJson, Rejection, RenderRejection, refuse},
};

/// A service behind [`SignLayer`](super::SignLayer).
pub struct Sign<S, R = PortkeyJson> {
    inner: S,
    settings: Arc<Settings>,
    render: R,
}

impl<S, R> Sign<S, R> {
    pub(super) fn new(inner: S, settings: Arc<Settings>, render: R) -> Self {
        Self { inner, settings, render }
    }
}

impl<S, R, B, ResBody> Service<Request<FullOr<B>>> for Sign<S, R>
where
    S: Service<Request<FullOr<B>>, Response = Response<ResBody>> + Clone,
    R: RenderRejection + Clone,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Response = Response<FullOr<ResBody>>;
    type Error = S::Error;
    type Future = SignFuture<S, R, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<FullOr<B>>) -> Self::Future {
        let signing = match (&self.settings.always, request.extensions().get::<Target>()) {
            (Some(signing), _) => signing.clone(),
            (None, Some(target)) => match target.signing() {
                Some(signing) => signing.clone(),
                None => return SignFuture::forwarded(self.inner.call(request), None),
            },
            (None, None) => {
                let (head, _) = request.into_parts();
                return self.refused(Rejection::misassembled("ResolveLayer"), head);
            }
        };
        let job = match Job::new(request, signing, &self.settings) {
            Ok(job) => job,
            Err((rejection, head)) => return self.refused(rejection, *head),
        };
        if !job.is_ready() {
            // The service that was polled ready goes with the request; what stays behind is a clone, which the next
            // `poll_ready` makes ready.
            let clone = self.inner.clone();
            let ready = mem::replace(&mut self.inner, clone);
            return SignFuture::waiting(job, ready, self.render.clone());
        }
        match job.sign() {
            Ok((request, sent)) => SignFuture::forwarded(self.inner.call(request), Some(sent)),
            Err((rejection, head)) => self.refused(rejection, *head),
        }
    }
}

impl<S, R: RenderRejection> Sign<S, R> {
    fn refused<B>(&self, rejection: Rejection, head: Parts) -> SignFuture<S, R, B>
    where
        S: Service<Request<FullOr<B>>>,
    {
        SignFuture::refused(refuse(&self.render, rejection, &Asked::of(&head.headers), head.extensions))
    }
}

impl<S: Clone, R: Clone> Clone for Sign<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.settings), self.render.clone())
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Sign<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sign").field("inner", &self.inner).field("settings", &self.settings).finish_non_exhaustive()
    }
}

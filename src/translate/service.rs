use std::{
    error::Error,
    fmt, mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::TranslateBody,
    future::TranslateFuture,
    job::{Job, Rest, Room},
    prepare::{self, Prepared},
};
use crate::{
    body::FullOr,
    budget::Budget,
    context::Target,
    rejection::{Asked, Rejection, RenderRejection, refuse},
};

/// A service behind [`TranslateLayer`](super::TranslateLayer).
#[derive(Clone)]
pub struct Translate<S, R> {
    pub(super) inner: S,
    pub(super) limit: usize,
    pub(super) answers: Budget,
    pub(super) render: R,
}

impl<S, R, ReqBody, ResBody> Service<Request<FullOr<ReqBody>>> for Translate<S, R>
where
    S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>> + Clone,
    R: RenderRejection + Clone,
    ReqBody: Body<Data = Bytes>,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<TranslateBody<ResBody>>;
    type Error = S::Error;
    type Future = TranslateFuture<S, R, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<FullOr<ReqBody>>) -> Self::Future {
        let translation = match request.extensions().get::<Target>() {
            Some(target) => target.translation(),
            None => return self.refused(request, Rejection::misassembled("ResolveLayer")),
        };
        let Some(translation) = translation else {
            return TranslateFuture::passed(self.inner.call(request));
        };
        let asked = Asked::of(request.headers());
        let Prepared { answer, rest } = match prepare::prepare(&mut request, translation) {
            Ok(prepared) => prepared,
            Err(rejection) => return self.refused(request, rejection),
        };
        let room = Room { asked, render: self.render.clone(), limit: self.limit, share: self.answers.share() };
        let Some(bodies) = rest else {
            return TranslateFuture::called(self.inner.call(request), Job { answer, rest: None, room });
        };
        // Further calls follow: the service that was polled ready goes along, what stays behind is a clone.
        let clone = self.inner.clone();
        let mut service = mem::replace(&mut self.inner, clone);
        let (head, body) = request.into_parts();
        let first = service.call(Request::from_parts(head.clone(), body));
        let rest = Rest { service, head, bodies };
        TranslateFuture::called(first, Job { answer, rest: Some(rest), room })
    }
}

impl<S, R: RenderRejection> Translate<S, R> {
    fn refused<ReqBody, ResBody>(
        &self,
        request: Request<FullOr<ReqBody>>,
        rejection: Rejection,
    ) -> TranslateFuture<S, R, ReqBody, ResBody>
    where
        S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>>,
    {
        let (head, _) = request.into_parts();
        TranslateFuture::refused(refuse(&self.render, rejection, &Asked::of(&head.headers), head.extensions))
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Translate<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Translate").field("inner", &self.inner).finish_non_exhaustive()
    }
}

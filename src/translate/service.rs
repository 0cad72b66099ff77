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
    future::{Asking, TranslateFuture},
    job::{Job, Rest, Room},
    layer::Limits,
    prepare::{self, Prepared},
};
use crate::{
    body::FullOr,
    context::Target,
    rejection::{Asked, Rejection, RenderRejection, refuse},
    whole::Reader,
};

/// A service behind [`TranslateLayer`](super::TranslateLayer).
#[derive(Clone)]
pub struct Translate<S, R> {
    pub(super) inner: S,
    pub(super) limits: Limits,
    pub(super) render: R,
}

impl<S, R, ReqBody, ResBody> Service<Request<FullOr<ReqBody>>> for Translate<S, R>
where
    S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>> + Clone,
    R: RenderRejection + Clone,
    ReqBody: Body<Data = Bytes> + Unpin,
    ReqBody::Error: Into<Box<dyn Error + Send + Sync>>,
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
            Some(target) => target.translation().cloned(),
            None => return self.refused(request, Rejection::misassembled("ResolveLayer")),
        };
        let Some(translation) = translation else {
            return TranslateFuture::passed(self.inner.call(request));
        };
        let asked = Asked::of(request.headers());
        let (limits, render) = (&self.limits, self.render.clone());
        let room = Room { asked, render, limit: limits.answer, request: None, answers: limits.answers.share() };
        if request.body().as_full().is_none() && !request.body().is_end_stream() {
            let (reader, limit) = (Reader::new(limits.body, limits.bodies.share()), limits.read_timeout);
            let service = self.take();
            return TranslateFuture::asking(Asking {
                request,
                translation,
                reader,
                service,
                room,
                limit,
                deadline: None,
            });
        }
        let prepared = match prepare::prepare(&mut request, &translation) {
            Ok(prepared) => prepared,
            Err(rejection) => return self.refused(request, rejection),
        };
        let (first, job) = match prepared.rest {
            None => (self.inner.call(request), Job { answer: prepared.answer, rest: None, room }),
            Some(_) => first(self.take(), request, prepared, room),
        };
        TranslateFuture::called(first, job)
    }
}

/// The first call of one or several.
pub(super) fn first<S, R, ReqBody>(
    mut service: S,
    request: Request<FullOr<ReqBody>>,
    Prepared { answer, rest }: Prepared,
    room: Room<R>,
) -> (S::Future, Job<S, R>)
where
    S: Service<Request<FullOr<ReqBody>>>,
{
    let Some(bodies) = rest else {
        return (service.call(request), Job { answer, rest: None, room });
    };
    let (head, body) = request.into_parts();
    let first = service.call(Request::from_parts(head.clone(), body));
    (first, Job { answer, rest: Some(Rest { service, head, bodies }), room })
}

impl<S: Clone, R> Translate<S, R> {
    /// The service that was polled ready, which goes along; what stays behind is a clone.
    fn take(&mut self) -> S {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
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

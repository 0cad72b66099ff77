use std::{
    fmt, mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use tower_service::Service;

use super::{ParamsFuture, budget::Budget, future::Reader};
use crate::{
    body::FullOr,
    context::{RequestConfig, Route},
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

/// A service whose JSON bodies are changed as the request's config says.
pub struct ApplyParams<S, R> {
    pub(super) inner: S,
    pub(super) limit: usize,
    pub(super) budget: Budget,
    pub(super) render: R,
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for ApplyParams<S, R>
where
    S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>> + Clone,
    ReqBody: Body<Data = Bytes>,
    ReqBody::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: RenderRejection + Clone,
{
    type Response = Response<FullOr<ResBody>>;
    type Error = S::Error;
    type Future = ParamsFuture<S, R, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let Some(config) = request.extensions_mut().get_mut::<RequestConfig>() else {
            let (head, _) = request.into_parts();
            let rejection = Rejection::misassembled("ConfigLayer");
            let response = refuse(&self.render, rejection, &Asked::of(&head.headers), head.extensions);
            return ParamsFuture::refused(response);
        };
        config.params_seen = true;
        let changes = config.params().is_some();
        let without_body = matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE);
        if !changes || without_body || request.body().is_end_stream() || is_form(&request) {
            return ParamsFuture::forwarded(self.inner.call(request.map(FullOr::inner)));
        }
        let (head, body) = request.into_parts();
        if body.size_hint().lower() > self.limit as u64 {
            let rejection = too_large(self.limit);
            let response = refuse(&self.render, rejection, &Asked::of(&head.headers), head.extensions);
            return ParamsFuture::refused(response);
        }
        // The ready service goes with the request; its clone is made ready by the next `poll_ready`.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let reader = Reader::new(self.limit, self.budget.share());
        ParamsFuture::reading(head, body, reader, ready, self.render.clone())
    }
}

pub(super) fn too_large(limit: usize) -> Rejection {
    let limit = if limit < 1 << 20 { format!("{limit} bytes") } else { format!("{}MB", limit >> 20) };
    Rejection::new(Kind::PayloadTooLarge).with_message(format!("Payload size exceeds the limit of {limit}"))
}

/// Whether the body is a form, which has no members that a config could change. Every other body is read, whatever it
/// says it is, and so is every body where a model is asked in JSON: a change that is left out without a word could be
/// what keeps a caller to a model.
fn is_form<B>(request: &Request<B>) -> bool {
    let Some(Ok(kind)) = request.headers().get(CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let mut parts = kind.split(';').map(str::trim);
    let form = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"));
    let bounded = |part: &str| part.get(..9).is_some_and(|name| name.eq_ignore_ascii_case("boundary="));
    form && parts.any(bounded) && !Route::of(request.method(), request.uri().path()).asks_in_json()
}

impl<S: Clone, R: Clone> Clone for ApplyParams<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), limit: self.limit, budget: self.budget.clone(), render: self.render.clone() }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for ApplyParams<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplyParams").field("inner", &self.inner).field("limit", &self.limit).finish_non_exhaustive()
    }
}

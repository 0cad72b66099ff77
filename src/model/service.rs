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
    ModelFuture,
    content::is_measured,
    job::{Job, Room, Step},
    list::Question,
    resolve::ResolveProvider,
};
use crate::{
    body::FullOr,
    context::{Principal, ProviderRef, RequestConfig, Stage},
    guard::Decision,
    rejection::{Asked, RenderRejection, refuse},
};

/// A service whose requests name their provider. See the [module](super).
pub struct Model<S, E, R> {
    pub(super) inner: S,
    pub(super) room: Room<E>,
    pub(super) render: R,
}

impl<S, E, R, ReqBody, ResBody> Service<Request<ReqBody>> for Model<S, E, R>
where
    S: Service<Request<FullOr<ReqBody>>, Response = Response<ResBody>> + Clone,
    E: ResolveProvider,
    R: RenderRejection + Clone,
    ReqBody: Body<Data = Bytes> + Unpin,
    ReqBody::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<FullOr<ResBody>>;
    type Error = S::Error;
    type Future = ModelFuture<S, E, R, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if let Some(question) = Question::of(&request) {
            return self.told(question, request);
        }
        if self.room.entries.is_empty() && has_nothing_to_find(&mut request) {
            return ModelFuture::forwarded(self.inner.call(request.map(FullOr::inner)), None);
        }
        let (head, body) = request.into_parts();
        let mut job = Job::new(head, body);
        match job.advance(&self.room) {
            Ok(Step::Done) => {
                let (request, share) = job.into_request();
                ModelFuture::forwarded(self.inner.call(request), share)
            }
            Ok(step) => {
                // The ready service goes with the request; its clone is made ready by the next `poll_ready`.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ModelFuture::waiting(step, job, ready, self.room.clone(), self.render.clone())
            }
            Err(rejection) => {
                let asked = Asked::of(&job.head.headers);
                ModelFuture::answered(refuse(&self.render, rejection, &asked, job.head.extensions))
            }
        }
    }
}

impl<S, E, R> Model<S, E, R>
where
    E: ResolveProvider,
    R: RenderRejection + Clone,
{
    /// Tells what entries there are for the caller.
    fn told<ReqBody>(&self, question: Question, request: Request<ReqBody>) -> ModelFuture<S, E, R, ReqBody>
    where
        S: Service<Request<FullOr<ReqBody>>>,
    {
        let (head, _) = request.into_parts();
        let found = match head.extensions.get::<Principal>() {
            Some(who) => self.room.entries.list(who.place()),
            None => Decision::pass(None),
        };
        match found {
            Decision::Now(found) => ModelFuture::answered(question.answer(found, head, &self.render)),
            Decision::Later(found) => ModelFuture::told(found, (question, head, self.render.clone())),
        }
    }
}

/// Whether neither config nor headers ask for anything that is found here, where there are no entries and nobody counts the
/// caller's tokens: a slug, or the model for a provider's URL. Notes that it was looked for.
fn has_nothing_to_find<B>(request: &mut Request<B>) -> bool {
    if is_measured(request.extensions()) {
        return false;
    }
    let Some(config) = request.extensions_mut().get_mut::<RequestConfig>() else { return false };
    let finds = match &config.named {
        Some(ProviderRef::Slug(_)) => true,
        Some(ProviderRef::Id(id)) => id.may_have_models_in_paths(),
        None => false,
    };
    if config.tree.is_some() || finds {
        return false;
    }
    config.stage = Stage::Named;
    tracing::debug!(
        target: "tower_portkey::decision",
        step = "model",
        provider = config.named.as_ref().map(tracing::field::display),
        body = "untouched",
    );
    true
}

impl<S: Clone, E, R: Clone> Clone for Model<S, E, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), room: self.room.clone(), render: self.render.clone() }
    }
}

impl<S: fmt::Debug, E, R> fmt::Debug for Model<S, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("inner", &self.inner).field("limit", &self.room.limit).finish_non_exhaustive()
    }
}

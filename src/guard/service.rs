use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Decision, Guard, GuardFuture};
use crate::{
    body::FullOr,
    rejection::{Asked, RenderRejection, refuse},
};

/// A service behind a [`Guard`].
pub struct GuardService<S, G, R> {
    pub(super) inner: S,
    pub(super) guard: Arc<G>,
    pub(super) render: R,
}

impl<S, G, R, ReqBody, ResBody> Service<Request<ReqBody>> for GuardService<S, G, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    G: Guard,
    R: RenderRejection + Clone,
{
    type Response = Response<FullOr<ResBody>>;
    type Error = S::Error;
    type Future = GuardFuture<S, G, R, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        match self.guard.decide(&head) {
            Decision::Now(Ok(grant)) => {
                self.guard.admit(&mut head, grant);
                GuardFuture::forwarded(self.inner.call(Request::from_parts(head, body)))
            }
            Decision::Now(Err(rejection)) => {
                let asked = Asked::of(&head.headers);
                GuardFuture::refused(refuse(&self.render, rejection, &asked, head.extensions))
            }
            Decision::Later(decision) => {
                // The service that was polled ready goes with the request; what stays behind is a clone, which the
                // next `poll_ready` makes ready (tower's rule for services that wait before they call).
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let guard = Arc::clone(&self.guard);
                GuardFuture::waiting(decision, (head, body), ready, guard, self.render.clone())
            }
        }
    }
}

impl<S: Clone, G, R: Clone> Clone for GuardService<S, G, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), guard: Arc::clone(&self.guard), render: self.render.clone() }
    }
}

impl<S: fmt::Debug, G, R> fmt::Debug for GuardService<S, G, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardService")
            .field("guard", &std::any::type_name::<G>())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    StrategyFuture,
    attempt::{prepare, whole},
    future::Again,
    held::Held,
    trial::{Limits, Original, Trial},
    walk::leaves,
};
use crate::{
    body::FullOr,
    context::{ConfigObject, RequestConfig, Route, Stage},
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

/// A service that is asked for one target of a config after the other. See the [module](super).
pub struct Strategy<S, R> {
    pub(super) inner: S,
    pub(super) limits: Limits,
    pub(super) render: R,
}

impl<S, R, B, ResBody> Service<Request<FullOr<B>>> for Strategy<S, R>
where
    S: Service<Request<FullOr<B>>, Response = Response<ResBody>> + Clone,
    B: Body<Data = Bytes>,
    R: RenderRejection + Clone,
{
    type Response = Response<FullOr<ResBody>>;
    type Error = S::Error;
    type Future = StrategyFuture<S, R, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<FullOr<B>>) -> Self::Future {
        let config = request.extensions_mut().get_mut::<RequestConfig>();
        let Some(config) = config.filter(|config| config.stage == Stage::Named) else {
            return self.refused(Rejection::misassembled("ModelLayer"), request);
        };
        let Some(tree) = &config.tree else {
            config.stage = Stage::Chosen;
            return StrategyFuture::direct(self.inner.call(request));
        };
        let (root, reads_params) = (Arc::clone(&tree.root), tree.reads_params);
        if is_plain(&root) {
            return match prepare(&mut request, &root, 0, &mut None) {
                Ok(()) => StrategyFuture::direct(self.inner.call(request)),
                Err(rejection) => self.refused(rejection, request),
            };
        }
        match begin(&root, reads_params, self.limits, &request) {
            Ok((trial, held)) if trial.may_go_on() => self.several(trial, held, request),
            Ok((trial, held)) => self.once(trial, held, request),
            Err(rejection) => self.refused(rejection, request),
        }
    }
}

/// One target that is asked once.
fn is_plain(root: &ConfigObject) -> bool {
    root.branch.is_none() && root.retry.is_none() && root.breaker.is_none()
}

/// The first target, and the body, where the config asks for members of it.
fn begin<B: Body<Data = Bytes>>(
    root: &Arc<ConfigObject>,
    reads_params: bool,
    limits: Limits,
    request: &Request<FullOr<B>>,
) -> Result<(Trial, Option<Held>), Rejection> {
    if is_of_one_account(request) && leaves(root) > 1 {
        let message = "Invalid config provided. Maximum one target is allowed for batch/file/fine_tuning requests";
        return Err(Rejection::new(Kind::InvalidRequest).with_message(message));
    }
    let held = reads_params.then(|| Held::of(request)).transpose()?;
    Ok((Trial::begin(root, request, held.as_ref(), limits)?, held))
}

/// Whether the request is about what one account of one provider holds.
fn is_of_one_account<B>(request: &Request<B>) -> bool {
    let rest = Route::of(request.method(), request.uri().path()).rest().unwrap_or_default();
    matches!(rest.split('/').nth(1), Some("batches" | "files" | "fine_tuning"))
}

impl<S, R: RenderRejection + Clone> Strategy<S, R> {
    /// The request itself goes, whatever its body is.
    fn once<B: Body<Data = Bytes>>(
        &mut self,
        trial: Trial,
        mut held: Option<Held>,
        mut request: Request<FullOr<B>>,
    ) -> StrategyFuture<S, R, B>
    where
        S: Service<Request<FullOr<B>>>,
    {
        let (leaf, retries) = trial.target();
        match prepare(&mut request, leaf, retries, &mut held) {
            Ok(()) => StrategyFuture::once(self.inner.call(request), trial),
            Err(rejection) => self.refused(rejection, request),
        }
    }

    /// A copy of the request goes, because others may follow.
    fn several<B: Body<Data = Bytes>>(
        &mut self,
        trial: Trial,
        held: Option<Held>,
        request: Request<FullOr<B>>,
    ) -> StrategyFuture<S, R, B>
    where
        S: Service<Request<FullOr<B>>> + Clone,
    {
        let body = match whole(request.body()) {
            Ok(body) => body,
            Err(rejection) => return self.refused(rejection, request),
        };
        // The ready service goes with the request; its clone is made ready by the next `poll_ready`.
        let clone = self.inner.clone();
        let service = mem::replace(&mut self.inner, clone);
        let original = Original { request: request.map(|_| body), held };
        StrategyFuture::several(trial, Again { original, service, render: self.render.clone() })
    }

    fn refused<B>(&self, rejection: Rejection, request: Request<FullOr<B>>) -> StrategyFuture<S, R, B>
    where
        S: Service<Request<FullOr<B>>>,
    {
        let (head, _) = request.into_parts();
        StrategyFuture::refused(refuse(&self.render, rejection, &Asked::of(&head.headers), head.extensions))
    }
}

impl<S: Clone, R: Clone> Clone for Strategy<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), limits: self.limits, render: self.render.clone() }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Strategy<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strategy").field("inner", &self.inner).field("limits", &self.limits).finish_non_exhaustive()
    }
}

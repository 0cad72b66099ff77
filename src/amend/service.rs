use std::{
    fmt,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, header::CONTENT_LENGTH};
use tower_layer::Layer;
use tower_service::Service;

use super::body::amended;
use crate::{body::FullOr, context::Target};

/// Amends JSON bodies. See the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct AmendLayer(());

impl AmendLayer {
    /// Does what targets say.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for AmendLayer {
    type Service = Amend<S>;

    fn layer(&self, inner: S) -> Amend<S> {
        Amend { inner }
    }
}

/// A service behind [`AmendLayer`].
#[derive(Clone)]
pub struct Amend<S> {
    inner: S,
}

impl<S, B> Service<Request<FullOr<B>>> for Amend<S>
where
    S: Service<Request<FullOr<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<FullOr<B>>) -> S::Future {
        let amendment = request.extensions().get::<Target>().and_then(Target::amendment);
        let changed = amendment.and_then(|amendment| amended(&request.body().as_full()?, amendment));
        if let Some(body) = changed {
            let length = HeaderValue::from(body.len());
            request.headers_mut().insert(CONTENT_LENGTH, length);
            *request.body_mut() = FullOr::full(body);
        }
        self.inner.call(request)
    }
}

impl<S: fmt::Debug> fmt::Debug for Amend<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amend").field("inner", &self.inner).finish()
    }
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::layer::{Admitted, judge};
use crate::{
    context::{Credential, Principal},
    rejection::Rejection,
};

pin_project! {
    /// A validator's answer that is waited for, and then judged.
    pub struct AuthFuture<F> {
        #[pin]
        future: F,
        credential: Option<Credential>,
        spared: bool,
    }
}

impl<F> AuthFuture<F> {
    pub(super) fn new(future: F, credential: Credential, spared: bool) -> Self {
        Self { future, credential: Some(credential), spared }
    }
}

impl<F: Future<Output = Result<Principal, Rejection>>> Future for AuthFuture<F> {
    type Output = Result<Admitted, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.future.poll(cx));
        match this.credential.take() {
            Some(credential) => Poll::Ready(answer.and_then(|principal| judge(principal, || *this.spared, credential))),
            None => Poll::Pending,
        }
    }
}

impl<F> fmt::Debug for AuthFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFuture").finish_non_exhaustive()
    }
}

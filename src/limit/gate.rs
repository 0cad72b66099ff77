use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::request::Parts;
use pin_project_lite::pin_project;
use tower_layer::Layer;

use super::{
    counter::{Counter, Verdict},
    whose::{Subject, Whose},
};
use crate::{
    guard::{Decision, Guard, GuardLayer, GuardService},
    rejection::{PortkeyJson, Rejection},
};

/// Refuses callers whose limits leave nothing, and counts nothing: for the place where nothing of a request was read yet,
/// while [`LimitLayer`](super::LimitLayer) stands where more is known. It says the same by the same words.
#[derive(Debug)]
pub struct LimitGateLayer<C, R = PortkeyJson> {
    guard: GuardLayer<LimitGuard<C>, R>,
}

/// A service behind [`LimitGateLayer`].
pub type LimitGate<S, C, R = PortkeyJson> = GuardService<S, LimitGuard<C>, R>;

/// The guard of [`LimitGateLayer`].
#[derive(Debug)]
pub struct LimitGuard<C> {
    counter: C,
    whose: Whose,
}

impl<C> LimitGateLayer<C> {
    /// Asks this counter. Stands below [`PortkeyAuthLayer`](crate::PortkeyAuthLayer).
    pub fn new(counter: C) -> Self {
        Self { guard: GuardLayer::new(LimitGuard { counter, whose: Whose::Callers { anonymous: false } }) }
    }

    /// The same, but requests pass that nobody was authenticated for.
    pub fn with_anonymous(counter: C) -> Self {
        Self { guard: GuardLayer::new(LimitGuard { counter, whose: Whose::Callers { anonymous: true } }) }
    }
}

impl<C, R> LimitGateLayer<C, R> {
    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> LimitGateLayer<C, R2> {
        LimitGateLayer { guard: self.guard.render(render) }
    }
}

impl<C, R: Clone> Clone for LimitGateLayer<C, R> {
    fn clone(&self) -> Self {
        Self { guard: self.guard.clone() }
    }
}

impl<S, C, R: Clone> Layer<S> for LimitGateLayer<C, R> {
    type Service = LimitGate<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.guard.layer(inner)
    }
}

impl<C: Counter> Guard for LimitGuard<C> {
    type Grant = ();
    type Future = LimitGateFuture<C::Future>;

    fn decide(&self, head: &Parts) -> Decision<(), Self::Future> {
        let subject = match self.whose.subject(head) {
            Ok(Some(subject)) => subject,
            Ok(None) => return Decision::pass(()),
            Err(rejection) => return Decision::refuse(rejection),
        };
        if let Err(rejection) = subject.standing() {
            return Decision::refuse(rejection);
        }
        match self.counter.peek(&subject.rules) {
            Decision::Now(verdict) => Decision::Now(verdict.and_then(|verdict| judge(&verdict, &subject))),
            Decision::Later(verdict) => Decision::Later(LimitGateFuture { verdict, subject: Box::new(subject) }),
        }
    }

    fn admit(&self, _: &mut Parts, (): ()) {}
}

fn judge(verdict: &Verdict, subject: &Subject) -> Result<(), Rejection> {
    match verdict {
        Verdict::Passed { .. } => Ok(()),
        Verdict::Denied(denied) => Err(subject.denied(denied)),
    }
}

pin_project! {
    /// The decision of a [`LimitGuard`] whose counter has to be waited for.
    pub struct LimitGateFuture<F> {
        #[pin]
        verdict: F,
        subject: Box<Subject>,
    }
}

impl<F: Future<Output = Result<Verdict, Rejection>>> Future for LimitGateFuture<F> {
    type Output = Result<(), Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let verdict = ready!(this.verdict.poll(cx));
        Poll::Ready(verdict.and_then(|verdict| judge(&verdict, this.subject)))
    }
}

impl<F> fmt::Debug for LimitGateFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitGateFuture").finish_non_exhaustive()
    }
}

use std::{
    fmt, mem,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header::ACCEPT_ENCODING, request::Parts};
use tower_service::Service;

use super::{
    LimitLayer,
    ask::after_changes,
    bill::Bill,
    body::LimitBody,
    counter::{Counter, Levels, Verdict},
    estimate::{EstimateUsage, NO_BOUND},
    future::LimitFuture,
    ticket::Ticket,
    whose::Subject,
};
use crate::{
    body::FullOr,
    context::{Handshake, RequestConfig},
    guard::Decision,
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

/// A service behind [`LimitLayer`].
pub struct Limit<S, C, E, R> {
    pub(super) inner: S,
    pub(super) layer: LimitLayer<C, E, R>,
}

/// What is left to do when a request has passed: to settle it, where that is needed, and to tell how far the rates are.
pub(super) type Grant<C> = (Option<Box<Ticket<C>>>, Levels);

/// A request whose limits are known.
pub(super) struct Plan {
    pub(super) subject: Subject,
    /// Where something is counted that the answer tells.
    pub(super) bill: Option<Box<Bill>>,
}

impl Plan {
    /// What follows from the counter's verdict.
    pub(super) fn judge<C: Counter>(
        self,
        verdict: Verdict,
        head: &mut Parts,
        counter: impl FnOnce() -> C,
    ) -> Result<Grant<C>, Rejection> {
        match verdict {
            Verdict::Denied(denied) => {
                let rejection = self.subject.denied(&denied);
                head.extensions.insert(denied.levels);
                Err(rejection)
            }
            Verdict::Passed { taken, levels } => {
                let bill = self.bill.filter(|_| !taken.is_nothing());
                Ok((bill.map(|bill| Box::new(Ticket::new(counter(), taken, *bill))), levels))
            }
        }
    }
}

impl<S, C, E, R, ReqBody, ResBody> Service<Request<ReqBody>> for Limit<S, C, E, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: Counter + Clone,
    E: EstimateUsage<ReqBody>,
    R: RenderRejection + Clone,
{
    type Response = Response<FullOr<LimitBody<ResBody, C>>>;
    type Error = S::Error;
    type Future = LimitFuture<S, C, R, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut head, mut body) = request.into_parts();
        let settings = &self.layer.settings;
        let subject = match settings.whose.subject(&head) {
            Ok(Some(subject)) => subject,
            Ok(None) => {
                let future = self.inner.call(Request::from_parts(head, body));
                return LimitFuture::forwarded(future, None, Levels::default());
            }
            Err(rejection) => return self.refused(rejection, head),
        };
        if let Err(rejection) = subject.standing() {
            return self.refused(rejection, head);
        }
        let bill = subject.rules.measured().then(|| {
            let estimate = self.layer.estimate.estimate(&head, &body);
            Box::new(Bill::new(&head, estimate, settings.prices.clone()))
        });
        if bill.is_some() && head.extensions.get::<Handshake>().is_some() {
            // What its frames use would be counted by nobody.
            let message = "WebSockets are not served where tokens or cost are limited";
            return self.refused(Rejection::new(Kind::NotImplemented).with_message(message), head);
        }
        if bill.as_ref().is_some_and(|bill| bill.has_no_bound()) {
            return self.refused(Rejection::new(Kind::InvalidRequest).with_message(NO_BOUND), head);
        }
        let want = bill.as_ref().map_or(super::Want::ONE, |bill| bill.want(settings.output));
        let is_read = bill.as_ref().is_some_and(|bill| bill.may_use()) && !settings.keep_encoding;
        if is_read && head.headers.contains_key(ACCEPT_ENCODING) {
            head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if bill.is_some() && settings.include_usage {
            body = self.layer.estimate.ask_for_usage(&mut head, body);
        }
        if bill.is_some() && head.extensions.get().is_some_and(RequestConfig::may_change) {
            head.extensions.insert(after_changes(settings.include_usage));
        }
        let verdict = self.layer.counter.take(&subject.rules, &want);
        let plan = Plan { subject, bill };
        match verdict {
            Decision::Now(verdict) => {
                let counter = || self.layer.counter.clone();
                match verdict.and_then(|verdict| plan.judge(verdict, &mut head, counter)) {
                    Ok((ticket, levels)) => {
                        let future = self.inner.call(Request::from_parts(head, body));
                        LimitFuture::forwarded(future, ticket, levels)
                    }
                    Err(rejection) => self.refused(rejection, head),
                }
            }
            Decision::Later(verdict) => {
                // The ready service goes with the request; its clone is made ready by the next `poll_ready`.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let (counter, render) = (self.layer.counter.clone(), self.layer.render.clone());
                LimitFuture::waiting(verdict, (head, body), plan, ready, counter, render)
            }
        }
    }
}

impl<S, C: Counter, E, R: RenderRejection> Limit<S, C, E, R> {
    fn refused<B>(&self, rejection: Rejection, head: Parts) -> LimitFuture<S, C, R, B>
    where
        S: Service<Request<B>>,
    {
        let asked = Asked::of(&head.headers);
        LimitFuture::refused(refuse(&self.layer.render, rejection, &asked, head.extensions))
    }
}

impl<S: Clone, C: Clone, E: Clone, R: Clone> Clone for Limit<S, C, E, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, C, E, R> fmt::Debug for Limit<S, C, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

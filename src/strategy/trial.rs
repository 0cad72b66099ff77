//! Where a request is on its way through its config, and what to do when a target has answered.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Request, Response};

use super::{
    breaker,
    choose::View,
    facts::Facts,
    outcome::{Outcome, Source},
    retry::{self, Tried, Verdict},
    walk::{Walk, text},
    weigh,
};
use crate::{
    context::{ConfigObject, PortkeyHeaders, RequestConfig},
    header::{LAST_USED_OPTION_INDEX, RETRY_ATTEMPT_COUNT},
    rejection::Rejection,
};

/// A request on its way through its config.
pub(super) struct Trial {
    visit: Visit,
    walk: Walk,
    /// How long it may still wait between attempts.
    left: Duration,
}

/// One target, as long as it is asked.
struct Visit {
    leaf: Arc<ConfigObject>,
    retries: u32,
    entered: u64,
    /// The caller's own host says nothing about the config's.
    own_host: bool,
    /// Nor does the caller's own patience.
    own_limit: bool,
}

/// The request as it came. The body is shared by all attempts.
pub(super) struct Original {
    pub(super) request: Request<Bytes>,
    /// The body once more, where the config asks for members of it and it has some.
    pub(super) members: Bytes,
}

/// What follows an attempt.
#[derive(Debug)]
pub(super) enum Step {
    /// The same target, after a while.
    Wait(Duration),
    /// The next target.
    Next,
    /// The answer is the caller's.
    Done(Verdict),
}

impl Trial {
    /// Chooses the first target. `members` is the body, where the config asks for members of it and it has some.
    pub(super) fn begin<B>(
        root: &Arc<ConfigObject>,
        request: &Request<B>,
        members: &[u8],
        max_wait: Duration,
    ) -> Result<Self, Rejection> {
        let mut walk = Walk::default();
        let leaf = look(request, members, |view| walk.first(root, view))?;
        Ok(Self { visit: Visit::enter(leaf, request.extensions()), walk, left: max_wait })
    }

    /// The target that is asked now, and how often it was asked before.
    pub(super) fn target(&self) -> (&Arc<ConfigObject>, u32) {
        (&self.visit.leaf, self.visit.retries)
    }

    /// Whether another attempt may follow this one.
    pub(super) fn may_go_on(&self) -> bool {
        self.visit.retries < retry::most(self.visit.leaf.retry.as_ref()) || self.walk.may_go_on()
    }

    /// Decides what follows, and notes it. Without the original request nothing can follow.
    pub(super) fn judge<B, E>(
        &mut self,
        result: &Result<Response<B>, E>,
        original: Option<&Original>,
    ) -> Result<Step, Rejection> {
        let outcome = Outcome::of(result);
        let Visit { leaf, retries, .. } = &mut self.visit;
        let headers = result.as_ref().ok().map(Response::headers);
        let tried = Tried { outcome, headers, retries: *retries, left: self.left };
        let verdict = retry::verdict(leaf.retry.as_ref(), &tried, SystemTime::now(), weigh::chance);
        if let (Verdict::Again(wait), Some(_)) = (verdict, original) {
            let (path, status, wait_ms) = (text(leaf), outcome.status, wait.as_millis());
            tracing::debug!(target: "tower_portkey::decision", step = "strategy", path, status, wait_ms, "retry");
            *retries += 1;
            self.left = self.left.saturating_sub(wait);
            return Ok(Step::Wait(wait));
        }
        self.visit.leave(outcome);
        let Some(Original { request, members }) = original else { return Ok(Step::Done(verdict)) };
        match look(request, members, |view| self.walk.next(outcome, view))? {
            Some(leaf) => {
                self.visit = Visit::enter(leaf, request.extensions());
                Ok(Step::Next)
            }
            None => Ok(Step::Done(verdict)),
        }
    }

    /// Says on the answer which target it is from, and how often that was asked again.
    pub(super) fn mark(&self, headers: &mut HeaderMap, verdict: Verdict) {
        let retries = match verdict {
            Verdict::Exhausted => HeaderValue::from_static("-1"),
            Verdict::Again(_) | Verdict::Done => HeaderValue::from(self.visit.retries),
        };
        headers.insert(RETRY_ATTEMPT_COUNT, retries);
        headers.insert(LAST_USED_OPTION_INDEX, self.visit.leaf.path.clone());
    }
}

impl Visit {
    fn enter(leaf: Arc<ConfigObject>, facts: &Extensions) -> Self {
        let asked = facts.get::<RequestConfig>().map(|config| &config.asked);
        let own_host = asked.is_some_and(|asked| asked.custom_host.is_some());
        let own_limit = asked.is_some_and(|asked| asked.request_timeout.is_some());
        let entered = breaker::now();
        if let Some(breaker) = leaf.breaker.as_ref().filter(|_| !own_host) {
            breaker::enter(breaker, entered);
        }
        Self { leaf, retries: 0, entered, own_host, own_limit }
    }

    fn leave(&self, outcome: Outcome) {
        let own = self.own_host || (self.own_limit && outcome.source == Source::Limit);
        if let Some(breaker) = self.leaf.breaker.as_ref().filter(|_| !own) {
            breaker::leave(breaker, self.entered, breaker::now(), outcome);
        }
    }
}

/// Lets `choose` see the request.
fn look<B, T>(
    request: &Request<B>,
    members: &[u8],
    choose: impl FnOnce(&View<'_>) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    let portkey = request.extensions().get::<PortkeyHeaders>();
    let portkey = portkey.ok_or_else(|| Rejection::misassembled("ExtractLayer"))?;
    let facts = Facts::new(request.headers(), request.uri().path(), portkey.metadata(), members);
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    choose(&View { facts, now: breaker::now(), since_1970, chance: weigh::chance })
}

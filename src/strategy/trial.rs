//! Where a request is on its way through its config, and what to do when a target has answered.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Request, Response};
use tokio::time::Instant;

use super::{
    breaker::{self, Probe},
    choose::View,
    facts::Facts,
    held::Held,
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

/// How many attempts one request makes at most, whatever its config says: each is a request to somebody.
const MOST_ATTEMPTS: u32 = 16;

/// How long one request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// All its waits together.
    pub(super) max_wait: Duration,
    /// From its first attempt to the beginning of its last one.
    pub(super) deadline: Duration,
}

/// A request on its way through its config.
pub(super) struct Trial {
    visit: Visit,
    walk: Walk,
    /// How long it may still wait between attempts.
    left: Duration,
    /// When no other attempt begins any more, if ever.
    until: Option<Instant>,
    attempts: u32,
}

/// One target, as long as it is asked.
struct Visit {
    leaf: Arc<ConfigObject>,
    retries: u32,
    entered: u64,
    /// What it finds out is nothing about the config's own target.
    is_own: bool,
    /// The caller's patience says nothing about the target, either.
    own_limit: bool,
    /// It is the one that finds out whether the target is well again.
    probe: Option<Probe>,
}

/// The request as it came. The body is shared by all attempts.
pub(super) struct Original {
    pub(super) request: Request<Bytes>,
    /// The body once more, where it was looked at.
    pub(super) held: Option<Held>,
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
    /// Chooses the first target. `held` is the body, where the config asks for members of it.
    pub(super) fn begin<B>(
        root: &Arc<ConfigObject>,
        request: &Request<B>,
        held: Option<&Held>,
        limits: Limits,
    ) -> Result<Self, Rejection> {
        let mut walk = Walk::default();
        let leaf = look(request, held, |view| walk.first(root, view))?;
        let visit = Visit::enter(leaf, request.extensions());
        let until = Instant::now().checked_add(limits.deadline);
        Ok(Self { visit, walk, left: limits.max_wait, until, attempts: 1 })
    }

    /// The target that is asked now, and how often it was asked before.
    pub(super) fn target(&self) -> (&Arc<ConfigObject>, u32) {
        (&self.visit.leaf, self.visit.retries)
    }

    /// Whether another attempt may follow this one.
    pub(super) fn may_go_on(&self) -> bool {
        self.visit.retries < retry::most(self.visit.leaf.retry.as_deref()) || self.walk.may_go_on()
    }

    /// Decides what follows, and notes it. Without the original request nothing can follow.
    pub(super) fn judge<B, E>(
        &mut self,
        result: &Result<Response<B>, E>,
        original: Option<&Original>,
    ) -> Result<Step, Rejection> {
        let outcome = Outcome::of(result);
        let time = self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
        let is_over = self.attempts >= MOST_ATTEMPTS || time.is_zero();
        let left = if is_over { Duration::ZERO } else { self.left.min(time) };
        let Visit { leaf, retries, .. } = &mut self.visit;
        let headers = result.as_ref().ok().map(Response::headers);
        let tried = Tried { outcome, headers, retries: *retries, left };
        let verdict = retry::verdict(leaf.retry.as_deref(), &tried, SystemTime::now(), weigh::chance);
        if let (Verdict::Again(wait), Some(_)) = (verdict, original) {
            let (path, status, wait_ms) = (text(leaf), outcome.status, wait.as_millis());
            tracing::debug!(target: "tower_portkey::decision", step = "strategy", path, status, wait_ms, "retry");
            *retries += 1;
            self.attempts += 1;
            self.left = self.left.saturating_sub(wait);
            return Ok(Step::Wait(wait));
        }
        self.visit.leave(outcome);
        let Some(Original { request, held }) = original else { return Ok(Step::Done(verdict)) };
        if is_over {
            let goes_on = self.walk.goes_on(outcome, breaker::now());
            return Ok(Step::Done(if goes_on { Verdict::Exhausted } else { verdict }));
        }
        match look(request, held.as_ref(), |view| self.walk.next(outcome, view))? {
            Some(leaf) => {
                self.visit = Visit::enter(leaf, request.extensions());
                self.attempts += 1;
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
        // Another host, or a provider of the caller's choice.
        let own_host = asked.is_some_and(|asked| asked.custom_host.is_some());
        let is_own = own_host || leaf.passthrough || leaf.provider.is_none();
        let own_limit = asked.is_some_and(|asked| asked.request_timeout.is_some());
        let entered = breaker::now();
        // Who might give up before there is an answer keeps nobody else from finding out.
        let breaker = leaf.breaker.as_ref().filter(|_| !is_own && !own_limit);
        let probe = breaker.and_then(|breaker| breaker::enter(breaker, entered));
        Self { leaf, retries: 0, entered, is_own, own_limit, probe }
    }

    fn leave(&mut self, outcome: Outcome) {
        let is_own = self.is_own || (self.own_limit && outcome.source == Source::Limit);
        let Some(breaker) = self.leaf.breaker.as_ref().filter(|_| !is_own) else { return };
        if breaker::leave(breaker, self.entered, breaker::now(), outcome) {
            self.probe = None;
        }
        self.give_back();
    }

    fn give_back(&mut self) {
        if let (Some(breaker), Some(probe)) = (&self.leaf.breaker, self.probe.take()) {
            breaker::give_back(breaker, &probe);
        }
    }
}

/// Whoever goes before there is an answer has found nothing out.
impl Drop for Visit {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Lets `choose` see the request.
fn look<B, T>(
    request: &Request<B>,
    held: Option<&Held>,
    choose: impl FnOnce(&View<'_>) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    let portkey = request.extensions().get::<PortkeyHeaders>();
    let portkey = portkey.ok_or_else(|| Rejection::misassembled("ExtractLayer"))?;
    let facts = Facts::new(request.headers(), request.uri().path(), portkey.metadata(), held);
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    choose(&View { facts, now: breaker::now(), since_1970, chance: weigh::chance })
}

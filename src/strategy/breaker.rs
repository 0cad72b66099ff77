//! The circuit breaker: who is left out for a while. Atomics only; time goes in.
//!
//! | state | `opened` | what ends it |
//! | --- | --- | --- |
//! | closed | 0 | as many failures in a row as the threshold says |
//! | open | when it opened | the cooldown |
//! | half open | the same, longer ago than the cooldown | one request: it opens the circuit anew for as long as it takes, its success closes it. Where it finds nothing out, the circuit is half open again |

use std::sync::{LazyLock, atomic::Ordering};

use tokio::time::Instant;

use super::outcome::{Outcome, Source};
use crate::context::{Breaker, ConfigObject, Mode};

/// Milliseconds on a clock that never runs backwards.
pub(super) fn now() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let began = *BEGAN;
    u64::try_from(Instant::now().saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX - 1)
}

/// Whether a target is left out. A group is where all that it could choose is; one with conditions never is, because
/// they choose without regard to circuits.
pub(super) fn is_open(object: &ConfigObject, now: u64) -> bool {
    let Some(branch) = &object.branch else {
        return object.breaker.as_ref().is_some_and(|breaker| state(breaker, now) == State::Open);
    };
    match branch.mode {
        Mode::Conditional { .. } => false,
        Mode::Single => branch.targets.first().is_some_and(|target| is_open(&target.object, now)),
        Mode::Fallback { .. } | Mode::LoadBalance { .. } => {
            !branch.targets.is_empty() && branch.targets.iter().all(|target| is_open(&target.object, now))
        }
    }
}

/// What the one request holds that finds out whether a target is well again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Probe {
    before: u64,
    since: u64,
}

/// A request goes to the target. Where the circuit is half open, it stays the only one for another cooldown, unless it
/// gives back what it gets here.
pub(super) fn enter(breaker: &Breaker, now: u64) -> Option<Probe> {
    let (before, since) = (breaker.opened.load(Ordering::Acquire), now + 1);
    let open = &breaker.opened;
    let taken = before != 0
        && is_cool(breaker, before, now)
        && open.compare_exchange(before, since, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    taken.then_some(Probe { before, since })
}

/// The request found nothing out: the next one may.
pub(super) fn give_back(breaker: &Breaker, probe: &Probe) {
    let _ = breaker.opened.compare_exchange(probe.since, probe.before, Ordering::AcqRel, Ordering::Relaxed);
}

/// Notes what came of a request that entered at `entered`, and tells whether that says anything about the provider. What
/// an earlier request says is no news once the circuit has opened.
pub(super) fn leave(breaker: &Breaker, entered: u64, now: u64, outcome: Outcome) -> bool {
    let Some(failed) = is_failure(breaker, outcome) else { return false };
    let opened = breaker.opened.load(Ordering::Acquire);
    match (failed, opened) {
        (true, 0) => {
            let failures = breaker.failures.fetch_add(1, Ordering::AcqRel).saturating_add(1);
            if failures >= breaker.failure_threshold {
                let _ = breaker.opened.compare_exchange(0, now + 1, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
        (false, 0) => breaker.failures.store(0, Ordering::Release),
        (_, opened) if entered + 1 < opened => {}
        (true, opened) => {
            let _ = breaker.opened.compare_exchange(opened, now + 1, Ordering::AcqRel, Ordering::Relaxed);
        }
        (false, opened) => {
            breaker.failures.store(0, Ordering::Release);
            let _ = breaker.opened.compare_exchange(opened, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
    true
}

/// `None`: it says nothing about the provider.
fn is_failure(breaker: &Breaker, outcome: Outcome) -> Option<bool> {
    let listed = breaker.failure_status_codes.as_ref().map(|codes| codes.contains(&outcome.status));
    match outcome.source {
        Source::Provider => Some(listed.unwrap_or(outcome.status > 500)),
        Source::Network => Some(true),
        Source::Limit | Source::Lapsed => listed.filter(|listed| *listed),
        Source::Refusal | Source::Exception => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

fn state(breaker: &Breaker, now: u64) -> State {
    match breaker.opened.load(Ordering::Acquire) {
        0 => State::Closed,
        opened if is_cool(breaker, opened, now) => State::HalfOpen,
        _ => State::Open,
    }
}

fn is_cool(breaker: &Breaker, opened: u64, now: u64) -> bool {
    u128::from(now.saturating_sub(opened - 1)) >= breaker.cooldown.as_millis()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::context::{Branch, Choice};

    const COOLDOWN: u64 = 30_000;

    fn closed(threshold: u32, codes: Option<Vec<u16>>) -> Breaker {
        Breaker::new(threshold, Duration::from_millis(COOLDOWN), codes.map(Into::into))
    }

    fn answer(status: u16) -> Outcome {
        Outcome { status, source: Source::Provider }
    }

    /// A request that is over at once.
    fn ask(breaker: &Breaker, now: u64, outcome: Outcome) {
        enter(breaker, now);
        leave(breaker, now, now, outcome);
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_success_after_the_cooldown_closes_it() {
        let breaker = closed(3, None);
        for (now, status, expected) in [
            (0, 502, State::Closed),
            (1, 502, State::Closed),
            (2, 200, State::Closed),
            (3, 503, State::Closed),
            (4, 503, State::Closed),
            (5, 503, State::Open),
        ] {
            ask(&breaker, now, answer(status));
            assert_eq!(state(&breaker, now), expected, "{now}");
        }
        assert_eq!(state(&breaker, 5 + COOLDOWN - 1), State::Open);
        assert_eq!(state(&breaker, 5 + COOLDOWN), State::HalfOpen);
        // One failure opens it again.
        ask(&breaker, 40_000, answer(502));
        assert_eq!(state(&breaker, 40_000 + COOLDOWN - 1), State::Open);
        assert_eq!(state(&breaker, 40_000 + COOLDOWN), State::HalfOpen);
        ask(&breaker, 80_000, answer(200));
        assert_eq!(state(&breaker, 80_000), State::Closed);
        // And it takes as many failures as before.
        ask(&breaker, 80_001, answer(502));
        ask(&breaker, 80_002, answer(502));
        assert_eq!(state(&breaker, 80_002), State::Closed);
    }

    #[test]
    fn half_open_it_lets_one_request_at_a_time_find_out() {
        let breaker = closed(1, None);
        ask(&breaker, 0, answer(502));
        enter(&breaker, COOLDOWN);
        assert_eq!(state(&breaker, COOLDOWN), State::Open, "for everybody else");
        // It never came back, so another one may try later.
        assert_eq!(state(&breaker, 2 * COOLDOWN), State::HalfOpen);
        enter(&breaker, 2 * COOLDOWN);
        leave(&breaker, 2 * COOLDOWN, 2 * COOLDOWN + 7, answer(502));
        assert_eq!(state(&breaker, 3 * COOLDOWN + 6), State::Open, "from the failure on");
    }

    #[test]
    fn who_finds_nothing_out_leaves_it_to_the_next_one() {
        let breaker = closed(1, None);
        ask(&breaker, 0, answer(502));
        let probe = enter(&breaker, COOLDOWN).expect("the only one");
        assert_eq!(enter(&breaker, COOLDOWN), None);
        assert!(!leave(&breaker, COOLDOWN, COOLDOWN, Outcome { status: 400, source: Source::Refusal }));
        give_back(&breaker, &probe);
        assert_eq!(state(&breaker, COOLDOWN), State::HalfOpen);
        // What comes too late changes nothing.
        let late = enter(&breaker, COOLDOWN + 1).expect("the next one");
        let other = enter(&breaker, 2 * COOLDOWN + 1).expect("after another cooldown");
        give_back(&breaker, &late);
        assert_eq!(state(&breaker, 2 * COOLDOWN + 1), State::Open);
        assert!(leave(&breaker, 2 * COOLDOWN + 1, 2 * COOLDOWN + 2, answer(200)));
        give_back(&breaker, &other);
        assert_eq!(state(&breaker, 2 * COOLDOWN + 2), State::Closed);
    }

    #[test]
    fn a_request_of_before_says_nothing_new() {
        for status in [200, 502] {
            let breaker = closed(1, None);
            enter(&breaker, 0);
            ask(&breaker, 10, answer(502));
            leave(&breaker, 0, COOLDOWN, answer(status));
            assert_eq!(state(&breaker, 10 + COOLDOWN - 1), State::Open, "{status}");
            assert_eq!(state(&breaker, 10 + COOLDOWN), State::HalfOpen, "{status}");
        }
    }

    #[test]
    fn what_counts_as_a_failure() {
        let of = |source, status| Outcome { status, source };
        for (codes, outcome, expected) in [
            (None, answer(200), Some(false)),
            (None, answer(429), Some(false)),
            (None, answer(500), Some(false)),
            (None, answer(501), Some(true)),
            (Some(vec![401, 500]), answer(500), Some(true)),
            (Some(vec![401, 500]), answer(502), Some(false)),
            (None, of(Source::Network, 502), Some(true)),
            (Some(vec![401]), of(Source::Network, 504), Some(true)),
            (None, of(Source::Limit, 408), None),
            (Some(vec![408]), of(Source::Limit, 408), Some(true)),
            (None, of(Source::Lapsed, 412), None),
            (Some(vec![412]), of(Source::Lapsed, 412), Some(true)),
            (Some(vec![412]), of(Source::Lapsed, 401), None),
            (Some(vec![400, 412]), of(Source::Refusal, 400), None),
            (Some(vec![400, 412]), of(Source::Refusal, 412), None),
            (Some(vec![500]), of(Source::Exception, 500), None),
        ] {
            assert_eq!(is_failure(&closed(1, codes.clone()), outcome), expected, "{codes:?} {outcome:?}");
        }
    }

    #[test]
    fn a_group_is_open_where_all_that_it_could_choose_is() {
        let leaf = |open: bool| {
            let breaker = closed(1, None);
            if open {
                ask(&breaker, 0, answer(502));
            }
            ConfigObject { breaker: Some(breaker), ..ConfigObject::default() }
        };
        let group = |mode, leaves: &[bool]| {
            let choice = |open: &bool| Choice { name: None, weight: 1.0, object: Arc::new(leaf(*open)) };
            let targets = leaves.iter().map(choice).collect();
            ConfigObject { branch: Some(Branch { mode, targets }), ..ConfigObject::default() }
        };
        let fallback = || Mode::Fallback { on_status_codes: None };
        assert!(is_open(&group(fallback(), &[true, true]), 0));
        assert!(!is_open(&group(fallback(), &[true, false]), 0));
        assert!(!is_open(&group(fallback(), &[]), 0));
        assert!(is_open(&group(Mode::LoadBalance { sticky: None }, &[true]), 0));
        assert!(is_open(&group(Mode::Single, &[true, false]), 0));
        assert!(!is_open(&group(Mode::Single, &[false, true]), 0));
        let conditional = Mode::Conditional { conditions: vec![], default: None };
        assert!(!is_open(&group(conditional, &[true]), 0));
    }
}

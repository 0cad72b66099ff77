use std::sync::{
    Barrier,
    atomic::{AtomicU64, Ordering},
};

use proptest::prelude::*;

use super::*;
use crate::{
    context::{Principal, RateLimit, UsageLimit},
    limit::counter::Reserve,
};

/// A clock that tests set, in milliseconds.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

fn counters(hands: &Hands) -> LocalCounters<impl Fn() -> SystemTime + Send + Sync + use<>> {
    let hands = hands.clone();
    LocalCounters::with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_millis(hands.0.load(Ordering::SeqCst)))
}

fn rules(usage: &str, rate: &str) -> Rules {
    let (usage, rate) = (UsageLimit::from_json(usage).expect("usage"), RateLimit::from_json(rate).expect("rate"));
    Principal::new("k").with_limits(usage, rate).rules().clone()
}

fn tokens(least: u64, most: u64) -> Want {
    Want { tokens: Reserve { least, most }, ..Want::ONE }
}

fn take<T: Fn() -> SystemTime>(counters: &LocalCounters<T>, rules: &Rules, want: Want) -> Result<Taken, usize> {
    match counters.take_now(rules, &want).expect("room") {
        Verdict::Passed { taken, .. } => Ok(taken),
        Verdict::Denied(denied) => Err(denied.rule),
    }
}

fn used<T: Fn() -> SystemTime>(counters: &LocalCounters<T>) -> Vec<(u64, u64)> {
    let mut all: Vec<_> = counters.snapshot().collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all.iter().map(|state| (state.used, state.held)).collect()
}

#[test]
fn of_two_hundred_at_once_a_hundred_pass() {
    for rates in [
        r#"{"unit":"rpd","value":100}"#,
        r#"[{"unit":"rpd","value":100},{"unit":"rpw","value":150},{"type":"tokens","unit":"rpd","value":100000}]"#,
    ] {
        let (counters, rules) = (LocalCounters::new(), rules("[]", rates));
        let (barrier, passed) = (Barrier::new(8), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..25 {
                        passed.fetch_add(u64::from(take(&counters, &rules, Want::ONE).is_ok()), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 100, "{rates}");
    }
}

#[test]
fn a_denied_request_takes_nothing_of_the_rules_that_passed() {
    let hands = Hands::default();
    let counters = counters(&hands);
    let rules = rules("[]", r#"[{"unit":"rpm","value":5},{"unit":"rpd","value":2}]"#);
    assert_eq!([0; 4].map(|_| take(&counters, &rules, Want::ONE).err()), [None, None, Some(1), Some(1)]);
    assert_eq!(used(&counters), [(2, 0), (2, 0)]);
}

#[test]
fn windows_end_where_they_end() {
    let hands = Hands::default();
    let (counters, rules) = (counters(&hands), rules("[]", r#"{"unit":"rps","value":1}"#));
    for (millis, passes) in [(0, true), (999, false), (1000, true), (1001, false), (1999, false), (2000, true)] {
        hands.set(millis);
        assert_eq!(take(&counters, &rules, Want::ONE).is_ok(), passes, "{millis}");
    }
}

#[test]
fn a_clock_that_goes_back_grants_nothing_twice() {
    let hands = Hands::default();
    let (counters, rules) = (counters(&hands), rules("[]", r#"{"unit":"rpm","value":1}"#));
    for (seconds, passes) in [(59, true), (60, true), (59, false), (0, false), (119, false), (120, true), (1, false)] {
        hands.set(seconds * 1000);
        counters.sweep();
        assert_eq!(take(&counters, &rules, Want::ONE).is_ok(), passes, "{seconds}");
    }
}

#[test]
fn guesses_shrink_and_demands_do_not() {
    let hands = Hands::default();
    let (counters, rules) = (counters(&hands), rules("[]", r#"{"type":"tokens","unit":"rpm","value":100}"#));
    let first = take(&counters, &rules, tokens(1, 70)).expect("room");
    assert_eq!(take(&counters, &rules, tokens(31, 31)).err(), Some(0));
    let second = take(&counters, &rules, tokens(1, 70)).expect("what is left");
    assert_eq!(second.parts()[0].amount, 30);
    assert_eq!(take(&counters, &rules, tokens(1, 1)).err(), Some(0));
    counters.settle(first, Spent { tokens: Some(10), cost: None });
    counters.settle(second, Spent { tokens: None, cost: None });
    assert_eq!(used(&counters), [(40, 0)]);
}

#[test]
fn what_is_settled_late_counts_only_beyond_what_was_taken() {
    let hands = Hands::default();
    let (counters, rules) = (counters(&hands), rules("[]", r#"{"type":"tokens","unit":"rpm","value":100}"#));
    let late = [0; 2].map(|_| take(&counters, &rules, tokens(10, 10)).expect("room"));
    hands.set(60_000);
    for (taken, tokens) in late.into_iter().zip([3, 25]) {
        counters.settle(taken, Spent { tokens: Some(tokens), cost: None });
    }
    assert_eq!(used(&counters), [(15, 0)]);
}

#[test]
fn idle_counters_fall_out_and_budgets_without_an_end_stay() {
    let hands = Hands::default();
    let counters = counters(&hands);
    for index in 0..1000 {
        let rate = RateLimit::from_json(r#"{"unit":"rpm","value":1}"#).expect("a rate");
        let who = Principal::new(index.to_string()).with_limits(Vec::new(), rate);
        assert!(take(&counters, who.rules(), Want::ONE).is_ok());
    }
    let forever = rules(r#"{"type":"requests","credit_limit":3}"#, "[]");
    assert!(take(&counters, &forever, Want::ONE).is_ok());
    assert_eq!(counters.len(), 1001);
    hands.set(59_000 + 600_000);
    counters.sweep();
    assert_eq!(counters.len(), 1001);
    hands.set(60_000 + 600_000);
    counters.sweep();
    assert_eq!((counters.len(), used(&counters)), (1, vec![(1, 0)]));
}

#[test]
fn counters_are_put_back_with_what_was_held() {
    let hands = Hands::default();
    let rules = rules(r#"{"type":"tokens","credit_limit":100}"#, r#"{"unit":"rpm","value":3}"#);
    let before = counters(&hands);
    drop(take(&before, &rules, tokens(60, 60)));
    let saved: Vec<_> = before.snapshot().collect();
    let text = serde_json::to_string(&saved).expect("JSON");
    let saved: Vec<CounterState> = serde_json::from_str(&text).expect("states");

    let after = counters(&hands);
    saved.iter().for_each(|state| after.restore(state).expect("a state"));
    assert_eq!(used(&after), [(1, 0), (60, 0)]);
    assert_eq!(take(&after, &rules, tokens(41, 41)).err(), Some(0));

    hands.set(60_000 + 600_000);
    let later = counters(&hands);
    saved.iter().for_each(|state| later.restore(state).expect("a state"));
    assert_eq!(used(&later), [(60, 0)], "the minute is over, the budget is not");
    let bad = CounterState { counter: "+1".to_owned(), ..saved[0].clone() };
    assert_eq!(later.restore(&bad), Err(RestoreError::STATE));
}

/// What may happen to a request.
#[derive(Clone, Debug)]
enum Event {
    Begin { asked: Option<u64>, guess: u64 },
    End { index: usize, used: Option<u64> },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (proptest::option::of(1_u64..60), 1_u64..60).prop_map(|(asked, guess)| Event::Begin { asked, guess }),
        (0_usize..8, proptest::option::weighted(0.8, 0_u64..90)).prop_map(|(index, used)| Event::End { index, used }),
    ]
}

proptest! {
    /// However requests overlap, end, fail or are cancelled: what was used is over the limit by no more than what those
    /// that were let in used beyond what was taken for them.
    #[test]
    fn the_overshoot_is_what_was_used_beyond_reservations(
        events in proptest::collection::vec(event(), 1..60),
        limit in 1_u64..200,
    ) {
        let hands = Hands::default();
        let counters = counters(&hands);
        let rules = rules(&format!(r#"{{"type":"tokens","credit_limit":{limit}}}"#), "[]");
        let (mut flying, mut used, mut beyond, mut held) = (Vec::new(), 0, 0, 0);
        for event in events {
            match event {
                Event::Begin { asked, guess } => {
                    let least = asked.unwrap_or(1);
                    let taken = take(&counters, &rules, tokens(least, least + guess));
                    prop_assert_eq!(taken.is_ok(), used + held + least <= limit, "{} + {} + {}", used, held, least);
                    if let Ok(taken) = taken {
                        held += taken.parts()[0].amount;
                        flying.push(taken);
                    }
                }
                Event::End { index, used: spent } if !flying.is_empty() => {
                    let taken = flying.swap_remove(index % flying.len());
                    let amount = taken.parts()[0].amount;
                    let spent = spent.unwrap_or(amount);
                    counters.settle(taken, Spent { tokens: Some(spent), cost: None });
                    (used, held, beyond) = (used + spent, held - amount, beyond + spent.saturating_sub(amount));
                }
                Event::End { .. } => {}
            }
            prop_assert!(used + held <= limit + beyond, "{} + {} of {} and {}", used, held, limit, beyond);
            let state = counters.snapshot().next();
            prop_assert_eq!(state.map_or((0, 0), |state| (state.used, state.held)), (used, held));
        }
    }
}

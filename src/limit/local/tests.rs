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
fn a_clock_that_was_far_ahead_locks_nobody_out() {
    let hands = Hands::default();
    let (counters, rules) = (counters(&hands), rules("[]", r#"{"unit":"rpm","value":1}"#));
    for (seconds, passes) in [(31_536_000, true), (1000, true), (1000, false), (1060, true)] {
        hands.set(seconds * 1000);
        assert_eq!(take(&counters, &rules, Want::ONE).is_ok(), passes, "{seconds}");
    }
}

#[test]
fn a_counter_stays_as_long_as_the_last_token_of_its_name() {
    let hands = Hands::default();
    let counters = counters(&hands);
    let until = |seconds| {
        let limit = UsageLimit::from_json(r#"{"type":"requests","credit_limit":1}"#).expect("a limit");
        let who = Principal::new("k").with_expiry(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        who.with_counter_key("jti").with_limits(limit, Vec::new()).rules().clone()
    };
    assert_eq!([100, 100_000, 200].map(|end| take(&counters, &until(end), Want::ONE).is_ok()), [true, false, false]);
    for (seconds, left) in [(100_000, 1), (100_601, 0)] {
        hands.set(seconds * 1000);
        counters.sweep();
        assert_eq!(counters.len(), left, "{seconds}");
    }
}

#[test]
fn an_organisation_leaves_room_for_others() {
    let table = Table::new(100);
    let rate = || RateLimit::from_json(r#"{"unit":"rpm","value":1}"#).expect("a rate");
    let add = |organisation: &str, index: usize, now: u64| {
        let who = Principal::new(index.to_string()).with_organisation(organisation).with_limits(Vec::new(), rate());
        table.insert(Cell::new(&who.rules()[0], now), now).is_ok()
    };
    let most = |organisation: &str, now: u64| (0..200).filter(|index| add(organisation, *index, now)).count();
    // What is there already is found, whether there is room or not.
    assert_eq!((most("a", 0), most("b", 0), most("c", 0), most("a", 0)), (50, 25, 13, 50));
    assert!(add("d", 0, 0) && table.len() == 89);
    table.sweep(60 + 600);
    assert_eq!((table.len(), most("c", 660)), (0, 50));
}

#[test]
fn names_that_were_chosen_share_no_bucket() {
    let table = Table::new(1_000_000);
    let state = |window| State { window, used: 0, held: 0, denied: 0, alerted: false, forgotten_at: u64::MAX };
    let window = crate::limit::window::Window { start: 0, end: u64::MAX };
    for counter in 0..2000_u128 {
        let cell = Cell::with(counter << 14, ("x", ""), crate::context::Resource::Tokens, 1, state(window));
        assert!(table.insert(cell, 0).is_ok());
    }
    assert!(table.fullest() < 50, "{}", table.fullest());
}

#[test]
fn a_guess_takes_no_more_of_any_rule_than_the_tightest_has() {
    let hands = Hands::default();
    let counters = counters(&hands);
    let rules = rules(
        r#"[{"id":"a","type":"tokens","credit_limit":100},{"id":"b","type":"tokens","credit_limit":1000000}]"#,
        r#"{"unit":"rpm","value":9}"#,
    );
    let first = take(&counters, &rules, tokens(1, 70_000)).expect("room");
    assert_eq!(first.parts().iter().map(|part| part.amount).collect::<Vec<_>>(), [100, 100, 1]);
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

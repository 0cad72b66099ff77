//! A counter that has to be asked: one that several processes could share.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower_portkey::{
    LimitGateLayer, LimitLayer,
    context::Rules,
    guard::Decision,
    limit::{Counter, Spent, Taken, Verdict, Want},
    rejection::Rejection,
};

use crate::{
    harness::{Counters, counters, limited},
    support::{by, chat, send},
};

/// Asks another counter after a while, or fails.
#[derive(Clone)]
struct Remote {
    counters: Counters,
    asked: Arc<AtomicUsize>,
    fails: bool,
}

impl Remote {
    fn later(
        &self,
        now: Decision<Verdict, std::future::Ready<Result<Verdict, Rejection>>>,
    ) -> Decision<Verdict, Later> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = match now {
            _ if self.fails => Err(Rejection::unavailable("no connection")),
            Decision::Now(answer) => answer,
            Decision::Later(_) => Err(Rejection::unavailable("late")),
        };
        Decision::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        }))
    }
}

type Later = Pin<Box<dyn Future<Output = Result<Verdict, Rejection>> + Send>>;

impl Counter for Remote {
    type Future = Later;

    fn take(&self, rules: &Rules, want: &Want) -> Decision<Verdict, Later> {
        self.later(self.counters.take(rules, want))
    }

    fn peek(&self, rules: &Rules) -> Decision<Verdict, Later> {
        self.later(self.counters.peek(rules))
    }

    fn settle(&self, taken: Taken, spent: Spent) {
        self.counters.settle(taken, spent);
    }
}

#[test]
fn all_rules_are_asked_at_once_and_say_the_same() {
    let who =
        limited(r#"{"type":"requests","credit_limit":5}"#, r#"[{"unit":"rpm","value":1},{"unit":"rpd","value":3}]"#);
    let remote = Remote { counters: counters().1, asked: Arc::default(), fails: false };
    let (layer, gate) = (LimitLayer::callers(remote.clone()), LimitGateLayer::new(remote.clone()));
    assert_eq!(send(&layer, by(who.clone(), chat(&[]))).status(), 200);
    let (denied, refused) = (send(&layer, by(who.clone(), chat(&[]))), send(&gate, by(who, chat(&[]))));
    assert_eq!((denied.status(), denied.body.clone()), (429, refused.body));
    assert!(denied.header("retry-after").is_some());
    assert_eq!(remote.asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_counter_that_cannot_answer_lets_nobody_pass() {
    let who = limited("[]", r#"{"unit":"rpm","value":1}"#);
    let remote = Remote { counters: counters().1, asked: Arc::default(), fails: true };
    for answer in [
        send(&LimitLayer::callers(remote.clone()), by(who.clone(), chat(&[]))),
        send(&LimitGateLayer::new(remote), by(who, chat(&[]))),
    ] {
        assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("1")));
        assert!(answer.seen.is_none());
    }
}

//! Limits of keys and workspaces: shape A of the wire contract's section 2.6.

use http::Method;
use serde_json::json;
use tower_portkey::{LimitGateLayer, LimitLayer, context::Principal};

use crate::{
    harness::{Counters, counters, limited, rates, usage, used},
    support::{Answer, CHAT, by, chat, request, send},
};

fn ask(counters: &Counters, who: &Principal) -> Answer {
    send(&LimitLayer::callers(counters.clone()), by(who.clone(), chat(&[])))
}

fn gate(counters: &Counters, who: &Principal) -> Answer {
    send(&LimitGateLayer::new(counters.clone()), by(who.clone(), chat(&[])))
}

#[test]
fn each_limit_is_refused_in_portkeys_words() {
    let base = || limited("[]", "[]");
    for (who, status, code, text) in [
        (limited("[]", r#"{"unit":"rpm","value":1}"#), 429, "05", "apikey 11********rpm rate limit exceded"),
        (
            limited("[]", r#"{"type":"tokens","unit":"rps","value":1}"#),
            429,
            "05",
            "apikey 11********rps rate limit exceded",
        ),
        (
            base().with_workspace_limits(usage("[]"), rates(r#"{"unit":"rph","value":1}"#)),
            429,
            "05",
            "workspace 11********rph rate limit exceeded",
        ),
        (limited(r#"{"type":"requests","credit_limit":1}"#, "[]"), 412, "04", "Portkey API Key Usage Limit Exceeded"),
        (
            base().with_workspace_limits(usage(r#"{"type":"tokens","credit_limit":1}"#), rates("[]")),
            412,
            "04",
            "Portkey Workspace Usage Limit Exceeded",
        ),
    ] {
        let (_, counters) = counters();
        assert_eq!(ask(&counters, &who).status(), 200, "{text}");
        for (place, answer) in [("layer", ask(&counters, &who)), ("gate", gate(&counters, &who))] {
            let message = format!("Portkey Error: {text}. Error Code: {code}");
            let error = json!({ "message": message, "code": code });
            let expected = json!({ "status": "failure", "message": message, "error": error });
            assert_eq!((answer.status(), answer.json()), (status, expected), "{place}");
            assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
            assert_eq!(answer.header("retry-after").is_some(), status == 429, "{text}");
            assert!(answer.seen.is_none());
        }
    }
}

#[test]
fn what_the_issuer_says_is_over_is_refused_at_once() {
    for (limits, status, code) in [
        (r#"{"credit_limit":5,"status":"exhausted"}"#, 412, "04"),
        (r#"{"credit_limit":0}"#, 412, "04"),
        (r#"{"credit_limit":5,"status":"expired"}"#, 401, "01"),
        (r#"[{"credit_limit":5,"status":"expired"},{"credit_limit":5,"status":"exhausted"}]"#, 412, "04"),
    ] {
        let (_, counters) = counters();
        for answer in [ask(&counters, &limited(limits, "[]")), gate(&counters, &limited(limits, "[]"))] {
            assert_eq!((answer.status(), answer.json()["error"]["code"].as_str()), (status, Some(code)), "{limits}");
        }
        assert!(counters.is_empty(), "nothing is counted");
    }
}

#[test]
fn budgets_come_before_rates_and_the_workspaces_rates_before_the_keys() {
    let (_, counters) = counters();
    let one = r#"{"unit":"rpm","value":1}"#;
    let budget = r#"{"type":"requests","credit_limit":1}"#;
    let all = limited(budget, one).with_workspace_limits(usage(budget), rates(one));
    assert_eq!(ask(&counters, &all).status(), 200);
    for (who, text) in [
        (all, "API Key Usage"),
        (limited("[]", one).with_workspace_limits(usage(budget), rates(one)), "Workspace Usage"),
        (limited("[]", one).with_workspace_limits(usage("[]"), rates(one)), "workspace 11"),
        (limited("[]", one), "apikey 11"),
    ] {
        let told = ask(&counters, &who).json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn headers_tell_how_far_the_tightest_rate_is() {
    let (hands, counters) = counters();
    hands.set(1500);
    let who = limited(
        "[]",
        r#"[{"unit":"rpm","value":9},{"unit":"rph","value":2},{"type":"tokens","unit":"rpd","value":5000}]"#,
    );
    let told = |answer: &Answer| {
        ["limit", "remaining", "reset"].map(|what| {
            let name = |kind: &str| format!("x-ratelimit-{what}-{kind}");
            [answer.header(&name("requests")).map(str::to_owned), answer.header(&name("tokens")).map(str::to_owned)]
        })
    };
    let some = |requests: &str, tokens: &str| [Some(requests.to_owned()), Some(tokens.to_owned())];
    let answer = ask(&counters, &who);
    assert_eq!(told(&answer), [some("2", "5000"), some("1", "3976"), some("59m58.5s", "23h59m58.5s")]);
    // The first answer said nothing about its tokens, so that what was taken for it stays.
    assert_eq!(told(&ask(&counters, &who)), [some("2", "5000"), some("0", "2952"), some("59m58.5s", "23h59m58.5s")]);
    let denied = ask(&counters, &who);
    assert_eq!((denied.status(), denied.header("retry-after")), (429, Some("3599")));
    assert_eq!(told(&denied), [some("2", "5000"), some("0", "2952"), some("59m58.5s", "23h59m58.5s")]);
    hands.set(3_600_000);
    assert_eq!(ask(&counters, &who).status(), 200);
}

#[test]
fn who_has_no_limits_is_not_counted() {
    let (_, counters) = counters();
    let answer = ask(&counters, &limited("[]", "[]"));
    assert_eq!(answer.status(), 200);
    assert!(counters.is_empty() && answer.header("x-ratelimit-limit-requests").is_none());
}

#[test]
fn results_can_be_fetched_when_nothing_is_left() {
    let (_, counters) = counters();
    let who = limited(r#"{"credit_limit":1,"status":"exhausted"}"#, r#"{"unit":"rpm","value":1}"#);
    for (method, path, status) in [
        (Method::GET, "/v1/batches/b-1", 200),
        (Method::GET, "/v1/files/f-1/content", 200),
        (Method::GET, "/v1/logs/exports/1", 200),
        (Method::POST, "/v1/batches", 412),
        (Method::GET, "/v1/models", 412),
        (Method::POST, CHAT, 412),
    ] {
        let asked = || by(who.clone(), request(&method, path, &[]));
        assert_eq!(send(&LimitLayer::callers(counters.clone()), asked()).status(), status, "{method} {path}");
        assert_eq!(send(&LimitGateLayer::new(counters.clone()), asked()).status(), status, "{method} {path}");
    }
}

#[test]
fn the_gate_tells_every_rate() {
    let (_, counters) = counters();
    let rates = r#"[{"unit":"rpm","value":1},{"type":"tokens","unit":"rpm","value":5000}]"#;
    let who = limited("[]", rates);
    assert_eq!(ask(&counters, &who).status(), 200);
    let answer = send(&LimitGateLayer::new(counters), by(who, chat(&[])));
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("0"));
    assert!(answer.header("x-ratelimit-remaining-tokens").is_some());
}

#[test]
fn nobody_passes_unknown() {
    let (_, counters) = counters();
    assert_eq!(send(&LimitLayer::callers(counters.clone()), chat(&[])).status(), 500);
    assert_eq!(send(&LimitGateLayer::new(counters.clone()), chat(&[])).status(), 500);
    assert_eq!(send(&LimitLayer::callers(counters.clone()).allow_anonymous(), chat(&[])).status(), 200);
    assert_eq!(send(&LimitLayer::entries(counters), chat(&[])).status(), 500);
}

#[test]
fn a_token_has_counters_of_its_own_and_a_subject_has_the_same_for_ever() {
    let (_, counters) = counters();
    let who = limited("[]", r#"{"unit":"rpm","value":1}"#);
    for (who, status) in [
        (who.clone().with_counter_key("jti-1"), 200),
        (who.clone().with_counter_key("jti-1"), 429),
        (who.clone().with_counter_key("jti-2"), 200),
        (who.clone(), 200),
        (who.clone().with_scopes(["other"]), 429),
        (who.with_organisation("22bb"), 200),
    ] {
        assert_eq!(ask(&counters, &who).status(), status, "{who:?}");
    }
}

#[test]
fn a_grpc_caller_is_told_by_a_status() {
    let (_, counters) = counters();
    let who = limited("[]", r#"{"unit":"rpm","value":1}"#);
    let asked = || by(who.clone(), chat(&[("content-type", "application/grpc")]));
    let layer = LimitLayer::callers(counters);
    assert_eq!(send(&layer, asked()).status(), 200);
    let denied = send(&layer, asked());
    assert_eq!((denied.status(), denied.header("grpc-status")), (200, Some("8")));
}

#[test]
fn a_key_that_is_used_at_once_by_many_passes_as_often_as_it_may() {
    let (_, counters) = counters();
    let who = limited("[]", r#"[{"unit":"rpm","value":100},{"unit":"rpd","value":1000}]"#);
    let layer = LimitLayer::callers(counters.clone());
    let passed: usize = std::thread::scope(|scope| {
        let one = || (0..25).filter(|_| send(&layer, by(who.clone(), chat(&[]))).status() == 200).count();
        let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().expect("a thread")).sum()
    });
    assert_eq!(passed, 100);
    assert_eq!(used(&counters).iter().map(|(_, used, _)| *used).collect::<Vec<_>>(), [100, 100]);
}

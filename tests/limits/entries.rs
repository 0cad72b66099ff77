//! Limits of provider entries: shape C, per attempt, so that another target may answer.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use tower_portkey::{
    ConfigLayer, ExtractLayer, InjectLayer, LimitGateLayer, LimitLayer, ModelLayer, RescueLayer, ResolveLayer, Secret,
    StrategyLayer,
    context::{Entry, ProviderId, Visibility},
    model::EntrySet,
};

use crate::{
    harness::{Answer, Counters, Provider, counters, limited, rates, usage, used},
    support::{by, request_with},
};

fn entry(slug: &str, usages: &str, rate: &str) -> Entry {
    let openai = ProviderId::parse("openai").expect("a provider");
    let entry = Entry::new(slug, openai).expect("a slug").with_api_key(Secret::from("sk-1")).expect("a key");
    entry.with_limits(usage(usages), rates(rate))
}

/// Status, headers and body of the answer to a chat by this config, through the layers of the whole path.
fn ask(
    counters: &Counters,
    entries: &[Entry],
    provider: &Provider,
    config: &str,
    body: &'static str,
) -> (http::response::Parts, Value) {
    ask_at("/v1/chat/completions", counters, entries, provider, config, body)
}

/// The same on another route.
fn ask_at(
    path: &str,
    counters: &Counters,
    entries: &[Entry],
    provider: &Provider,
    config: &str,
    body: &'static str,
) -> (http::response::Parts, Value) {
    let visible = |set: EntrySet, entry: &Entry| set.with(entry.clone(), Visibility::everybody());
    let entries = entries.iter().fold(EntrySet::new(), visible);
    let service = ServiceBuilder::new()
        .layer(RescueLayer::new())
        .layer(ExtractLayer::new())
        .layer(LimitGateLayer::new(counters.clone()))
        .layer(ConfigLayer::new())
        .layer(ModelLayer::new(entries))
        .layer(LimitLayer::callers(counters.clone()).read_bodies().include_usage(true))
        .layer(StrategyLayer::new())
        .layer(LimitLayer::entries(counters.clone()).read_bodies())
        .layer(RescueLayer::new())
        .layer(ResolveLayer::new())
        .layer(InjectLayer::new())
        .service(provider.clone());
    let lines = [("x-portkey-config", config), ("content-type", "application/json")];
    let who = limited(r#"{"type":"tokens","credit_limit":10000}"#, r#"{"unit":"rpm","value":1000}"#);
    let request: Request<Full<Bytes>> = by(who, request_with(&http::Method::POST, path, &lines, body));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (head, body) = service.oneshot(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (head, serde_json::from_slice(&body).unwrap_or_default())
    })
}

const BODY: &str = r#"{"model":"gpt-4o","max_tokens":50}"#;
const ONE: &str = r#"{"provider":"@one-entry"}"#;
const FALLBACK: &str =
    r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@one-entry"},{"provider":"@two-entry"}]}"#;

fn fine() -> Answer {
    Answer::json(200, r#"{"usage":{"prompt_tokens":4,"completion_tokens":6,"total_tokens":10}}"#)
}

#[test]
fn an_entrys_limits_read_as_openais_errors() {
    for (usages, rate, status, kind, code, message) in [
        (
            "[]",
            r#"{"unit":"rpm","value":1}"#,
            429,
            "virtual_key_rate_limit_error",
            Value::Null,
            "Portkey Virtual Key 11********rpm Rate Limit Exceeded",
        ),
        (
            r#"{"type":"requests","credit_limit":1}"#,
            "[]",
            412,
            "virtual_key_exhaust_error",
            json!("04"),
            "Portkey Virtual Key on********try Usage Limit Exceeded",
        ),
        (
            r#"{"type":"tokens","credit_limit":55}"#,
            "[]",
            412,
            "virtual_key_exhaust_error",
            json!("04"),
            "Portkey Virtual Key on********try Usage Limit Exceeded",
        ),
    ] {
        let (_, counters) = counters();
        let entries = [entry("one-entry", usages, rate)];
        let provider = Provider::new([fine()]);
        let (first, _) = ask(&counters, &entries, &provider, ONE, BODY);
        assert_eq!(first.status, 200);
        let (head, body) = ask(&counters, &entries, &provider, ONE, BODY);
        assert_eq!(head.status, status, "{body}");
        let error = json!({ "message": message, "type": kind, "param": null, "code": code });
        assert_eq!(body, json!({ "error": error }));
        assert_eq!(head.headers["x-portkey-provider"], "openai");
        assert_eq!(head.headers["x-portkey-last-used-option-index"], "config");
        assert_eq!(head.headers.contains_key("retry-after"), status == 429);
        assert_eq!(provider.seen().len(), 1);
    }
}

#[test]
fn what_an_entrys_issuer_says_is_over_is_refused_at_once() {
    for (usages, status, message) in [
        (r#"{"credit_limit":5,"status":"exhausted"}"#, 412, "Portkey Virtual Key on********try Usage Limit Exceeded"),
        (r#"{"credit_limit":5,"status":"expired"}"#, 401, "Portkey Virtual Key on********try Expired"),
    ] {
        let (_, counters) = counters();
        let (head, body) = ask(&counters, &[entry("one-entry", usages, "[]")], &Provider::new([fine()]), ONE, BODY);
        assert_eq!((head.status.as_u16(), body["error"]["message"].as_str()), (status, Some(message)));
    }
}

#[test]
fn another_target_takes_the_place_of_one_that_is_used_up() {
    let (_, counters) = counters();
    let entries = [
        entry("one-entry", "[]", r#"{"unit":"rpm","value":1}"#),
        entry("two-entry", "[]", r#"{"unit":"rpm","value":2}"#),
    ];
    let provider = Provider::new([fine()]);
    let targets: Vec<_> = (0..4)
        .map(|_| {
            let (head, _) = ask(&counters, &entries, &provider, FALLBACK, BODY);
            (head.status.as_u16(), head.headers["x-portkey-last-used-option-index"].to_str().unwrap().to_owned())
        })
        .collect();
    let at = |status, index: &str| (status, format!("config.targets[{index}]"));
    assert_eq!(targets, [at(200, "0"), at(200, "1"), at(200, "1"), at(429, "1")]);
}

#[test]
fn an_entry_settles_each_attempt_and_the_caller_the_request() {
    let (_, counters) = counters();
    let budget = r#"{"type":"tokens","credit_limit":1000}"#;
    let rate = r#"{"unit":"rpd","value":1000}"#;
    let entries = [entry("one-entry", budget, rate), entry("two-entry", budget, rate)];
    let provider = Provider::new([Answer::json(500, "{}"), Answer::json(500, "{}"), fine()]);
    let config = r#"{"strategy":{"mode":"fallback"},"retry":{"attempts":1,"on_status_codes":[500]},"targets":[{"provider":"@one-entry"},{"provider":"@two-entry"}]}"#;
    let (head, _) = ask(&counters, &entries, &provider, config, BODY);
    assert_eq!(head.status, 200);
    let counted: Vec<_> =
        used(&counters).into_iter().map(|(name, used, held)| format!("{name} {used} {held}")).collect();
    assert_eq!(
        counted,
        [
            "11aa-requests-API_KEY-k-1-rpm 1 0",
            "11aa-tokens-API_KEY-k-1-total 10 0",
            "openai-requests-VIRTUAL_KEY-one-entry-rpd 2 0",
            "openai-requests-VIRTUAL_KEY-two-entry-rpd 1 0",
            "openai-tokens-VIRTUAL_KEY-one-entry-total 0 0",
            "openai-tokens-VIRTUAL_KEY-two-entry-total 10 0",
        ]
    );
    // The tightest of both layers is told.
    assert_eq!(head.headers["x-ratelimit-limit-requests"], "1000");
    assert_eq!(head.headers["x-ratelimit-remaining-requests"], "999");
}

#[test]
fn a_change_of_the_config_counts_as_what_it_makes_of_the_body() {
    let (_, counters) = counters();
    let entries = [entry("one-entry", r#"{"type":"tokens","credit_limit":100}"#, "[]")];
    let config = r#"{"provider":"@one-entry","override_params":{"max_tokens":101}}"#;
    let (head, _) = ask(&counters, &entries, &Provider::new([fine()]), config, BODY);
    assert_eq!(head.status, 412);
    let (head, _) = ask(&counters, &entries, &Provider::new([fine()]), ONE, BODY);
    assert_eq!(head.status, 200);
}

#[test]
fn an_answer_is_not_thrown_away_to_ask_again() {
    let fallback = r#"{"strategy":{"mode":"fallback","on_status_codes":[200]},"targets":[{"provider":"@one-entry"},{"provider":"@one-entry"}]}"#;
    let retry = r#"{"provider":"@one-entry","retry":{"attempts":3,"on_status_codes":[200]}}"#;
    for config in [fallback, retry] {
        let (_, counters) = counters();
        let entries = [entry("one-entry", r#"{"type":"tokens","credit_limit":100000}"#, "[]")];
        let provider = Provider::new([fine()]);
        let (head, _) = ask(&counters, &entries, &provider, config, BODY);
        assert_eq!((head.status.as_u16(), provider.seen().len()), (200, 1), "{config}");
        let tokens = used(&counters).into_iter().filter(|(name, ..)| name.contains("tokens"));
        assert_eq!(tokens.map(|(_, used, held)| (used, held)).collect::<Vec<_>>(), [(10, 0); 2], "{config}");
    }
}

#[test]
fn a_config_does_not_change_what_is_counted() {
    let (_, counters) = counters();
    let entries = [entry("one-entry", "[]", "[]")];
    for (body, params) in [
        (r#"{"model":"m","stream":true}"#, r#""drop_params":["stream_options"]"#),
        (r#"{"model":"m","stream":true}"#, r#""override_params":{"stream_options":{"include_usage":false}}"#),
        (r#"{"model":"m"}"#, r#""override_params":{"stream":true}"#),
        (r#"{"model":"m","stream":true,"stream_options":null}"#, r#""override_params":{"n":1}"#),
        (r#"{"model":"m","stream":true,"stream_options":{"include_usage":false}}"#, r#""retry":{"attempts":0}"#),
    ] {
        let provider = Provider::new([fine()]);
        let config = format!(r#"{{"provider":"@one-entry",{params}}}"#);
        let (head, error) = ask(&counters, &entries, &provider, &config, body);
        assert_eq!(head.status, 200, "{error}");
        let sent: Value = serde_json::from_slice(&provider.bodies()[0]).expect("JSON");
        assert_eq!(sent["stream_options"]["include_usage"], true, "{config} {body}");
    }
}

#[test]
fn what_is_made_later_has_a_bound() {
    let (_, counters) = counters();
    let entries = [entry("one-entry", "[]", "[]")];
    let later = r#"{"provider":"@one-entry","override_params":{"background":true}}"#;
    for (config, body, status) in [
        (ONE, r#"{"model":"m","background":true}"#, 400),
        (ONE, r#"{"model":"m","background":true,"max_output_tokens":9}"#, 200),
        (ONE, r#"{"model":"m","background":false}"#, 200),
        (later, r#"{"model":"m"}"#, 400),
        (later, r#"{"model":"m","max_output_tokens":9}"#, 200),
    ] {
        let provider = Provider::new([fine()]);
        let (head, error) = ask_at("/v1/responses", &counters, &entries, &provider, config, body);
        assert_eq!(head.status, status, "{config} {body} {error}");
        assert_eq!(provider.seen().len(), usize::from(status == 200), "{config} {body}");
        assert!(status == 200 || error.to_string().contains("max_output_tokens"), "{error}");
    }
}

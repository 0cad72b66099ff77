//! Saved-only mode: what is stored may be named, and nothing else brought along.

use http::Method;
use serde_json::json;
use tower_portkey::{
    ConfigLayer, ExtractLayer, ModelLayer, PortkeyLayer,
    config::{ConfigSet, SavedConfig},
    context::{Entry, Principal, ProviderId, Visibility},
    host::TrustedHosts,
    model::EntrySet,
    rejection::Kind,
};

use crate::support::{Answer, BEARER_SK, CHAT, KEY, Lines, auth, by, caller, request, request_with, send};

fn entries() -> EntrySet {
    let openai = ProviderId::parse("openai").expect("a provider");
    let entry = Entry::new("prod", openai).expect("a slug").with_api_key("sk-stored").expect("a key");
    EntrySet::new().with(entry, Visibility::everybody())
}

fn configs() -> ConfigSet {
    let json = r#"{"provider":"openai","api_key":"sk-saved","custom_host":"https://llm.example.com/v1","forward_headers":["x-a"]}"#;
    let saved = SavedConfig::parse("pc-own", json, &TrustedHosts::default()).expect("a config");
    ConfigSet::new().with(saved, Visibility::everybody())
}

fn asked(lines: Lines<'_>, body: &'static str) -> Answer {
    let config = ConfigLayer::new().saved_only(true).configs(configs());
    let stack = (ExtractLayer::new(), config, ModelLayer::new(entries()));
    send(&stack, by(Principal::new("ci"), request_with(&Method::POST, CHAT, lines, body)))
}

#[test]
fn each_thing_brought_along_has_its_code_and_the_first_is_told() {
    // In the order of the checks.
    let all = [
        ("x-portkey-config", r#"{"provider":"@prod"}"#, "inline_config_blocked"),
        ("x-portkey-provider", "openai", "inline_provider_blocked"),
        ("x-portkey-custom-host", "https://llm.example.com/v1", "inline_custom_host_blocked"),
        ("x-portkey-huggingface-base-url", "https://llm.example.com", "inline_provider_url_blocked"),
        ("x-portkey-azure-foundry-url", "https://llm.example.com", "inline_provider_url_blocked"),
        ("x-portkey-databricks-workspace", "w", "inline_provider_url_blocked"),
        ("x-portkey-forward-headers", "x-a", "inline_forward_headers_blocked"),
    ];
    for (index, (name, value, code)) in all.into_iter().enumerate() {
        // What comes later in the order is there, too.
        let later: Vec<_> = all[index..].iter().map(|(name, value, _)| (*name, *value)).collect();
        for lines in [vec![(name, value)], later] {
            let answer = asked(&lines, "");
            let message = answer.message().expect("a refusal").to_owned();
            assert_eq!((answer.status(), answer.kind()), (400, Some(Kind::InlineBlocked)), "{name}");
            assert!(message.contains("not allowed when saved-only mode is enabled"), "{message}");
            let error = json!({"code": code, "message": message, "field": name});
            assert_eq!(answer.json(), json!({"status": "failure", "error": error, "message": message}));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(answer.seen.is_none());
        }
    }
    let told = asked(&[("x-portkey-provider", "openai")], "");
    let documented = r#"{"status":"failure","error":{"code":"inline_provider_blocked","message":"Inline provider names are not allowed when saved-only mode is enabled. Use a saved integration via '@slug' instead.","field":"x-portkey-provider"},"message":"Inline provider names are not allowed when saved-only mode is enabled. Use a saved integration via '@slug' instead."}"#;
    assert_eq!(told.body, documented);
}

#[test]
fn a_provider_that_there_is_not_and_a_bad_config_are_brought_along_too() {
    for line in [("x-portkey-provider", "nobody"), ("x-portkey-config", "{"), ("x-portkey-config", "null")] {
        assert_eq!(asked(&[line, ("content-type", "text/plain")], "").kind(), Some(Kind::InlineBlocked), "{line:?}");
    }
}

#[test]
fn what_is_saved_may_be_named_in_every_way() {
    for (lines, body) in [
        (&[("x-portkey-provider", "@prod")][..], ""),
        (&[("x-portkey-virtual-key", "prod")], ""),
        (&[("x-portkey-config", "pc-own")], ""),
        (&[("authorization", BEARER_SK)], r#"{"model":"@prod/gpt-4o"}"#),
        (&[("x-portkey-provider", "@prod"), ("x-portkey-custom-host", ""), ("x-portkey-forward-headers", "")], ""),
        (&[("x-portkey-provider", "@prod"), ("x-portkey-openai-organization", "o"), ("authorization", BEARER_SK)], ""),
    ] {
        let answer = asked(lines, body);
        assert_eq!((answer.status(), answer.seen.is_some()), (200, true), "{lines:?} {:?}", answer.message());
    }
    // What does not exist is refused as it always is.
    assert_eq!(asked(&[("x-portkey-config", "pc-none")], "").kind(), Some(Kind::InvalidRequest));
}

#[test]
fn the_whole_stack_has_the_knob_and_the_caller_is_known_first() {
    let stack = |on| PortkeyLayer::builder().auth(auth(caller())).entries(entries()).saved_only(on).build();
    let own = [("x-portkey-provider", "openai"), ("authorization", BEARER_SK)];
    let known = [own[0], own[1], ("x-portkey-api-key", KEY)];
    assert_eq!(send(&stack(true), request(&Method::POST, CHAT, &known)).kind(), Some(Kind::InlineBlocked));
    assert_eq!(send(&stack(true), request(&Method::POST, CHAT, &own)).status(), 401);
    assert_eq!(send(&stack(false), request(&Method::POST, CHAT, &known)).status(), 200);
    let list = send(&stack(true), request(&Method::GET, "/v1/models", &[("x-portkey-api-key", KEY)]));
    assert_eq!((list.status(), list.json()["data"][0]["id"].as_str()), (200, Some("@prod")));
}

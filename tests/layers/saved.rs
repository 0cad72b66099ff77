//! Saved configs: which one counts, who may name it, and what keys and workspaces bring along.

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_portkey::{
    Authenticated, ConfigLayer, ExtractLayer, PortkeyLayer, Secret,
    auth::KeySet,
    body::FullOr,
    config::{ConfigSet, ResolveConfig, SavedConfig},
    context::{Entry, Metadata, PortkeyHeaders, Principal, ProviderId, RequestConfig, Visibility, Workspace},
    guard::Decision,
    host::TrustedHosts,
    model::EntrySet,
    rejection::{Kind, Rejection},
};

use crate::support::{Answer, CHAT, KEY, Lines, auth, by, caller, chat, request_with, send};

fn saved(id: &str, json: &str) -> SavedConfig {
    SavedConfig::parse(id, json, &TrustedHosts::default()).expect(json)
}

/// One config for everybody, one for a workspace, and one that belongs to another organisation.
fn configs() -> ConfigSet {
    ConfigSet::new()
        .with(saved("pc-all", r#"{"provider":"openai","api_key":"k"}"#), Visibility::everybody())
        .with(saved("pc-ws", r#"{"provider":"groq","api_key":"k"}"#), Visibility::workspaces("o", ["ws"]))
        .with(saved("pc-theirs", r#"{"provider":"cohere","api_key":"k"}"#), Visibility::organisation("p"))
}

fn who() -> Principal {
    Principal::new("ci").with_organisation("o").with_workspace("ws")
}

fn ask(who: Principal, lines: Lines<'_>) -> Answer {
    send(&(ExtractLayer::new(), ConfigLayer::new().configs(configs())), by(who, chat(lines)))
}

/// The provider of the config that counts.
fn provider(answer: &Answer) -> Option<String> {
    let config = answer.leaf().head.extensions.get::<RequestConfig>().expect("a config");
    config.provider().map(|provider| format!("{provider:?}"))
}

#[test]
fn the_header_comes_before_the_key_and_the_key_before_the_workspace() {
    const INLINE: &str = r#"{"provider":"mistral-ai","api_key":"k"}"#;
    let expected =
        |id: &str| Some(format!("{:?}", tower_portkey::context::ProviderRef::parse(id).expect("a provider")));
    for (key, workspace, header, id) in [
        (None, None, Some("pc-all"), "openai"),
        (None, None, Some("pc-ws"), "groq"),
        (Some("pc-ws"), None, None, "groq"),
        (None, Some("pc-ws"), None, "groq"),
        (Some("pc-ws"), Some("pc-all"), None, "groq"),
        (Some("pc-ws"), Some("pc-all"), Some(INLINE), "mistral-ai"),
        (Some("pc-ws"), Some("pc-all"), Some("pc-all"), "openai"),
    ] {
        let mut who = who();
        who = key.into_iter().fold(who, Principal::with_default_config);
        who = workspace.into_iter().fold(who, Principal::with_workspace_config);
        let lines: Vec<_> = header.into_iter().map(|value| ("x-portkey-config", value)).collect();
        assert_eq!(provider(&ask(who, &lines)), expected(id), "{key:?} {workspace:?} {header:?}");
    }
    assert_eq!(provider(&ask(who(), &[])), None);
}

#[test]
fn a_locked_default_is_not_overridden_even_by_itself() {
    let locked = || who().with_default_config("pc-ws").with_config_override(false);
    for config in ["pc-ws", "pc-all", "pc-nobody", "{}", "not json", r#"{"provider":"openai","api_key":"k"}"#] {
        let answer = ask(locked(), &[("x-portkey-config", config)]);
        let expected = json!({"status": "failure", "message": "Cannot override default config set for this API key."});
        assert_eq!((answer.status(), answer.json()), (400, expected), "{config}");
        assert!(answer.seen.is_none());
    }
    assert_eq!(ask(locked(), &[]).status(), 200);
    assert_eq!(ask(locked(), &[("x-portkey-config", "")]).status(), 200, "an empty header is none");
    let workspaces = who().with_workspace_config("pc-ws").with_config_override(false);
    assert_eq!(ask(workspaces, &[("x-portkey-config", "pc-all")]).status(), 200, "a workspace's is not locked");
}

#[test]
fn an_unknown_id_and_somebody_elses_are_answered_alike() {
    let expected = json!({"status": "failure", "message": "Invalid config id passed"});
    for id in [
        "pc-nobody",
        "pc-theirs",
        "pc-",
        "pc-../../v2/x?",
        "pc-a/b",
        "pc-a%2fb",
        "pc-\u{e9}",
        &format!("pc-{}", "a".repeat(300)),
    ] {
        let answer = ask(who(), &[("x-portkey-config", id)]);
        // An id that is no ASCII is no header of Portkey's in the first place.
        assert_eq!(answer.status(), 400, "{id}");
        if id.is_ascii() {
            assert_eq!(answer.json(), expected, "{id}");
        }
    }
    assert_eq!(ask(who().with_default_config("pc-theirs"), &[]).json(), expected, "a key's default has to be there");
    assert_eq!(ask(who().with_suggested_config("pc-theirs"), &[]).status(), 200, "a token's is ignored");
    let open =
        send(&(ExtractLayer::new(), ConfigLayer::new().configs(configs())), chat(&[("x-portkey-config", "pc-all")]));
    assert_eq!(
        open.message(),
        Some("Invalid config passed. You need to pass a valid json"),
        "nobody is asked for nobody"
    );
}

/// A store that waits, and one that is down.
#[derive(Clone)]
struct Store(Option<ConfigSet>);

impl ResolveConfig for Store {
    type Future = std::future::Ready<Result<Option<SavedConfig>, Rejection>>;

    fn resolve(&self, who: Workspace<'_>, id: &str) -> Decision<Option<SavedConfig>, Self::Future> {
        match &self.0 {
            Some(set) => match set.resolve(who, id) {
                Decision::Now(found) => Decision::Later(ready(found)),
                Decision::Later(found) => Decision::Later(found),
            },
            None => Decision::Later(ready(Err(Rejection::unavailable("down")))),
        }
    }
}

#[test]
fn a_store_may_wait_and_one_that_is_down_is_503() {
    let ask = |store: Store, who: Principal, lines: Lines<'_>| {
        send(&(ExtractLayer::new(), ConfigLayer::new().configs(store)), by(who, chat(lines)))
    };
    let lines: Lines<'_> = &[("x-portkey-config", "pc-ws"), ("x-portkey-request-timeout", "70")];
    let answer = ask(Store(Some(configs())), who(), lines);
    let config = answer.leaf().head.extensions.get::<RequestConfig>().expect("a config");
    assert_eq!(config.request_timeout().map(|limit| limit.as_millis()), Some(70));
    assert_eq!(
        ask(Store(Some(configs())), who(), &[("x-portkey-config", "pc-no")]).message(),
        Some("Invalid config id passed")
    );
    for who in [who().with_default_config("pc-ws"), who().with_suggested_config("pc-ws")] {
        let answer = ask(Store(None), who, &[]);
        assert_eq!((answer.status(), answer.kind()), (503, Some(Kind::Unavailable)), "never a pass");
        assert!(answer.seen.is_none());
    }
}

#[test]
fn a_config_that_is_saved_is_validated_like_any_other() {
    for (id, json, finding) in [
        ("pc-a", r#"{"provider":"nobody"}"#, "Invalid config passed"),
        ("pc-a", "{", "Invalid config passed. You need to pass a valid json"),
        ("pc-a", r#"{"provider":"@a","customHost":"https://x.example"}"#, "Invalid config passed"),
        ("a", r#"{"provider":"@a"}"#, "A config's id is made of pc- and up to 252 letters, digits, `_` and `-`"),
    ] {
        let refused = SavedConfig::parse(id, json, &TrustedHosts::default()).expect_err(json);
        assert_eq!(refused.message(), finding);
    }
}

#[test]
fn labels_of_the_request_lie_under_those_of_key_workspace_and_user() {
    let labels = |json: &str| Metadata::from_json(json.as_bytes());
    let who = Principal::new("ci")
        .with_scopes(["completions.write"])
        .with_default_metadata(labels(r#"{"team":"key","app":"key"}"#))
        .with_workspace_metadata(labels(r#"{"team":"ws"}"#))
        .with_user("alice");
    let lines =
        [("x-portkey-api-key", KEY), ("x-portkey-metadata", r#"{"_user":"bob","team":"r","app":"r","own":"r"}"#)];
    let answer = send(&(ExtractLayer::new(), auth(who)), chat(&lines));
    let found = answer.leaf().head.extensions.get::<PortkeyHeaders>().expect("headers");
    let found: Vec<_> = found.metadata().iter().collect();
    assert_eq!(found, [("_user", "alice"), ("app", "key"), ("own", "r"), ("team", "ws")]);
}

type Hosted = PortkeyLayer<Authenticated<KeySet>, ConfigSet, EntrySet>;

/// All layers, with this config for everybody as `pc-x`, and two entries, of which one is limited to the model `m`.
fn sharing(config: &str) -> Hosted {
    let entry = |slug: &str, provider: &str| {
        let entry = Entry::new(slug, ProviderId::parse(provider).expect(provider)).expect(slug);
        entry.with_api_key(Secret::from("sk-stored-0123456789")).expect("a key")
    };
    let entries = EntrySet::new()
        .with(entry("limited", "groq").with_models(["m"]), Visibility::everybody())
        .with(entry("open", "mistral-ai"), Visibility::everybody());
    let configs = ConfigSet::new().with(saved("pc-x", config), Visibility::everybody());
    PortkeyLayer::builder().auth(auth(caller())).entries(entries).configs(configs).build()
}

/// The hosts that are asked for a request with `pc-x`. These answer 502, the others 200.
async fn hosts(layer: &Hosted, failing: &'static [&str], lines: Lines<'_>, body: &'static str) -> String {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let leaf = service_fn(move |request: Request<FullOr<Full<Bytes>>>| {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let status = if failing.contains(&&*host) { 502 } else { 200 };
        asked.lock().expect("asked").push(host);
        ready(Ok::<_, Infallible>(
            Response::builder().status(status).body(Full::<Bytes>::default()).expect("a response"),
        ))
    });
    let lines = [&[("x-portkey-api-key", KEY), ("x-portkey-config", "pc-x")], lines].concat();
    layer.layer(leaf).oneshot(request_with(&Method::POST, CHAT, &lines, body)).await.expect("an answer");
    let seen = seen.lock().expect("asked");
    seen.join(" ")
}

fn circuit(first: &str) -> String {
    format!(
        r#"{{"strategy":{{"mode":"fallback"}},"cb_config":{{"failure_threshold":1,"cooldown_interval":30000}},
            "targets":[{first},{{"provider":"openai","api_key":"sk-b"}}]}}"#
    )
}

/// Who never asks the provider finds nothing out about it, and so is not the one who does so for all.
#[tokio::test(start_paused = true)]
async fn a_refused_request_keeps_no_circuit_open() {
    let layer = sharing(&circuit(r#"{"provider":"@limited"}"#));
    let (honest, other) = (r#"{"model":"m"}"#, r#"{"model":"not on the list"}"#);
    assert_eq!(hosts(&layer, &["api.groq.com"], &[], honest).await, "api.groq.com api.openai.com");
    assert_eq!(hosts(&layer, &[], &[], honest).await, "api.openai.com", "open");
    tokio::time::advance(Duration::from_millis(30_001)).await;
    assert_eq!(hosts(&layer, &[], &[], other).await, "api.openai.com", "refused for the entry");
    assert_eq!(hosts(&layer, &[], &[], honest).await, "api.groq.com");
}

/// Where the caller chooses provider or host, what it finds out is its own.
#[tokio::test(start_paused = true)]
async fn a_provider_of_the_callers_choice_opens_nobodys_circuit() {
    let layer = sharing(&circuit(r#"{"passthrough":true}"#));
    let own = [("authorization", "Bearer sk-own-12345678")];
    let with = |lines: &[(&'static str, &'static str)]| [&own, lines].concat();
    let honest = with(&[("x-portkey-provider", "groq")]);
    for (lines, expected) in [
        (&[("x-portkey-huggingface-base-url", "https://own.example")], "own.example api.openai.com"),
        // The next target has a stored credential.
        (&[("x-portkey-custom-host", "https://own.example")], "own.example"),
        (&[("x-unrelated", "x")], "router.huggingface.co api.openai.com"),
    ] {
        let lines = with(&[&[("x-portkey-provider", "huggingface")], &lines[..]].concat());
        let seen = hosts(&layer, &["own.example", "router.huggingface.co"], &lines, "{}").await;
        assert_eq!(seen, expected, "{lines:?}");
        assert_eq!(hosts(&layer, &[], &honest, "{}").await, "api.groq.com", "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_of_a_config_names_the_entry_where_nothing_else_does() {
    let group = r#""strategy":{"mode":"single"},"targets":[{"request_timeout":9}]"#;
    let (low, none): (_, Lines<'_>) = (r#""default_params":{"model":"@open/n"}"#, &[]);
    let header: Lines<'_> = &[("x-portkey-provider", "@limited")];
    for (config, lines, body, host) in [
        (
            format!(r#"{{{group},"override_params":{{"model":"@limited/m"}}}}"#),
            none,
            r#"{"model":"n"}"#,
            "api.groq.com",
        ),
        (format!(r#"{{{group},{low}}}"#), none, "{}", "api.mistral.ai"),
        (format!("{{{low}}}"), none, "{}", "api.mistral.ai"),
        (format!("{{{low}}}"), none, r#"{"model":"@limited/m"}"#, "api.groq.com"),
        (format!("{{{low}}}"), header, r#"{"model":"m"}"#, "api.groq.com"),
        (format!(r#"{{{low},"provider":"@limited"}}"#), none, r#"{"model":"m"}"#, "api.groq.com"),
        (format!(r#"{{{low},"override_params":{{"model":"@limited/m"}}}}"#), none, "{}", "api.groq.com"),
    ] {
        assert_eq!(hosts(&sharing(&config), &[], lines, body).await, host, "{config} {lines:?} {body}");
    }
}

proptest! {
    /// The text that was decoded first decides nothing about the next one, whoever asks.
    #[test]
    fn what_is_kept_decoded_is_nobodys_answer_but_its_own(texts in prop::collection::vec((any::<bool>(), 0..4usize), 1..12)) {
        const TEXTS: [&str; 4] = [
            r#"{"provider":"@prod"}"#,
            r#"{"provider":"openai","api_key":"k"}"#,
            r#"{"retry":{"attempts":1}}"#,
            r#"{"provider":"openai"}"#,
        ];
        let kept = ConfigLayer::new();
        let layers = (ExtractLayer::new(), kept);
        for (hosted, text) in texts {
            let request = |_: ()| -> Request<_> {
                let request = chat(&[("x-portkey-config", TEXTS[text])]);
                if hosted { by(who(), request) } else { request }
            };
            let again = send(&layers, request(()));
            let fresh = send(&(ExtractLayer::new(), ConfigLayer::new()), request(()));
            prop_assert_eq!((again.status(), &again.body), (fresh.status(), &fresh.body));
        }
    }
}

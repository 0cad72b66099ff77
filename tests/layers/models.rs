//! `GET /v1/models` without a provider.

use std::{
    future::{Ready, ready},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use tower_portkey::{
    ConfigLayer, ExtractLayer, ModelLayer,
    context::{Entry, Principal, ProviderId, Status, Visibility, Workspace},
    guard::Decision,
    model::{EntrySet, Listing, NoEntries, ResolveProvider, resolve_provider_fn},
    rejection::{Kind, Rejection},
};

use crate::support::{Answer, by, request, send};

fn entry(slug: &str, provider: &str) -> Entry {
    Entry::new(slug, ProviderId::parse(provider).expect(provider))
        .expect(slug)
        .with_api_key("sk-stored")
        .expect("a key")
}

fn entries() -> EntrySet {
    let past = SystemTime::now() - Duration::from_secs(1);
    EntrySet::new()
        .with(entry("prod", "openai").with_models(["gpt-4o", "ft:a/b"]), Visibility::workspaces("default", ["default"]))
        // The one before counts, for those who see both.
        .with(entry("prod", "groq").with_models(["llama"]), Visibility::everybody())
        .with(entry("all", "anthropic"), Visibility::everybody())
        .with(entry("theirs", "openai"), Visibility::workspaces("default", ["another"]))
        .with(entry("gone", "openai").with_status(Status::Archived), Visibility::everybody())
        .with(entry("spent", "openai").with_status(Status::Exhausted), Visibility::everybody())
        .with(entry("past", "openai").with_expiry(past), Visibility::everybody())
}

fn asked<E: ResolveProvider + 'static>(entries: E, path: &str, lines: &[(&str, &str)]) -> Answer {
    let stack = (ExtractLayer::new(), ConfigLayer::new(), ModelLayer::new(entries));
    send(&stack, by(Principal::new("ci"), request(&Method::GET, path, lines)))
}

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    assert_eq!((answer.status(), json["object"].as_str()), (200, Some("list")));
    assert!(answer.seen.is_none(), "nobody else is asked");
    json["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|model| model["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn the_models_of_the_entries_that_the_workspace_can_use() {
    let answer = asked(entries(), "/v1/models?limit=5", &[]);
    assert_eq!(ids(&answer), ["@all", "@prod/gpt-4o", "@prod/ft:a/b"]);
    let model = json!({"id": "@prod/gpt-4o", "object": "model", "created": 0, "owned_by": "openai"});
    assert_eq!(answer.json()["data"][1], model);
    assert!(!String::from_utf8_lossy(&answer.body).contains("sk-"));

    let others = by(Principal::new("ci").with_organisation("other"), request(&Method::GET, "/v1/models", &[]));
    let stack = (ExtractLayer::new(), ConfigLayer::new(), ModelLayer::new(entries()));
    assert_eq!(ids(&send(&stack, others)), ["@all", "@prod/llama"]);
}

#[test]
fn where_a_provider_is_named_it_is_asked_unless_the_entries_are_meant() {
    let inline = ("x-portkey-config", r#"{"provider":"@all"}"#);
    let passes = (
        "x-portkey-config",
        r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@all"},{"passthrough":true}]}"#,
    );
    for (path, line) in [
        ("/v1/models", ("x-portkey-provider", "@prod")),
        ("/v1/models", ("x-portkey-provider", "openai")),
        ("/v1/models", ("x-portkey-virtual-key", "prod")),
        ("/v1/models", inline),
        ("/v1/models?model=@prod/gpt-4o", ("accept", "*/*")),
        ("/v1/models/gpt-4o", ("x-portkey-provider", "@prod")),
        ("/v1/models/", ("x-portkey-provider", "@prod")),
    ] {
        let answer = asked(entries(), path, &[line]);
        assert_eq!((answer.status(), answer.seen.is_some()), (200, true), "{path} {line:?}");
    }
    let meant = ("x-portkey-fetch-integrated-models", "true");
    for (line, expected) in [
        (("x-portkey-provider", "@prod"), &["@prod/gpt-4o", "@prod/ft:a/b"][..]),
        (("x-portkey-virtual-key", "all"), &["@all"]),
        (("x-portkey-provider", "anthropic"), &["@all"]),
        (("x-portkey-provider", "@theirs"), &[]),
        (inline, &["@all"]),
        (passes, &["@all", "@prod/gpt-4o", "@prod/ft:a/b"]),
    ] {
        assert_eq!(ids(&asked(entries(), "/v1/models", &[line, meant])), expected, "{line:?}");
    }
    let not = ("x-portkey-fetch-integrated-models", "false");
    assert!(asked(entries(), "/v1/models", &[("x-portkey-provider", "@prod"), not]).seen.is_some());
}

#[test]
fn one_model_by_its_name() {
    for (path, id) in [
        ("/v1/models/@prod/gpt-4o", Some("@prod/gpt-4o")),
        ("/v1/models/@prod%2Fgpt-4o", Some("@prod/gpt-4o")),
        ("/v1/models/%40prod%2Fft%3Aa%2Fb", Some("@prod/ft:a/b")),
        ("/v1/models/@all", Some("@all")),
        ("/v1/models/@all/anything", Some("@all/anything")),
        ("/v1/models/@prod", None),
        ("/v1/models/@prod/o3", None),
        ("/v1/models/@theirs/gpt-4o", None),
        ("/v1/models/@gone/gpt-4o", None),
        ("/v1/models/@nobody/gpt-4o", None),
    ] {
        let answer = asked(entries(), path, &[]);
        assert!(answer.seen.is_none());
        match id {
            Some(id) => assert_eq!((answer.status(), answer.json()["id"].as_str()), (200, Some(id)), "{path}"),
            None => assert_eq!(
                (answer.status(), answer.json()),
                (404, json!({"message": "Not Found", "ok": false})),
                "{path}"
            ),
        }
    }
}

/// Lists after a while, or fails.
#[derive(Clone)]
struct Store(Result<Vec<Entry>, Kind>);

impl ResolveProvider for Store {
    type Future = Ready<Result<Option<Entry>, Rejection>>;

    fn resolve(&self, _: Workspace<'_>, _: &str) -> Decision<Option<Entry>, Self::Future> {
        Decision::Later(ready(Ok(None)))
    }

    fn list(&self, who: Workspace<'_>) -> Decision<Option<Vec<Entry>>, Listing> {
        assert_eq!((who.organisation, who.workspace), ("default", "default"));
        let answer = self.0.clone().map(Some).map_err(Rejection::new);
        Decision::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        }))
    }
}

#[test]
fn a_store_may_have_to_be_waited_for_or_be_down_or_not_tell() {
    let twice = vec![entry("b", "openai"), entry("a", "groq"), entry("b", "cohere")];
    let answer = asked(Store(Ok(twice)), "/v1/models", &[]);
    assert_eq!(ids(&answer), ["@a", "@b"]);
    assert_eq!(answer.json()["data"][1]["owned_by"], "openai");
    assert_eq!(asked(Store(Err(Kind::Unavailable)), "/v1/models", &[]).status(), 503);

    let silent = resolve_provider_fn(|_: String, _: String, _: String| ready(Ok(None)));
    let answer = asked(silent, "/v1/models", &[]);
    assert_eq!((answer.status(), answer.seen.is_some()), (501, false));
    assert_eq!(ids(&asked(NoEntries, "/v1/models", &[])), [""; 0]);
}

#[test]
fn nobody_is_told_who_was_not_authenticated_and_only_reading_asks() {
    let stack = (ExtractLayer::new(), ConfigLayer::new(), ModelLayer::new(entries()));
    let answer = send(&stack, request(&Method::GET, "/v1/models", &[("x-portkey-fetch-integrated-models", "true")]));
    assert_eq!(answer.status(), 400);
    let named = [("x-portkey-provider", "openai"), ("x-portkey-fetch-integrated-models", "true")];
    assert!(send(&stack, request(&Method::GET, "/v1/models", &named)).seen.is_some());
    let post: Request<Full<Bytes>> = by(Principal::new("ci"), request(&Method::POST, "/v1/models", &[]));
    assert!(send(&stack, post).seen.is_some());
}

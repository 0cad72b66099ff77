//! Google's providers: Vertex AI, and Gemini's own routes.

use std::{fs, path::Path};

use http::Method;
use serde_json::{Value, json};
use tower_portkey::{
    PortkeyLayer, Secret,
    context::{CredentialSource, Entry, ProviderId, Visibility},
    exchange::GoogleIdentity,
    model::EntrySet,
};

use crate::{
    exchange::{Tokens, account},
    support::{Answer, BEARER_SK, CHAT, KEY, Lines, SK, auth, caller, open, request_with, send},
};

const VERTEX: (&str, &str) = ("x-portkey-provider", "vertex-ai");
const REGION: (&str, &str) = ("x-portkey-vertex-region", "us-central1");
const PROJECT: (&str, &str) = ("x-portkey-vertex-project-id", "my-project");
const AUTH: (&str, &str) = ("authorization", BEARER_SK);
const HOST: &str = "https://us-central1-aiplatform.googleapis.com";
const BELOW: &str = "/projects/my-project/locations/us-central1";

fn asked(method: &Method, path: &str, lines: Lines<'_>, body: &str) -> Answer {
    send(&open(), request_with(method, path, lines, body.to_owned()))
}

fn given(method: &Method, path: &str, body: &str) -> Answer {
    asked(method, path, &[VERTEX, REGION, PROJECT, AUTH], body)
}

fn url(answer: &Answer) -> String {
    answer.leaf().head.uri.to_string()
}

#[test]
fn models_are_asked_where_google_has_them() {
    for (path, model, stream, expected, body) in [
        (
            "/chat/completions",
            "gemini-2.5-pro",
            false,
            "/v1{}/endpoints/openapi/chat/completions",
            Some("google/gemini-2.5-pro"),
        ),
        (
            "/chat/completions",
            "google.gemini-2.5-pro",
            true,
            "/v1{}/endpoints/openapi/chat/completions",
            Some("google/gemini-2.5-pro"),
        ),
        (
            "/chat/completions",
            "google/gemini-2.5-pro",
            false,
            "/v1{}/endpoints/openapi/chat/completions",
            Some("google/gemini-2.5-pro"),
        ),
        (
            "/chat/completions",
            "deepseek-ai/deepseek-r1",
            false,
            "/v1{}/endpoints/openapi/chat/completions",
            Some("deepseek-ai/deepseek-r1"),
        ),
        (
            "/chat/completions",
            "meta.llama-3.1-405b",
            false,
            "/v1beta1{}/endpoints/openapi/chat/completions",
            Some("meta/llama-3.1-405b"),
        ),
        ("/chat/completions", "endpoints.123", false, "/v1{}/endpoints/123/chat/completions", Some("endpoints.123")),
        (
            "/chat/completions",
            "mistralai.mistral-large-2411",
            true,
            "/v1{}/publishers/mistralai/models/mistral-large-2411:streamRawPredict",
            Some("mistral-large-2411"),
        ),
        (
            "/messages",
            "anthropic.claude-sonnet-4@20250514",
            false,
            "/v1{}/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict",
            None,
        ),
        (
            "/messages",
            "claude-sonnet-4@20250514",
            true,
            "/v1{}/publishers/anthropic/models/claude-sonnet-4@20250514:streamRawPredict",
            None,
        ),
        (
            "/messages/count_tokens",
            "anthropic.claude-sonnet-4",
            false,
            "/v1{}/publishers/anthropic/models/count-tokens:rawPredict",
            Some("claude-sonnet-4"),
        ),
    ] {
        let asked = json!({"model": model, "stream": stream}).to_string();
        let answer = given(&Method::POST, &format!("/v1{path}"), &asked);
        assert_eq!(url(&answer), format!("{HOST}{}", expected.replace("{}", BELOW)), "{path} {model}");
        let seen = answer.leaf();
        assert_eq!(seen.header("authorization"), Some(BEARER_SK));
        let sent: Value = serde_json::from_slice(&seen.body()).expect("JSON");
        assert_eq!((sent["model"].as_str(), sent["stream"].as_bool()), (body, Some(stream)), "{path} {model}");
        let version = if path == "/messages" { Some("vertex-2023-10-16") } else { None };
        assert_eq!(sent["anthropic_version"].as_str(), version);
    }
    for (path, model, status, names) in [
        ("/chat/completions", "anthropic.claude", 501, "/messages"),
        ("/messages", "google.gemini", 501, "/chat/completions"),
        ("/embeddings", "text-embedding-005", 501, ":predict"),
        ("/images/generations", "imagen-4", 501, ":predict"),
        ("/chat/completions", "a/../b", 400, "The model in the body"),
        ("/chat/completions", "google.x:evil?#", 400, "The model in the body"),
        ("/chat/completions", "", 400, "The model in the body is required"),
    ] {
        let answer = given(&Method::POST, &format!("/v1{path}"), &json!({"model": model}).to_string());
        assert_eq!(answer.status(), status, "{path} {model}");
        assert!(answer.message().is_some_and(|text| text.contains(names)), "{path} {model} {:?}", answer.message());
    }
}

#[test]
fn other_operations_and_googles_own_paths() {
    let (post, get) = (Method::POST, Method::GET);
    for (method, path, expected) in [
        (&post, "/batches", "/v1{}/batchPredictionJobs"),
        (&get, "/batches?pageSize=20", "/v1{}/batchPredictionJobs?pageSize=20"),
        (&get, "/batches/1", "/v1{}/batchPredictionJobs/1"),
        (&get, "/batches/projects%2Fp%2Flocations%2Fl%2FbatchPredictionJobs%2F7", "/v1{}/batchPredictionJobs/7"),
        (&post, "/batches/1/cancel", "/v1{}/batchPredictionJobs/1:cancel"),
        (&post, "/fine_tuning/jobs", "/v1{}/tuningJobs"),
        (&get, "/fine_tuning/jobs", "/v1{}/tuningJobs"),
        (&get, "/fine_tuning/jobs/1", "/v1{}/tuningJobs/1"),
        (&post, "/fine_tuning/jobs/1/cancel", "/v1{}/tuningJobs/1:cancel"),
        (
            &post,
            "/publishers/google/models/gemini-2.5-pro:generateContent",
            "/v1{}/publishers/google/models/gemini-2.5-pro:generateContent",
        ),
        (
            &post,
            "/publishers/google/models/m:streamGenerateContent?alt=sse",
            "/v1{}/publishers/google/models/m:streamGenerateContent?alt=sse",
        ),
        (&post, "/projects/p2/locations/eu/x", "/v1/projects/p2/locations/eu/x"),
        (&post, "/v1/projects/p2/locations/eu/x", "/v1/projects/p2/locations/eu/x"),
        (&get, "/v1beta1/publishers/google/models", "/v1beta1/publishers/google/models"),
    ] {
        let answer = given(method, &format!("/v1{path}"), "{}");
        // What the extractor refuses of encoded slashes never gets here.
        if answer.seen.is_none() {
            assert!(path.contains("%2F") && answer.status() == 400, "{path} {:?}", answer.message());
            continue;
        }
        assert_eq!(url(&answer), format!("{HOST}{}", expected.replace("{}", BELOW)));
    }
    for (method, path) in
        [(&post, "/files"), (&get, "/files"), (&get, "/files/f"), (&get, "/models"), (&post, "/responses")]
    {
        assert_eq!(given(method, &format!("/v1{path}"), "{}").status(), 501, "{path}");
    }
}

#[test]
fn regions_and_projects() {
    for (region, host) in [
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("Europe-West4", "https://europe-west4-aiplatform.googleapis.com"),
    ] {
        let lines = [VERTEX, ("x-portkey-vertex-region", region), PROJECT, AUTH];
        let answer = asked(&Method::POST, CHAT, &lines, r#"{"model":"gemini"}"#);
        let region = region.to_ascii_lowercase();
        let path = format!("/v1/projects/my-project/locations/{region}/endpoints/openapi/chat/completions");
        assert_eq!(url(&answer), format!("{host}{path}"));
    }
    let body = r#"{"model":"gemini"}"#;
    for (lines, message) in [
        (vec![VERTEX, PROJECT, AUTH], "x-portkey-vertex-region is required"),
        (vec![VERTEX, REGION, AUTH], "x-portkey-vertex-project-id is required"),
        (
            vec![VERTEX, REGION, ("x-portkey-vertex-project-id", "a/../b"), AUTH],
            "x-portkey-vertex-project-id is no project's id",
        ),
        (
            vec![VERTEX, REGION, PROJECT],
            "The credential for vertex-ai is missing: it is sent as authorization, or as api_key in x-portkey-config",
        ),
    ] {
        let answer = asked(&Method::POST, CHAT, &lines, body);
        assert_eq!((answer.status(), answer.message()), (400, Some(message)));
    }
}

#[test]
fn a_key_file_is_exchanged_and_names_the_project_and_nothing_else() {
    let (json, _) = account();
    let tokens = Tokens::new();
    let layer = PortkeyLayer::builder().exchange(tokens.layer()).anonymous().build();
    let ask = |lines: Lines<'_>| send(&layer, request_with(&Method::POST, CHAT, lines, r#"{"model":"gemini"}"#));
    let answer = ask(&[VERTEX, REGION, PROJECT, AUTH, ("x-portkey-vertex-service-account-json", json)]);
    let seen = answer.leaf();
    assert!(seen.head.uri.path().starts_with("/v1/projects/project-1/locations/"), "{}", seen.head.uri);
    assert_eq!(seen.header("authorization"), Some("Bearer token-0-0123456789"));
    assert_eq!(seen.target().credential_source(), Some(CredentialSource::Caller));

    let object: Value = serde_json::from_str(json).expect("JSON");
    let config =
        json!({"provider": "vertex-ai", "vertex_region": "us-central1", "vertex_service_account_json": object});
    let answer = ask(&[("x-portkey-config", &config.to_string())]);
    assert_eq!(answer.leaf().header("authorization"), Some("Bearer token-0-0123456789"), "it is the same account");
    assert!(tokens.asked().iter().all(|asked| asked.url == "https://oauth2.googleapis.com/token"));

    for (member, value, why) in [
        ("token_uri", "https://evil.example/token", "its token_uri is not Google's"),
        ("token_uri", "http://169.254.169.254/token", "its token_uri is not Google's"),
        ("project_id", "a/b", "its project_id is none"),
        ("private_key", "canary", "it is no JSON object with the client_email and private_key of a service account"),
    ] {
        let mut evil = object.clone();
        evil[member] = value.into();
        let answer =
            ask(&[VERTEX, REGION, PROJECT, AUTH, ("x-portkey-vertex-service-account-json", &evil.to_string())]);
        let message = format!("x-portkey-vertex-service-account-json can't be used: {why}");
        assert_eq!((answer.status(), answer.message()), (400, Some(&*message)));
    }
    let answer = ask(&[VERTEX, REGION, PROJECT, AUTH, ("x-portkey-vertex-service-account-json", "{")]);
    assert_eq!(answer.status(), 400);
    assert_eq!(tokens.asked().len(), 1, "nobody else was asked");
}

#[test]
fn the_gateways_own_identity_is_for_entries() {
    let tokens = Tokens::new();
    let layer = || tokens.layer().google_identity(GoogleIdentity::metadata());
    let workload = ("x-portkey-vertex-auth-type", "workload");
    let open = PortkeyLayer::builder().exchange(layer()).anonymous().build();
    let body = r#"{"model":"gemini"}"#;
    let answer = send(&open, request_with(&Method::POST, CHAT, &[VERTEX, REGION, PROJECT, AUTH, workload], body));
    let message = Some("x-portkey-vertex-auth-type may be workload in a provider entry only");
    assert_eq!((answer.status(), answer.message()), (400, message));
    let config = json!({"provider": "vertex-ai", "vertex_region": "us-central1", "vertex_project_id": "p", "vertex_auth_type": "workload"});
    let answer = send(&open, request_with(&Method::POST, CHAT, &[("x-portkey-config", &config.to_string())], body));
    assert_eq!((answer.status(), tokens.asked().len()), (400, 0));

    let fields = [("vertex_region", "us-central1"), ("vertex_project_id", "p"), ("vertex_auth_type", "workload")];
    let entry = Entry::new("g", ProviderId::parse("vertex-ai").expect("an id")).expect("an entry");
    let entry =
        fields.iter().fold(entry, |entry, (name, value)| entry.with_field(name, &Secret::from(*value)).expect(name));
    let set = EntrySet::new().with(entry.with_models(["gemini"]), Visibility::everybody());
    let hosted = PortkeyLayer::builder().exchange(layer()).auth(auth(caller())).entries(set).build();
    let lines = [("x-portkey-api-key", KEY), ("x-portkey-provider", "@g"), ("x-portkey-vertex-project-id", "evil")];
    let answer = send(&hosted, request_with(&Method::POST, CHAT, &lines, body));
    assert_eq!(answer.leaf().header("authorization"), Some("Bearer token-0-0123456789"));
    assert!(answer.leaf().head.uri.path().starts_with("/v1/projects/p/"));
    let answer =
        send(&hosted, request_with(&Method::POST, "/v1/publishers/google/models/other:generateContent", &lines, "{}"));
    assert_eq!(answer.status(), 412);

    // Elsewhere than at models of its own project, nobody acts as the gateway; nor by operations that name models otherwise.
    for (method, path, status) in [
        (Method::POST, "/v1/projects/p/locations/us-central1/publishers/google/models/gemini:generateContent", 200),
        (
            Method::POST,
            "/v1/v1beta1/projects/p/locations/us-central1/publishers/google/models/gemini:generateContent",
            200,
        ),
        (Method::POST, "/v1/projects/other/locations/us-central1/publishers/google/models/gemini:generateContent", 400),
        (Method::POST, "/v1/projects/p/locations/eu/publishers/google/models/gemini:generateContent", 400),
        (Method::GET, "/v1/projects/p/locations/us-central1/cachedContents", 400),
        (Method::GET, "/v1/v1beta1/projects/other/locations/us-central1/cachedContents", 400),
        (Method::POST, "/v1/projects/p/locations/us-central1/customJobs", 400),
        (Method::DELETE, "/v1/models/1", 400),
        (Method::POST, "/v1/reasoningEngines/1:query", 400),
        (Method::POST, "/v1/endpoints/987:predict", 412),
        (Method::POST, "/v1/fine_tuning/jobs", 412),
    ] {
        let answer = send(&hosted, request_with(&method, path, &lines, "{}"));
        assert_eq!(answer.status(), status, "{method} {path}: {:?}", answer.message());
    }
}

#[test]
fn a_key_file_of_several_lines_fits_an_entry() {
    let (json, _) = account();
    let object: Value = serde_json::from_str(json).expect("JSON");
    let pretty = serde_json::to_string_pretty(&object).expect("JSON");
    let entry = Entry::new("g", ProviderId::parse("vertex-ai").expect("an id")).expect("an entry");
    let entry = entry.with_field("vertex_service_account_json", &Secret::from(pretty)).expect("a field");
    let entry = entry.with_field("vertex_region", &Secret::from("global")).expect("a field");
    let tokens = Tokens::new();
    let set = EntrySet::new().with(entry, Visibility::everybody());
    let hosted = PortkeyLayer::builder().exchange(tokens.layer()).auth(auth(caller())).entries(set).build();
    let lines = [("x-portkey-api-key", KEY), ("x-portkey-provider", "@g")];
    let answer = send(&hosted, request_with(&Method::POST, CHAT, &lines, r#"{"model":"gemini"}"#));
    assert_eq!(answer.leaf().header("authorization"), Some("Bearer token-0-0123456789"));
}

#[test]
fn gemini_takes_its_key_in_the_query_and_a_bearer_token_at_its_compatible_endpoint() {
    let google = ("x-portkey-provider", "google");
    const HOST: &str = "https://generativelanguage.googleapis.com";
    for (method, path, expected, bearer) in [
        (Method::POST, "/chat/completions", "/v1beta/openai/chat/completions", true),
        (Method::POST, "/embeddings", "/v1beta/openai/embeddings", true),
        (Method::POST, "/images/generations", "/v1beta/openai/images/generations", true),
        (Method::GET, "/models", "/v1beta/openai/models", true),
        (
            Method::POST,
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            false,
        ),
        (
            Method::POST,
            "/v1beta/models/m:streamGenerateContent?alt=sse&key=evil",
            "/v1beta/models/m:streamGenerateContent?alt=sse",
            false,
        ),
        (Method::POST, "/v1beta/models/m:embedContent", "/v1beta/models/m:embedContent", false),
        (Method::POST, "/v1alpha/models/m:generateContent", "/v1alpha/models/m:generateContent", false),
    ] {
        for own in [AUTH, ("x-goog-api-key", SK)] {
            let answer = asked(&method, &format!("/v1{path}"), &[google, own], "{}");
            let seen = answer.leaf();
            let expected = match (bearer, expected.contains('?')) {
                (true, _) => format!("{HOST}{expected}"),
                (false, true) => format!("{HOST}{expected}&key={SK}"),
                (false, false) => format!("{HOST}{expected}?key={SK}"),
            };
            assert_eq!(seen.head.uri.to_string(), expected);
            assert_eq!(seen.header("authorization"), bearer.then_some(BEARER_SK), "{path}");
            assert_eq!(seen.header("x-goog-api-key"), None);
        }
    }
}

#[test]
fn templates_lead_nowhere_else() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/attacks/templating.json");
    let Ok(text) = fs::read_to_string(path) else { return };
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let mut seen = 0;
    for case in vectors["cases"].as_array().expect("cases") {
        let (field, value) = (case["field"].as_str().expect("a field"), case["value"].as_str().expect("a value"));
        let (region, model) = match field {
            "vertex_region" => (value, "mistralai.m"),
            "vertex_model" => ("us-central1", value),
            _ => continue,
        };
        let config = json!({"provider": "vertex-ai", "api_key": SK, "vertex_region": region, "vertex_project_id": "p"});
        let config = config.to_string();
        if http::HeaderValue::from_str(&config).is_err() {
            continue;
        }
        for front in ["", "mistralai."] {
            let model = if field == "vertex_model" { format!("{front}{model}") } else { model.to_owned() };
            let body = json!({ "model": model }).to_string();
            let answer = asked(&Method::POST, CHAT, &[("x-portkey-config", &config)], &body);
            seen += 1;
            let Some(leaf) = answer.seen.as_ref() else {
                assert!(
                    answer.status() == 400 && case["expect"] != "accept",
                    "{field} {value:?} {:?}",
                    answer.message()
                );
                continue;
            };
            assert_ne!(case["expect"], "reject", "{field} {value:?}");
            let uri = &leaf.head.uri;
            assert!(uri.host().is_some_and(|host| host.ends_with("aiplatform.googleapis.com")), "{uri}");
            assert!([9, 10].contains(&uri.path().split('/').count()) && uri.query().is_none(), "{uri}");
        }
    }
    assert!(seen > 60, "{seen}");
}

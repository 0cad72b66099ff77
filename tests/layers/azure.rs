//! Azure's providers: where requests go, what they show, and what is not for callers.

use std::{fs, path::Path};

use http::{Method, Request};
use serde_json::{Value, json};
use tower_portkey::{
    Authenticated, ConfigLayer, ExchangeLayer, ExtractLayer, ModelLayer, PortkeyLayer, ResolveLayer, Secret,
    StrategyLayer,
    auth::KeySet,
    config::{ConfigSet, SavedConfig},
    context::{CredentialSource, Deployment, Entry, HostOrigin, ProviderId, Visibility},
    host::TrustedHosts,
    model::{EntrySet, NoEntries},
};

use crate::{
    exchange::Tokens,
    support::{Answer, BEARER_SK, CHAT, KEY, Lines, SK, auth, caller, open, request_with, send},
};

const OPENAI: (&str, &str) = ("x-portkey-provider", "azure-openai");
const FOUNDRY: (&str, &str) = ("x-portkey-provider", "azure-ai");
const RESOURCE: (&str, &str) = ("x-portkey-azure-resource-name", "Res-1");
const DEPLOYMENT: (&str, &str) = ("x-portkey-azure-deployment-id", "gpt-4o-eu");
const VERSION: (&str, &str) = ("x-portkey-azure-api-version", "2024-10-21");
const AUTH: (&str, &str) = ("authorization", BEARER_SK);
const BODY: &str = r#"{"model":"gpt-4o", "n": 1}"#;
const HOST: &str = "https://res-1.openai.azure.com/openai";

fn asked(method: &Method, path: &str, lines: Lines<'_>) -> Answer {
    send(&open(), request_with(method, path, lines, BODY))
}

fn url(answer: &Answer) -> String {
    answer.leaf().head.uri.to_string()
}

/// The stack with these tokens and entries, for the holder of [`KEY`].
fn hosted(layer: ExchangeLayer, entries: EntrySet) -> PortkeyLayer<Authenticated<KeySet>, ConfigSet, EntrySet> {
    let json = r#"{"provider":"azure-ai","azure_foundry_url":"https://f.services.ai.azure.com/models","azure_ad_token":"stored-token-1"}"#;
    let saved = SavedConfig::parse("pc-foundry", json, &TrustedHosts::default()).expect("a config");
    let configs = ConfigSet::new().with(saved, Visibility::everybody());
    PortkeyLayer::builder().exchange(layer).auth(auth(caller())).entries(entries).configs(configs).build()
}

fn entry(provider: &str, fields: &[(&str, &str)]) -> Entry {
    let entry = Entry::new("azure", ProviderId::parse(provider).expect(provider)).expect("an entry");
    fields.iter().fold(entry, |entry, (name, value)| match *name {
        "api_key" => entry.with_api_key(*value).expect(name),
        name => entry.with_field(name, &Secret::from(*value)).expect(name),
    })
}

fn by_entry(tokens: &Tokens, own: Entry, path: &str, more: Lines<'_>, body: &str) -> Answer {
    let layer = tokens.layer().azure_managed(true);
    let lines = [&[("x-portkey-api-key", KEY), ("x-portkey-provider", "@azure")], more].concat();
    let set = EntrySet::new().with(own, Visibility::everybody());
    send(&hosted(layer, set), request_with(&Method::POST, path, &lines, body.to_owned()))
}

#[test]
fn every_operation_of_the_list_goes_where_azure_has_it() {
    let lines = [OPENAI, RESOURCE, DEPLOYMENT, VERSION, AUTH];
    let (post, get, delete) = (Method::POST, Method::GET, Method::DELETE);
    let of_deployment = [
        "/completions",
        "/chat/completions",
        "/embeddings",
        "/images/generations",
        "/images/edits",
        "/audio/speech",
        "/audio/transcriptions",
        "/audio/translations",
    ];
    let others = [
        (&post, "/files"),
        (&get, "/files"),
        (&get, "/files/f-1"),
        (&delete, "/files/f-1"),
        (&get, "/files/f-1/content"),
        (&post, "/batches"),
        (&get, "/batches"),
        (&get, "/batches/b-1"),
        (&post, "/batches/b-1/cancel"),
        (&post, "/fine_tuning/jobs"),
        (&get, "/fine_tuning/jobs"),
        (&get, "/fine_tuning/jobs/j-1"),
        (&post, "/fine_tuning/jobs/j-1/cancel"),
        (&post, "/responses"),
        (&get, "/responses/r-1"),
        (&delete, "/responses/r-1"),
        (&get, "/responses/r-1/input_items"),
        (&get, "/models"),
        (&post, "/anything/at/all"),
    ];
    let v1 = [OPENAI, RESOURCE, DEPLOYMENT, ("x-portkey-azure-api-version", " v1"), AUTH];
    let all = of_deployment.map(|path| (&post, path)).into_iter().chain(others);
    for (method, path) in all {
        let front = if of_deployment.contains(&path) { "/deployments/gpt-4o-eu" } else { "" };
        let answer = asked(method, &format!("/v1{path}"), &lines);
        assert_eq!(url(&answer), format!("{HOST}{front}{path}?api-version=2024-10-21"));
        let seen = answer.leaf();
        assert_eq!((seen.header("api-key"), seen.header("authorization")), (Some(SK), None), "{path}");
        assert_eq!(seen.body(), BODY);
        assert_eq!(
            (seen.target().origin(), seen.target().credential_source()),
            (HostOrigin::Catalog, Some(CredentialSource::Caller))
        );
        assert_eq!(url(&asked(method, &format!("/v1{path}"), &v1)), format!("{HOST}/v1{path}"));
    }
}

#[test]
fn versions_and_queries() {
    let version = |version| [OPENAI, RESOURCE, AUTH, ("x-portkey-azure-api-version", version)];
    for (lines, path, expected) in [
        (
            version("2024-10-21"),
            "/v1/files?purpose=batch&api-version=evil&API%2Dversion=evil",
            "/files?purpose=batch&api-version=2024-10-21",
        ),
        (version("2024&x=1#"), "/v1/files", "/files?api-version=2024%26x%3D1%23"),
        (version("v1"), "/v1/files?after=f&api-version=2024-10-21", "/v1/files?after=f"),
        (version("preview"), "/v1/files", "/v1/files?api-version=preview"),
        (version("latest"), "/v1/files", "/v1/files?api-version=latest"),
        (version(""), "/v1/files?api-version=2024-06-01", "/files?api-version=2024-06-01"),
    ] {
        assert_eq!(url(&asked(&Method::GET, path, &lines)), format!("{HOST}{expected}"), "{path}");
    }
    for (lines, message) in [
        (vec![OPENAI, RESOURCE, DEPLOYMENT, AUTH], "x-portkey-azure-api-version is required"),
        (vec![OPENAI, RESOURCE, VERSION, AUTH], "x-portkey-azure-deployment-id is required"),
        (vec![OPENAI, DEPLOYMENT, VERSION, AUTH], "x-portkey-resource_name is required"),
        (
            vec![OPENAI, RESOURCE, DEPLOYMENT, VERSION],
            "The credential for azure-openai is missing: it is sent as authorization, or as api_key in x-portkey-config",
        ),
    ] {
        let answer = asked(&Method::POST, CHAT, &lines);
        let message = message.replace("resource_name", "azure-resource-name");
        assert_eq!((answer.status(), answer.message()), (400, Some(&*message)));
        assert!(answer.seen.is_none());
    }
}

#[test]
fn on_the_newer_surface_the_body_names_the_deployment() {
    let lines = [OPENAI, RESOURCE, DEPLOYMENT, ("x-portkey-azure-api-version", "v1"), AUTH];
    let answer = asked(&Method::POST, CHAT, &lines);
    let seen = answer.leaf();
    assert_eq!(seen.body(), r#"{"model":"gpt-4o-eu","n":1}"#);
    // Without a deployment, the caller's model is one.
    let answer = asked(&Method::POST, CHAT, &[OPENAI, RESOURCE, ("x-portkey-azure-api-version", "v1"), AUTH]);
    assert_eq!(answer.leaf().body(), BODY);
}

#[test]
fn models_are_names_for_deployments() {
    let tokens = Tokens::new();
    let own = || {
        entry("azure-openai", &[("resource_name", "res-1"), ("api_version", "2024-10-21"), ("api_key", SK)])
            .with_deployments([
                Deployment::new("gpt-4o", "big-eu").with_model("gpt-4o-2024-11-20"),
                Deployment::new("gpt-4o-mini", "small-eu").with_api_version("v1"),
                Deployment::new("o3", "three-eu").as_default(),
            ])
    };
    let ask = |own, model: &str| by_entry(&tokens, own, CHAT, &[], &json!({ "model": model }).to_string());
    for (model, expected, sent) in [
        ("gpt-4o", "/deployments/big-eu/chat/completions?api-version=2024-10-21", "gpt-4o"),
        ("gpt-4o-mini", "/v1/chat/completions", "small-eu"),
        ("unknown", "/deployments/three-eu/chat/completions?api-version=2024-10-21", "unknown"),
    ] {
        let answer = ask(own(), model);
        assert_eq!(url(&answer), format!("{HOST}{expected}"));
        let body: Value = serde_json::from_slice(&answer.leaf().body()).expect("JSON");
        assert_eq!(body["model"], sent);
    }
    let form = "--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n--x--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=x")];
    let answer = by_entry(&tokens, own(), "/v1/audio/transcriptions", &kind, form);
    assert_eq!(url(&answer), format!("{HOST}/deployments/big-eu/audio/transcriptions?api-version=2024-10-21"));
    // The newer API of the older surface has the deployment in the body.
    let answer = by_entry(&tokens, own(), "/v1/responses", &[], r#"{"model":"gpt-4o"}"#);
    assert_eq!(url(&answer), format!("{HOST}/responses?api-version=2024-10-21"));
    assert_eq!(answer.leaf().body(), r#"{"model":"big-eu"}"#);

    let one = entry("azure-openai", &[("resource_name", "res-1"), ("api_version", "2024-10-21"), ("api_key", SK)]);
    let one = one.with_deployments([Deployment::new("gpt-4o", "big-eu")]);
    let answer = ask(one, "other");
    assert_eq!((answer.status(), answer.message()), (400, Some("No azure alias passed/default config found")));

    // A list of models holds the alias, or the model that the deployment is of; never the deployment by its path.
    for (models, model, status) in [
        (["gpt-4o"], "gpt-4o", 200),
        (["gpt-4o-2024-11-20"], "gpt-4o", 200),
        (["gpt-4o"], "gpt-4o-mini", 412),
        (["big-eu"], "gpt-4o", 412),
    ] {
        assert_eq!(ask(own().with_models(models), model).status(), status, "{models:?} {model}");
    }
    let limited = own().with_models(["gpt-4o"]);
    let answer = by_entry(&tokens, limited, "/v1/deployments/small-eu/chat/completions", &[], r#"{"model":"gpt-4o"}"#);
    assert_eq!(answer.status(), 412);

    // A form's model stays what it says on the newer surface, so another name of the deployment's is no leave for it.
    let named = [
        ("resource_name", "res-1"),
        ("api_version", "v1"),
        ("deployment_id", "whisper-eu"),
        ("azure_model_name", "whisper-1"),
        ("api_key", SK),
    ];
    let named = || entry("azure-openai", &named).with_models(["whisper-1"]);
    let answer = by_entry(&tokens, named(), "/v1/audio/transcriptions", &kind, form);
    assert_eq!(answer.status(), 412);
    let answer = by_entry(&tokens, named(), CHAT, &[], r#"{"model":"other"}"#);
    assert_eq!(answer.leaf().body(), r#"{"model":"whisper-eu"}"#);

    let beside = json!({"deployments": [{"alias": "gpt-4o", "deployment_id": "big", "api_version": "v1"}], "retry": {"attempts": 0}});
    let answer = asked(&Method::POST, CHAT, &[OPENAI, RESOURCE, AUTH, ("x-portkey-config", &beside.to_string())]);
    assert_eq!(
        (url(&answer), &*answer.leaf().body()),
        (format!("{HOST}/v1/chat/completions"), &br#"{"model":"big","n":1}"#[..])
    );

    let config = json!({
        "provider": "azure-openai", "api_key": SK, "resource_name": "res-1",
        "deployments": [{"alias": "gpt-4o", "deployment_id": "big", "api_version": "2024-06-01", "is_default": true}],
    });
    let answer = asked(&Method::POST, CHAT, &[("x-portkey-config", &config.to_string())]);
    assert_eq!(url(&answer), format!("{HOST}/deployments/big/chat/completions?api-version=2024-06-01"));
}

#[test]
fn a_session_in_real_time_is_opened_for_a_deployment_on_the_list() {
    let tokens = Tokens::new();
    let open = |provider: &str, fields: &[(&str, &str)], query: &str| {
        let own = entry(provider, &[&[("api_key", SK)], fields].concat()).with_models(["rt-eu"]);
        let layer = hosted(tokens.layer(), EntrySet::new().with(own, Visibility::everybody()));
        let lines = [
            ("x-portkey-api-key", KEY),
            ("x-portkey-provider", "@azure"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        send(&layer, request_with(&Method::GET, &format!("/v1/realtime?{query}"), &lines, ""))
    };
    let classic = [("resource_name", "res-1"), ("api_version", "2025-04-01-preview")];
    let v1 = [("resource_name", "res-1"), ("api_version", "v1")];
    for (fields, query, expected) in [
        // As Azure's own clients ask, and as OpenAI's do.
        (
            &classic,
            "api-version=2024-10-21&deployment=rt-eu",
            "/realtime?deployment=rt-eu&api-version=2025-04-01-preview",
        ),
        (&classic, "model=rt-eu", "/realtime?model=rt-eu&api-version=2025-04-01-preview&deployment=rt-eu"),
        (&v1, "api-version=2024-10-21&deployment=rt-eu", "/v1/realtime?model=rt-eu"),
        (&v1, "model=rt-eu", "/v1/realtime?model=rt-eu"),
    ] {
        let answer = open("azure-openai", fields, query);
        assert_eq!(url(&answer), format!("{HOST}{expected}"));
        assert_eq!(answer.leaf().header("api-key"), Some(SK));
    }
    let refused = |provider: &str, fields: &[(&str, &str)], query: &str, status| {
        let answer = open(provider, fields, query);
        assert!(answer.status() == status && answer.seen.is_none(), "{query}: {:?}", answer.message());
    };
    for fields in [&classic[..], &v1] {
        for query in [
            "deployment=other",
            "model=other",
            "model=rt-eu&deployment=other",
            "deployment=rt-eu&model=other",
            "deployment=rt-eu&deployment=other",
            "model=rt-eu&%64eployment=other",
            "model=rt-eu;DEPLOYMENT=other",
        ] {
            refused("azure-openai", fields, query, 412);
        }
        refused("azure-openai", fields, "intent=transcription", 400);
        refused("azure-openai", fields, "deployment=&intent=transcription", 400);
        // What the entry is pinned to doesn't hide what the caller says.
        let pinned = [fields, &[("deployment_id", "rt-eu")]].concat();
        refused("azure-openai", &pinned, "model=rt-eu&deployment=other", 412);
    }
    // Elsewhere a deployment names no model.
    refused("openai", &[], "deployment=rt-eu", 400);
    refused("openai", &[], "model=rt-eu&deployment=other", 412);
}

#[test]
fn who_shows_what() {
    let tokens = Tokens::new();
    let place = [OPENAI, RESOURCE, DEPLOYMENT, VERSION];
    let entra = [
        ("x-portkey-azure-entra-tenant-id", "contoso"),
        ("x-portkey-azure-entra-client-id", "client-1"),
        ("x-portkey-azure-entra-client-secret", "secret-1"),
    ];
    let mode = ("x-portkey-azure-auth-mode", "entra");
    let token = ("x-portkey-azure-ad-token", "bearer ad-token-1");
    let layer = PortkeyLayer::builder().exchange(tokens.layer()).anonymous().build();
    let ask = |more: Lines<'_>| send(&layer, request_with(&Method::POST, CHAT, &[&place, more].concat(), BODY));
    for (lines, expected, calls) in [
        (vec![token, AUTH], "Bearer ad-token-1", 0),
        (vec![token, mode], "Bearer ad-token-1", 0),
        ([&entra[..], &[mode, AUTH]].concat(), "Bearer token-0-0123456789", 1),
        // Where nothing else could be meant, it needs no word for it.
        (entra.to_vec(), "Bearer token-0-0123456789", 1),
        (
            [&entra[..], &[mode, ("x-portkey-azure-entra-scope", "https://ai.azure.com/.default")]].concat(),
            "Bearer token-1-0123456789",
            2,
        ),
    ] {
        let answer = ask(&lines);
        let seen = answer.leaf();
        assert_eq!((seen.header("authorization"), seen.header("api-key")), (Some(expected), None), "{lines:?}");
        assert!(seen.head.headers["authorization"].is_sensitive());
        assert_eq!(tokens.asked().len(), calls);
    }
    assert_eq!(tokens.asked()[0].form["scope"], "https://cognitiveservices.azure.com/.default");
    // A key wins over a secret of Entra's without a mode, as at Portkey.
    assert_eq!(ask(&[&entra[..], &[AUTH]].concat()).leaf().header("api-key"), Some(SK));
    for (lines, message) in [
        ([&entra[..2], &[mode]].concat(), "x-portkey-azure-entra-client-secret is required"),
        ([&entra[1..], &[mode]].concat(), "x-portkey-azure-entra-tenant-id is required"),
        (
            [&entra[1..], &[mode, ("x-portkey-azure-entra-tenant-id", "evil.com/x")]].concat(),
            "x-portkey-azure-entra-tenant-id can't be used: the Entra tenant is a GUID or a domain",
        ),
        (
            vec![("x-portkey-azure-auth-mode", "Entra"), AUTH],
            "x-portkey-azure-auth-mode is apiKey, entra, managed or workload",
        ),
    ] {
        let answer = ask(&lines);
        assert_eq!((answer.status(), answer.message()), (400, Some(message)), "{lines:?}");
    }
    assert_eq!(tokens.asked().len(), 2);
}

#[test]
fn the_gateways_own_identities_are_for_entries() {
    let tokens = Tokens::new();
    let layer = tokens.layer().azure_managed(true);
    let open = PortkeyLayer::builder().exchange(layer).anonymous().build();
    for mode in ["managed", "workload"] {
        for (provider, field) in [
            ("azure-openai", RESOURCE),
            ("azure-ai", ("x-portkey-azure-foundry-url", "https://f.services.ai.azure.com/models")),
        ] {
            let lines = [
                ("x-portkey-provider", provider),
                field,
                DEPLOYMENT,
                VERSION,
                ("x-portkey-azure-auth-mode", mode),
                AUTH,
                ("x-portkey-azure-ad-token", "t"),
            ];
            let message = Some("x-portkey-azure-auth-mode may be managed or workload in a provider entry only");
            let answer = send(&open, request_with(&Method::POST, CHAT, &lines, BODY));
            assert_eq!((answer.status(), answer.message()), (400, message), "{mode} {provider}");
        }
        let config = json!({
            "provider": "azure-openai", "api_key": SK, "resource_name": "r", "deployment_id": "d", "api_version": "2024-10-21",
            "azure_auth_mode": mode,
        });
        let answer = send(&open, request_with(&Method::POST, CHAT, &[("x-portkey-config", &config.to_string())], BODY));
        assert_eq!(answer.status(), 400, "{mode}");
    }
    assert!(tokens.asked().is_empty());

    let place = [("resource_name", "res-1"), ("deployment_id", "d"), ("api_version", "2024-10-21")];
    let managed = entry(
        "azure-openai",
        &[&place[..], &[("azure_auth_mode", "managed"), ("azure_managed_client_id", "id-1")]].concat(),
    );
    let answer = by_entry(&tokens, managed, CHAT, &[("x-portkey-azure-managed-client-id", "callers")], BODY);
    let seen = answer.leaf();
    assert_eq!(seen.header("authorization"), Some("Bearer token-0-0123456789"));
    assert_eq!(seen.target().credential_source(), Some(CredentialSource::Stored));
    assert!(tokens.asked()[0].url.ends_with("&client_id=id-1"), "{:?}", tokens.asked());
    // Nothing of the caller's changes what the entry is, or where it goes.
    let entra = [
        ("azure_auth_mode", "entra"),
        ("azure_entra_tenant_id", "contoso"),
        ("azure_entra_client_id", "c"),
        ("azure_entra_client_secret", "s"),
    ];
    let own = || entry("azure-openai", &[&place[..], &entra].concat());
    let mixed = [
        ("x-portkey-azure-entra-tenant-id", "evil"),
        ("x-portkey-azure-resource-name", "evil"),
        ("x-portkey-azure-auth-mode", "apiKey"),
        ("x-portkey-azure-ad-token", "evil"),
        ("authorization", "Bearer evil"),
    ];
    let answer = by_entry(&tokens, own(), CHAT, &mixed, BODY);
    assert_eq!(url(&answer), format!("{HOST}/deployments/d/chat/completions?api-version=2024-10-21"));
    assert!(tokens.asked()[1].url.contains("/contoso/"));
    let host = [("x-portkey-custom-host", "https://evil.example")];
    let answer = by_entry(&tokens, own(), CHAT, &host, BODY);
    assert_eq!((answer.status(), tokens.asked().len()), (400, 2), "no token is got for it");
}

#[test]
fn a_foundry_is_where_its_url_says() {
    let at = |url| [FOUNDRY, ("x-portkey-azure-foundry-url", url), AUTH];
    const MODELS: &str = "https://f.services.ai.azure.com/models";
    let version = [VERSION];
    for (url_, more, path, expected) in [
        (
            MODELS,
            &version[..],
            "/chat/completions",
            "https://f.services.ai.azure.com/models/chat/completions?api-version=2024-10-21",
        ),
        (MODELS, &[], "/embeddings", "https://f.services.ai.azure.com/models/embeddings"),
        (MODELS, &version, "/files/f-1", "https://f.services.ai.azure.com/openai/files/f-1?api-version=2024-10-21"),
        (MODELS, &version, "/batches", "https://f.services.ai.azure.com/openai/batches?api-version=2024-10-21"),
        (
            "https://f.services.ai.azure.com/api/projects/p/openai/v1/",
            &[],
            "/chat/completions",
            "https://f.services.ai.azure.com/api/projects/p/openai/v1/chat/completions",
        ),
        (
            "https://m.eastus.models.ai.azure.com",
            &[],
            "/chat/completions",
            "https://m.eastus.models.ai.azure.com/chat/completions",
        ),
        (
            "https://f.services.ai.azure.com/anthropic",
            &[],
            "/messages",
            "https://f.services.ai.azure.com/anthropic/v1/messages",
        ),
    ] {
        let lines = [&at(url_)[..], more].concat();
        let answer = asked(&Method::POST, &format!("/v1{path}"), &lines);
        assert_eq!(url(&answer), expected);
        let seen = answer.leaf();
        assert_eq!(seen.target().origin(), HostOrigin::Caller);
        assert_eq!(seen.header("extra-parameters"), Some("drop"));
        let (key, version) =
            if url_.ends_with("anthropic") { ("x-api-key", Some("2023-06-01")) } else { ("authorization", None) };
        assert!(seen.header(key).is_some_and(|value| value.ends_with(SK)), "{path}");
        assert_eq!(seen.header("anthropic-version"), version);
    }
    let answer = asked(&Method::POST, CHAT, &at("https://f.services.ai.azure.com/anthropic"));
    assert_eq!((answer.status(), answer.message().is_some_and(|text| text.contains("/messages"))), (501, true));
    for (lines, expected) in [
        (
            [
                ("x-portkey-azure-deployment-type", "serverless"),
                ("x-portkey-azure-deployment-name", "Phi-4"),
                ("x-portkey-azure-region", "eastus"),
            ],
            "https://phi-4.eastus.models.ai.azure.com/chat/completions",
        ),
        (
            [
                ("x-portkey-azure-deployment-type", "managed"),
                ("x-portkey-azure-endpoint-name", "ep-1"),
                ("x-portkey-azure-region", "eastus"),
            ],
            "https://ep-1.eastus.inference.ml.azure.com/score/chat/completions",
        ),
    ] {
        let answer = asked(&Method::POST, CHAT, &[&lines[..], &[FOUNDRY, AUTH]].concat());
        assert_eq!((url(&answer), answer.leaf().target().origin()), (expected.to_owned(), HostOrigin::Catalog));
    }
    let answer = asked(&Method::POST, CHAT, &[FOUNDRY, AUTH]);
    assert_eq!(answer.message(), Some("x-portkey-azure-foundry-url is required"));
}

#[test]
fn a_foundrys_url_is_judged_like_a_custom_host() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/attacks/ssrf_urls.json");
    if let Ok(text) = fs::read_to_string(path) {
        let vectors: Value = serde_json::from_str(&text).expect("JSON");
        let cases = vectors["cases"].as_array().expect("cases");
        let mut seen = 0;
        for case in cases.iter().filter(|case| case["expect"] != "allow") {
            let named = case["url"].as_str().or(case["value"].as_str()).expect("a URL");
            if named.is_empty() || http::HeaderValue::from_str(named).is_err() {
                continue;
            }
            let answer = asked(&Method::POST, CHAT, &[FOUNDRY, ("x-portkey-azure-foundry-url", named), AUTH]);
            assert!(answer.seen.is_none() && answer.status() == 400, "{named}");
            seen += 1;
        }
        assert!(seen > 100, "{seen}");
    }
    // And never gets what was stored.
    let tokens = Tokens::new();
    let own = || {
        entry(
            "azure-ai",
            &[("azure_foundry_url", "https://f.services.ai.azure.com/models"), ("azure_auth_mode", "managed")],
        )
    };
    let evil = [("x-portkey-azure-foundry-url", "https://evil.example/models")];
    let answer = by_entry(&tokens, own(), CHAT, &evil, BODY);
    assert_eq!(
        (answer.status(), answer.message()),
        (400, Some("x-portkey-azure-foundry-url can't be combined with a stored credential"))
    );
    assert!(tokens.asked().is_empty());
    assert_eq!(
        url(&by_entry(&tokens, own(), CHAT, &[], BODY)),
        "https://f.services.ai.azure.com/models/chat/completions"
    );

    let saved = |more: Lines<'_>| {
        let lines = [&[("x-portkey-api-key", KEY), ("x-portkey-config", "pc-foundry")], more].concat();
        send(&hosted(tokens.layer(), EntrySet::new()), request_with(&Method::POST, CHAT, &lines, BODY))
    };
    let answer = saved(&evil);
    assert_eq!(url(&answer), "https://f.services.ai.azure.com/models/chat/completions");
    assert_eq!(answer.leaf().header("authorization"), Some("Bearer stored-token-1"));
    assert_eq!(saved(&[("x-portkey-custom-host", "https://evil.example")]).status(), 400);
}

#[test]
fn templates_lead_nowhere_else() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/attacks/templating.json");
    let Ok(text) = fs::read_to_string(path) else { return };
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let mut seen = 0;
    for case in vectors["cases"].as_array().expect("cases") {
        let (field, value) = (case["field"].as_str().expect("a field"), case["value"].as_str().expect("a value"));
        let name = match field {
            "azure_resource_name" => "resource_name",
            "azure_deployment_id" => "deployment_id",
            "entra_tenant_id" => "azure_entra_tenant_id",
            _ => continue,
        };
        let mut config = json!({
            "provider": "azure-openai", "api_key": SK, "resource_name": "r", "deployment_id": "d", "api_version": "2024-10-21",
            "azure_auth_mode": "entra", "azure_entra_tenant_id": "t", "azure_entra_client_id": "c",
            "azure_entra_client_secret": "s",
        });
        config[name] = value.into();
        let tokens = Tokens::new();
        let layer = PortkeyLayer::builder().exchange(tokens.layer()).anonymous().build();
        let lines = [("x-portkey-config", &*config.to_string().replace('\u{feff}', "\\ufeff"))];
        let Ok(_) = http::HeaderValue::from_str(lines[0].1) else { continue };
        let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, BODY));
        seen += 1;
        match answer.seen.as_ref() {
            None => assert!(answer.status() == 400 && case["expect"] != "accept", "{field} {value:?}"),
            Some(leaf) => {
                assert_ne!(case["expect"], "reject", "{field} {value:?}");
                let uri = &leaf.head.uri;
                let host = uri.host().unwrap_or_default();
                assert!(host.ends_with(".openai.azure.com") && host.split('.').count() == 4, "{uri}");
                assert_eq!(uri.path().split('/').count(), 6, "{uri}");
                assert_eq!(uri.query(), Some("api-version=2024-10-21"));
                let token = &tokens.asked()[0].url;
                let token: http::Uri = token.parse().expect(token);
                assert_eq!((token.host(), token.path().split('/').count()), (Some("login.microsoftonline.com"), 5));
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn without_the_layer_nothing_goes_out() {
    let layers = (
        ExtractLayer::new(),
        ConfigLayer::new(),
        ModelLayer::new(NoEntries),
        StrategyLayer::new(),
        ResolveLayer::new(),
        tower_portkey::InjectLayer::new(),
    );
    let lines = [
        OPENAI,
        RESOURCE,
        DEPLOYMENT,
        VERSION,
        ("x-portkey-azure-auth-mode", "entra"),
        ("x-portkey-azure-entra-tenant-id", "t"),
        ("x-portkey-azure-entra-client-id", "c"),
        ("x-portkey-azure-entra-client-secret", "s"),
    ];
    let request: Request<_> = request_with(&Method::POST, CHAT, &lines, BODY);
    let answer = send(&layers, request);
    assert_eq!((answer.status(), answer.message()), (500, Some("The request did not pass ExchangeLayer")));
}

#[test]
fn a_gateway_key_is_no_secret_of_entras() {
    let tokens = Tokens::new();
    let lines = [
        ("x-portkey-api-key", KEY),
        OPENAI,
        RESOURCE,
        DEPLOYMENT,
        VERSION,
        ("x-portkey-azure-auth-mode", "entra"),
        ("x-portkey-azure-entra-tenant-id", "t"),
        ("x-portkey-azure-entra-client-id", "c"),
        ("x-portkey-azure-entra-client-secret", KEY),
    ];
    let answer = send(&hosted(tokens.layer(), EntrySet::new()), request_with(&Method::POST, CHAT, &lines, BODY));
    assert_eq!((answer.status(), tokens.asked().len()), (400, 0));
}

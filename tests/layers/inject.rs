//! `InjectLayer`: where a provider's credential goes, and which of the caller's headers go along.

use http::{HeaderName, Method};
use tower_portkey::{ConfigLayer, ExtractLayer, InjectLayer, ResolveLayer, inject::Forwarded};

use crate::support::{BEARER_SK, CHAT, Lines, SK, Seen, request, send};

type Layers = (ExtractLayer, ConfigLayer, ResolveLayer, InjectLayer);

fn layers(headers: Forwarded) -> Layers {
    (ExtractLayer::new(), ConfigLayer::new(), ResolveLayer::new(), InjectLayer::with_headers(headers))
}

fn sent(method: &Method, uri: &str, lines: Lines<'_>) -> Seen {
    let answer = send(&layers(Forwarded::portkey()), request(method, uri, lines));
    answer.seen.unwrap_or_else(|| {
        panic!("{lines:?}: {:?}", answer.head.extensions.get::<tower_portkey::rejection::Rejection>())
    })
}

/// How often a text stands in what the provider gets.
fn times(seen: &Seen, text: &str) -> usize {
    let values = seen.head.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    values.chain([seen.head.uri.to_string()]).map(|value| value.matches(text).count()).sum()
}

#[test]
fn every_provider_gets_its_credential_in_its_own_way() {
    let key = |name: &'static str, value: &'static str| (name, value);
    let account = ("x-portkey-workers-ai-account-id", "acc1");
    let custom = ("x-portkey-custom-host", "https://own.example.com/base");
    for (provider, path, lines, uri, headers) in [
        ("openai", CHAT, &[][..], "https://api.openai.com/v1/chat/completions", &[key("authorization", BEARER_SK)][..]),
        ("groq", "/v1/models?a=b", &[], "https://api.groq.com/openai/v1/models?a=b", &[("authorization", BEARER_SK)]),
        ("together-ai", CHAT, &[], "https://api.together.xyz/v1/chat/completions", &[("authorization", BEARER_SK)]),
        (
            "anthropic",
            "/v1/messages",
            &[],
            "https://api.anthropic.com/v1/messages",
            &[("x-api-key", SK), ("anthropic-version", "2023-06-01"), ("anthropic-beta", "messages-2023-12-15")],
        ),
        (
            "anthropic",
            "/v1/messages",
            &[("anthropic-version", "2024-10-22"), ("x-portkey-anthropic-beta", "tools-1")],
            "https://api.anthropic.com/v1/messages",
            &[("x-api-key", SK), ("anthropic-version", "2024-10-22"), ("anthropic-beta", "tools-1")],
        ),
        // Its own OpenAI-compatible endpoint.
        ("anthropic", CHAT, &[], "https://api.anthropic.com/v1/chat/completions", &[("authorization", BEARER_SK)]),
        ("google", "/v1beta/models/g:generateContent?alt=sse&key=evil&%6bey=evil", &[], "", &[]),
        (
            "google",
            "/v1/v1beta/models/g:generateContent?alt=sse&key=evil&%6bey=evil",
            &[],
            "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent?alt=sse&key=sk-provider-0123456789",
            &[],
        ),
        (
            "google",
            CHAT,
            &[],
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            &[("authorization", BEARER_SK)],
        ),
        (
            "bytez",
            "/v1/models/v2/a",
            &[],
            "https://api.bytez.com/models/v2/a",
            &[("authorization", "Key sk-provider-0123456789")],
        ),
        (
            "bytez",
            CHAT,
            &[],
            "https://api.bytez.com/models/v2/openai/v1/chat/completions",
            &[("authorization", BEARER_SK)],
        ),
        ("reka-ai", CHAT, &[], "https://api.reka.ai/v1/chat/completions", &[("x-api-key", SK)]),
        ("segmind", "/v1/sdxl", &[], "https://api.segmind.com/v1/sdxl", &[("x-api-key", SK)]),
        ("qdrant", "/v1/collections", &[custom], "https://own.example.com/base/collections", &[("api-key", SK)]),
        (
            "deepgram",
            "/v1/listen",
            &[],
            "https://api.deepgram.com/v1/listen",
            &[("authorization", "Token sk-provider-0123456789")],
        ),
        (
            "cortex",
            CHAT,
            &[("x-portkey-snowflake-account", "Org1-acct")],
            "https://org1-acct.snowflakecomputing.com/api/v2/cortex/v1/chat/completions",
            &[("authorization", BEARER_SK), ("accept", "application/json, text/event-stream")],
        ),
        (
            "workers-ai",
            "/v1/@cf/meta/llama",
            &[account],
            "https://api.cloudflare.com/client/v4/accounts/acc1/ai/run/@cf/meta/llama",
            &[("authorization", BEARER_SK)],
        ),
        (
            "workers-ai",
            CHAT,
            &[account],
            "https://api.cloudflare.com/client/v4/accounts/acc1/ai/v1/chat/completions",
            &[("authorization", BEARER_SK)],
        ),
        (
            "openrouter",
            CHAT,
            &[],
            "https://openrouter.ai/api/v1/chat/completions",
            &[("authorization", BEARER_SK), ("http-referer", "https://portkey.ai/"), ("x-title", "portkey")],
        ),
        (
            "cerebras",
            CHAT,
            &[("user-agent", "mine")],
            "https://api.cerebras.ai/v1/chat/completions",
            &[("authorization", BEARER_SK), ("user-agent", "Portkey Gateway/1.0")],
        ),
        ("portkey", "/v1/models", &[], "https://api.portkey.ai/v1/models", &[("x-portkey-api-key", SK)]),
        (
            "modal",
            CHAT,
            &[custom, ("modal-key", "mk"), ("modal-secret", "ms")],
            "https://own.example.com/base/chat/completions",
            &[("authorization", BEARER_SK), ("modal-key", "mk"), ("modal-secret", "ms")],
        ),
        (
            "openai",
            CHAT,
            &[("x-portkey-openai-organization", "org"), ("x-portkey-openai-project", "p")],
            "https://api.openai.com/v1/chat/completions",
            &[("authorization", BEARER_SK), ("openai-organization", "org"), ("openai-project", "p")],
        ),
    ] {
        // The path that Google's clients know is none of ours.
        if uri.is_empty() {
            let lines = [("x-portkey-provider", provider), ("authorization", BEARER_SK)];
            assert_eq!(
                send(&layers(Forwarded::portkey()), request(&Method::POST, path, &lines)).status(),
                404,
                "{path}"
            );
            continue;
        }
        // Whatever else the caller shows goes nowhere.
        let evil = [("x-api-key", "evil"), ("api-key", "evil"), ("x-goog-api-key", "evil"), ("cookie", "evil=1")];
        let own = [("x-portkey-provider", provider), ("authorization", BEARER_SK), ("x-portkey-api-key", "evil")];
        let lines: Vec<_> = lines.iter().copied().chain(own).chain(evil).collect();
        let seen = sent(&Method::POST, path, &lines);
        assert_eq!(seen.head.uri, uri, "{lines:?}");
        for (name, value) in headers {
            assert_eq!(seen.header(name), Some(*value), "{provider} {path}: {name}");
        }
        assert_eq!(times(&seen, SK), 1, "{provider} {path}: {seen:?}");
        assert_eq!(times(&seen, "evil"), 0, "{provider} {path}: {seen:?}");
    }
}

#[test]
fn the_header_in_which_the_provider_takes_its_keys_will_do() {
    for (provider, path, line, name, value) in [
        ("anthropic", "/v1/messages", ("x-api-key", "k"), "x-api-key", "k"),
        ("qdrant", "/v1/collections", ("api-key", "k"), "api-key", "k"),
        // On every route of theirs.
        ("anthropic", CHAT, ("x-api-key", "k"), "authorization", "Bearer k"),
        ("deepgram", "/v1/listen", ("authorization", "Token k"), "authorization", "Token k"),
        ("deepgram", "/v1/listen", ("authorization", "token  k"), "authorization", "Token k"),
        ("bytez", "/v1/models", ("authorization", "Key k"), "authorization", "Key k"),
    ] {
        let host = ("x-portkey-custom-host", "https://own.example.com");
        let seen = sent(&Method::POST, path, &[("x-portkey-provider", provider), host, line]);
        assert_eq!(seen.header(name), Some(value), "{provider} {line:?}");
        assert_eq!(times(&seen, value), 1, "{provider} {line:?}");
    }
    // An empty authorization is none.
    for empty in ["", "Bearer ", "bearer"] {
        let lines = [("x-portkey-provider", "anthropic"), ("authorization", empty), ("x-api-key", "k")];
        assert_eq!(sent(&Method::POST, "/v1/messages", &lines).header("x-api-key"), Some("k"), "{empty:?}");
    }
    let google = [("x-portkey-provider", "google"), ("x-goog-api-key", "a/b&c")];
    assert_eq!(sent(&Method::POST, "/v1/models/g:embed", &google).head.uri.query(), Some("key=a%2Fb%26c"));
}

#[test]
fn a_provider_without_credentials_gets_none() {
    let host = ("x-portkey-custom-host", "https://own.example.com");
    for (provider, line, authorization) in [
        ("ollama", Some(("authorization", BEARER_SK)), None),
        ("ollama", None, None),
        ("triton", Some(("authorization", BEARER_SK)), None),
        ("localai", None, None),
        ("localai", Some(("authorization", BEARER_SK)), Some(BEARER_SK)),
    ] {
        let lines: Vec<_> = line.into_iter().chain([("x-portkey-provider", provider), host]).collect();
        let seen = sent(&Method::POST, CHAT, &lines);
        assert_eq!(seen.header("authorization"), authorization, "{lines:?}");
    }
}

#[test]
fn few_headers_pass_on_unified_routes_and_most_on_the_others() {
    for (name, unified, other) in [
        ("accept", true, true),
        ("accept-encoding", true, true),
        ("content-type", true, true),
        ("content-encoding", true, true),
        ("user-agent", true, true),
        ("idempotency-key", true, true),
        ("openai-beta", true, true),
        ("anthropic-dangerous", true, true),
        ("traceparent", true, true),
        ("tracestate", true, true),
        ("x-stainless-lang", false, true),
        ("x-custom", false, true),
        ("origin", false, true),
        ("x-forwarded-for", false, false),
        ("forwarded", false, false),
        ("x-amz-date", false, false),
        ("expect", false, false),
        ("content-length", false, false),
        ("host", false, false),
        ("cookie", false, false),
        ("proxy-authorization", false, false),
        ("upgrade", false, false),
        ("http2-settings", false, false),
        ("transfer-encoding", false, false),
        ("keep-alive", false, false),
        ("metadata", false, false),
        ("metadata-flavor", false, false),
        ("metadata_flavor", false, false),
        ("x-portkey_unknown", false, false),
        ("x-real-ip", false, false),
        ("x-http-method-override", false, false),
        ("x-aws-ec2-metadata-token", false, false),
        ("x-portkey-unknown", false, false),
        ("x-portkey-trace-id", false, false),
    ] {
        for (path, passes) in [(CHAT, unified), ("/v1/listen", other), ("/v1/proxy/chat/completions", other)] {
            let value = if name == "content-type" { "application/json" } else { "1" };
            let lines = [("x-portkey-provider", "openai"), ("authorization", BEARER_SK), (name, value)];
            assert_eq!(sent(&Method::POST, path, &lines).header(name).is_some(), passes, "{path} {name}");
        }
    }
}

#[test]
fn several_lines_of_a_name_stay_several_and_in_order() {
    let own = [("x-portkey-provider", "openai"), ("authorization", BEARER_SK)];
    let lines =
        [own[0], ("accept", "a"), ("cookie", "a=1"), own[1], ("accept", "b"), ("cookie", "b=2"), ("accept", "c")];
    let seen = sent(&Method::POST, CHAT, &lines);
    assert_eq!(seen.head.headers.get_all("accept").iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(seen.head.headers.get_all("cookie").iter().count(), 0);
}

#[test]
fn what_connection_names_stays_with_the_connection() {
    for (nominated, name, passes) in [
        ("X-Local", "x-local", false),
        ("close, x-other , x-local", "x-local", false),
        ("close", "x-local", true),
        ("x-locally", "x-local", true),
        ("accept", "accept", false),
        // It describes the message, not the connection.
        ("trailer", "trailer", true),
    ] {
        let own =
            [("x-portkey-provider", "openai"), ("authorization", BEARER_SK), ("connection", nominated), (name, "1")];
        let seen = sent(&Method::POST, "/v1/anything", &own);
        assert_eq!(seen.header(name).is_some(), passes, "{nominated}");
        assert_eq!(seen.header("authorization"), Some(BEARER_SK), "{nominated}");
    }
}

#[test]
fn a_caller_may_have_headers_forwarded_and_never_a_credential() {
    let sent = |list: &str, name: &str| {
        let lines = [
            ("x-portkey-provider", "openai"),
            ("authorization", BEARER_SK),
            ("x-portkey-forward-headers", list),
            (name, "1"),
        ];
        send(
            &layers(Forwarded::portkey()),
            request(&Method::POST, CHAT, if name == "authorization" { &lines[..3] } else { &lines }),
        )
    };
    for (list, name) in [
        ("x-custom", "x-custom"),
        ("X-Custom, X-Other", "x-other"),
        (r#"["X-Custom"]"#, "x-custom"),
        ("['X-Custom']", "x-custom"),
        ("x-real-ip", "x-real-ip"),
    ] {
        assert_eq!(sent(list, name).leaf().header(name), Some("1"), "{list}");
    }
    for name in
        ["authorization", "x-api-key", "cookie", "x-amz-date", "host", "te", "metadata-flavor", "x-portkey-mode"]
    {
        let answer = sent(&format!("x-custom,{name}"), name);
        let message = "x-portkey-forward-headers names a header that is never forwarded, or none at all";
        assert_eq!((answer.status(), answer.message()), (400, Some(message)), "{name}");
    }
}

#[test]
fn the_lists_can_be_changed_but_not_the_one_below() {
    let named = HeaderName::from_static;
    let policy = Forwarded::portkey().allow(named("x-custom")).allow(named("cookie")).deny(named("accept"));
    let lines = [
        ("x-portkey-provider", "openai"),
        ("authorization", BEARER_SK),
        ("x-custom", "1"),
        ("cookie", "1"),
        ("accept", "1"),
    ];
    for path in [CHAT, "/v1/listen"] {
        let answer = send(&layers(policy.clone()), request(&Method::POST, path, &lines));
        let seen = answer.leaf();
        let left = (seen.header("x-custom"), seen.header("cookie"), seen.header("accept"));
        assert_eq!(left, (Some("1"), None, None), "{path}");
    }
}

#[test]
fn the_credential_is_marked_as_one() {
    for (provider, path, name) in [("openai", CHAT, "authorization"), ("anthropic", "/v1/messages", "x-api-key")] {
        for line in [("authorization", BEARER_SK), ("x-portkey-config", "")] {
            let config = format!(r#"{{"provider":"{provider}","api_key":"{SK}"}}"#);
            let line = if line.1.is_empty() { ("x-portkey-config", &*config) } else { line };
            let seen = sent(&Method::POST, path, &[("x-portkey-provider", provider), line]);
            assert!(seen.head.headers[name].is_sensitive(), "{provider} {line:?}");
            assert!(!format!("{:?} {:?}", seen.head.headers, seen.target()).contains(SK), "{provider} {line:?}");
        }
    }
}

//! Providers that the catalog doesn't have: by data, by code; named by header, config, entry.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Method};
use tower_portkey::{
    Authenticated, PortkeyLayer,
    auth::KeySet,
    config::{ConfigSet, SavedConfig},
    context::{CredentialSource, Entry, HostOrigin, ProviderHeader, ProviderId, ProviderIds, Visibility},
    host::{AllowedHosts, CustomHost, TrustedHosts},
    model::EntrySet,
    provider::{Provider, ProviderSpec, ProviderSpecError},
    rejection::{Kind, Rejection},
};

use crate::support::{BEARER_SK, CHAT, KEY, Lines, SK, auth, caller, chat, request, request_with, send};

const NAMED: (&str, &str) = ("x-portkey-provider", "in-house");
const BASE: &str = "http://10.1.2.3:8000/api";

fn id() -> ProviderId {
    ProviderId::own("in-house").expect("an id")
}

fn base(url: &str) -> CustomHost {
    CustomHost::operator(url).expect("a URL")
}

fn named(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn spec() -> ProviderSpec {
    ProviderSpec::new(id(), base(BASE))
}

fn layer(provider: impl Provider + 'static) -> PortkeyLayer<tower_portkey::Anonymous> {
    PortkeyLayer::builder().provider(provider).anonymous().build()
}

#[test]
fn the_credential_goes_where_the_provider_wants_it() {
    let key = named("x-in-house-key");
    for (spec, header, uri) in [
        (spec(), ("authorization", Some(BEARER_SK)), "/api/chat/completions"),
        (
            spec().credential_in_header(key.clone(), "").expect("a header"),
            (key.as_str(), Some(SK)),
            "/api/chat/completions",
        ),
        (
            spec().credential_in_header(key.clone(), "ApiKey ").expect("a header"),
            (key.as_str(), Some(&*format!("ApiKey {SK}"))),
            "/api/chat/completions",
        ),
        (
            spec().credential_in_query("token").expect("a parameter"),
            ("authorization", None),
            &*format!("/api/chat/completions?token={SK}"),
        ),
        (spec().without_credential(), ("authorization", None), "/api/chat/completions"),
    ] {
        let answer = send(&layer(spec), chat(&[NAMED, ("authorization", BEARER_SK), ("cookie", "a=1")]));
        let seen = answer.leaf();
        assert_eq!(seen.head.uri.to_string(), format!("http://10.1.2.3:8000{uri}"));
        assert_eq!(seen.header(header.0), header.1);
        assert!(seen.header("cookie").is_none() && seen.header("x-portkey-provider").is_none());
        let target = seen.target();
        assert_eq!((target.provider().as_str(), target.origin()), ("in-house", HostOrigin::Operator));
    }
}

#[test]
fn without_a_credential_nothing_is_sent_unless_the_provider_needs_none() {
    let refused = send(&layer(spec()), chat(&[NAMED]));
    assert_eq!((refused.status(), refused.seen.is_none()), (400, true));
    assert!(refused.message().is_some_and(|message| message.contains("The credential for in-house is missing")));
    for spec in [spec().credential_optional(), spec().without_credential()] {
        assert_eq!(send(&layer(spec), chat(&[NAMED])).leaf().header("authorization"), None);
    }
    let config = ("x-portkey-config", r#"{"provider":"in-house"}"#);
    assert_eq!(send(&layer(spec()), chat(&[config])).status(), 400);
    assert_eq!(send(&layer(spec().without_credential()), chat(&[config])).status(), 200);
}

#[test]
fn nobody_knows_it_but_the_layer_that_was_told() {
    let config = ("x-portkey-config", r#"{"provider":"in-house","api_key":"c"}"#);
    for lines in [&[NAMED, ("authorization", BEARER_SK)][..], &[config]] {
        assert_eq!(send(&layer(spec()), chat(lines)).status(), 200, "{lines:?}");
        let answer = send(&crate::support::open(), chat(lines));
        assert_eq!((answer.status(), answer.kind()), (400, Some(Kind::InvalidRequest)), "{lines:?}");
    }
    for id in ["In-house", "in-house2", "in-hous", "in-house ", "@in-house"] {
        let answer = send(&layer(spec()), chat(&[("x-portkey-provider", id), ("authorization", BEARER_SK)]));
        assert_eq!((answer.status(), answer.seen.is_none()), (400, true), "{id}");
    }
    // The built-in ones are there as before.
    let groq = send(&layer(spec()), chat(&[("x-portkey-provider", "groq"), ("authorization", BEARER_SK)]));
    assert_eq!(groq.leaf().head.uri, "https://api.groq.com/openai/v1/chat/completions");
}

#[test]
fn openais_paths_may_stand_below_a_prefix() {
    let layer = layer(spec().openai_prefix("/openai/v1").expect("a prefix"));
    for (method, path, expected) in [
        (Method::POST, CHAT, "/api/openai/v1/chat/completions"),
        (Method::GET, "/v1/models?limit=2", "/api/openai/v1/models?limit=2"),
        (Method::GET, "/v1/files/f-1/content", "/api/openai/v1/files/f-1/content"),
        (Method::POST, "/v1/generate?x=%2F", "/api/generate?x=%2F"),
        (Method::POST, "/v1/v2/chatter", "/api/v2/chatter"),
        (Method::POST, "/v1/proxy/generate", "/api/generate"),
    ] {
        let answer = send(&layer, request(&method, path, &[NAMED, ("authorization", BEARER_SK)]));
        assert_eq!(answer.leaf().head.uri.to_string(), format!("http://10.1.2.3:8000{expected}"), "{path}");
    }
}

fn hosted(
    spec: ProviderSpec,
    change: impl FnOnce(Entry) -> Entry,
) -> PortkeyLayer<Authenticated<KeySet>, ConfigSet, EntrySet> {
    let entry =
        Entry::new("house", id()).and_then(|entry| entry.with_api_key("sk-stored-0123456789")).expect("an entry");
    let entries = EntrySet::new().with(change(entry), Visibility::everybody());
    let ids: ProviderIds = [&id()].into_iter().collect();
    let json = r#"{"provider":"in-house","api_key":"sk-saved-0123456789"}"#;
    let saved = SavedConfig::parse_for("pc-1", json, &TrustedHosts::default(), &ids).expect("a config");
    assert!(SavedConfig::parse("pc-1", json, &TrustedHosts::default()).is_err());
    let configs = ConfigSet::new().with(saved, Visibility::everybody());
    PortkeyLayer::builder().provider(spec).auth(auth(caller())).entries(entries).configs(configs).build()
}

#[test]
fn entries_and_saved_configs_are_bound_to_it() {
    let shown = ("x-portkey-api-key", KEY);
    let slug = ("x-portkey-provider", "@house");
    let saved = ("x-portkey-config", "pc-1");
    let host = |url| ("x-portkey-custom-host", url);
    let layer = hosted(spec(), |entry| entry.with_allowed_hosts(AllowedHosts::parse(["llm.example"]).expect("a list")));
    for (lines, expected) in [
        (&[shown, slug][..], Some(("http://10.1.2.3:8000/api/chat/completions", "Bearer sk-stored-0123456789"))),
        (&[shown, saved], Some(("http://10.1.2.3:8000/api/chat/completions", "Bearer sk-saved-0123456789"))),
        (
            &[shown, slug, host("https://llm.example/v1")],
            Some(("https://llm.example/v1/chat/completions", "Bearer sk-stored-0123456789")),
        ),
        // Not even its own host, where another path may be somebody else's.
        (&[shown, slug, host("http://10.1.2.3:8000/other")], None),
        (&[shown, slug, host("https://evil.example/v1")], None),
        (&[shown, saved, host("https://llm.example/v1")], None),
        (&[shown, saved, host("http://10.1.2.3:8000/api")], None),
    ] {
        let answer = send(&layer, chat(lines));
        match expected {
            Some((uri, credential)) => {
                let seen = answer.leaf();
                assert_eq!((seen.head.uri.to_string().as_str(), seen.header("authorization")), (uri, Some(credential)));
                assert_eq!(seen.target().credential_source(), Some(CredentialSource::Stored));
                assert_eq!(seen.target().origin(), HostOrigin::Operator);
            }
            None => assert_eq!((answer.status(), answer.seen.is_none()), (400, true), "{lines:?}"),
        }
    }
    let body = request_with(&Method::POST, CHAT, &[shown], r#"{"model":"@house/m","messages":[]}"#);
    assert_eq!(send(&layer, body).leaf().body(), r#"{"model":"m","messages":[]}"#);
    // The list of models holds as for every other entry.
    let layer = hosted(spec(), |entry| entry.with_models(["m"]));
    let asks = |model: &str| {
        let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
        send(&layer, request_with(&Method::POST, CHAT, &[shown, slug], body)).status()
    };
    assert_eq!((asks("m"), asks("other")), (200, 412));
}

#[test]
fn secret_headers_stay_with_the_operators_host() {
    let mut secret = HeaderValue::from_static("canary-0123456789");
    secret.set_sensitive(true);
    let plain = spec().header(named("x-team"), HeaderValue::from_static("search")).expect("a header");
    let with_secret = plain.clone().header(named("x-gate"), secret).expect("a header");
    let own = &[NAMED, ("authorization", BEARER_SK), ("x-team", "other")][..];
    let elsewhere: Lines<'_> =
        &[NAMED, ("authorization", BEARER_SK), ("x-portkey-custom-host", "https://other.example")];

    let answer = send(&layer(with_secret.clone()), chat(own));
    assert_eq!(
        (answer.leaf().header("x-team"), answer.leaf().header("x-gate")),
        (Some("search"), Some("canary-0123456789"))
    );
    let answer = send(&layer(plain), chat(elsewhere));
    assert_eq!((answer.leaf().header("x-team"), answer.leaf().target().origin()), (Some("search"), HostOrigin::Caller));
    let answer = send(&layer(with_secret.clone()), chat(elsewhere));
    assert_eq!((answer.status(), answer.seen.is_none()), (400, true));
    assert!(!format!("{with_secret:?}").contains("canary"));
}

#[test]
fn what_no_provider_may_have_is_refused_when_it_is_made() {
    let value = || HeaderValue::from_static("1");
    for name in ["connection", "host", "content-length", "x-portkey-config", "transfer-encoding"] {
        assert_eq!(spec().header(named(name), value()).err(), Some(ProviderSpecError::Header), "{name}");
        assert_eq!(spec().credential_in_header(named(name), "").err(), Some(ProviderSpecError::Header), "{name}");
    }
    assert!(spec().credential_in_header(named("x-portkey-api-key"), "").is_ok());
    for prefix in ["a\n", "ä", &"x".repeat(65)] {
        let refused = spec().credential_in_header(named("x-key"), prefix.to_owned());
        assert_eq!(refused.err(), Some(ProviderSpecError::Prefix));
    }
    for param in ["", "a=b", "a&b", "a b", "%61"] {
        assert_eq!(spec().credential_in_query(param).err(), Some(ProviderSpecError::Param), "{param}");
    }
    for prefix in ["", "/", "v1", "/v1/", "//v1", "/../x", "/a/./b", "/a?b", "/a%2fb", "/a#b"] {
        assert_eq!(spec().openai_prefix(prefix).err(), Some(ProviderSpecError::OpenAiPrefix), "{prefix}");
    }
}

/// One whose paths are made by code.
struct Coded {
    id: ProviderId,
    base: CustomHost,
    headers: Vec<ProviderHeader>,
    path: &'static str,
}

impl Provider for Coded {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn base_url(&self) -> &CustomHost {
        &self.base
    }

    fn path<'a>(&self, method: &Method, path: &'a str) -> Result<Cow<'a, str>, Rejection> {
        if *method != Method::POST {
            return Err(Rejection::new(Kind::NotImplemented).with_message("chats only"));
        }
        Ok(if self.path.is_empty() { path.into() } else { self.path.into() })
    }

    fn headers(&self) -> &[ProviderHeader] {
        &self.headers
    }
}

#[test]
fn code_says_the_path_and_never_the_host() {
    let coded = |id: &ProviderId, path| Coded {
        id: id.clone(),
        base: base("https://h.example/b?t=1"),
        headers: Vec::new(),
        path,
    };
    let own = id();
    let lines = &[NAMED, ("authorization", BEARER_SK)][..];
    let answer = send(&layer(coded(&own, "/generate")), request(&Method::POST, "/v1/embeddings?a=1", lines));
    assert_eq!(answer.leaf().head.uri, "https://h.example/b/generate?t=1");
    let answer = send(&layer(coded(&own, "")), request(&Method::POST, "/v1/other?a=1", lines));
    assert_eq!(answer.leaf().head.uri, "https://h.example/b/other?t=1&a=1");
    let answer = send(&layer(coded(&own, "")), request(&Method::GET, "/v1/models", lines));
    assert_eq!((answer.status(), answer.message()), (501, Some("chats only")));
    // What would be more than a path is a mistake of whoever wrote it.
    for path in ["generate", ".evil.example/", "@evil.example/", "/a?b=c", "/a#b", "/a b", "/a\r\nb"] {
        let answer = send(&layer(coded(&own, path)), chat(lines));
        assert!(answer.seen.is_none() && answer.status() >= 400, "{path}");
    }
    // With a built-in provider's id, it takes that one's place.
    let groq = ProviderId::parse("groq").expect("an id");
    let lines = &[("x-portkey-provider", "groq"), ("authorization", BEARER_SK)];
    let answer = send(&layer(coded(&groq, "/generate")), chat(lines));
    assert_eq!(answer.leaf().head.uri, "https://h.example/b/generate?t=1");
}

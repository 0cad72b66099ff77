//! `PortkeyLayer`: the order of the layers, and what happens where one is missing.

use http::Method;
use serde_json::json;
use tower::{Layer, ServiceBuilder};
use tower_portkey::{
    ConfigLayer, ExtractLayer, InjectLayer, ModelLayer, PortkeyLayer, RequireScopeLayer, ResolveLayer,
    ServiceBuilderExt, StrategyLayer,
    auth::KeySet,
    context::{PortkeyHeaders, Principal, ProviderId, Status},
    host::{CustomHost, TrustedHosts},
    inject::Forwarded,
    model::NoEntries,
    rejection::Kind,
};

use crate::support::{
    BEARER_SK, CHAT, KEY, Leaf, Lines, SK, auth, by, caller, chat, hosted, open, request, request_with, send,
};

const BEARER_KEY: &str = "Bearer pk-7Qm2vX9tRb4Ls8Kd1Wn6Zc3Yh5";
const OPENAI: (&str, &str) = ("x-portkey-provider", "openai");
const SHOWN: (&str, &str) = ("x-portkey-api-key", KEY);
const AUTHORIZED: (&str, &str) = ("authorization", BEARER_SK);

#[test]
fn authentication_comes_before_routing() {
    let methods =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    for path in [
        "/",
        "/v1",
        "/v1/chat/completions",
        "/v1/proxy/x",
        "/v1/health",
        "/metrics",
        "/v1/logs/exports",
        "/admin",
        "/v2/x",
    ] {
        for method in &methods {
            for lines in [&[][..], &[OPENAI, AUTHORIZED], &[OPENAI, ("x-portkey-api-key", "unknown-key-0123456789")]] {
                let answer = send(&hosted(), request(method, path, lines));
                assert_eq!((answer.status(), answer.seen.is_none()), (401, true), "{method} {path} {lines:?}");
            }
        }
    }
    for path in ["/", "/v1", "/metrics", "/admin", "/v2/x"] {
        let answer = send(&hosted(), request(&Method::POST, path, &[OPENAI, SHOWN, AUTHORIZED]));
        assert_eq!((answer.status(), answer.kind()), (404, Some(Kind::NotFound)), "{path}");
        assert_eq!(answer.json(), json!({"message": "Not Found", "ok": false}), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    }
}

/// Each request has everything wrong from one check on; it is told the first.
#[test]
fn the_order_of_the_layers_is_the_order_of_the_answers() {
    let over = caller().with_status(Status::Expired);
    let weak = Principal::new("ci").with_scopes(["logs.read"]);
    let twice = [("x-portkey-mode", "a"), ("x-portkey-mode", "b")];
    let bad = ("x-portkey-config", r#"{"provider":"nope"}"#);
    let targets = ("x-portkey-config", r#"{"strategy":{"mode":"single"},"targets":[{"provider":"ollama"}]}"#);
    for (who, lines, kind) in [
        (over.clone(), &[twice[0], twice[1], bad][..], Kind::InvalidRequest),
        (over.clone(), &[bad], Kind::MissingKey),
        (over, &[SHOWN, bad], Kind::KeyExpired),
        (weak, &[SHOWN, bad], Kind::Forbidden),
        (caller(), &[SHOWN, bad], Kind::InvalidRequest),
        (caller(), &[SHOWN, targets], Kind::InvalidRequest),
    ] {
        let layer = PortkeyLayer::builder().auth(auth(who)).build();
        let answer = send(&layer, chat(lines));
        assert_eq!((answer.kind(), answer.seen.is_none()), (Some(kind), true), "{lines:?}");
    }
}

#[test]
fn the_scope_is_the_routes() {
    for (path, scope, status) in [
        ("/v1/logs/exports", "completions.write", 403),
        ("/v1/logs/exports", "logs.export", 501),
        (CHAT, "completions.write", 200),
        (CHAT, "logs.export", 403),
    ] {
        let layer = PortkeyLayer::builder().auth(auth(Principal::new("ci").with_scopes([scope]))).build();
        let answer = send(&layer, request(&Method::POST, path, &[SHOWN, OPENAI, AUTHORIZED]));
        assert_eq!(answer.status(), status, "{path} with {scope}");
    }
}

/// What the caller shows, and the credential that the provider gets. The gateway's own key is never among them.
#[test]
fn the_gateways_key_stays_here() {
    let config = ("x-portkey-config", r#"{"provider":"openai","api_key":"c"}"#);
    let bearer_key = ("authorization", BEARER_KEY);
    for (lines, expected) in [
        (&[SHOWN, AUTHORIZED, OPENAI][..], Some(BEARER_SK)),
        (&[SHOWN, ("authorization", SK), OPENAI], Some(BEARER_SK)),
        (&[SHOWN, ("authorization", "Basic dTpw"), OPENAI], Some("Bearer Basic dTpw")),
        (&[SHOWN, config], Some("Bearer c")),
        (&[SHOWN, bearer_key, config], Some("Bearer c")),
        (&[bearer_key, config], Some("Bearer c")),
        (&[("x-portkey-api-key", ""), bearer_key, config], Some("Bearer c")),
        (&[SHOWN, AUTHORIZED, config], Some("Bearer c")),
        // Portkey sends `Bearer undefined`.
        (&[SHOWN, OPENAI], None),
        (&[bearer_key, OPENAI], None),
        (&[SHOWN, bearer_key, OPENAI], None),
        (&[SHOWN, ("x-api-key", KEY), ("x-portkey-provider", "anthropic")], None),
    ] {
        for path in [CHAT, "/v1/messages", "/v1/anything"] {
            let answer = send(&hosted(), request(&Method::POST, path, lines));
            match expected {
                Some(expected) => {
                    assert_eq!(answer.leaf().header("authorization"), Some(expected), "{lines:?}");
                    assert!(!format!("{:?}", answer.leaf().head.headers).contains(KEY), "{lines:?}");
                    let values = answer.leaf().head.headers.values();
                    assert!(values.into_iter().all(|value| !value.as_bytes().ends_with(KEY.as_bytes())), "{lines:?}");
                }
                None => {
                    let message = answer.message().unwrap_or_default();
                    assert_eq!((answer.status(), answer.seen.is_none()), (400, true), "{path} {lines:?}");
                    assert!(
                        message.ends_with("is missing: it is sent as authorization, or as api_key in x-portkey-config"),
                        "{message}"
                    );
                }
            }
        }
    }
}

/// A scheme that is written twice, or that only the provider knows, hides it from nobody.
#[test]
fn the_gateways_key_stays_here_behind_any_scheme() {
    for (provider, path, scheme) in [
        ("openai", CHAT, "Bearer Bearer "),
        ("openai", CHAT, "Bearer bearer  BEARER "),
        ("openai", CHAT, "Basic "),
        ("openai", CHAT, "Token "),
        ("deepgram", "/v1/listen", "Token "),
        ("bytez", "/v1/models", "Key "),
    ] {
        let line = format!("{scheme}{KEY}");
        let lines = [SHOWN, ("x-portkey-provider", provider), ("authorization", &*line)];
        let answer = send(&hosted(), request(&Method::POST, path, &lines));
        assert_eq!((answer.status(), answer.seen.is_none()), (400, true), "{provider} {scheme}");
    }
}

#[test]
fn a_layer_whose_fact_is_missing_names_the_one_that_leaves_it() {
    fn told<L, B>(layer: &L, lines: Lines<'_>, missing: &str)
    where
        L: Layer<Leaf>,
        L::Service: tower::Service<
                http::Request<http_body_util::Full<bytes::Bytes>>,
                Response = http::Response<B>,
                Error: std::fmt::Debug,
            >,
        B: http_body::Body<Data = bytes::Bytes, Error: std::fmt::Debug>,
    {
        let message = format!("The request did not pass {missing}");
        let answer = send(layer, chat(lines));
        assert_eq!((answer.status(), answer.kind()), (500, Some(Kind::Misassembled)), "{missing}");
        assert_eq!(answer.json(), json!({"status": "failure", "message": message}), "{missing}");
        assert_eq!(answer.header("x-portkey-gateway-exception"), Some("true"), "{missing}");
        assert!(answer.seen.is_none(), "{missing}");
    }

    let lines = &[OPENAI, AUTHORIZED, SHOWN];
    told(&RequireScopeLayer::by_route(), lines, "PortkeyAuthLayer");
    told(&RequireScopeLayer::any_of(["completions.write"]), lines, "PortkeyAuthLayer");
    told(&(RequireScopeLayer::by_route(), auth(caller())), lines, "PortkeyAuthLayer");
    told(&ConfigLayer::new(), lines, "ExtractLayer");
    told(&(ConfigLayer::new(), ExtractLayer::new()), lines, "ExtractLayer");
    told(&ModelLayer::new(NoEntries), lines, "ExtractLayer");
    told(&(ExtractLayer::new(), ModelLayer::new(NoEntries), ConfigLayer::new()), lines, "ConfigLayer");
    told(&(ModelLayer::new(NoEntries), StrategyLayer::new()), lines, "ExtractLayer");
    told(&ResolveLayer::new(), lines, "ExtractLayer");
    told(&(ExtractLayer::new(), ResolveLayer::new()), lines, "ConfigLayer");
    told(&InjectLayer::new(), lines, "ResolveLayer");
    told(&(ExtractLayer::new(), ConfigLayer::new(), InjectLayer::new()), lines, "ResolveLayer");
    told(&(ExtractLayer::new(), ConfigLayer::new(), InjectLayer::new(), ResolveLayer::new()), lines, "ResolveLayer");
}

#[test]
fn grpc_callers_get_trailers_from_every_layer() {
    const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");
    let weak = PortkeyLayer::builder().auth(auth(Principal::new("ci"))).build();
    let misassembled = send(&InjectLayer::new(), chat(&[GRPC]));
    for (name, answer, status) in [
        ("extract", send(&hosted(), chat(&[GRPC, OPENAI, OPENAI])), "3"),
        ("auth", send(&hosted(), chat(&[GRPC, OPENAI])), "16"),
        ("scope", send(&weak, chat(&[GRPC, OPENAI, SHOWN])), "7"),
        ("config", send(&hosted(), chat(&[GRPC, OPENAI, SHOWN])), "3"),
        ("route", send(&hosted(), request(&Method::POST, "/x", &[GRPC, SHOWN])), "12"),
        ("resolve", send(&hosted(), request(&Method::POST, "/v1/own.Service/Call", &[GRPC, OPENAI, SHOWN])), "3"),
        ("inject", misassembled, "13"),
    ] {
        assert_eq!((answer.status(), answer.body.len()), (200, 0), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/grpc"), "{name}");
        assert_eq!(answer.header("grpc-status"), Some(status), "{name}");
        assert!(answer.header("grpc-message").is_some_and(|message| !message.is_empty()), "{name}");
    }
}

#[test]
fn an_access_log_finds_the_facts_of_a_refused_request() {
    for (lines, subject) in
        [(&[("x-portkey-trace-id", "t-1"), SHOWN][..], Some("ci")), (&[("x-portkey-trace-id", "t-1")], None)]
    {
        let answer = send(&hosted(), chat(lines));
        let facts = &answer.head.extensions;
        assert!(answer.kind().is_some(), "{lines:?}");
        assert_eq!(facts.get::<PortkeyHeaders>().map(|found| found.trace_id().as_str()), Some("t-1"), "{lines:?}");
        assert_eq!(facts.get::<Principal>().map(Principal::subject), subject, "{lines:?}");
    }
}

#[test]
fn without_authentication_nobody_is_asked() {
    let answer = send(&open(), chat(&[OPENAI, AUTHORIZED]));
    assert_eq!(answer.leaf().header("authorization"), Some(BEARER_SK));
    assert!(answer.leaf().head.extensions.get::<Principal>().is_none());
    let known = send(&open(), chat(&[OPENAI, ("authorization", BEARER_KEY)]));
    assert_eq!(known.leaf().header("authorization"), Some(BEARER_KEY), "authorization is the provider's");
    assert_eq!(send(&open(), chat(&[OPENAI])).status(), 400);
}

#[test]
fn the_settings_reach_their_layers() {
    let provider = ProviderId::parse("openai").expect("an id");
    let layer = PortkeyLayer::builder()
        .trusted_hosts(TrustedHosts::parse(["127.0.0.1:9000"]).expect("hosts"))
        .base_url(provider, CustomHost::operator("http://127.0.0.1:1/v1").expect("a URL"))
        .headers(Forwarded::portkey().allow(http::HeaderName::from_static("x-custom")))
        .body_limit(10)
        .anonymous()
        .build();
    let answer = send(&layer, chat(&[OPENAI, AUTHORIZED, ("x-custom", "1")]));
    assert_eq!(answer.leaf().head.uri, "http://127.0.0.1:1/v1/chat/completions");
    assert_eq!(answer.leaf().header("x-custom"), Some("1"));
    let trusted = [OPENAI, AUTHORIZED, ("x-portkey-custom-host", "http://127.0.0.1:9000")];
    assert_eq!(send(&layer, chat(&trusted)).leaf().head.uri, "http://127.0.0.1:9000/chat/completions");
    let config = ("x-portkey-config", r#"{"provider":"openai","api_key":"k","override_params":{"a":1}}"#);
    for (body, status) in [(r#"{"a": 0}"#, 200), (r#"{"a": 000.0}"#, 413)] {
        let lines = [config, ("content-type", "application/json")];
        assert_eq!(send(&layer, request_with(&Method::POST, CHAT, &lines, body)).status(), status, "{body}");
    }
}

#[test]
fn layer_by_layer_it_is_the_same() {
    let keys = KeySet::new([tower_portkey::GatewayKey::new(KEY, caller()).expect("a key")]).expect("a set");
    let builder = ServiceBuilder::new().portkey_rescue().portkey_extract().portkey_auth(keys).portkey_scope();
    let layer = builder
        .portkey_config()
        .portkey_model(NoEntries)
        .portkey_strategy()
        .portkey_resolve()
        .portkey_inject()
        .into_inner();
    for lines in [&[OPENAI, SHOWN, AUTHORIZED][..], &[OPENAI, AUTHORIZED], &[SHOWN], &[SHOWN, OPENAI]] {
        let (one, other) = (send(&hosted(), chat(lines)), send(&layer, chat(lines)));
        assert_eq!((one.status(), &one.body), (other.status(), &other.body), "{lines:?}");
        let seen = |seen: &crate::support::Seen| (seen.head.uri.clone(), seen.head.headers.clone());
        assert_eq!(one.seen.as_ref().map(seen), other.seen.as_ref().map(seen), "{lines:?}");
    }
    // Somebody above may have authenticated the caller.
    let answer = send(&open(), by(caller(), chat(&[OPENAI, ("x-portkey-virtual-key", "v")])));
    assert_eq!(answer.message(), Some("Following keys are not valid: v"));
}

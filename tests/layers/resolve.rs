//! `ResolveLayer`: which provider, host and credential a request gets, and what is not served.

use http::Method;
use serde_json::json;
use tower_portkey::{
    ConfigLayer, ExtractLayer, InjectLayer, ModelLayer, PortkeyLayer, ResolveLayer, StrategyLayer,
    config::{ConfigSet, SavedConfig},
    context::{CredentialSource, HostOrigin, Principal, ProviderId, Visibility},
    host::{CustomHost, TrustedHosts},
    model::NoEntries,
    rejection::Kind,
};

use crate::support::{Answer, BEARER_SK, CHAT, KEY, Lines, SK, auth, by, caller, chat, open, request, send};

type Layers = (ExtractLayer, ConfigLayer, ModelLayer, StrategyLayer, ResolveLayer, InjectLayer);

fn layers() -> Layers {
    with(ConfigLayer::new(), ResolveLayer::new())
}

fn with(config: ConfigLayer, resolve: ResolveLayer) -> Layers {
    (ExtractLayer::new(), config, ModelLayer::new(NoEntries), StrategyLayer::new(), resolve, InjectLayer::new())
}

fn trusting(host: &str) -> Layers {
    let hosts = TrustedHosts::parse([host]).expect("hosts");
    let config = ConfigLayer::new().trusted_hosts(hosts.clone());
    with(config, ResolveLayer::new().trusted_hosts(hosts))
}

fn resolved(lines: Lines<'_>) -> Answer {
    send(&layers(), chat(lines))
}

const OPENAI: (&str, &str) = ("x-portkey-provider", "openai");
const SK_1: (&str, &str) = ("authorization", "Bearer sk-1");
const MISSING: &str =
    "The credential for openai is missing: it is sent as authorization, or as api_key in x-portkey-config";

/// The rows of Portkey's merging table. Where Portkey sends `Bearer undefined`, nothing is sent.
#[test]
fn a_config_with_a_provider_stands_alone_and_one_without_is_filled_up_from_headers() {
    let organization = ("x-portkey-openai-organization", "org");
    let whole = ("x-portkey-config", r#"{"provider":"openai","api_key":"c"}"#);
    let part = ("x-portkey-config", r#"{"api_key":"c","openai_organization":"cfgorg","retry":{"attempts":2}}"#);
    let own = ("x-portkey-config", r#"{"provider":"openai","api_key":"c","openai_organization":"cfgorg"}"#);
    let empty = ("x-portkey-config", r#"{"provider":"openai","api_key":""}"#);
    let anthropic = ("x-portkey-provider", "anthropic");
    for (lines, expected) in [
        (&[whole, SK_1, anthropic, organization][..], Some(("Bearer c", None))),
        (&[whole], Some(("Bearer c", None))),
        (&[own, organization], Some(("Bearer c", Some("cfgorg")))),
        (&[empty, SK_1], None),
        (&[part, OPENAI, SK_1], Some(("Bearer sk-1", None))),
        (&[part, OPENAI, SK_1, organization], Some(("Bearer sk-1", Some("org")))),
        (&[part, OPENAI], None),
        (&[OPENAI, SK_1, organization], Some(("Bearer sk-1", Some("org")))),
        (&[OPENAI, ("authorization", "bearer  sk-1")], Some(("Bearer sk-1", None))),
        (&[OPENAI, ("authorization", "sk-1")], Some(("Bearer sk-1", None))),
        (&[OPENAI, ("authorization", "Basic dTpw")], Some(("Bearer Basic dTpw", None))),
        (&[OPENAI, ("authorization", "Bearer ")], None),
        (&[OPENAI, ("x-api-key", "sk-1")], None),
        (&[OPENAI, ("x-portkey-api-key", "sk-1")], None),
        (&[OPENAI, ("cookie", "sk-1")], None),
        (&[OPENAI], None),
    ] {
        let answer = resolved(lines);
        match expected {
            Some((credential, organization)) => {
                let seen = answer.leaf();
                assert_eq!(seen.head.uri, "https://api.openai.com/v1/chat/completions", "{lines:?}");
                assert_eq!(seen.header("authorization"), Some(credential), "{lines:?}");
                assert_eq!(seen.header("openai-organization"), organization, "{lines:?}");
                assert_eq!(seen.target().credential_source(), Some(CredentialSource::Caller), "{lines:?}");
            }
            None => {
                assert_eq!((answer.status(), answer.message()), (400, Some(MISSING)), "{lines:?}");
                assert_eq!(answer.json(), json!({"status": "failure", "message": MISSING}), "{lines:?}");
                assert!(answer.seen.is_none(), "{lines:?}");
            }
        }
    }
}

#[test]
fn what_is_valid_and_not_served_is_501() {
    let incomplete = r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai"}]}"#;
    const GUARDRAILS: &str = "Configs with guardrails or hooks are not served";
    let with = |member: &str| format!(r#"{{"provider":"openai","api_key":"k",{member}}}"#);
    for (provider, config, status, message) in [
        // Everything that the request says is validated first.
        ("openai", Some(incomplete.to_owned()), 400, "Invalid config passed"),
        ("nope", None, 400, "Invalid provider passed"),
        ("openai", Some(with(r#""input_guardrails":["g"]"#)), 501, GUARDRAILS),
        ("openai", Some(with(r#""output_guardrails":[{"default.contains":{}}]"#)), 501, GUARDRAILS),
        ("openai", Some(with(r#""before_request_hooks":[{"id":"h"}]"#)), 501, GUARDRAILS),
        ("openai", Some(with(r#""after_request_hooks":[{"id":"h"}]"#)), 501, GUARDRAILS),
        ("openai", Some(with(r#""default_input_guardrails":["g"]"#)), 501, GUARDRAILS),
        ("openai", Some(with(r#""default_output_guardrails":[{"default.contains":{}}]"#)), 501, GUARDRAILS),
        ("openai", Some(with(r#""default_input_guardrails":[]"#)), 200, ""),
        ("openai", Some(with(r#""input_guardrails":[{"deny":"no"}]"#)), 400, "Invalid config passed"),
        ("openai", Some(with(r#""input_guardrails":[],"after_request_hooks":[]"#)), 200, ""),
        (
            "palm",
            None,
            501,
            "palm does not offer /chat/completions; call its own route /models/{model}:generateMessage under /v1",
        ),
        ("replicate", None, 501, "replicate does not offer /chat/completions; call its own routes under /v1"),
    ] {
        let lines: Vec<_> = config
            .iter()
            .map(|config| ("x-portkey-config", &**config))
            .chain([("x-portkey-provider", provider), SK_1])
            .collect();
        let answer = resolved(&lines);
        assert_eq!(answer.status(), status, "{lines:?}: {:?}", answer.message());
        assert_eq!(answer.message().unwrap_or_default(), message, "{lines:?}");
        assert_eq!(answer.seen.is_some(), status == 200, "{lines:?}");
        if status == 501 {
            assert_eq!(answer.json(), json!({"status": "failure", "message": message}), "{lines:?}");
        }
    }
}

#[test]
fn some_routes_are_served_nowhere() {
    for (method, path, status) in [
        (Method::POST, "/v1/prompts/p-1/completions", 501),
        (Method::POST, "/v1/prompts/p-1/render", 501),
        (Method::GET, "/v1/realtime", 400),
        (Method::POST, "/v1/realtime/client_secrets", 200),
        (Method::TRACE, "/v1/models", 404),
        (Method::CONNECT, "/v1/models", 404),
        (Method::PUT, "/v1/models", 200),
        (Method::PATCH, "/v1/models", 200),
        (Method::OPTIONS, "/v1/models", 200),
        (Method::DELETE, "/v1/files/f-1", 200),
    ] {
        let answer = send(&layers(), request(&method, path, &[OPENAI, SK_1]));
        assert_eq!(answer.status(), status, "{method} {path}");
    }
}

/// Where no entry and no config is stored.
#[test]
fn names_of_stored_things_are_unknown() {
    let entry = |text: &'static str| Some(text);
    for (lines, open, hosted) in [
        (
            &[("x-portkey-provider", "@prod")][..],
            entry("Invalid provider passed"),
            entry("Following keys are not valid: prod"),
        ),
        (
            &[("x-portkey-provider", "@prod/gpt-4o")],
            entry("Invalid provider passed"),
            entry("Following keys are not valid: prod"),
        ),
        (
            &[("x-portkey-virtual-key", "nope")],
            entry("Either x-portkey-config or x-portkey-provider header is required"),
            entry("Following keys are not valid: nope"),
        ),
        // Where nobody is known, the header means nothing; where somebody is, it must not be passed over.
        (&[OPENAI, SK_1, ("x-portkey-virtual-key", "nope")], None, entry("Following keys are not valid: nope")),
        (
            &[("x-portkey-config", "pc-abc-123456")],
            entry("Invalid config passed. You need to pass a valid json"),
            entry("Invalid config id passed"),
        ),
        (
            &[("x-portkey-config", r#"{"provider":"@prod/x","api_key":"k"}"#)],
            entry("Invalid config passed"),
            entry("Following keys are not valid: prod/x"),
        ),
        (
            &[("x-portkey-config", r#"{"virtual_key":"nope"}"#)],
            entry(
                "Either x-portkey-provider needs to be passed. Or the x-portkey-config header should have a valid \
                 config with provider details in it.",
            ),
            entry("Following keys are not valid: nope"),
        ),
        (
            &[("x-portkey-config", r#"{"provider":"openai","api_key":"k","virtual_key":"nope"}"#)],
            None,
            entry("Following keys are not valid: nope"),
        ),
    ] {
        for (who, expected) in [(None, open), (Some(caller()), hosted)] {
            let answer = match who.clone() {
                Some(who) => send(&layers(), by(who, chat(lines))),
                None => resolved(lines),
            };
            let who = who.as_ref().map(Principal::subject);
            assert_eq!(answer.message(), expected, "{lines:?} {who:?}");
            assert_eq!(answer.status(), if expected.is_some() { 400 } else { 200 }, "{lines:?} {who:?}");
            assert_eq!(answer.seen.is_none(), expected.is_some(), "{lines:?} {who:?}");
        }
    }
}

#[test]
fn a_callers_host_is_public_or_trusted() {
    use HostOrigin::{Caller, Catalog, TrustedCaller};
    let in_config = r#"{"provider":"openai","api_key":"k","custom_host":"http://127.0.0.1:9000/base"}"#;
    for (lines, trusted, expected) in [
        (&[OPENAI, SK_1][..], None, Some(("https://api.openai.com/v1/chat/completions", Catalog))),
        (
            &[OPENAI, SK_1, ("x-portkey-custom-host", "https://LLM.example.com/base/?a=b")],
            None,
            Some(("https://llm.example.com/base/chat/completions?a=b", Caller)),
        ),
        (&[OPENAI, SK_1, ("x-portkey-custom-host", "http://127.0.0.1:9000")], None, None),
        (
            &[OPENAI, SK_1, ("x-portkey-custom-host", "http://127.0.0.1:9000")],
            Some("127.0.0.1:9000"),
            Some(("http://127.0.0.1:9000/chat/completions", TrustedCaller)),
        ),
        (
            &[OPENAI, SK_1, ("x-portkey-custom-host", "http://2130706433:9000/v1")],
            Some("127.0.0.1:9000"),
            Some(("http://127.0.0.1:9000/v1/chat/completions", TrustedCaller)),
        ),
        (&[OPENAI, SK_1, ("x-portkey-custom-host", "http://127.0.0.1:9001")], Some("127.0.0.1:9000"), None),
        (&[OPENAI, SK_1, ("x-portkey-custom-host", "http://169.254.169.254")], Some("127.0.0.1:9000"), None),
        (&[OPENAI, SK_1, ("x-portkey-custom-host", "https://api.portkey.ai/v1")], Some("127.0.0.1:9000"), None),
        (
            &[OPENAI, SK_1, ("x-portkey-custom-host", "https://llm.example.com")],
            Some("127.0.0.1:9000"),
            Some(("https://llm.example.com/chat/completions", Caller)),
        ),
        (&[("x-portkey-config", in_config)], None, None),
        (
            &[("x-portkey-config", in_config)],
            Some("127.0.0.1"),
            Some(("http://127.0.0.1:9000/base/chat/completions", TrustedCaller)),
        ),
        (
            &[("x-portkey-provider", "huggingface"), SK_1, ("x-portkey-huggingface-base-url", "http://127.0.0.1:9000")],
            None,
            None,
        ),
        (
            &[("x-portkey-provider", "huggingface"), SK_1, ("x-portkey-huggingface-base-url", "http://127.0.0.1:9000")],
            Some("127.0.0.1"),
            Some(("http://127.0.0.1:9000/v1/chat/completions", TrustedCaller)),
        ),
        (
            &[
                ("x-portkey-provider", "huggingface"),
                SK_1,
                ("x-portkey-huggingface-base-url", "https://hf.example.com"),
            ],
            None,
            Some(("https://hf.example.com/v1/chat/completions", Caller)),
        ),
    ] {
        let answer = send(&trusted.map_or_else(layers, trusting), chat(lines));
        match expected {
            Some((uri, origin)) => {
                let seen = answer.leaf();
                assert_eq!((seen.head.uri.to_string(), seen.target().origin()), (uri.into(), origin), "{lines:?}");
                assert_eq!(Some(seen.target().authority()), seen.head.uri.authority(), "{lines:?}");
                assert_eq!(Some(seen.target().scheme()), seen.head.uri.scheme(), "{lines:?}");
            }
            None => {
                assert_eq!(
                    (answer.status(), answer.kind()),
                    (400, Some(Kind::InvalidRequest)),
                    "{lines:?} {trusted:?}"
                );
                assert!(answer.seen.is_none(), "{lines:?} {trusted:?}");
            }
        }
        assert!(!answer.message().is_some_and(|text| text.contains("9000")), "{lines:?}: the value is repeated");
    }
}

#[test]
fn the_operators_own_base_is_no_callers_host() {
    let base = CustomHost::operator("http://127.0.0.1:9000/mirror/v1").expect("a URL");
    let provider = |id| ProviderId::parse(id).expect("an id");
    let resolve = ResolveLayer::new().base_url(provider("openai"), base.clone()).base_url(provider("anthropic"), base);
    let layers = (ExtractLayer::new(), ConfigLayer::new(), resolve, InjectLayer::new());
    for (provider, path, uri, origin) in [
        ("openai", CHAT, "http://127.0.0.1:9000/mirror/v1/chat/completions", HostOrigin::Operator),
        ("anthropic", CHAT, "http://127.0.0.1:9000/mirror/v1/chat/completions", HostOrigin::Operator),
        ("anthropic", "/v1/models?beta=true", "http://127.0.0.1:9000/mirror/v1/models?beta=true", HostOrigin::Operator),
        ("groq", CHAT, "https://api.groq.com/openai/v1/chat/completions", HostOrigin::Catalog),
    ] {
        let answer = send(&layers, request(&Method::POST, path, &[("x-portkey-provider", provider), SK_1]));
        assert_eq!(answer.leaf().head.uri, uri, "{provider} {path}");
        assert_eq!(answer.leaf().target().origin(), origin, "{provider} {path}");
    }
    let named = [OPENAI, SK_1, ("x-portkey-custom-host", "https://llm.example.com")];
    assert_eq!(send(&layers, chat(&named)).leaf().target().origin(), HostOrigin::Caller, "the caller's own wins");
}

#[test]
fn fields_of_a_host_are_labels() {
    for (provider, field, message) in [
        ("cortex", None, "x-portkey-snowflake-account is required"),
        (
            "cortex",
            Some(("x-portkey-snowflake-account", "evil.com#")),
            "x-portkey-snowflake-account may hold letters, digits and inner hyphens only",
        ),
        ("workers-ai", None, "x-portkey-workers-ai-account-id is required"),
        (
            "workers-ai",
            Some(("x-portkey-workers-ai-account-id", "a/../b")),
            "x-portkey-workers-ai-account-id may hold letters, digits and inner hyphens only",
        ),
        ("ollama", None, "x-portkey-custom-host is required"),
        ("byollm", None, "x-portkey-custom-host is required"),
    ] {
        let lines: Vec<_> =
            field.into_iter().chain([("x-portkey-provider", provider), ("authorization", SK)]).collect();
        let answer = resolved(&lines);
        assert_eq!((answer.status(), answer.message()), (400, Some(message)), "{lines:?}");
        assert!(answer.seen.is_none(), "{lines:?}");
    }
}

#[test]
fn every_host_but_the_catalogs_may_be_this_gateway_again() {
    let bearer = ("authorization", BEARER_SK);
    for (lines, may_loop) in [
        (&[("x-portkey-provider", "openai"), bearer][..], false),
        (&[("x-portkey-provider", "cortex"), ("x-portkey-snowflake-account", "a"), bearer], false),
        (&[("x-portkey-provider", "openai"), bearer, ("x-portkey-custom-host", "https://llm.example/v1")], true),
        (
            &[("x-portkey-provider", "huggingface"), bearer, ("x-portkey-huggingface-base-url", "https://a.example")],
            true,
        ),
    ] {
        let answer = send(&open(), chat(lines));
        assert_eq!(answer.leaf().target().may_loop(), may_loop, "{lines:?}");
    }
    // One that was saved beside its credential is dialled like the catalog's, and is none of them.
    let config = r#"{"provider":"openai","api_key":"sk-saved-0123456789","custom_host":"https://llm.example/v1"}"#;
    let saved = SavedConfig::parse("pc-own", config, &TrustedHosts::default()).expect("a config");
    let configs = ConfigSet::new().with(saved, Visibility::everybody());
    let gateway = PortkeyLayer::builder().auth(auth(caller())).configs(configs).build();
    let answer = send(&gateway, chat(&[("x-portkey-api-key", KEY), ("x-portkey-config", "pc-own")]));
    let target = answer.leaf().target();
    assert_eq!((target.origin(), target.may_loop()), (HostOrigin::Catalog, true));
}

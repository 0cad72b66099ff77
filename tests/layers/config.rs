//! `ConfigLayer`: the checks of Portkey's request validator, in its order and with its texts, for callers that nobody
//! authenticated (open) and for those that somebody did (hosted).

use http::Method;
use serde_json::json;
use tower_portkey::{
    ConfigLayer, ExtractLayer,
    context::{ProviderId, RequestConfig},
    host::CustomHost,
    rejection::Kind,
};

use crate::support::{Answer, CHAT, Lines, by, caller, chat, request, send};

const TYPE: &str = "Invalid content type passed";
const EITHER: &str = "Either x-portkey-config or x-portkey-provider header is required";
const PROVIDER: &str = "Invalid provider passed";
const HOST: &str = "Invalid custom host";
const JSON: &str = "Invalid config passed. You need to pass a valid json";
const NO_PROVIDER: &str = "Either x-portkey-provider needs to be passed. Or the x-portkey-config header should have a \
                           valid config with provider details in it.";
const LEGACY: &str = "This version of config is not supported in this route. Please migrate to the latest version";
const FORWARD: &str = "forward_headers must not contain the 'x-portkey-forward-headers' header";
const SAVED: &str = "Invalid config id passed";

const INCOMPLETE: &str = "message: Invalid configuration. It must have either 'provider' and 'api_key', or 'strategy' \
                          and 'targets', or 'cache', or 'retry', or 'request_timeout'";
const VERTEX: &str = "message: Invalid configuration. ('vertex_project_id' and 'vertex_region') or \
                      ('vertex_service_account_json' and 'vertex_region') are required for 'vertex-ai' provider. \
                      Example: { 'provider': 'vertex-ai', 'vertex_project_id': 'my-project-id', 'vertex_region': \
                      'us-central1', api_key: 'ya29...' }";
const MODE: &str = "message: Invalid 'mode' value. Must be one of: single, loadbalance, fallback, conditional";

/// What becomes of a request.
#[derive(Clone, Copy)]
enum Want<'a> {
    /// It goes on.
    Next,
    /// It is refused with this text.
    Says(&'a str),
    /// Its config is refused with these findings: path, and message.
    Finds(&'a [(&'a str, &'a str)]),
}

use Want::{Finds, Next, Says};

fn validated(lines: Lines<'_>, hosted: bool) -> Answer {
    let request = if hosted { by(caller(), chat(lines)) } else { chat(lines) };
    send(&(ExtractLayer::new(), ConfigLayer::new()), request)
}

fn check(lines: Lines<'_>, hosted: bool, want: Want<'_>) {
    let answer = validated(lines, hosted);
    let body = match want {
        Next => {
            assert_eq!(answer.status(), 200, "{lines:?} hosted: {hosted}: {:?}", answer.body);
            return assert!(answer.leaf().head.extensions.get::<RequestConfig>().is_some(), "{lines:?}");
        }
        Says(message) => json!({"status": "failure", "message": message}),
        Finds(findings) => {
            let errors: Vec<_> = findings.iter().map(|(path, message)| format!("path: {path}, {message}")).collect();
            json!({"status": "failure", "message": "Invalid config passed", "errors": errors})
        }
    };
    assert_eq!((answer.status(), answer.json()), (400, body), "{lines:?} hosted: {hosted}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{lines:?}");
    assert_eq!((answer.kind(), answer.seen.is_none()), (Some(Kind::InvalidRequest), true), "{lines:?}");
}

const OPENAI: (&str, &str) = ("x-portkey-provider", "openai");

#[test]
fn the_headers() {
    for (lines, open, hosted) in [
        // Who was authenticated may name the provider in the body.
        (&[][..], Says(EITHER), Next),
        (&[("x-portkey-provider", ""), ("x-portkey-config", "")], Says(EITHER), Next),
        (&[OPENAI], Next, Next),
        (&[OPENAI, ("content-type", "application/json")], Next, Next),
        (&[OPENAI, ("content-type", "application/json; charset=utf-8")], Next, Next),
        (&[OPENAI, ("content-type", "multipart/form-data; boundary=x")], Next, Next),
        (&[OPENAI, ("content-type", "audio/wav")], Next, Next),
        (&[OPENAI, ("content-type", "text/plain")], Says(TYPE), Says(TYPE)),
        (&[OPENAI, ("content-type", "Application/JSON")], Says(TYPE), Says(TYPE)),
        (&[OPENAI, ("content-type", "application/json ; charset=utf-8")], Says(TYPE), Says(TYPE)),
        (&[OPENAI, ("content-type", "application/octet-stream")], Says(TYPE), Says(TYPE)),
        (&[("x-portkey-virtual-key", "v")], Says(EITHER), Next),
        (&[("x-portkey-provider", "OpenAI")], Says(PROVIDER), Says(PROVIDER)),
        (&[("x-portkey-provider", "nope")], Says(PROVIDER), Says(PROVIDER)),
        (&[("x-portkey-provider", "openai, openai")], Says(PROVIDER), Says(PROVIDER)),
        (&[("x-portkey-provider", "@my-openai")], Says(PROVIDER), Next),
        (&[("x-portkey-provider", "@my-openai/gpt-4o")], Says(PROVIDER), Next),
        (&[("x-portkey-provider", "@")], Says(PROVIDER), Says(PROVIDER)),
        (&[OPENAI, ("x-portkey-custom-host", "http://169.254.169.254")], Says(HOST), Says(HOST)),
        // An entry may allow a private host; which one it is, is known later.
        (&[OPENAI, ("x-portkey-custom-host", "http://10.0.0.1")], Says(HOST), Next),
        (&[OPENAI, ("x-portkey-custom-host", "http://127.0.0.1:9000")], Says(HOST), Next),
        (&[OPENAI, ("x-portkey-custom-host", "http://169.254.169.254")], Says(HOST), Says(HOST)),
        (&[OPENAI, ("x-portkey-custom-host", "example.com")], Says(HOST), Says(HOST)),
        (&[OPENAI, ("x-portkey-custom-host", "https://llm.example.com/v1")], Next, Next),
        (&[OPENAI, ("x-portkey-custom-host", "")], Next, Next),
        (&[OPENAI, ("x-portkey-forward-headers", "X-A, x-portkey-forward-headers")], Says(FORWARD), Says(FORWARD)),
        (
            &[OPENAI, ("x-portkey-forward-headers", "['X-A', 'X-Portkey-Forward-Headers']")],
            Says(FORWARD),
            Says(FORWARD),
        ),
        (&[OPENAI, ("x-portkey-forward-headers", "x-a, X-B")], Next, Next),
    ] {
        check(lines, false, open);
        check(lines, true, hosted);
    }
}

#[test]
fn the_config() {
    for (provider, config, want) in [
        (None, "null", Says(JSON)),
        (None, "{", Says(JSON)),
        (None, "{'provider':'openai'}", Says(JSON)),
        (None, "{}", Says(NO_PROVIDER)),
        (None, "[]", Says(NO_PROVIDER)),
        (None, r#""str""#, Says(NO_PROVIDER)),
        (None, r#"{"options":[{}]}"#, Says(NO_PROVIDER)),
        (Some(OPENAI), "null", Finds(&[("", "message: Expected object, received null")])),
        (Some(OPENAI), r#""str""#, Finds(&[("", "message: Expected object, received string")])),
        (Some(OPENAI), "123", Finds(&[("", "message: Expected object, received number")])),
        (Some(OPENAI), "{}", Finds(&[("", INCOMPLETE)])),
        (None, r#"{"provider":"openai"}"#, Finds(&[("", INCOMPLETE)])),
        (None, r#"{"provider":"openai","apiKey":"sk"}"#, Finds(&[("", INCOMPLETE)])),
        (
            None,
            r#"{"provider":"bedrock","aws_auth_type":"assumedRole","aws_role_arn":"arn:aws:iam::1:role/x"}"#,
            Finds(&[("", INCOMPLETE)]),
        ),
        (None, r#"{"provider":"openai","api_key":""}"#, Next),
        (
            None,
            r#"{"provider":"openai","api_key":null}"#,
            Finds(&[("api_key", "message: Expected string, received null")]),
        ),
        (
            None,
            r#"{"provider":"openai","api_key":5}"#,
            Finds(&[("api_key", "message: Expected string, received number")]),
        ),
        (None, r#"{"provider":"openai","api_key":"k","strategy":{"mode":"race"}}"#, Finds(&[("strategy,mode", MODE)])),
        (
            None,
            r#"{"provider":"openai","api_key":"k","strategy":{}}"#,
            Finds(&[("strategy,mode", "message: Required")]),
        ),
        (None, r#"{"targets":[{"provider":"ollama"}]}"#, Finds(&[("", INCOMPLETE)])),
        (
            None,
            r#"{"strategy":{"mode":"single"},"targets":[{"provider":"openai"}]}"#,
            Finds(&[("targets,0", INCOMPLETE)]),
        ),
        (None, r#"{"provider":"vertex-ai","api_key":"k"}"#, Finds(&[("", VERTEX)])),
        (
            None,
            r#"{"provider":"openai","api_key":"k","custom_host":"http://10.0.0.1"}"#,
            Finds(&[("", "message: Invalid custom host")]),
        ),
        (
            None,
            r#"{"provider":"openai","api_key":"k","cache":{"mode":"none"}}"#,
            Finds(&[("cache,mode", "message: Invalid 'cache.mode' value. Must be one of: simple, semantic")]),
        ),
        (None, r#"{"provider":"openai","retry":{}}"#, Finds(&[("retry,attempts", "message: Required")])),
        (
            None,
            r#"{"provider":"openai","api_key":"k","weight":"1"}"#,
            Finds(&[("weight", "message: Expected number, received string")]),
        ),
        (
            None,
            r#"{"provider":"openai","api_key":"k","forward_headers":["X-Portkey-Forward-Headers"]}"#,
            Finds(&[(
                "forward_headers",
                "message: forward_headers must not contain the 'x-portkey-forward-headers' header",
            )]),
        ),
        (
            None,
            r#"{"strategy":{"mode":"conditional","conditions":[{"query":"q"}]},"targets":[]}"#,
            Finds(&[
                ("strategy,conditions,0,query", "message: Expected object, received string"),
                ("strategy,conditions,0,then", "message: Required"),
            ]),
        ),
        (None, r#"{"provider":"openai","api_key":"k","options":[]}"#, Says(LEGACY)),
        (None, r#"{"provider":"bedrock","aws_access_key_id":"a","aws_secret_access_key":"b"}"#, Next),
        (None, r#"{"provider":"ollama"}"#, Next),
        (None, r#"{"provider":"openai","api_key":"k","my_field":[1]}"#, Next),
    ] {
        let lines: Vec<_> = provider.into_iter().chain([("x-portkey-config", config)]).collect();
        check(&lines, false, want);
        check(&lines, true, want);
    }
}

#[test]
fn entries_exist_only_where_callers_are_known() {
    let all: Vec<_> = ProviderId::all().take(ProviderId::VALIDATED).collect();
    let ids: Vec<_> = all.iter().map(ProviderId::as_str).collect();
    let unknown = format!("message: Invalid 'provider' value. Must be one of: {}", ids.join(", "));
    assert!(unknown.contains("of: anthropic, anyscale, azure-openai, cohere,") && unknown.ends_with(", ovhcloud"));
    let unknown = |path| [(path, &*unknown)];
    for (config, open, hosted) in [
        (r#"{"provider":"@s","api_key":"k"}"#, Finds(&unknown("provider")), Next),
        (r#"{"provider":"nope","api_key":"k"}"#, Finds(&unknown("provider")), Finds(&unknown("provider"))),
        (
            r#"{"strategy":{"mode":"single"},"targets":[{"virtual_key":"v"}]}"#,
            Finds(&[("targets,0", INCOMPLETE)]),
            Next,
        ),
        (
            r#"{"strategy":{"mode":"single"},"targets":[{"provider":"ollama"},
                {"strategy":{"mode":"single"},"targets":[{"provider":"nope","api_key":"k"}]}]}"#,
            Finds(&unknown("targets,1,targets,0,provider")),
            Finds(&unknown("targets,1,targets,0,provider")),
        ),
        (r#"{"virtual_key":"v"}"#, Says(NO_PROVIDER), Next),
        ("pc-abc-123456", Says(JSON), Says(SAVED)),
    ] {
        // A header is one line.
        let config = config.replace('\n', " ");
        check(&[("x-portkey-config", &config)], false, open);
        check(&[("x-portkey-config", &config)], true, hosted);
    }
}

#[test]
fn the_first_check_that_fails_is_told() {
    // Each wrong thing, in the order of the checks; a request that has all from one on is told that one.
    let wrong: [(&[(&str, &str)], &str); 5] = [
        (&[("content-type", "text/plain")], TYPE),
        (&[("x-portkey-provider", "nope")], PROVIDER),
        (&[("x-portkey-custom-host", "http://169.254.169.254")], HOST),
        (&[("x-portkey-config", "{")], JSON),
        (&[("x-portkey-forward-headers", "x-portkey-forward-headers")], FORWARD),
    ];
    for from in 0..wrong.len() {
        let mut lines: Vec<_> = wrong[from..].iter().flat_map(|(lines, _)| lines.iter().copied()).collect();
        if from > 1 {
            lines.push(OPENAI);
        }
        check(&lines, false, Says(wrong[from].1));
        check(&lines, true, Says(wrong[from].1));
    }
    let nobody = [("x-portkey-custom-host", "http://10.0.0.1"), ("x-portkey-forward-headers", "host")];
    check(&nobody, false, Says(EITHER));
    check(&[nobody[0], nobody[1], ("content-type", "text/plain")], false, Says(TYPE));
    // Within the config: JSON, then a provider, then the schema, then its version.
    for (config, want) in [
        (r#"{"options":[1],"weight":"1""#, Says(JSON)),
        (r#"{"options":[1],"weight":"1"}"#, Says(NO_PROVIDER)),
        (
            r#"{"options":[1],"weight":"1","provider":"openai","api_key":"k"}"#,
            Finds(&[("weight", "message: Expected number, received string")]),
        ),
        (r#"{"options":[1],"provider":"openai","api_key":"k"}"#, Says(LEGACY)),
    ] {
        check(&[("x-portkey-config", config)], false, want);
    }
}

#[test]
fn the_type_of_a_body_that_passes_through_is_its_providers_matter_once_the_caller_is_known() {
    let layers = (ExtractLayer::new(), ConfigLayer::new());
    for (path, open, hosted) in [
        (CHAT, 400, 400),
        ("/v1/listen", 400, 200),
        ("/v1/proxy/chat/completions", 400, 200),
        ("/v1/chat/completions/x", 400, 200),
    ] {
        let request = || request(&Method::POST, path, &[OPENAI, ("content-type", "text/plain")]);
        assert_eq!(send(&layers, request()).status(), open, "{path}");
        assert_eq!(send(&layers, by(caller(), request())).status(), hosted, "{path}");
    }
}

#[test]
fn what_no_route_serves_is_not_found_before_all_else() {
    for path in ["/", "/v1", "/v10/models", "/health", "/v2/models", "/V1/models"] {
        let answer = send(
            &(ExtractLayer::new(), ConfigLayer::new()),
            request(&Method::POST, path, &[("content-type", "text/plain")]),
        );
        assert_eq!((answer.status(), answer.json()), (404, json!({"message": "Not Found", "ok": false})), "{path}");
        let grpc = send(
            &(ExtractLayer::new(), ConfigLayer::new()),
            request(&Method::POST, path, &[("content-type", "application/grpc")]),
        );
        assert_eq!((grpc.status(), grpc.header("grpc-status")), (200, Some("12")), "{path}");
    }
}

#[test]
fn headers_win_over_the_config() {
    let config = r#"{"provider":"openai","api_key":"k","custom_host":"https://config.example.com",
                     "forward_headers":["x-config"],"request_timeout":100}"#
        .replace('\n', " ");
    for (line, host, forward, timeout) in [
        (None, "config.example.com", "x-config", 100),
        (Some(("x-portkey-custom-host", "https://header.example.com")), "header.example.com", "x-config", 100),
        (Some(("x-portkey-forward-headers", "x-header")), "config.example.com", "x-header", 100),
        (Some(("x-portkey-request-timeout", "200")), "config.example.com", "x-config", 200),
        (Some(("x-portkey-request-timeout", "")), "config.example.com", "x-config", 100),
        (Some(("x-portkey-request-timeout", "soon")), "config.example.com", "x-config", 100),
    ] {
        let lines: Vec<_> = line.into_iter().chain([("x-portkey-config", &*config)]).collect();
        let answer = validated(&lines, false);
        let found = answer.leaf().head.extensions.get::<RequestConfig>().expect("a config");
        assert_eq!(found.custom_host().map(CustomHost::host), Some(host), "{line:?}");
        assert_eq!(found.forward_headers(), [forward], "{line:?}");
        assert_eq!(found.request_timeout().map(|found| found.as_millis()), Some(timeout), "{line:?}");
    }
}

//! Which of their own headers callers may have forwarded, in every spelling of the list.

use serde_json::json;

use crate::support::{BEARER_SK, chat, open, send};

/// Never, whoever asks for them and wherever.
const DENIED: [&str; 34] = [
    "x-portkey-api-key",
    "x-portkey-provider",
    "x-portkey-virtual-key",
    "x-portkey-forward-headers",
    "X-Portkey-Anything",
    "x_portkey_config",
    "authorization",
    "Proxy-Authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x_api_key",
    "x-goog-api-key",
    "host",
    "content-length",
    "content_length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "upgrade",
    "expect",
    "http2-settings",
    "cdn-loop",
    "metadata",
    "metadata-flavor",
    "x-aws-ec2-metadata-token",
    "x-aws-ec2-metadata-token-ttl-seconds",
    "x-google-metadata-request",
    "x-aliyun-ecs-metadata-token",
    "x-metadata-token",
    "x-amz-date",
    "X-Amz-Security-Token",
    "x_amz_target",
];

/// The lists that the SDKs send, and their like.
fn spellings(names: &[&str]) -> [String; 6] {
    let quoted = |sign: &str, between: &str| {
        let names: Vec<_> = names.iter().map(|name| format!("{sign}{name}{sign}")).collect();
        names.join(between)
    };
    [
        quoted("", ","),
        quoted("", " , "),
        format!("[{}]", quoted("\"", ",")),
        format!("[{}]", quoted("'", ", ")),
        format!(" [ {} ] ", quoted("\"", " , ")),
        json!(names).to_string(),
    ]
}

/// Configs with the list: the request's own, a target's, and one that a target inherits.
fn configs(names: &[&str]) -> [String; 3] {
    let own = json!({"provider": "openai", "api_key": "sk-provider-0123456789", "forward_headers": names});
    let inner = json!({"provider": "openai", "api_key": "sk-provider-0123456789"});
    [
        own.to_string(),
        json!({"strategy": {"mode": "single"}, "targets": [own]}).to_string(),
        json!({"strategy": {"mode": "single"}, "targets": [inner], "forward_headers": names}).to_string(),
    ]
}

#[test]
fn a_callers_own_headers_go_along_in_every_spelling() {
    let sent = [("x-one", "1"), ("x-two", "2"), ("x-three", "3")];
    let by_header = spellings(&["X-One", "x-two"]).map(|list| ("x-portkey-forward-headers", list));
    let by_config = configs(&["X-One", "x-two"]).map(|config| ("x-portkey-config", config));
    for (name, value) in by_header.iter().chain(&by_config) {
        let mut lines = vec![(*name, value.as_str()), ("authorization", BEARER_SK), ("x-portkey-provider", "openai")];
        lines.extend(sent);
        let answer = send(&open(), chat(&lines));
        let seen = answer.leaf();
        let passed = ["x-one", "x-two", "x-three"].map(|name| seen.header(name));
        assert_eq!(passed, [Some("1"), Some("2"), None], "{name}: {value}");
        assert_eq!(seen.header("authorization"), Some(BEARER_SK), "{name}: {value}");
    }
}

#[test]
fn what_is_denied_is_refused_in_every_spelling() {
    for denied in DENIED {
        let names = ["x-one", denied];
        let by_header = spellings(&names).map(|list| ("x-portkey-forward-headers", list));
        let by_config = configs(&names).map(|config| ("x-portkey-config", config));
        for (name, value) in by_header.iter().chain(&by_config) {
            let lines = [(*name, value.as_str()), ("authorization", BEARER_SK), ("x-portkey-provider", "openai")];
            let answer = send(&open(), chat(&lines));
            assert_eq!((answer.status(), answer.seen.is_some()), (400, false), "{denied}: {name}: {value}");
        }
    }
}

/// Without being asked for, on a route that passes most headers.
#[test]
fn what_is_denied_does_not_pass_by_itself_either() {
    for denied in DENIED.into_iter().filter(|name| !name.contains('_') && !name.starts_with("x-portkey-")) {
        let lower = denied.to_ascii_lowercase();
        if ["authorization", "host", "content-length", "transfer-encoding"].contains(&lower.as_str()) {
            continue;
        }
        let lines = [("authorization", BEARER_SK), ("x-portkey-provider", "openai"), (&*lower, "evil-0123456789")];
        let mut request = chat(&lines);
        *request.uri_mut() = "/v1/some/route".parse().expect("a path");
        let answer = send(&open(), request);
        let Some(seen) = &answer.seen else { continue };
        let mut values = seen.head.headers.values();
        assert!(!values.any(|value| value == "evil-0123456789"), "{denied}: {:?}", seen.head.headers);
    }
}

//! What callers may put into hosts and paths, through every field that a provider's base is made of: one label or one
//! segment, or a refusal that names the field.

use http::Method;
use serde_json::Value;
use tower_portkey::context::aws_domain;

use crate::support::{BEARER_SK, CHAT, open, request_with, send};

/// Providers of the documentation alone: id, further lines, method, path, and where it goes with which header, or why not.
type Line = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static Method,
    &'static str,
    Result<(&'static str, &'static str, &'static str), &'static str>,
);

const WORKSPACE: (&str, &str) = ("x-portkey-databricks-workspace", "dbc-1");
const ENDPOINT: (&str, &str) = ("x-portkey-databricks-serving-endpoint-name", "my_endpoint-1");
const HOST: (&str, &str) = ("x-portkey-custom-host", "https://h.example/v1");
#[cfg(feature = "bedrock")]
const AWS: (&str, &str) = ("x-portkey-aws-region", "eu-west-1");
const BEARER: (&str, &str) = ("authorization", BEARER_SK);

pub(crate) const MORE: &[Line] = &[
    ("passthrough", &[HOST], &Method::POST, "/anything", Ok(("https://h.example/v1/anything", BEARER.0, BEARER.1))),
    (
        "vllm",
        &[HOST],
        &Method::POST,
        "/chat/completions",
        Ok(("https://h.example/v1/chat/completions", BEARER.0, BEARER.1)),
    ),
    (
        "databricks",
        &[WORKSPACE],
        &Method::POST,
        "/chat/completions",
        Ok(("https://dbc-1.cloud.databricks.com/ai-gateway/mlflow/v1/chat/completions", BEARER.0, BEARER.1)),
    ),
    (
        "databricks",
        &[WORKSPACE, ENDPOINT],
        &Method::POST,
        "/chat/completions",
        Ok(("https://dbc-1.cloud.databricks.com/serving-endpoints/my_endpoint-1/invocations", BEARER.0, BEARER.1)),
    ),
    (
        "databricks",
        &[WORKSPACE],
        &Method::POST,
        "/messages",
        Ok(("https://dbc-1.cloud.databricks.com/ai-gateway/anthropic/v1/messages", BEARER.0, BEARER.1)),
    ),
    (
        "databricks",
        &[WORKSPACE],
        &Method::GET,
        "/api/2.0/serving-endpoints",
        Ok(("https://dbc-1.cloud.databricks.com/api/2.0/serving-endpoints", BEARER.0, BEARER.1)),
    ),
    (
        "byteplus",
        &[],
        &Method::POST,
        "/chat/completions",
        Ok(("https://ark.ap-southeast.bytepluses.com/api/v3/chat/completions", BEARER.0, BEARER.1)),
    ),
    (
        "byteplus",
        &[("x-portkey-byteplus-region", "eu-west-1")],
        &Method::POST,
        "/responses",
        Ok(("https://ark.eu-west.bytepluses.com/api/v3/responses", BEARER.0, BEARER.1)),
    ),
    (
        "fal-ai",
        &[],
        &Method::POST,
        "/chat/completions",
        Ok((
            "https://fal.run/openrouter/router/openai/v1/chat/completions",
            "authorization",
            "Key sk-provider-0123456789",
        )),
    ),
    (
        "fal-ai",
        &[],
        &Method::POST,
        "/fal-ai/flux/dev",
        Ok(("https://fal.run/fal-ai/flux/dev", "authorization", "Key sk-provider-0123456789")),
    ),
    ("fal-ai", &[], &Method::POST, "/images/generations", Err("its own route /{model}")),
    #[cfg(feature = "bedrock")]
    (
        "bedrock-mantle",
        &[AWS, ("x-portkey-aws-auth-type", "apiKey")],
        &Method::POST,
        "/chat/completions",
        Ok(("https://bedrock-mantle.eu-west-1.api.aws/v1/chat/completions", BEARER.0, BEARER.1)),
    ),
    #[cfg(feature = "bedrock")]
    (
        "bedrock-mantle",
        &[AWS, ("x-portkey-aws-auth-type", "apiKey")],
        &Method::POST,
        "/messages",
        Ok(("https://bedrock-mantle.eu-west-1.api.aws/anthropic/v1/messages", BEARER.0, BEARER.1)),
    ),
    #[cfg(feature = "bedrock")]
    (
        "claude-platform-aws",
        &[AWS, ("x-portkey-aws-auth-type", "apiKey"), ("x-portkey-anthropic-aws-workspace-id", "wrkspc_1")],
        &Method::POST,
        "/messages",
        Ok(("https://aws-external-anthropic.eu-west-1.api.aws/v1/messages", "x-api-key", "sk-provider-0123456789")),
    ),
    #[cfg(feature = "bedrock")]
    (
        "claude-platform-aws",
        &[AWS, ("x-portkey-anthropic-aws-workspace-id", "wrkspc_1")],
        &Method::POST,
        "/chat/completions",
        Err("its own route /messages"),
    ),
];

/// A field, the provider whose base it stands in, what else that needs, a path, and the host with `*` in its place or the
/// path with one.
struct Field {
    header: &'static str,
    provider: &'static str,
    lines: &'static [(&'static str, &'static str)],
    path: &'static str,
    around: (&'static str, &'static str),
    in_host: bool,
}

#[cfg(feature = "bedrock")]
const KEYS: &[(&str, &str)] =
    &[("x-portkey-aws-access-key-id", "AKIDEXAMPLE"), ("x-portkey-aws-secret-access-key", "wJalr")];

const FIELDS: &[Field] = &[
    Field {
        header: "x-portkey-snowflake-account",
        provider: "cortex",
        lines: &[BEARER],
        path: CHAT,
        around: ("", ".snowflakecomputing.com"),
        in_host: true,
    },
    Field {
        header: "x-portkey-workers-ai-account-id",
        provider: "workers-ai",
        lines: &[BEARER],
        path: CHAT,
        around: ("/client/v4/accounts/", "/ai/v1/chat/completions"),
        in_host: false,
    },
    Field {
        header: "x-portkey-fireworks-account-id",
        provider: "fireworks-ai",
        lines: &[BEARER],
        path: "/v1/datasets",
        around: ("/v1/accounts/", "/datasets"),
        in_host: false,
    },
    Field {
        header: "x-portkey-databricks-workspace",
        provider: "databricks",
        lines: &[BEARER],
        path: CHAT,
        around: ("", ".cloud.databricks.com"),
        in_host: true,
    },
    Field {
        header: "x-portkey-databricks-serving-endpoint-name",
        provider: "databricks",
        lines: &[BEARER, WORKSPACE],
        path: CHAT,
        around: ("/serving-endpoints/", "/invocations"),
        in_host: false,
    },
    Field {
        header: "x-portkey-byteplus-region",
        provider: "byteplus",
        lines: &[BEARER],
        path: CHAT,
        around: ("ark.", ".bytepluses.com"),
        in_host: true,
    },
    #[cfg(feature = "oracle")]
    Field {
        header: "x-portkey-oracle-region",
        provider: "oracle",
        lines: &[BEARER],
        path: CHAT,
        around: ("inference.generativeai.", ".oci.oraclecloud.com"),
        in_host: true,
    },
    #[cfg(feature = "oracle")]
    Field {
        header: "x-portkey-oracle-api-version",
        provider: "oracle",
        lines: &[BEARER, ("x-portkey-oracle-region", "us-chicago-1")],
        path: "/v1/actions/chat",
        around: ("/", "/actions/chat"),
        in_host: false,
    },
    #[cfg(feature = "bedrock")]
    Field {
        header: "x-portkey-aws-region",
        provider: "bedrock",
        lines: KEYS,
        path: "/v1/model/m/converse",
        around: ("bedrock-runtime.", ".amazonaws.com"),
        in_host: true,
    },
    #[cfg(feature = "bedrock")]
    Field {
        header: "x-portkey-aws-region",
        provider: "sagemaker",
        lines: KEYS,
        path: "/v1/endpoints/e/invocations",
        around: ("runtime.sagemaker.", ".amazonaws.com"),
        in_host: true,
    },
    #[cfg(feature = "bedrock")]
    Field {
        header: "x-portkey-aws-region",
        provider: "bedrock-mantle",
        lines: KEYS,
        path: "/v1/models",
        around: ("bedrock-mantle.", ".api.aws"),
        in_host: true,
    },
    #[cfg(feature = "bedrock")]
    Field {
        header: "x-portkey-aws-region",
        provider: "claude-platform-aws",
        lines: KEYS,
        path: "/v1/messages/batches",
        around: ("aws-external-anthropic.", ".api.aws"),
        in_host: true,
    },
];

fn vectors() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/templating.json");
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let text = |case: &Value, name: &str| case[name].as_str().expect(name).to_owned();
    vectors["cases"].as_array().expect("cases").iter().map(|case| (text(case, "value"), text(case, "expect"))).collect()
}

/// Every value of every attack, whichever field it was written for, through every field. None leaves its place; what no
/// host may have is refused by name; what is good for the field is accepted.
#[test]
fn no_value_leaves_its_place() {
    let vectors = vectors();
    let mut outcomes = [0, 0];
    for field in FIELDS {
        // An empty value is none.
        for (value, _) in vectors.iter().filter(|(value, _)| !value.is_empty()) {
            // In a header, as far as one may carry it.
            let as_header = http::HeaderValue::from_bytes(value.as_bytes()).is_ok();
            let config = field_in_config(field, value);
            let lines: [Vec<(&str, &str)>; 2] = [
                [("x-portkey-provider", field.provider), (field.header, value.as_str())]
                    .into_iter()
                    .chain(field.lines.iter().copied())
                    .collect(),
                vec![("x-portkey-config", config.as_str())],
            ];
            for (index, lines) in lines.iter().enumerate() {
                if index == 0 && !as_header || index == 1 && !config.is_ascii() {
                    continue;
                }
                let answer = send(&open(), request_with(&Method::POST, field.path, lines, "{\"model\":\"m\"}"));
                let Some(seen) = &answer.seen else {
                    assert_eq!(answer.status(), 400, "{} {value:?}", field.header);
                    outcomes[0] += 1;
                    if index == 0 {
                        let message = answer.message().unwrap_or_default();
                        let told = message.contains(field.header) || message.contains("would be too long");
                        assert!(told, "{} {value:?}: {message}", field.header);
                        assert!(value.len() < 4 || !message.contains(value.as_str()), "{message}");
                    }
                    continue;
                };
                outcomes[1] += 1;
                let uri = &seen.head.uri;
                let (front, back) = field.around;
                // AWS's regions have partitions, and those their domains.
                let back = if back == ".amazonaws.com" { format!(".{}", aws_domain(value)) } else { back.to_owned() };
                let place = if field.in_host { uri.host().expect("a host") } else { uri.path() };
                let inner = place.strip_prefix(front).and_then(|rest| rest.strip_suffix(&*back));
                let inner = inner.unwrap_or_else(|| panic!("{} {value:?}: {uri}", field.header));
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || (byte == b'_' && !field.in_host);
                assert!(!inner.is_empty() && inner.bytes().all(plain), "{} {value:?}: {uri}", field.header);
                assert_eq!((uri.port(), uri.query()), (None, None), "{value:?}: {uri}");
                let parsed = url::Url::parse(&uri.to_string()).expect("a URL");
                assert_eq!((parsed.host_str(), parsed.path()), (uri.host(), uri.path()), "{value:?}");
            }
        }
    }
    assert!(vectors.is_empty() || outcomes.iter().all(|count| *count > 100), "{outcomes:?}");
}

/// What an attack of the field's own kind expects.
#[test]
fn vectors_of_a_fields_own_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/templating.json");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let mut seen = 0;
    for case in vectors["cases"].as_array().expect("cases") {
        let header = match case["field"].as_str().expect("a field") {
            "snowflake_account" => "x-portkey-snowflake-account",
            "workers_ai_account" => "x-portkey-workers-ai-account-id",
            "oracle_region" => "x-portkey-oracle-region",
            "aws_region" => "x-portkey-aws-region",
            _ => continue,
        };
        let value = case["value"].as_str().expect("a value");
        if value.is_empty() || http::HeaderValue::from_bytes(value.as_bytes()).is_err() {
            continue;
        }
        for field in FIELDS.iter().filter(|field| field.header == header) {
            let lines: Vec<_> = [("x-portkey-provider", field.provider), (header, value)]
                .into_iter()
                .chain(field.lines.iter().copied())
                .collect();
            let answer = send(&open(), request_with(&Method::POST, field.path, &lines, "{\"model\":\"m\"}"));
            assert_eq!(answer.seen.is_some(), case["expect"] == "accept", "{header} {value:?}: {:?}", answer.message());
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

fn field_in_config(field: &Field, value: &str) -> String {
    let member = |header: &str| header.trim_start_matches("x-portkey-").replace('-', "_");
    let mut config = serde_json::json!({"provider": field.provider, "api_key": "k-0123456789"});
    for (name, value) in field.lines.iter().filter(|(name, _)| *name != "authorization") {
        config[member(name)] = (*value).into();
    }
    config[member(field.header)] = value.into();
    config.to_string()
}

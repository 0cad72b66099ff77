//! Hosts and parts of hosts that callers name, through every input there is for them: nothing unsafe reaches the leaf,
//! whichever door it comes by. The connector judges what gets here once more (`tests/forward/egress.rs`).

use http::{HeaderName, HeaderValue, Method, Uri};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_portkey::{
    PortkeyLayer, Secret,
    context::{Entry, HostOrigin, ProviderId, Visibility},
    host::{CustomHost, TrustedHosts},
    model::EntrySet,
};

use crate::{
    attacks::vectors,
    support::{Answer, BEARER_SK, CHAT, KEY, Lines, SK, auth, caller, hosted, open, send},
};

/// A URL, and whether a caller may go there.
type Case = (String, bool);

fn cases() -> Vec<Case> {
    let sample = [
        ("http://169.254.169.254/latest", false),
        ("http://2852039166/", false),
        ("http://[::ffff:a9fe:a9fe]/", false),
        ("http://metadata.google.internal/", false),
        ("http://127.0.0.1:9000/v1", false),
        ("http://0x7f.1/", false),
        ("http://[::1]/", false),
        ("http://[64:ff9b::7f00:1]/", false),
        ("http://[2002:7f00:1::]/", false),
        ("http://10.0.0.1.nip.io/", false),
        ("http://localhost/", false),
        ("http://llm.example:6379/", false),
        ("https://user@llm.example/", false),
        ("https://llm.example#@127.0.0.1/", false),
        ("ftp://llm.example/", false),
        ("//llm.example/", false),
        ("https://llm.example/v1", true),
        ("https://8.8.8.8/v1", true),
    ];
    let shared = vectors("ssrf_urls.json").unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let shared = shared["cases"].as_array().into_iter().flatten();
    let shared = shared.map(|case| (text(&case["url"]), case["expect"] == "allow"));
    sample.map(|(url, safe)| (url.to_owned(), safe)).into_iter().chain(shared).collect()
}

/// An input that takes a URL: header lines, of which JSON is a config.
#[derive(Clone, Copy, Debug)]
enum Input {
    Header(&'static str, &'static str),
    /// A config with `URL` in it.
    Config(&'static str),
}

const INPUTS: &[Input] = &[
    Input::Header("openai", "x-portkey-custom-host"),
    Input::Header("anthropic", "x-portkey-custom-host"),
    Input::Header("ollama", "x-portkey-custom-host"),
    Input::Header("azure-openai", "x-portkey-custom-host"),
    Input::Header("huggingface", "x-portkey-huggingface-base-url"),
    Input::Header("azure-ai", "x-portkey-azure-foundry-url"),
    Input::Config(r#"{"provider":"openai","api_key":"sk-provider-0123456789","custom_host":"URL"}"#),
    Input::Config(r#"{"provider":"openai","api_key":"sk-provider-0123456789","customHost":"URL"}"#),
    Input::Config(r#"{"provider":"huggingface","api_key":"sk-provider-0123456789","huggingface_base_url":"URL"}"#),
    Input::Config(r#"{"provider":"azure-ai","api_key":"sk-provider-0123456789","azure_foundry_url":"URL"}"#),
    Input::Config(
        r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai","api_key":"sk-provider-0123456789","custom_host":"URL"}]}"#,
    ),
    Input::Config(
        r#"{"strategy":{"mode":"single"},"targets":[{"strategy":{"mode":"loadbalance"},"targets":[{"provider":"openai","api_key":"sk-provider-0123456789","custom_host":"URL"}]}]}"#,
    ),
    Input::Config(
        r#"{"custom_host":"URL","strategy":{"mode":"single"},"targets":[{"provider":"openai","api_key":"sk-provider-0123456789"}]}"#,
    ),
    Input::Config(
        r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"huggingface","api_key":"sk-provider-0123456789","huggingface_base_url":"URL"}]}"#,
    ),
];

impl Input {
    /// A request of a stranger's or of [`KEY`]'s. `None` where no header can hold the value.
    fn request(self, url: &str, by_key: bool) -> Option<http::Request<Full<bytes::Bytes>>> {
        let mut request = http::Request::post(CHAT).header("authorization", BEARER_SK);
        if by_key {
            request = request.header("x-portkey-api-key", KEY);
        }
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).ok();
        request = match self {
            Self::Header(provider, name) => {
                request.header("x-portkey-provider", provider).header(HeaderName::from_static(name), value(url)?)
            }
            Self::Config(text) => {
                let quoted = json!(url).to_string();
                request.header("x-portkey-config", value(&text.replace("\"URL\"", &quoted))?)
            }
        };
        request.body(Full::from("{}")).ok()
    }
}

/// Whoever gets through goes to the host that was named, as a caller's.
fn assert_judged(answer: &Answer, (url, safe): &Case, input: Input) {
    let Some(seen) = &answer.seen else {
        // What isn't served is refused whatever it says.
        assert!([400, 501].contains(&answer.status()), "{input:?} {url}: {}", answer.status());
        return;
    };
    assert!(*safe, "{input:?} {url:?} reached the leaf: {}", seen.head.uri);
    let host = CustomHost::parse(url, &TrustedHosts::default()).expect("a host");
    assert_eq!(seen.head.uri.authority(), Some(host.authority()), "{input:?} {url}");
    assert_eq!(seen.target().origin(), HostOrigin::Caller, "{input:?} {url}");
}

#[test]
fn no_input_leads_to_an_unsafe_host() {
    let (open, hosted) = (open(), hosted());
    let mut reached = 0;
    for case in cases() {
        for input in INPUTS {
            for by_key in [false, true] {
                let Some(request) = input.request(&case.0, by_key) else { continue };
                let answer = if by_key { send(&hosted, request) } else { send(&open, request) };
                assert_judged(&answer, &case, *input);
                reached += usize::from(answer.seen.is_some());
            }
        }
    }
    // Not because everything is refused: header, huggingface's field, configs and targets, both ways.
    assert!(reached >= 2 * 2 * 10, "{reached}");
}

#[test]
fn a_stored_credential_goes_to_none_of_them() {
    let entry = |slug: &str, provider: &str| {
        let entry = Entry::new(slug, ProviderId::parse(provider).expect("an id"));
        entry.and_then(|entry| entry.with_api_key(Secret::from(SK))).expect("an entry")
    };
    let entries = EntrySet::new()
        .with(entry("prod", "openai"), Visibility::everybody())
        .with(entry("faces", "huggingface"), Visibility::everybody());
    let gateway = PortkeyLayer::builder().auth(auth(caller())).entries(entries).build();
    for (url, _) in cases() {
        for (lines, own) in [
            (
                vec![("x-portkey-provider", "@prod".to_owned()), ("x-portkey-custom-host", url.clone())],
                "api.openai.com",
            ),
            (
                vec![("x-portkey-virtual-key", "prod".to_owned()), ("x-portkey-custom-host", url.clone())],
                "api.openai.com",
            ),
            (
                vec![("x-portkey-config", json!({"provider": "@prod", "custom_host": url}).to_string())],
                "api.openai.com",
            ),
            (
                vec![(
                    "x-portkey-config",
                    json!({"strategy": {"mode": "single"}, "targets": [{"virtual_key": "prod", "custom_host": url}]})
                        .to_string(),
                )],
                "api.openai.com",
            ),
            (
                vec![("x-portkey-provider", "@faces".to_owned()), ("x-portkey-huggingface-base-url", url.clone())],
                "api-inference.huggingface.co",
            ),
        ] {
            let mut request = http::Request::post(CHAT).header("x-portkey-api-key", KEY);
            for (name, value) in &lines {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    request = request.header(*name, value);
                }
            }
            let answer = send(&gateway, request.body(Full::<bytes::Bytes>::from("{}")).expect("a request"));
            if let Some(seen) = &answer.seen {
                assert_eq!(seen.head.uri.host(), Some(own), "{lines:?}");
                assert_eq!(seen.head.uri.scheme_str(), Some("https"), "{lines:?}");
            }
        }
    }
}

/// Who fills which part of which provider's host, and what else that provider asks for.
const HOSTS: &[(&str, &str, &str, Lines<'_>)] = &[
    (
        "aws_region",
        "bedrock",
        "x-portkey-aws-region",
        &[("x-portkey-aws-access-key-id", "AKIDEXAMPLE0000"), ("x-portkey-aws-secret-access-key", "secret-0123456789")],
    ),
    (
        "sts_region",
        "bedrock",
        "x-portkey-aws-region",
        &[("x-portkey-aws-auth-type", "assumedRole"), ("x-portkey-aws-role-arn", "arn:aws:iam::123456789012:role/r")],
    ),
    ("s3_bucket", "bedrock", "x-portkey-aws-s3-bucket", &[("x-portkey-aws-region", "us-east-1")]),
    (
        "azure_resource_name",
        "azure-openai",
        "x-portkey-azure-resource-name",
        &[("x-portkey-azure-deployment-id", "d"), ("x-portkey-azure-api-version", "2024-10-21")],
    ),
    ("azure_foundry_name", "azure-ai", "x-portkey-azure-resource-name", &[("x-portkey-azure-api-version", "1")]),
    (
        "entra_tenant_id",
        "azure-openai",
        "x-portkey-azure-entra-tenant-id",
        &[("x-portkey-azure-auth-mode", "entra"), ("x-portkey-azure-resource-name", "r")],
    ),
    ("vertex_region", "vertex-ai", "x-portkey-vertex-region", &[("x-portkey-vertex-project-id", "p")]),
    ("snowflake_account", "cortex", "x-portkey-snowflake-account", &[]),
    ("oracle_region", "oracle", "x-portkey-oracle-region", &[]),
    ("workers_ai_account", "workers-ai", "x-portkey-workers-ai-account-id", &[]),
];

#[test]
fn no_part_of_a_host_moves_it() {
    let shared = vectors("templating.json").unwrap_or_default();
    let shared = shared["cases"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let evil =
        ["evil.com#", "us-east-1.evil.com", "a/b", "a@b", "a:1", "a?b", "..", "%2e", "a\\b", "-a", "", "x y", "ⓔ"];
    for (field, provider, name, more) in HOSTS {
        let own = shared.iter().filter(|case| case["field"] == *field);
        let own = own.map(|case| (text(&case["value"]), case["expect"] == "reject"));
        let evil = evil.iter().map(|value| ((*value).to_owned(), true));
        for (value, bad) in evil.chain(own) {
            let Ok(line) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
            let mut request = http::Request::post(CHAT).header("x-portkey-provider", *provider).header(*name, line);
            for (name, value) in *more {
                request = request.header(*name, *value);
            }
            request = request.header("authorization", BEARER_SK).header("content-type", "application/json");
            let body = r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#;
            let answer = send(&open(), request.body(Full::<bytes::Bytes>::from(body)).expect("a request"));
            let Some(seen) = &answer.seen else { continue };
            // What a provider has no use for goes nowhere.
            let uri = seen.head.uri.to_string();
            assert!(!bad || value.is_empty() || !uri.contains(&value), "{provider} {field} {value:?}: {uri}");
            let host = seen.head.uri.host().unwrap_or_default();
            let own = [
                "amazonaws.com.cn",
                "amazonaws.eu",
                "c2s.ic.gov",
                "sc2s.sgov.gov",
                "csp.hci.ic.gov",
                "cloud.adc-e.uk",
                "amazonaws.com",
                "azure.com",
                "googleapis.com",
                "snowflakecomputing.com",
                "oraclecloud.com",
                "cloudflare.com",
            ];
            assert!(own.iter().any(|own| host.ends_with(&format!(".{own}"))), "{provider} {field} {value:?}: {host}");
        }
    }
}

/// One segment of the caller's path is one segment of the provider's, or the request is refused.
#[test]
fn no_part_of_a_path_becomes_two() {
    let shared = vectors("templating.json").unwrap_or_default();
    let shared = shared["cases"].as_array().cloned().unwrap_or_default();
    for (field, front, tail) in [
        ("file_id", "/v1/files/", ""),
        ("batch_id", "/v1/batches/", ""),
        ("gemini_model", "/v1/v1beta/models/", ":generateContent"),
        ("azure_deployment_id", "/v1/deployments/", "/chat/completions"),
        ("virtual_key_slug", "/v1/virtual-keys/", ""),
        ("vertex_model", "/v1/projects/p/locations/l/publishers/google/models/", ":generateContent"),
    ] {
        let own = shared.iter().filter(|case| case["field"] == field).filter_map(|case| case["value"].as_str());
        for value in own.chain(["..", "%2e%2e", "a%2fb", "a%5cb", "a//b", "%00", "a;b"]) {
            let Ok(uri) = format!("{front}{value}{tail}").parse::<Uri>() else { continue };
            for provider in ["openai", "google", "anthropic"] {
                let mut request = http::Request::new(Full::<bytes::Bytes>::default());
                (*request.method_mut(), *request.uri_mut()) = (Method::GET, uri.clone());
                for (name, value) in [("x-portkey-provider", provider), ("authorization", BEARER_SK)] {
                    request.headers_mut().insert(name, HeaderValue::from_static(value));
                }
                let answer = send(&open(), request);
                let Some(seen) = &answer.seen else { continue };
                let path = seen.head.uri.path();
                assert!(
                    uri.path().ends_with(path)
                        || path.ends_with(uri.path())
                        || path.contains(uri.path().trim_start_matches("/v1")),
                    "{uri} {path}"
                );
                let decoded = percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
                let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
                let allowed = path.contains("arn%3A") || path.contains("s3%3A");
                assert!(allowed || slashes(&decoded) == slashes(path.as_bytes()), "{uri} {path}");
                assert!(!decoded.split(|byte| *byte == b'/').any(|part| matches!(part, b"." | b"..")), "{uri} {path}");
            }
        }
    }
}

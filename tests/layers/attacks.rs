//! Hostile headers and request targets, through all layers, as far as an `http::Request` can hold them.
//!
//! A sample of every class stands here; the shared vectors are read where they are.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body_util::Full;
use serde_json::Value;
use tower_portkey::header::is_hop_by_hop;

use crate::support::{Answer, BEARER_SK, KEY, SK, hosted, send};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/");

pub(crate) fn vectors(file: &str) -> Option<Value> {
    let text = std::fs::read_to_string(format!("{VECTORS}{file}")).ok()?;
    Some(serde_json::from_str(&text).expect(file))
}

/// One case: its class, what it is called, and its lines.
struct Case {
    class: String,
    name: String,
    lines: Vec<(String, String)>,
}

impl Case {
    fn new(class: &str, name: &str, lines: &[(&str, &str)]) -> Self {
        let lines = lines.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { class: class.into(), name: name.into(), lines }
    }

    fn read(case: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let line = |line: &Value| {
            let value = text(&line[1]).replace("pk-TESTKEY", KEY);
            // `xxx...len=65536` stands for that many.
            match value.split_once("...len=") {
                Some((_, length)) => (text(&line[0]), "x".repeat(length.parse().expect("a length"))),
                None => (text(&line[0]), value),
            }
        };
        let lines = case["headers"].as_array().expect("headers").iter().map(line).collect();
        Self { class: text(&case["cls"]), name: text(&case["name"]), lines }
    }

    fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The last line's value: what the case is about.
    fn value(&self) -> &str {
        self.lines.last().map(|(_, value)| &**value).unwrap_or_default()
    }

    /// The request, if one can hold these lines. What a good request needs besides is added.
    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let pseudo = |name: &str| {
            let mut found = self.lines.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value);
            (found.next(), found.next())
        };
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/v1/chat/completions");
        if self.class == "h2" {
            *request.version_mut() = Version::HTTP_2;
            let [(method, _), (path, again), (authority, _)] = [":method", ":path", ":authority"].map(pseudo);
            let late = self.lines.windows(2).any(|pair| !pair[0].0.starts_with(':') && pair[1].0.starts_with(':'));
            // No server's request holds a name in upper case: HTTP/2 itself forbids it (RFC 9113, 8.2.1).
            let shouts = self.lines.iter().any(|(name, _)| name.bytes().any(|byte| byte.is_ascii_uppercase()));
            if again.is_some() || late || shouts || self.has(":protocol") {
                return None;
            }
            *request.method_mut() = method?.parse().ok()?;
            *request.uri_mut() = match (authority, path) {
                (Some(authority), Some(path)) => format!("https://{authority}{path}").parse().ok()?,
                (Some(authority), None) => authority.parse().ok()?,
                (None, path) => path?.parse().ok()?,
            };
        }
        for (name, value) in self.lines.iter().filter(|(name, _)| !name.starts_with(':')) {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        for (name, value) in [("x-portkey-provider", "openai"), ("authorization", BEARER_SK)] {
            if !self.has(name) && self.class != "h2" {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        Some(request)
    }

    /// Whether the answer is one of those that the class allows.
    fn judge(&self, answer: &Answer) {
        let Self { class, name, .. } = self;
        let (status, message) = (answer.status(), answer.message().unwrap_or_default());
        assert_eq!(answer.seen.is_some(), status == 200, "{class}: {name}: {status}");
        match &**class {
            "duplicate" => {
                assert_eq!(status, 400, "{name}");
                assert!(message.ends_with("is given more than once"), "{name}: {message}");
            }
            "shape" if self.value().contains(KEY) => assert_eq!(status, 200, "{name}"),
            "shape" => assert_eq!(status, 401, "{name}"),
            "connection-nominated" => {
                let seen = answer.leaf();
                assert_eq!(seen.header("authorization"), Some(BEARER_SK), "{name}");
                assert_eq!(seen.header("connection"), None, "{name}");
                assert_eq!(seen.head.uri, "https://api.openai.com/v1/chat/completions", "{name}");
            }
            "lookalike" => assert!(status == 400 || status == 401, "{name}: {status}"),
            "host" => assert_eq!((status, message), (400, "Invalid header: host is not a host and port"), "{name}"),
            // Nobody showed a key there.
            "h2" => assert!(status == 400 || status == 401, "{name}: {status}"),
            "config-injection" => {
                let field = name.trim_start_matches("config.").split(' ').next().unwrap_or_default();
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!(status, 400, "{name}");
                let named = body.contains(&format!("path: {field}")) || body.contains("Invalid custom host");
                assert!(named || body.contains("must not be longer than"), "{name}: {body}");
                assert!(!body.contains("X-Evil") && !body.contains(&"x".repeat(30)), "{name}: {body}");
            }
            "framing" | "forward-headers" | "value" => {
                assert!([200, 400, 401].contains(&status), "{name}: {status}");
                let Some(seen) = &answer.seen else { return };
                for (name, value) in &seen.head.headers {
                    let trailers = name == "te" && value == "trailers";
                    let framed = is_hop_by_hop(name) || ["content-length", "expect"].contains(&name.as_str());
                    assert!(trailers || !framed, "{class}: {}: {name}: {value:?}", self.name);
                    if class != "framing" {
                        let own = name == "x-real-ip" && self.has("x-real-ip");
                        let found = String::from_utf8_lossy(value.as_bytes()).contains(self.value());
                        assert!(own || !found, "{class}: {}: {name}", self.name);
                    }
                }
                assert_eq!(seen.header("authorization"), Some(BEARER_SK), "{class}: {name}");
            }
            other => panic!("{other}: a class that nobody judges"),
        }
    }
}

fn judged(cases: impl IntoIterator<Item = Case>) -> usize {
    let expressible = cases.into_iter().filter_map(|case| case.request().map(|request| (case, request)));
    expressible.map(|(case, request)| case.judge(&send(&hosted(), request))).count()
}

#[test]
fn a_sample_of_every_class() {
    let key = ("x-portkey-api-key", KEY);
    let config = |value: &str| format!(r#"{{"provider":"openai","api_key":"k","openai_organization":"{value}"}}"#);
    let cases = [
        Case::new("duplicate", "provider", &[key, ("x-portkey-provider", "openai"), ("X-Portkey-Provider", "openai")]),
        Case::new("duplicate", "authorization", &[key, ("authorization", "a"), ("authorization", "b")]),
        Case::new("duplicate", "the key", &[key, key]),
        Case::new("duplicate", "content-length", &[key, ("content-length", "1"), ("content-length", "2")]),
        Case::new("shape", "spaces", &[("x-portkey-api-key", &format!(" {KEY} "))]),
        Case::new("shape", "empty", &[("x-portkey-api-key", "")]),
        Case::new("shape", "long", &[("x-portkey-api-key", &"x".repeat(65_536))]),
        Case::new("connection-nominated", "the key", &[key, ("connection", "close, X-PORTKEY-API-KEY")]),
        Case::new("connection-nominated", "authorization", &[key, ("connection", "authorization, content-type")]),
        Case::new(
            "forward-headers",
            "a signature's",
            &[key, ("x-portkey-forward-headers", "x-amz-date"), ("x-amz-date", "evil")],
        ),
        Case::new(
            "forward-headers",
            "a pseudo header",
            &[key, ("x-portkey-forward-headers", ":path"), ("x-null", "evil")],
        ),
        Case::new(
            "forward-headers",
            "the caller's own",
            &[key, ("x-portkey-forward-headers", "x-real-ip"), ("x-real-ip", "evil")],
        ),
        Case::new("lookalike", "the key", &[("x-portkey-api_key", KEY)]),
        Case::new("lookalike", "the config", &[key, ("x_portkey_config", "{}")]),
        Case::new("framing", "both lengths", &[key, ("content-length", "5, 5"), ("transfer-encoding", "chunked")]),
        Case::new("framing", "te", &[key, ("te", "trailers, deflate"), ("expect", "x"), ("upgrade", "h2c")]),
        Case::new("value", "a tab", &[key, ("x-portkey-metadata", "a\tb")]),
        Case::new("value", "UTF-8", &[("x-portkey-api-key", "\u{2603}")]),
        Case::new(
            "config-injection",
            "config.openai_organization a line break",
            &[key, ("x-portkey-config", &config("x\\r\\nX-Evil: 1"))],
        ),
        Case::new(
            "config-injection",
            "config.openai_organization NUL",
            &[key, ("x-portkey-config", &config("x\\u0000y"))],
        ),
        Case::new("host", "a path", &[key, ("host", "gw.test/v1/health?")]),
        Case::new("host", "a port", &[key, ("host", "gw.test:99999")]),
        Case::new(
            "h2",
            "another host",
            &[(":method", "GET"), (":path", "/v1/models"), (":authority", "gw.test"), ("host", "other.test"), key],
        ),
        Case::new("h2", "no key", &[(":method", "CONNECT"), (":authority", "169.254.169.254:80")]),
    ];
    let all = cases.len();
    assert_eq!(judged(cases), all);
}

#[test]
fn the_shared_headers() {
    let Some(vectors) = vectors("header_attacks.json") else { return };
    let cases = vectors["cases"].as_array().expect("cases");
    let seen = judged(cases.iter().map(Case::read));
    assert!(seen > 120, "only {seen} of {} can be expressed", cases.len());
}

/// Every form ends in a refusal, or in the path that was looked at, at the provider that was named.
#[test]
fn request_targets() {
    let sample = [
        "/v1/../v1/chat/completions",
        "/v1/chat%2fcompletions",
        "/v1/chat/completions;a=b",
        "http://evil.com/v1/chat/completions",
        "/",
        "/v1/proxy//evil.com/x",
        "/v1/proxy/../admin",
        "/health/../v1/chat/completions",
        "/v1/chat/completions%20",
        "/v1/chat/completions?x-portkey-api-key=leak",
        "/v1/proxy/chat/completions",
        "/v1/@evil.com/x",
        "/v1/:80/x",
        "*",
    ];
    let shared = vectors("request_targets.json").unwrap_or_default();
    let shared = shared["targets"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for target in sample.into_iter().chain(shared) {
        let Ok(uri) = target.parse::<Uri>() else { continue };
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let asked = |key: Option<&'static str>| {
                let mut request = Request::new(Full::<Bytes>::default());
                (*request.method_mut(), *request.uri_mut()) = (method.clone(), uri.clone());
                let lines = [
                    ("x-portkey-provider", Some("openai")),
                    ("authorization", Some(BEARER_SK)),
                    ("x-portkey-api-key", key),
                ];
                for (name, value) in lines {
                    if let Some(value) = value {
                        request.headers_mut().insert(name, HeaderValue::from_static(value));
                    }
                }
                send(&hosted(), request)
            };
            // A key in the query is no key.
            let nobody = asked(None);
            assert!([400, 401].contains(&nobody.status()) && nobody.seen.is_none(), "{method} {target}");
            let answer = asked(Some(KEY));
            let Some(seen) = &answer.seen else {
                assert!([400, 404].contains(&answer.status()), "{method} {target}: {}", answer.status());
                continue;
            };
            let path = uri.path().replacen("/v1/proxy/", "/v1/", 1);
            assert_eq!(seen.head.uri.path(), path, "{method} {target}");
            assert_eq!(seen.head.uri.host(), Some("api.openai.com"), "{method} {target}");
            // What a model is asked stands in the body.
            let asked_a_model = method == Method::POST && uri.path() == "/v1/chat/completions";
            let query = uri.query().filter(|_| !asked_a_model);
            assert_eq!(seen.head.uri.query(), query, "{method} {target}");
            assert_eq!(seen.header("authorization"), Some(format!("Bearer {SK}").as_str()), "{method} {target}");
        }
    }
}

//! Properties of headers: whatever a caller sends under whatever names.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use proptest::{collection::vec, prelude::*, sample::select};
use tower_portkey::{
    ConfigLayer, ExtractLayer, InjectLayer, ResolveLayer,
    context::{PortkeyHeaders, Principal},
    header::{INTERNAL, PREFIX, PortkeyHeader, is_hop_by_hop},
};

use crate::support::{Answer, KEY, SK, auth, below, caller, hosted, open, request, send};

/// Names that mean something to somebody on the way, and some that don't.
const NAMES: [&str; 44] = [
    "accept",
    "accept-encoding",
    "content-type",
    "content-encoding",
    "content-length",
    "user-agent",
    "idempotency-key",
    "openai-organization",
    "anthropic-version",
    "anthropic-beta",
    "traceparent",
    "tracestate",
    "baggage",
    "trailer",
    "te",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "host",
    "cookie",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-amz-date",
    "x-amz-security-token",
    "x-aws-ec2-metadata-token",
    "metadata-flavor",
    "x-google-metadata-request",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "origin",
    "modal-key",
    "http-referer",
    "x-title",
    "x-snowflake-authorization-token-type",
    "x-custom",
];

/// Headers of one request: one line a name, so that most requests are served.
type Headers = Vec<(String, String)>;

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(&NAMES[..]).prop_map(String::from),
        2 => select(PortkeyHeader::ALL).prop_map(|header| format!("{PREFIX}{}", header.suffix())),
        1 => select(&INTERNAL[..]).prop_map(|suffix| format!("{PREFIX}{suffix}")),
        1 => "x-portkey-[a-z]{1,8}",
        1 => "[a-z][a-z0-9-]{0,12}",
    ]
}

/// A value that the header may have; a harmless one mostly. The gateway's key turns up where credentials do.
fn value(name: &str, seed: &str) -> String {
    let fixed = match name {
        "content-type" => "application/json",
        "host" => "gw.test",
        "te" => "trailers, deflate",
        "connection" => "close, x-custom, Authorization, x-portkey-api-key, host, content-type",
        "proxy-authorization" | "cookie" | "x-api-key" | "api-key" | "x-goog-api-key" => KEY,
        // What decides about a request is set by the test.
        _ => seed,
    };
    fixed.to_owned()
}

fn headers() -> impl Strategy<Value = Headers> {
    headers_of("[a-z0-9]{1,6}".boxed())
}

/// Headers of which any may repeat the gateway's key.
fn leaking_headers() -> impl Strategy<Value = Headers> {
    headers_of(prop_oneof![2 => "[a-z0-9]{1,6}", 1 => Just(KEY.to_owned()), 1 => Just(format!("a {KEY};b"))].boxed())
}

fn headers_of(seeds: BoxedStrategy<String>) -> impl Strategy<Value = Headers> {
    vec((names(), seeds), 0..14).prop_map(|lines| {
        let mut headers = Headers::new();
        for (name, seed) in lines {
            let decides = ["provider", "config", "virtual-key", "custom-host", "forward-headers", "api-key"];
            let decides = name.strip_prefix(PREFIX).is_some_and(|suffix| decides.contains(&suffix));
            if !decides && name != "authorization" && headers.iter().all(|(known, _)| *known != name) {
                let value = value(&name, &seed);
                headers.push((name, value));
            }
        }
        headers
    })
}

/// A provider, and the route to it: its credential in a header, behind a prefix, in the query.
fn ways() -> impl Strategy<Value = (&'static str, &'static str)> {
    select(vec![
        ("openai", "/v1/chat/completions"),
        ("openai", "/v1/anything"),
        ("anthropic", "/v1/messages"),
        ("anthropic", "/v1/chat/completions"),
        ("deepgram", "/v1/listen"),
        ("google", "/v1/models/g:generateContent"),
        ("segmind", "/v1/sdxl"),
        ("portkey", "/v1/models"),
        ("openrouter", "/v1/proxy/chat/completions"),
    ])
}

fn asked(path: &str, provider: &str, more: &[(&str, &str)], headers: &Headers) -> Request<Full<Bytes>> {
    let own = [("x-portkey-provider", provider)];
    let lines = headers.iter().map(|(name, value)| (&**name, &**value));
    let lines: Vec<_> = own.into_iter().chain(more.iter().copied()).chain(lines).collect();
    request(&Method::POST, path, &lines)
}

fn bearer(credential: &str) -> String {
    format!("Bearer {credential}")
}

/// Every name, value and part of the URI that the provider gets.
fn everything(answer: &Answer) -> Vec<(String, String)> {
    let head = &answer.leaf().head;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    headers.chain([(":uri".to_owned(), head.uri.to_string())]).collect()
}

fn sorted(headers: &HeaderMap) -> Vec<(&HeaderName, &HeaderValue)> {
    let mut lines: Vec<_> = headers.iter().collect();
    lines.sort_by_key(|(name, _)| name.as_str());
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_providers_credential_is_there_once_and_the_gateways_names_are_not(
        headers in leaking_headers(),
        (provider, path) in ways(),
        repeat in select(vec!["", "x-portkey-api-key", "authorization"]),
    ) {
        let (sk, bearer_key) = (bearer(SK), bearer(KEY));
        // The gateway's key in its own header, or as a bearer token beside a config with the provider's.
        let config = format!(r#"{{"provider":"{provider}","api_key":"{SK}"}}"#);
        let more = match repeat {
            "authorization" => vec![("authorization", &*bearer_key), ("x-portkey-config", &*config)],
            "x-portkey-api-key" => {
                vec![("x-portkey-api-key", KEY), ("authorization", &*bearer_key), ("x-portkey-config", &*config)]
            }
            _ => vec![("x-portkey-api-key", KEY), ("authorization", &*sk)],
        };
        let answer = send(&hosted(), asked(path, provider, &more, &headers));
        prop_assert_eq!(answer.status(), 200, "{:?}", answer.message());
        let found = everything(&answer);
        let times: usize = found.iter().map(|(_, value)| value.matches(SK).count()).sum();
        prop_assert_eq!(times, 1, "{:?}", found);
        for (name, value) in &found {
            let own = provider == "portkey" && name == "x-portkey-api-key" && value == SK;
            prop_assert!(own || !name.starts_with(PREFIX), "{}", name);
            prop_assert!(!value.contains(KEY), "{}: {}", name, value);
        }
        for name in answer.leaf().head.headers.keys() {
            let trailers = name == "te" && answer.leaf().header("te") == Some("trailers");
            prop_assert!(trailers || !is_hop_by_hop(name), "{}", name);
            prop_assert!(!["host", "content-length", "expect", "cookie"].contains(&name.as_str()), "{}", name);
        }
        prop_assert_eq!(answer.leaf().head.extensions.get::<Principal>().map(Principal::subject), Some("ci"));
    }

    #[test]
    fn without_authentication_the_gateways_names_stay_back_too(headers in headers(), (provider, path) in ways()) {
        let sk = bearer(SK);
        let more = [("authorization", &*sk), ("x-portkey-api-key", KEY)];
        let answer = send(&open(), asked(path, provider, &more, &headers));
        prop_assert_eq!(answer.status(), 200, "{:?}", answer.message());
        let found = everything(&answer);
        prop_assert_eq!(found.iter().map(|(_, value)| value.matches(SK).count()).sum::<usize>(), 1, "{:?}", found);
        for (name, value) in &found {
            prop_assert!(!value.contains(KEY), "{}: {}", name, value);
            prop_assert!(!name.starts_with(PREFIX) || value == SK, "{}", name);
        }
    }

    #[test]
    fn stripping_twice_is_stripping_once(headers in headers(), (provider, path) in ways()) {
        let sk = bearer(SK);
        let request = asked(path, provider, &[("authorization", &*sk)], &headers);
        let once = below(&(ExtractLayer::new(), ConfigLayer::new(), ResolveLayer::new(), InjectLayer::new()), request);
        let (first, uri) = (once.headers().clone(), once.uri().clone());
        let twice = send(&InjectLayer::new(), once);
        prop_assert_eq!(sorted(&twice.leaf().head.headers), sorted(&first));
        prop_assert_eq!(&twice.leaf().head.uri, &uri);
    }

    #[test]
    fn connection_decides_nothing_about_the_caller(
        headers in headers(),
        nominated in vec(names(), 0..6),
        shown in select(vec![KEY, "unknown-key-0123456789", ""]),
        in_authorization: bool,
    ) {
        let headers: Headers = headers.into_iter().filter(|(name, _)| name != "connection").collect();
        let text = bearer(shown);
        let credential = if in_authorization { ("authorization", &*text) } else { ("x-portkey-api-key", shown) };
        let mut nominated = nominated.join(", ");
        nominated.push_str(", authorization, X-Portkey-Api-Key, x-portkey-provider, close");
        let plain = asked("/v1/anything", "openai", &[credential], &headers);
        let with = asked("/v1/anything", "openai", &[credential, ("connection", &nominated)], &headers);
        let (plain, with) = (send(&auth(caller()), plain), send(&auth(caller()), with));
        prop_assert_eq!(plain.status(), if shown == KEY { 200 } else { 401 });
        prop_assert_eq!((with.status(), &with.body, with.kind()), (plain.status(), &plain.body, plain.kind()));

        let sk = bearer(SK);
        let config = format!(r#"{{"provider":"openai","api_key":"{SK}"}}"#);
        let more = if in_authorization { ("x-portkey-config", &*config) } else { ("authorization", &*sk) };
        let whole = asked("/v1/anything", "openai", &[credential, more, ("connection", &nominated)], &headers);
        let whole = send(&hosted(), whole);
        prop_assert_eq!(whole.status(), plain.status(), "{:?}", whole.message());
        if shown == KEY {
            prop_assert_eq!(whole.leaf().header("authorization"), Some(&*sk), "the credential that is put on stays on");
            prop_assert_eq!(whole.leaf().header("connection"), None);
        }
    }

    #[test]
    fn neither_order_nor_case_counts(
        headers in headers(),
        (provider, path) in ways(),
        known: bool,
        turn in 0usize..20,
        upper: bool,
    ) {
        let sk = bearer(SK);
        let key = if known { KEY } else { "unknown-key-0123456789" };
        let own = [("x-portkey-provider", provider), ("authorization", &*sk), ("x-portkey-api-key", key)];
        let lines: Headers =
            own.iter().map(|(name, value)| ((*name).into(), (*value).into())).chain(headers).collect();
        let mut other: Headers = lines.iter().rev().cloned().collect();
        let turn = turn % other.len();
        other.rotate_left(turn);
        for (name, _) in &mut other {
            *name = if upper { name.to_ascii_uppercase() } else { capitals(name) };
        }
        let sent = |lines: &Headers| {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (&**name, &**value)).collect();
            send(&hosted(), request(&Method::POST, path, &lines))
        };
        let (one, other) = (sent(&lines), sent(&other));
        prop_assert_eq!(one.status(), if known { 200 } else { 401 }, "{:?}", one.message());
        prop_assert_eq!((one.status(), &one.body), (other.status(), &other.body));
        if known {
            let (one, other) = (&one.leaf().head, &other.leaf().head);
            prop_assert_eq!(sorted(&one.headers), sorted(&other.headers));
            prop_assert_eq!(&one.uri, &other.uri);
            let metadata = |head: &http::request::Parts| {
                let found: &PortkeyHeaders = head.extensions.get().expect("headers");
                found.metadata().clone()
            };
            prop_assert_eq!(metadata(one), metadata(other));
        }
    }
}

/// `x-api-key` as `X-Api-Key`.
fn capitals(name: &str) -> String {
    let part = |part: &str| part[..part.len().min(1)].to_ascii_uppercase() + part.get(1..).unwrap_or_default();
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

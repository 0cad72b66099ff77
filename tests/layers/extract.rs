//! `ExtractLayer`: what the callers' headers become.

use http::{HeaderValue, Method, Request, Version};
use tower_portkey::{
    ExtractLayer,
    context::PortkeyHeaders,
    header::{INTERNAL, PREFIX, PortkeyHeader as H},
};

use crate::support::{Answer, Lines, chat, request, send};

fn extracted(lines: Lines<'_>) -> Answer {
    send(&ExtractLayer::new(), chat(lines))
}

fn portkey(answer: &Answer) -> &PortkeyHeaders {
    answer.leaf().head.extensions.get().expect("headers")
}

#[test]
fn lists_come_in_four_spellings() {
    for text in ["X-A,X-B", "X-A, X-B", r#"["X-A","X-B"]"#, "['X-A', 'X-B']"] {
        let answer = extracted(&[("x-portkey-forward-headers", text), ("x-portkey-sensitive-headers", text)]);
        assert_eq!(portkey(&answer).forward_headers().collect::<Vec<_>>(), ["X-A", "X-B"], "{text}");
        assert_eq!(portkey(&answer).sensitive_headers().collect::<Vec<_>>(), ["X-A", "X-B"], "{text}");
    }
}

/// What Portkey's Python and Node clients were seen to send.
#[test]
fn what_the_clients_send_is_read() {
    for (name, sent, header, read) in [
        // The gateway's key is no fact for the layers below.
        ("x-portkey-api-key", "pk", H::ApiKey, None),
        ("x-portkey-api-key", "", H::ApiKey, None),
        (
            "x-portkey-config",
            r#"{"provider": "openai", "api_key": "k"}"#,
            H::Config,
            Some(r#"{"provider": "openai", "api_key": "k"}"#),
        ),
        (
            "x-portkey-config",
            r#"{"provider":"openai","api_key":"k"}"#,
            H::Config,
            Some(r#"{"provider":"openai","api_key":"k"}"#),
        ),
        ("x-portkey-mode", "proxy openai", H::Mode, Some("proxy openai")),
        ("x-portkey-mode", "openai", H::Mode, Some("openai")),
        ("x-portkey-debug", "false", H::Debug, Some("false")),
        ("x-portkey-request-timeout", "", H::RequestTimeout, None),
        ("x-portkey-package-version", "portkey-2.3.1", H::PackageVersion, Some("portkey-2.3.1")),
        ("x-portkey-strict-open-ai-compliance", "false", H::StrictOpenAiCompliance, Some("false")),
        ("x-portkey-strict-openai-compliance", "false", H::StrictOpenAiCompliance, Some("false")),
        ("X-Portkey-Runtime", "browser: Chrome", H::Runtime, Some("browser: Chrome")),
    ] {
        let answer = extracted(&[(name, sent)]);
        assert_eq!(portkey(&answer).text(header), read, "{name}: {sent}");
    }
    let answer = extracted(&[("x-portkey-debug", "false"), ("x-portkey-request-timeout", "")]);
    assert_eq!(portkey(&answer).flag(H::Debug), Some(false));
    assert_eq!(portkey(&answer).request_timeout(), None);
    // A list that names a header in another case than the header has: the name is the client's.
    let answer = extracted(&[("x-portkey-x-custom", "v"), ("x-portkey-forward-headers", "X-Custom")]);
    assert_eq!(portkey(&answer).forward_headers().collect::<Vec<_>>(), ["X-Custom"]);
}

#[test]
fn metadata_is_json_over_baggage() {
    for (lines, user, team) in [
        (&[("x-portkey-metadata", r#"{"_user": "\u00e9"}"#)][..], Some("é"), None),
        (&[("x-portkey-metadata", r#"{"_user":"é"}"#)], Some("é"), None),
        (&[("x-portkey-metadata", "{'_user':'x'}")], None, None),
        (&[("x-portkey-metadata", r#"{"_user":"a"}"#), ("baggage", "_user=b,team=c")], Some("a"), Some("c")),
        (&[("baggage", "team=eu%20west;ttl=1")], None, Some("eu west")),
        (&[], None, None),
    ] {
        let answer = extracted(lines);
        let metadata = portkey(&answer).metadata();
        assert_eq!((metadata.user(), metadata.get("team")), (user, team), "{lines:?}");
    }
}

/// Node's `fetch` sends one byte for each letter.
#[test]
fn metadata_may_be_latin_1() {
    let mut request = chat(&[]);
    let value = HeaderValue::from_bytes(b"{\"_user\":\"\xe9\"}").expect("a value");
    request.headers_mut().insert("x-portkey-metadata", value);
    let answer = send(&ExtractLayer::new(), request);
    assert_eq!(portkey(&answer).metadata().user(), Some("é"));
}

#[test]
fn a_request_has_a_name() {
    let parent = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    for (lines, name) in [
        (&[("x-portkey-trace-id", "mine"), parent][..], Some("mine")),
        (&[parent], Some("4bf92f3577b34da6a3ce929d0e0e4736")),
        (&[("traceparent", "00-0-0-0")], None),
        (&[("x-portkey-trace-id", "")], None),
        (&[], None),
    ] {
        let (one, other) = (extracted(lines), extracted(lines));
        let (one, other) = (portkey(&one).trace_id().as_str(), portkey(&other).trace_id().as_str());
        match name {
            Some(name) => assert_eq!((one, other), (name, name), "{lines:?}"),
            None => assert!(one.len() == 36 && other.len() == 36 && one != other, "{lines:?}: {one} {other}"),
        }
    }
    let answer = extracted(&[("x-portkey-trace-id", &"a".repeat(257))]);
    assert_eq!((answer.status(), answer.message()), (400, Some("x-portkey-trace-id is longer than 256 bytes")));
}

#[test]
fn what_only_the_gateway_may_write_is_dropped() {
    for suffix in INTERNAL {
        let name = format!("{PREFIX}{suffix}");
        let answer = extracted(&[(&name, r#"{"status":"exhausted"}"#), ("x-portkey-mode", "m"), ("x-own", "1")]);
        let seen = answer.leaf();
        assert_eq!(
            (seen.header(&name), seen.header("x-portkey-mode"), seen.header("x-own")),
            (None, Some("m"), Some("1"))
        );
    }
}

#[test]
fn what_has_two_meanings_is_refused() {
    for (uri, lines, message) in [
        (
            "/v1/models",
            &[("x-portkey-provider", "a"), ("accept", "b"), ("X-Portkey-Provider", "a")][..],
            "Invalid header: x-portkey-provider is given more than once",
        ),
        (
            "/v1/models",
            &[("authorization", "a"), ("authorization", "b")],
            "Invalid header: authorization is given more than once",
        ),
        (
            "/v1/models",
            &[("x-portkey-virtual-key-details", "a"), ("x-portkey-virtual-key-details", "b")],
            "Invalid header: x-portkey-virtual-key-details is given more than once",
        ),
        (
            "/v1/models",
            &[("x-portkey-api_key", "a")],
            "Invalid header: x-portkey-api_key is not read; the name is x-portkey-api-key",
        ),
        ("/v1/models", &[("api_key", "a")], "Invalid header: api_key is not read; the name is api-key"),
        (
            "/v1/models",
            &[("x-portkey-aws-region", "é")],
            "Invalid header: x-portkey-aws-region holds a character that it may not hold",
        ),
        ("/v1/models", &[("host", "a,b")], "Invalid header: host is not a host and port"),
        (
            "/v1/../admin",
            &[],
            "Invalid path: dot segments, empty segments and encoded slashes, letters or control characters are refused",
        ),
        (
            "/v1//models",
            &[],
            "Invalid path: dot segments, empty segments and encoded slashes, letters or control characters are refused",
        ),
    ] {
        let answer = send(&ExtractLayer::new(), request(&Method::GET, uri, lines));
        assert_eq!((answer.status(), answer.message()), (400, Some(message)), "{uri} {lines:?}");
        let body = serde_json::json!({"status": "failure", "message": message});
        assert_eq!(answer.json(), body, "{uri} {lines:?}");
        assert!(answer.seen.is_none(), "{uri} {lines:?}");
    }
}

#[test]
fn host_and_authority_are_one_over_http_2() {
    for (version, authority, host, status) in [
        (Version::HTTP_2, "gw.test", Some("gw.test"), 200),
        (Version::HTTP_2, "gw.test", Some("GW.test"), 200),
        (Version::HTTP_2, "gw.test", None, 200),
        (Version::HTTP_2, "gw.test", Some("other.test"), 400),
        (Version::HTTP_2, "gw.test:1", Some("gw.test"), 400),
        // RFC 9112, section 3.2.2: a server ignores the host beside an absolute target.
        (Version::HTTP_11, "gw.test", Some("other.test"), 200),
    ] {
        let lines: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
        let mut request: Request<_> = request(&Method::GET, &format!("https://{authority}/v1/models"), &lines);
        *request.version_mut() = version;
        assert_eq!(send(&ExtractLayer::new(), request).status(), status, "{version:?} {authority} {host:?}");
    }
}

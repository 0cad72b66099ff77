//! Every route but one asks for a key, whatever the method and however the path is spelt.

use crate::{
    net::{Connection, Message, Upstream},
    process::{Gateway, KEY, UNAUTHORIZED, authorised},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn health_is_for_everybody_and_exact() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let page =
        format!(r#"{{"status":"success","message":"Server is healthy","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let mut wire = gateway.connect().await;
    for target in ["/v1/health", "/v1/health?verbose=1", "http://elsewhere.test/v1/health"] {
        let answer = wire.ask(format!("GET {target} HTTP/1.1\r\nhost: gateway.test\r\n\r\n")).await;
        assert_eq!((answer.status(), answer.text()), (200, page.clone()), "{target}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let answer = wire.ask("HEAD /v1/health HTTP/1.1\r\nhost: gateway.test\r\n\r\n").await;
    assert_eq!((answer.status(), answer.header("content-length")), (200, Some(&*page.len().to_string())));
    assert_eq!(upstream.connections(), 0);
}

fn assert_unauthorized(answer: &Message, to_head: bool, challenge: &str, what: &str) {
    assert_eq!(answer.status(), 401, "{what}: {answer:?}");
    assert_eq!(answer.text(), if to_head { "" } else { UNAUTHORIZED }, "{what}");
    assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"), "{what}");
    assert_eq!(answer.header("www-authenticate"), Some(challenge), "{what}");
    assert_eq!(answer.header("x-portkey-trace-id"), None, "{what}");
}

const METHODS: [&str; 13] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "LINK", "health", "PURGE",
];

const PATHS: [&str; 31] = [
    "/",
    "/v1",
    "/v1/",
    "/health",
    "/v1/health/",
    "/v1/health;a=b",
    "/v1/healthz",
    "/V1/health",
    "/v1/Health",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/responses",
    "/v1/responses/r-1/input_items",
    "/v1/models",
    "/v1/files",
    "/v1/files/f-1/content",
    "/v1/batches/b-1/cancel",
    "/v1/fine_tuning/jobs",
    "/v1/logs/exports",
    "/v1/logs/l-1",
    "/v1/feedback",
    "/v1/prompts/p/completions",
    "/v1/realtime",
    "/v1/proxy/chat/completions",
    "/v1/anything/else?key=1",
    "/metrics",
    "/admin",
    "/favicon.ico",
    "/.well-known/x",
];

#[tokio::test]
async fn everything_else_is_401_without_a_key() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let mut wire = gateway.connect().await;
    for path in PATHS {
        for method in METHODS {
            let lines = "host: gateway.test\r\nx-portkey-provider: openai\r\n";
            let answer = wire.ask(format!("{method} {path} HTTP/1.1\r\n{lines}\r\n")).await;
            assert_unauthorized(&answer, method == "HEAD", "Bearer realm=\"portkey\"", &format!("{method} {path}"));
        }
    }
    // Health itself, by every other method.
    for method in METHODS.iter().filter(|method| !["GET", "HEAD"].contains(method)) {
        let answer = wire.ask(format!("{method} /v1/health HTTP/1.1\r\nhost: gateway.test\r\n\r\n")).await;
        assert_unauthorized(&answer, false, "Bearer realm=\"portkey\"", method);
    }
    for start in
        ["OPTIONS *", "CONNECT gateway.test:443", "GET http://gateway.test/v1/models", "GET http://gateway.test"]
    {
        let answer = gateway.ask(format!("{start} HTTP/1.1\r\nhost: gateway.test\r\n\r\n")).await;
        assert_unauthorized(&answer, false, "Bearer realm=\"portkey\"", start);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_key_that_is_not_known_is_401_wherever_it_stands() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let mut wire = gateway.connect().await;
    for line in [
        "x-portkey-api-key: pk-7Qm2vX9tRb4Ls8Kd1Wn5",
        "x-portkey-api-key: pk-7Qm2vX9tRb4Ls8Kd1Wn",
        "authorization: Bearer pk-unknown-unknown-unknown",
        "authorization: Basic cGstN1FtMnZYOXRSYjRMczhLZDFXbjY6",
        "x-portkey-api-key: ' OR 1=1 --",
        &format!("x-portkey-api-key: Bearer {KEY}"),
        &format!("x-portkey-api-key: {KEY}{KEY}"),
        &format!("x-portkey-api-key: {}", "x".repeat(20_000)),
    ] {
        let lines = format!("host: gateway.test\r\nx-portkey-provider: openai\r\n{line}\r\n");
        let answer = wire.ask(format!("GET /v1/models HTTP/1.1\r\n{lines}\r\n")).await;
        assert_unauthorized(&answer, false, "Bearer realm=\"portkey\", error=\"invalid_token\"", line);
    }
    for line in [&format!("x-api-key: {KEY}"), &format!("api-key: {KEY}"), &format!("cookie: x-portkey-api-key={KEY}")]
    {
        let answer = wire.ask(format!("GET /v1/models?x-portkey-api-key={KEY} HTTP/1.1\r\nhost: a\r\n{line}\r\n\r\n"));
        assert_unauthorized(&answer.await, false, "Bearer realm=\"portkey\"", line);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_waited_for() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    let length = |bytes: u64| format!("content-length: {bytes}\r\n");
    let start = "POST /v1/chat/completions HTTP/1.1\r\n";
    let without_key = format!("{start}host: gateway.test\r\n{}\r\n", length((100 << 20) + 1));
    assert!(matches!(gateway.ask(without_key).await.status(), 401 | 413));
    let answer = gateway.ask(format!("{start}{}{}\r\n", authorised(), length((100 << 20) + 1))).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.text(), r#"{"status":"failure","message":"Payload size exceeds the limit of 100MB"}"#);
    assert_eq!(upstream.connections(), 0);
}

/// Every form ends at the one route it says, or nowhere.
const TARGETS: [(&str, Option<&str>); 17] = [
    ("/v1/../v1/chat/completions", None),
    ("/v1/chat%2fcompletions", None),
    ("/v1/chat/completions;a=b", Some("/v1/chat/completions;a=b")),
    ("/v1/chat/completions?", Some("/v1/chat/completions")),
    ("http://evil.com/v1/chat/completions", Some("/v1/chat/completions")),
    ("http://gw.test/v1/chat/completions", Some("/v1/chat/completions")),
    ("https://gw.test:1/v1/chat/completions", Some("/v1/chat/completions")),
    ("/", None),
    ("", None),
    ("v1/chat/completions", None),
    ("/v1/proxy//evil.com/x", None),
    ("/v1/proxy/../admin", None),
    ("/health/../v1/chat/completions", None),
    ("/v1/health;/../chat/completions", None),
    ("/v1/chat/completions%20", Some("/v1/chat/completions%20")),
    ("/v1/chat/completions?api_key=leak", Some("/v1/chat/completions")),
    ("/v1/chat/completions?x-portkey-api-key=leak", Some("/v1/chat/completions")),
];

#[tokio::test]
async fn a_request_target_means_one_route_or_none() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        while connection.request().await.is_some() {
            connection.send(OK).await;
        }
    })
    .await;
    let gateway = Gateway::required(&upstream).await;
    for (target, _) in TARGETS {
        let answer = gateway.ask(format!("POST {target} HTTP/1.1\r\nhost: gw.test\r\ncontent-length: 0\r\n\r\n")).await;
        assert!(matches!(answer.status(), 400 | 401), "{target:?} without a key: {answer:?}");
    }
    assert_eq!(upstream.connections(), 0);
    for (target, expected) in TARGETS {
        let before = upstream.requests().len();
        let request = format!("POST {target} HTTP/1.1\r\n{}content-length: 0\r\n\r\n", authorised());
        let answer = gateway.ask(request).await;
        let received: Vec<_> = upstream.requests().drain(before..).map(|request| request.target().to_owned()).collect();
        let received: Vec<_> = received.iter().map(String::as_str).collect();
        match expected {
            Some(expected) => {
                assert_eq!((answer.status(), received), (200, vec![expected]), "{target:?}");
                let path = expected.split('?').next().unwrap_or_default();
                gateway.says(&format!("\"path\":\"{path}\",\"status\":200")).await;
            }
            None => {
                assert!(matches!(answer.status(), 400 | 404), "{target:?}: {answer:?}");
                assert_eq!(received, [""; 0], "{target:?}");
            }
        }
    }
}

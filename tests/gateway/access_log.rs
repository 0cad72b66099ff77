//! One line for every request: method, path, status, provider, key, trace id and time, and nothing else of it.

use serde_json::Value;

use crate::{
    net::Upstream,
    process::{Gateway, authorised, chat},
};

/// The lines of the access log, once there are so many.
async fn lines(gateway: &Gateway, count: usize) -> Vec<Value> {
    // A request of its own, and it is the last.
    gateway.ask("GET /v1/end-of-this-test HTTP/1.1\r\nhost: a\r\n\r\n").await;
    gateway.says("/v1/end-of-this-test").await;
    let lines = gateway.said().iter().map(|line| serde_json::from_str(line).expect(line)).collect::<Vec<Value>>();
    let mut lines: Vec<_> = lines.into_iter().filter(|line| line["target"] == "portkey_gateway::access").collect();
    lines.pop();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

#[tokio::test]
async fn every_request_has_one_line() {
    let upstream = Upstream::answering("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok").await;
    let gateway = Gateway::required(&upstream).await;
    let mut wire = gateway.connect().await;
    assert_eq!(wire.ask(chat("x-portkey-trace-id: mine\r\n", "{\"secret\":1}")).await.status(), 202);
    assert_eq!(wire.ask("GET /v1/health?a=b HTTP/1.1\r\nhost: a\r\n\r\n").await.status(), 200);
    assert_eq!(wire.ask("GET /v1/models?key=abc HTTP/1.1\r\nhost: a\r\n\r\n").await.status(), 401);
    let unserved = format!("DELETE /v1/prompts/x HTTP/1.1\r\n{}\r\n", authorised());
    assert_eq!(wire.ask(unserved).await.status(), 501);

    let lines = lines(&gateway, 4).await;
    let expected: [[Value; 7]; 4] = [
        [
            "POST".into(),
            "/v1/chat/completions".into(),
            202.into(),
            "openai".into(),
            "ci".into(),
            "mine".into(),
            Value::Null,
        ],
        ["GET".into(), "/v1/health".into(), 200.into(), Value::Null, Value::Null, Value::Null, Value::Null],
        ["GET".into(), "/v1/models".into(), 401.into(), Value::Null, Value::Null, "*".into(), "MissingKey".into()],
        [
            "DELETE".into(),
            "/v1/prompts/x".into(),
            501.into(),
            Value::Null,
            "ci".into(),
            "*".into(),
            "NotImplemented".into(),
        ],
    ];
    for (line, expected) in lines.iter().zip(expected) {
        let members = ["method", "path", "status", "provider", "key", "trace_id", "refused"];
        for (member, expected) in members.iter().zip(expected) {
            match expected.as_str() {
                Some("*") => assert_eq!(line[member].as_str().map(str::len), Some(36), "{member}: {line}"),
                _ => assert_eq!(line[member], expected, "{member}: {line}"),
            }
        }
        assert!(line["ms"].as_f64().is_some_and(|ms| (0.0..10_000.0).contains(&ms)), "{line}");
        let known = ["timestamp", "level", "target", "ms"];
        for name in line.as_object().expect("an object").keys() {
            assert!(members.contains(&name.as_str()) || known.contains(&name.as_str()), "{name} in {line}");
        }
    }
}

#[tokio::test]
async fn a_failure_on_the_way_names_provider_key_and_trace() {
    let gone = Upstream::start(|connection| async move { drop(connection) }).await;
    let gateway = Gateway::required(&gone).await;
    assert_eq!(gateway.ask(chat("x-portkey-trace-id: mine\r\n", "{}")).await.status(), 502);
    let lines = lines(&gateway, 1).await;
    for (member, expected) in
        [("provider", "openai"), ("key", "ci"), ("trace_id", "mine"), ("refused", "BadGateway"), ("level", "INFO")]
    {
        assert_eq!(lines[0][member], expected, "{member}");
    }
}

#[tokio::test]
async fn what_a_caller_sends_makes_no_second_line() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gateway = Gateway::required(&upstream).await;
    let path = "/v1/%1b%5b31m\u{1b}[31m\"}{\\";
    let status = gateway.ask(format!("GET {path} HTTP/1.1\r\n{}\r\n", authorised())).await.status();
    assert_eq!(status, 400);
    let spoofed = "x-portkey-trace-id: a\"}{\"status\":200\r\n";
    assert_eq!(gateway.ask(chat(spoofed, "{}")).await.status(), 200);
    let lines = lines(&gateway, 1).await;
    assert_eq!(lines[0]["trace_id"], "a\"}{\"status\":200");
    assert!(gateway.said().iter().all(|line| !line.contains('\u{1b}')));
}

//! Answers other than the one that was asked for.

use std::io;

use bytes::Bytes;
use serde_json::{Value, json};
use tower_portkey::TranslateLayer;

use super::{Pieces, aws, chat, event, send};

fn hi(stream: bool) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream})
}

#[test]
fn errors_keep_their_status_and_get_openais_shape() {
    for stream in [false, true] {
        for (status, headers, body, message, kind) in [
            (
                400,
                &[("x-amzn-errortype", "ValidationException:http://x/")][..],
                r#"{"message":"bad"}"#,
                "bad",
                json!("ValidationException"),
            ),
            (
                403,
                &[("x-amzn-errortype", "AccessDeniedException")],
                r#"{"Message":"no"}"#,
                "no",
                json!("AccessDeniedException"),
            ),
            (
                408,
                &[("x-amzn-errortype", "ModelTimeoutException")],
                r#"{"message":"slow"}"#,
                "slow",
                json!("ModelTimeoutException"),
            ),
            (424, &[], r#"{"__type":"x#ModelErrorException","message":"m"}"#, "m", json!("ModelErrorException")),
            (429, &[], r#"{"message":"much"}"#, "much", Value::Null),
            (503, &[("content-type", "text/html")], "<html>", "Service Unavailable", Value::Null),
            (307, &[("location", "http://169.254.169.254/")], "", "Temporary Redirect", Value::Null),
        ] {
            let answer = send(&TranslateLayer::new(), chat(&hi(stream)), [aws(status, headers, body)]);
            assert_eq!(answer.status(), status);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("location"), None);
            let message = format!("bedrock error: {message}");
            let expected = json!({"error": {"message": message, "type": kind, "param": null, "code": null}, "provider": "bedrock"});
            assert_eq!(answer.json(), expected);
        }
    }
}

#[test]
fn an_answer_that_is_none_is_502() {
    let stop = event("messageStop", &json!({"stopReason": "end_turn"}));
    for (stream, response) in [
        (false, aws(200, &[], "<html>")),
        (false, aws(200, &[], r#"{"output":{}}"#)),
        (false, aws(200, &[], "")),
        (false, aws(200, &[("content-type", "application/vnd.amazon.eventstream")], stop)),
        (false, aws(200, &[("content-encoding", "gzip")], "x")),
        (true, aws(200, &[("content-encoding", "gzip")], "x")),
        (true, aws(200, &[("content-type", "application/json")], super::HELLO)),
        (false, aws(200, &[], Pieces::new([Ok(Bytes::from("{")), Err(io::Error::other("secret"))]))),
    ] {
        let answer = send(&TranslateLayer::new(), chat(&hi(stream)), [response]);
        assert_eq!(answer.status(), 502);
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        assert!(answer.refusal().starts_with("The provider's answer"));
    }
}

#[test]
fn an_answer_longer_than_the_limit_is_not_held() {
    let endless = Pieces::new((0..1000).map(|_| Ok(Bytes::from(vec![b' '; 1024]))));
    let polls = endless.polls();
    let answer = send(&TranslateLayer::new().answer_limit(4096), chat(&hi(false)), [aws(200, &[], endless)]);
    assert_eq!(answer.status(), 502);
    assert_eq!(polls.load(std::sync::atomic::Ordering::Relaxed), 5);
    let fits =
        send(&TranslateLayer::new().answer_limit(super::HELLO.len()), chat(&hi(false)), [aws(200, &[], super::HELLO)]);
    assert_eq!(fits.status(), 200);
}

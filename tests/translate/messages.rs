//! Anthropic's messages, and bodies in a vendor's own words.

use serde_json::{Value, json};
use tower_portkey::{TranslateLayer, context::Translation};

use super::{Asked, INVOKE, ask, aws, frame, send};

fn messages(body: &Value) -> Asked {
    ask(INVOKE, Some(Translation::BedrockMessages), body.to_string())
}

fn hi(stream: bool) -> Value {
    json!({"model": "anthropic.x", "max_tokens": 1, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn the_path_follows_the_body_and_the_answer_is_anthropics_own() {
    let own = r#"{"type":"message", "content":[]}"#;
    let answer =
        send(&TranslateLayer::new(), messages(&hi(false)), [aws(200, &[("content-type", "application/json")], own)]);
    assert_eq!((answer.status(), &answer.body[..]), (200, own.as_bytes()));
    let [(head, body)] = &answer.seen[..] else { panic!("{:?}", answer.seen) };
    assert_eq!(head.uri.path(), INVOKE);
    let sent: Value = serde_json::from_slice(body).expect("JSON");
    let expected =
        json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "messages": hi(false)["messages"]});
    assert_eq!(sent, expected);

    // {"type":"message_stop"}
    let chunk = br#"{"bytes":"eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0="}"#;
    let stop = frame(&[(":event-type", "chunk"), (":message-type", "event")], chunk);
    let stream = [("content-type", "application/vnd.amazon.eventstream")];
    let answer = send(&TranslateLayer::new(), messages(&hi(true)), [aws(200, &stream, stop)]);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(&answer.body[..], b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    assert!(answer.end.is_ok() && answer.seen[0].0.uri.path().ends_with("/invoke-with-response-stream"));
    let answer = send(&TranslateLayer::new(), messages(&hi(true)), [aws(200, &stream, Vec::new())]);
    assert!(answer.end.is_err_and(|error| error.is_truncated()));
}

#[test]
fn errors_are_told_in_the_words_of_the_route() {
    let refusal = || [aws(429, &[("x-amzn-errortype", "ThrottlingException")], r#"{"message":"slow"}"#)];
    let answer = send(&TranslateLayer::new(), messages(&hi(false)), refusal());
    let error = json!({"type": "rate_limit_error", "message": "bedrock error: slow"});
    assert_eq!((answer.status(), answer.json()), (429, json!({"type": "error", "error": error})));
    let invoke = ask(INVOKE, Some(Translation::BedrockInvoke), r#"{"model":"m","prompt":"x"}"#);
    let answer = send(&TranslateLayer::new(), invoke, refusal());
    assert_eq!(
        (answer.json()["error"]["type"].as_str(), &answer.seen[0].1[..]),
        (Some("ThrottlingException"), &br#"{"prompt":"x"}"#[..])
    );
    assert_eq!(send(&TranslateLayer::new(), messages(&json!({"max_tokens": 1})), []).status(), 400);
}

#[test]
fn tokens_and_ranks_come_back_in_the_callers_words() {
    let json = [("content-type", "application/json")];
    let count = ask(INVOKE, Some(Translation::BedrockCountTokens), hi(false).to_string());
    let answer = send(&TranslateLayer::new(), count, [aws(200, &json, r#"{"inputTokens":7}"#)]);
    assert_eq!(answer.json(), json!({"input_tokens": 7}));
    let rerank =
        |body: Value| ask("/rerank", Some(Translation::BedrockRerank { region: "r-1".into() }), body.to_string());
    let asked = json!({"model": "m", "query": "q", "documents": ["a"]});
    let ranked = r#"{"results":[{"index":0,"relevanceScore":0.5}]}"#;
    let answer = send(&TranslateLayer::new(), rerank(asked), [aws(200, &json, ranked)]);
    assert_eq!(answer.json()["results"], json!([{"index": 0, "relevance_score": 0.5}]));
    let answer = send(&TranslateLayer::new(), rerank(json!({"queries": []})), [aws(200, &json, ranked)]);
    assert_eq!((&answer.body[..], &answer.seen[0].1[..]), (ranked.as_bytes(), &br#"{"queries":[]}"#[..]));
}

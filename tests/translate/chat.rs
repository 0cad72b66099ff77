//! Chat completions whose answer comes as a whole, and what passes untouched.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{TranslateLayer, context::Translation};

use super::{CONVERSE, HELLO, ask, aws, block_on, chat, send, target};

fn hi() -> Value {
    json!({"model": "m:0", "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn there_and_back() {
    let mut request = chat(&hi());
    request.headers_mut().insert("transfer-encoding", "chunked".parse().expect("a value"));
    let headers = [
        ("x-amzn-requestid", "0f0f-1"),
        ("content-length", "999"),
        ("content-type", "application/json"),
        ("etag", "1"),
        ("x-portkey-provider", "bedrock"),
    ];
    let answer = send(&TranslateLayer::new(), request, [aws(200, &headers, HELLO)]);

    let (head, body) = &answer.seen[0];
    assert_eq!(head.uri.path(), CONVERSE);
    assert_eq!(body, r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#);
    let sent = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("text"));
    assert_eq!(sent("content-type"), Some("application/json"));
    assert_eq!(sent("content-length"), Some(&*body.len().to_string()));
    assert_eq!(sent("accept"), Some("application/json"));
    assert_eq!((sent("accept-encoding"), sent("transfer-encoding")), (None, None));

    let mut completion = answer.json();
    assert!(completion["created"].take().as_u64() > Some(1_700_000_000));
    let expected = json!({"id": "chatcmpl-0f0f-1", "object": "chat.completion", "created": null, "model": "m:0",
        "provider": "bedrock", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}}});
    assert_eq!(completion, expected);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("etag"), None);
    assert_eq!(answer.header("x-portkey-provider"), Some("bedrock"));
}

#[test]
fn the_path_follows_the_body() {
    for (path, stream, expected) in [
        (CONVERSE, true, "/model/m%3A0/converse-stream"),
        ("/model/m%3A0/converse-stream", false, CONVERSE),
        ("/prefix/model/converse/converse?a=1", true, "/prefix/model/converse/converse-stream?a=1"),
    ] {
        let mut body = hi();
        body["stream"] = stream.into();
        let request = ask(path, Some(Translation::Converse), body.to_string());
        let answer = send(&TranslateLayer::new(), request, [aws(500, &[], "{}")]);
        let sent = &answer.seen[0].0;
        assert_eq!(sent.uri.path_and_query().expect("a path"), expected);
        let accept = if stream { "application/vnd.amazon.eventstream" } else { "application/json" };
        assert_eq!(sent.headers["accept"], accept);
    }
    let elsewhere = ask("/model/m/invoke", Some(Translation::Converse), hi().to_string());
    assert_eq!(send(&TranslateLayer::new(), elsewhere, []).status(), 500);
}

#[test]
fn without_strictness_there_is_more() {
    let answer = HELLO
        .replace(r#"[{"text":"hello"}]"#, r#"[{"reasoningContent":{"reasoningText":{"text":"hm"}}},{"text":"hello"}]"#);
    for (value, blocks) in [("false", true), ("true", false)] {
        let extracted = Request::post("/v1/chat/completions").header("x-portkey-strict-open-ai-compliance", value);
        let extracted = extracted.body(Full::new(Bytes::new())).expect("a request");
        let mut request = chat(&hi());
        let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
        let kept = std::sync::Arc::clone(&seen);
        let layer = tower_portkey::ExtractLayer::new().layer(service_fn(move |request: Request<Full<Bytes>>| {
            *kept.lock().expect("a place") = Some(request.extensions().clone());
            async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) }
        }));
        block_on(layer.oneshot(extracted)).expect("an answer");
        let mut facts = seen.lock().expect("a place").take().expect("facts");
        facts.insert(target(Some(Translation::Converse)));
        *request.extensions_mut() = facts;
        let answer = send(&TranslateLayer::new(), request, [aws(200, &[], answer.as_str())]);
        let message = &answer.json()["choices"][0]["message"];
        assert_eq!(message.get("content_blocks").is_some(), blocks, "{value}");
    }
}

#[test]
fn what_needs_no_translation_passes_untouched() {
    for body in ["not JSON", "{\"stream\":true}", ""] {
        let answer = send(
            &TranslateLayer::new(),
            ask("/model/m/converse", None, body),
            [aws(418, &[("content-length", "3"), ("etag", "1")], "tea")],
        );
        let (head, sent) = &answer.seen[0];
        assert_eq!((head.uri.path(), sent.as_ref()), ("/model/m/converse", body.as_bytes()));
        assert_eq!(head.headers["accept-encoding"], "gzip, br");
        assert_eq!((answer.status(), answer.body.as_ref(), answer.header("etag")), (418, &b"tea"[..], Some("1")));
        assert_eq!(answer.header("content-length"), Some("3"));
    }
}

#[test]
fn bad_requests_are_answered_and_not_sent() {
    let part = |part: Value| json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
    for (body, message) in [
        (
            part(json!({"type": "image_url", "image_url": {"url": "https://e.example/a.png"}})),
            "messages[0].content[0].image_url.url must be a data URL",
        ),
        (part(json!({"type": "hologram"})), "messages[0].content[0].type must be text"),
        (json!({"model": "m"}), "messages is missing"),
    ] {
        let answer = send(&TranslateLayer::new(), chat(&body), []);
        assert_eq!(answer.status(), 400);
        assert!(answer.refusal().starts_with(message), "{}", answer.refusal());
        let shown: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(shown["message"], answer.refusal());
        assert!(answer.head.extensions.get::<tower_portkey::context::Target>().is_some(), "for the access log");
    }
    let mut compressed = chat(&hi());
    compressed.headers_mut().insert("content-encoding", "gzip".parse().expect("a value"));
    assert_eq!(send(&TranslateLayer::new(), compressed, []).status(), 400);
}

#[test]
fn a_layer_that_is_missing_is_named() {
    let mut without = chat(&hi());
    without.extensions_mut().clear();
    let answer = send(&TranslateLayer::new(), without, []);
    assert_eq!((answer.status(), answer.refusal()), (500, "The request did not pass ResolveLayer"));
}

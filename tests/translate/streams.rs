//! Streams through the service: heads, pace, and how they end.

use std::{
    convert::Infallible,
    error::Error as _,
    io,
    sync::{Arc, Mutex, atomic::Ordering},
};

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::TranslateLayer;

use super::{Answer, Pieces, aws, block_on, chat, event, frame, send};

const STREAM: (&str, &str) = ("content-type", "application/vnd.amazon.eventstream");

fn hi() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true, "stream_options": {"include_usage": true}})
}

fn frames() -> Vec<Vec<u8>> {
    let text = |text: &str| event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": text}}));
    vec![
        event("messageStart", &json!({"role": "assistant"})),
        text("Hel"),
        text("lo"),
        event("contentBlockStop", &json!({"contentBlockIndex": 0})),
        event("messageStop", &json!({"stopReason": "end_turn"})),
        event(
            "metadata",
            &json!({"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 1}}),
        ),
    ]
}

fn sent(pieces: impl IntoIterator<Item = Result<Bytes, io::Error>>) -> Answer {
    let headers = [STREAM, ("content-length", "7"), ("x-amzn-requestid", "r1")];
    send(&TranslateLayer::new(), chat(&hi()), [aws(200, &headers, Pieces::new(pieces))])
}

fn bytes(frames: &[Vec<u8>]) -> Vec<Result<Bytes, io::Error>> {
    frames.iter().map(|frame| Ok(frame.clone().into())).collect()
}

#[test]
fn a_stream_becomes_server_sent_events() {
    let answer = sent(bytes(&frames()));
    assert!(answer.end.is_ok());
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("content-length"), None);
    let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
    assert!(text.starts_with("data: {\"id\":\"chatcmpl-r1\",\"object\":\"chat.completion.chunk\""), "{text}");
    assert!(
        text.ends_with("\"total_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":0}}}\n\ndata: [DONE]\n\n"),
        "{text}"
    );
    let said: String = text.split("\"content\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(said, "Hello");
}

#[test]
fn a_stream_that_breaks_off_says_so_and_fails() {
    let broken = |last: Result<Bytes, io::Error>| {
        let mut pieces = bytes(&frames()[..2]);
        pieces.push(last);
        sent(pieces)
    };
    let mut flipped = frames().remove(2);
    flipped[20] ^= 1;
    for (answer, truncated) in [
        (sent(bytes(&frames()[..2])), true),
        (sent(bytes(&frames()[..5])), true),
        (broken(Ok(frames()[2].slice(..9))), true),
        (broken(Ok(flipped.into())), false),
        (broken(Err(io::Error::other("reset"))), false),
        (sent([]), true),
    ] {
        let error = answer.end.expect_err("no clean end");
        assert_eq!(error.is_truncated(), truncated, "{error}");
        let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
        let last = text.trim_end().rsplit("\n\n").next().expect("an event");
        assert!(last.starts_with("data: {\"error\":{\"message\":\"bedrock error: The stream"), "{last}");
        assert!(!text.contains("[DONE]") && !text.contains("reset"));
        assert_eq!(error.source().is_some(), error.to_string() == "the provider's body broke off");
    }
}

trait Slice {
    fn slice(&self, range: std::ops::RangeTo<usize>) -> Bytes;
}

impl Slice for Vec<u8> {
    fn slice(&self, range: std::ops::RangeTo<usize>) -> Bytes {
        Bytes::copy_from_slice(&self[range])
    }
}

#[test]
fn an_exception_is_told_and_nothing_follows() {
    let exception = frame(
        &[(":exception-type", "serviceUnavailableException"), (":message-type", "exception")],
        br#"{"message":"Come back"}"#,
    );
    let mut all = frames();
    all.insert(2, exception);
    let answer = sent(bytes(&all));
    assert!(answer.end.is_ok());
    let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
    let error = r#"data: {"error":{"message":"bedrock error: Come back","type":"ServiceUnavailableException","param":null,"code":"503"},"provider":"bedrock"}"#;
    assert!(text.ends_with(&format!("{error}\n\n")), "{text}");
}

#[test]
fn a_stream_is_read_as_it_is_asked_for() {
    let pieces = Pieces::new(bytes(&frames()));
    let polls = pieces.polls();
    let answer = Arc::new(Mutex::new(Some(aws(200, &[STREAM], pieces))));
    let leaf = service_fn(move |_| {
        let answer = answer.lock().expect("an answer").take().expect("one call");
        async { Ok::<_, Infallible>(answer) }
    });
    block_on(async {
        let Ok(response) = TranslateLayer::new().layer(leaf).oneshot(chat(&hi())).await;
        let mut body = response.into_body();
        assert_eq!(polls.load(Ordering::Relaxed), 0, "nothing is read ahead");
        for read in 1..=3 {
            body.frame().await.expect("a frame").expect("data");
            assert_eq!(polls.load(Ordering::Relaxed), read);
        }
        assert!(!body.is_end_stream());
    });
}

#[test]
fn many_frames_in_one_piece_go_on_as_one() {
    let all = frames().concat();
    let pieces = Pieces::new([Ok(Bytes::from(all))]);
    let polls = pieces.polls();
    let answer = send(&TranslateLayer::new(), chat(&hi()), [aws(200, &[STREAM], pieces)]);
    assert!(answer.body.ends_with(b"data: [DONE]\n\n"));
    // One read, and one to see the end.
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

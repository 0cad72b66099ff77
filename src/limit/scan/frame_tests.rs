use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

use super::*;
use crate::frame::tests::frame;

fn event(kind: &str, payload: &str) -> Vec<u8> {
    frame(
        &[(":message-type", "event"), (":event-type", kind), (":content-type", "application/json")],
        payload.as_bytes(),
    )
}

fn chunk(json: &str) -> Vec<u8> {
    event("chunk", &format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(json)))
}

/// As it comes in pieces of this length.
fn scan(stream: &[u8], piece: usize) -> Scan {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.amazon.eventstream"));
    let mut scan = Scan::new(&headers);
    stream.chunks(piece).for_each(|chunk| scan.feed(chunk));
    scan
}

#[test]
fn native_streams_tell_what_was_used() {
    let text =
        r#"{"contentBlockIndex":0,"delta":{"text":"\"usage\":{\"inputTokens\":1}"},"usage":{"inputTokens":999}}"#;
    let converse = [
        event("messageStart", r#"{"role":"assistant"}"#),
        event("contentBlockDelta", text),
        event("messageStop", r#"{"stopReason":"end_turn"}"#),
        event(
            "metadata",
            r#"{"metrics":{"latencyMs":1},"usage":{"inputTokens":30,"outputTokens":62,"totalTokens":92}}"#,
        ),
    ]
    .concat();
    let claude = [
        chunk(r#"{"type":"message_start","message":{"model":"claude","usage":{"input_tokens":40,"output_tokens":1}}}"#),
        chunk(r#"{"type":"content_block_delta","delta":{"text":"hi"}}"#),
        chunk(r#"{"type":"message_delta","usage":{"output_tokens":7}}"#),
        chunk(
            r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":41,"outputTokenCount":7}}"#,
        ),
    ]
    .concat();
    let llama = [
        chunk(r#"{"generation":"hi","prompt_token_count":9}"#),
        chunk(r#"{"generation":"","amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":2}}"#),
    ]
    .concat();
    for (stream, input, output) in [(&converse, 30, 62), (&claude, 41, 7), (&llama, 9, 2)] {
        for piece in [1, 7, 64, stream.len()] {
            let scan = scan(stream, piece);
            assert_eq!(scan.usage().map(|usage| (usage.input, usage.output)), Some((input, output)), "{piece}");
            assert!(scan.is_final(), "{piece}");
        }
        let cut = scan(&stream[..stream.len() / 2], 64);
        assert!(!cut.is_final() && cut.events() > 0);
    }
    assert_eq!(scan(&claude, 64).model(), Some("claude"));
}

#[test]
fn what_is_no_stream_tells_nothing() {
    let long = frame(&[(":event-type", "metadata")], &vec![b' '; 2 << 20]);
    let good = event("metadata", r#"{"usage":{"inputTokens":1,"outputTokens":1}}"#);
    for bad in [vec![0; 5000], long, event("chunk", r#"{"bytes":"%"}"#), event("chunk", "[")] {
        let broken = scan(&bad, 64);
        assert_eq!((broken.usage(), broken.is_final()), (None, false));
    }
    assert_eq!(scan(&[vec![0; 50], good].concat(), 64).usage(), None, "nothing is read behind what can't be");
}

#[test]
fn headers_tell_what_the_vendor_calls_otherwise() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-bedrock-input-token-count", HeaderValue::from_static("11"));
    headers.insert("x-amzn-bedrock-output-token-count", HeaderValue::from_static("5"));
    let mut llama = Scan::new(&headers);
    llama.feed(br#"{"generation":"hi","prompt_token_count":11,"generation_token_count":5}"#);
    assert_eq!(llama.usage().map(|usage| (usage.input, usage.output)), Some((11, 5)));
    assert!(llama.is_final());
    headers.insert("x-amzn-bedrock-input-token-count", HeaderValue::from_static("-1"));
    assert_eq!(Scan::new(&headers).usage().map(|usage| (usage.input, usage.output)), Some((0, 5)));
}

//! Streams of events: whole, split at any byte, cut off, broken, and with an exception in them.

use serde_json::{Value, json};

use super::{
    super::{StreamFault, frame::tests::frame},
    events, streamed, vectors,
};

fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

fn usage() -> Value {
    json!({"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 25, "cacheReadInputTokens": 20}, "metrics": {"latencyMs": 1}})
}

/// 30 frames: text, reasoning, a call with arguments, one without, one that AWS makes itself.
fn thirty() -> Vec<Vec<u8>> {
    let delta = |index: u64, delta: Value| {
        event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta, "p": "abc"}))
    };
    let start = |index: u64, tool: Value| {
        event("contentBlockStart", &json!({"contentBlockIndex": index, "start": {"toolUse": tool}}))
    };
    let stop = |index: u64| event("contentBlockStop", &json!({"contentBlockIndex": index}));
    let mut frames = vec![
        event("messageStart", &json!({"role": "assistant"})),
        delta(0, json!({"reasoningContent": {"text": "hm"}})),
        delta(0, json!({"reasoningContent": {"signature": "S"}})),
        stop(0),
    ];
    frames.extend("Grüße, \"Welt\"!\n".chars().map(|letter| delta(1, json!({"text": letter.to_string()}))).take(13));
    frames.extend([
        stop(1),
        start(2, json!({"toolUseId": "t1", "name": "f"})),
        delta(2, json!({"toolUse": {"input": "{\"a\":"}})),
        delta(2, json!({"toolUse": {"input": "1}"}})),
        stop(2),
        start(3, json!({"toolUseId": "t2", "name": "g"})),
        delta(3, json!({"toolUse": {"input": ""}})),
        stop(3),
        start(4, json!({"toolUseId": "t3", "name": "own", "type": "server_tool_use"})),
        stop(4),
        event("somethingNew", &json!({"x": 1})),
        event("messageStop", &json!({"stopReason": "tool_use"})),
        event("metadata", &usage()),
    ]);
    assert_eq!(frames.len(), 30);
    frames
}

/// What a client puts together.
fn joined(chunks: &[Value]) -> (String, Vec<(String, String, String)>, Vec<Value>) {
    let (mut text, mut tools, mut reasons) = (String::new(), Vec::<(String, String, String)>::new(), Vec::new());
    for choice in chunks.iter().filter_map(|chunk| chunk["choices"].get(0)) {
        text += choice["delta"]["content"].as_str().unwrap_or_default();
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let part = |member: &Value| member.as_str().unwrap_or_default().to_owned();
            let index = call["index"].as_u64().expect("an index") as usize;
            if index == tools.len() {
                assert_eq!(call["type"], "function");
                tools.push((part(&call["id"]), part(&call["function"]["name"]), String::new()));
            }
            tools[index].2 += call["function"]["arguments"].as_str().expect("arguments");
        }
        if !choice["finish_reason"].is_null() {
            reasons.push(choice["finish_reason"].clone());
        }
    }
    (text, tools, reasons)
}

#[test]
fn the_chunks_are_openais() {
    let (out, end) = streamed([thirty().concat().as_slice()], true, true);
    assert_eq!(end, Ok(()));
    let mut events = events(&out);
    assert_eq!(events.pop(), Some(json!("[DONE]")));
    let usage = events.pop().expect("usage");
    assert_eq!(usage["choices"], json!([]));
    let counted = json!({"prompt_tokens": 23, "completion_tokens": 2, "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 20}, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 0});
    assert_eq!(usage["usage"], counted);
    let first = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "provider": "bedrock",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]});
    assert_eq!(events[0], first);
    assert_eq!(
        events.last().expect("an event")["choices"][0],
        json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    );
    let roles = events.iter().filter(|chunk| chunk["choices"][0]["delta"].get("role").is_some()).count();
    assert_eq!(roles, 1);
    assert!(events.iter().all(|chunk| chunk["choices"][0]["delta"].get("content_blocks").is_none()));
    let called = |id: &str, name: &str, arguments: &str| (id.to_owned(), name.to_owned(), arguments.to_owned());
    let tools = vec![called("t1", "f", "{\"a\":1}"), called("t2", "g", "{}")];
    assert_eq!(joined(&events), ("Grüße, \"Welt".to_owned() + "\"", tools, vec![json!("tool_calls")]));
}

#[test]
fn without_asking_there_is_no_usage_and_without_strictness_there_are_blocks() {
    let (out, _) = streamed([thirty().concat().as_slice()], false, false);
    let events = events(&out);
    assert!(events.iter().all(|chunk| chunk.get("usage").is_none()));
    let blocks: Vec<_> = events.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("content_blocks")).collect();
    assert_eq!(blocks[0], &json!([{"index": 0, "delta": {"thinking": "hm"}}]));
    assert_eq!(blocks[1], &json!([{"index": 0, "delta": {"signature": "S"}}]));
    assert_eq!(blocks[2], &json!([{"index": 1, "delta": {"text": "G"}}]));
    assert!(events.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "tool_use"), "AWS's own word");
}

#[test]
fn every_split_of_thirty_frames_is_the_same_stream() {
    let bytes = thirty().concat();
    let whole = streamed([bytes.as_slice()], true, true);
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(streamed([front, back], true, true), whole, "{at}");
    }
    for size in 1..200 {
        assert_eq!(streamed(bytes.chunks(size), true, true), whole, "{size}");
    }
}

#[test]
fn every_stream_that_is_cut_off_ends_as_an_error() {
    let bytes = thirty().concat();
    for at in 0..bytes.len() {
        let (out, end) = streamed([&bytes[..at]], true, true);
        assert_eq!(end, Err(StreamFault::Truncated), "{at}");
        let events = events(&out);
        let last = events.last().expect("an event");
        assert_eq!(last["error"]["code"], "502", "{at}");
        assert!(!events.contains(&json!("[DONE]")), "{at}");
    }
}

#[test]
fn every_bit_that_falls_over_breaks_the_stream() {
    let bytes = thirty().concat();
    for at in (0..bytes.len()).step_by(7) {
        let mut broken = bytes.clone();
        broken[at] ^= 1 << (at % 8);
        let (out, end) = streamed([broken.as_slice()], true, true);
        assert!(end.is_err(), "{at}");
        assert!(events(&out).last().is_some_and(|event| event.get("error").is_some()), "{at}");
    }
}

#[test]
fn what_no_converse_stream_says_breaks_it() {
    let start = event("messageStart", &json!({"role": "assistant"}));
    let stop = event("messageStop", &json!({"stopReason": "end_turn"}));
    for wrong in [
        frame(&[(":event-type", "messageStart")], b"{}"),
        frame(&[(":message-type", "event")], b"{}"),
        frame(&[(":message-type", "greeting"), (":event-type", "x")], b"{}"),
        frame(&[(":message-type", "event"), (":event-type", "contentBlockDelta")], b"{}"),
        frame(&[(":message-type", "event"), (":event-type", "contentBlockDelta")], b"not JSON"),
        event("metadata", &usage()),
        [stop.clone(), stop.clone()].concat(),
        [stop, event("metadata", &json!({}))].concat(),
    ] {
        let (out, end) = streamed([start.as_slice(), &wrong], true, true);
        assert_eq!(end, Err(StreamFault::Unreadable));
        assert!(!events(&out).contains(&json!("[DONE]")));
    }
}

#[test]
fn an_exception_is_an_error_and_no_clean_stop() {
    let start = event("messageStart", &json!({"role": "assistant"}));
    let exception = frame(
        &[(":exception-type", "throttlingException"), (":message-type", "exception")],
        br#"{"message":"Too many tokens"}"#,
    );
    let error =
        frame(&[(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "Oh.")], b"");
    let silent = frame(&[(":message-type", "exception"), (":exception-type", "modelStreamErrorException")], b"");
    for (last, message, kind, code) in [
        (exception, "bedrock error: Too many tokens", "ThrottlingException", "429"),
        (error, "bedrock error: Oh.", "InternalFailure", "500"),
        (silent, "bedrock error: The stream failed", "ModelStreamErrorException", "424"),
    ] {
        // What follows is not read any more.
        let (out, end) = streamed([start.as_slice(), &last, b"rubbish"], true, true);
        assert_eq!(end, Ok(()), "AWS ended it itself");
        let events = events(&out);
        let expected =
            json!({"error": {"message": message, "type": kind, "param": null, "code": code}, "provider": "bedrock"});
        assert_eq!(events.last(), Some(&expected));
        assert_eq!(events.len(), 2);
    }
}

#[test]
fn vectors_of_bedrocks_frames() {
    let Some(vectors) = vectors("bedrock_eventstream_vectors.json") else { return };
    let frames = vectors["frames"].as_array().expect("frames");
    let bytes = |frame: &Value| -> Vec<u8> {
        let hex = frame["hex"].as_str().expect("hex");
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    };
    assert_eq!(frames.len(), 14);
    let whole: Vec<u8> = frames[..10].iter().flat_map(bytes).collect();
    let expected = streamed([whole.as_slice()], true, true);
    assert_eq!(expected.1, Ok(()));
    let events_of_it = events(&expected.0);
    let call = ("tooluse_1".to_owned(), "get_weather".to_owned(), "{\"city\":\"Paris\"}".to_owned());
    assert_eq!(joined(&events_of_it), ("Hello".to_owned(), vec![call], vec![json!("tool_calls")]));
    assert_eq!(events_of_it[events_of_it.len() - 2]["usage"]["total_tokens"], 15);
    for at in 0..whole.len() {
        let (front, back) = whole.split_at(at);
        assert_eq!(streamed([front, back], true, true), expected, "{at}");
    }
    for (frame, code) in frames[10..].iter().zip(["429", "424", "400", "500"]) {
        let (out, end) = streamed([bytes(&frames[0]).as_slice(), &bytes(frame)], true, true);
        assert_eq!(end, Ok(()));
        let events = events(&out);
        let error = &events.last().expect("an event")["error"];
        assert_eq!(error["code"], code);
        let told = frame["payload"]["message"].as_str().or(frame["error_message"].as_str()).expect("a message");
        assert_eq!(error["message"], format!("bedrock error: {told}"));
        // Nor is any cut of it a clean end.
        let bad = [bytes(&frames[0]), bytes(frame)].concat();
        for at in 0..bad.len() {
            assert_eq!(streamed([&bad[..at]], true, true).1, Err(StreamFault::Truncated));
        }
    }
}

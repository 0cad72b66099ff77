//! Whatever comes: no panic, the same in every piece, and no longer for each byte of much than for each of little.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{answer, chat, embed, error, frame::tests::frame},
    about, streamed,
};

/// JSON made of the names that are read, so that it gets far.
fn json_like() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "type",
        "text",
        "role",
        "content",
        "messages",
        "tools",
        "function",
        "name",
        "arguments",
        "image_url",
        "url",
        "file",
        "file_data",
        "tool_calls",
        "tool_call_id",
        "id",
        "stop",
        "tool_choice",
        "response_format",
        "json_schema",
        "schema",
        "additionalModelRequestFields",
        "cache_control",
        "ttl",
        "thinking",
        "reasoning_effort",
        "output",
        "message",
        "usage",
        "inputTokens",
        "stopReason",
        "toolUse",
        "input",
        "embedding",
        "embeddings",
        "delta",
        "contentBlockIndex",
    ]);
    let word = prop::sample::select(vec![
        "text",
        "user",
        "system",
        "assistant",
        "tool",
        "function",
        "image_url",
        "file",
        "data:image/png;base64,aGk=",
        "data:text/plain,",
        "{}",
        "high",
        "auto",
        "json_schema",
        "anthropic.claude-sonnet-4-5",
        "cohere.embed-v4:0",
        "é\u{0}",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(name, value)| (name.into(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = chat(&body, None);
        let _ = embed(&body);
        let _ = answer(&body, &about("m", false));
        let _: Value = serde_json::from_slice(&error(&body, None, "x")).expect("JSON");
    }

    #[test]
    fn any_json_is_answered_and_what_is_sent_is_json(mut body in json_like(), messages in json_like()) {
        if let Some(members) = body.as_object_mut() {
            members.insert("model".into(), "anthropic.claude-sonnet-4-5".into());
            members.insert("messages".into(), json!([{"role": "user", "content": [&messages]}, &messages]));
        }
        let text = body.to_string();
        if let Ok(chat) = chat(text.as_bytes(), Some("a,b")) {
            let _: Value = serde_json::from_slice(&chat.body).expect("JSON");
        }
        if let Ok(embed) = embed(text.as_bytes()) {
            for body in embed.bodies {
                let _: Value = serde_json::from_slice(&body).expect("JSON");
            }
        }
        let _ = answer(text.as_bytes(), &about("m", false));
    }

    #[test]
    fn user_content_is_kept_to_the_letter(text in "[^\\s\u{0}]\\PC{0,40}") {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        let sent: Value = serde_json::from_slice(&chat(body.to_string().as_bytes(), None).expect("a request").body).expect("JSON");
        prop_assert_eq!(&sent["messages"][0]["content"][0]["text"], &Value::from(text));
    }

    /// The fuzz target `eventstream_rewrite`, in small.
    #[test]
    fn any_stream_in_any_pieces_ends_alike(
        parts in prop::collection::vec(prop_oneof![
            3 => (prop::sample::select(vec![
                "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x",
            ]), json_like()).prop_map(|(kind, payload)| {
                frame(&[(":message-type", "event"), (":event-type", kind)], payload.to_string().as_bytes())
            }),
            1 => prop::sample::select(vec!["event", "exception", "error"]).prop_map(|kind| {
                frame(&[(":message-type", kind), (":event-type", "messageStart")], b"{\"message\":\"m\"}")
            }),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ], 0..12),
        sizes in prop::collection::vec(1..64usize, 1..8),
        strict: bool,
    ) {
        let bytes = parts.concat();
        let (mut rest, mut pieces) = (bytes.as_slice(), Vec::new());
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let (out, end) = streamed(pieces, strict, true);
        prop_assert_eq!(&(out.clone(), end), &streamed([bytes.as_slice()], strict, true));
        for event in super::events(&out) {
            prop_assert!(event.is_object() || event == "[DONE]");
        }
    }
}

/// Whether ten times the work takes less than fifty times as long. A busy machine gets several chances.
fn grows_linearly(little: impl Fn(), much: impl Fn()) -> bool {
    let time = |work: &dyn Fn()| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..20).any(|_| time(&much) < time(&little) * 50 + Duration::from_millis(20))
}

#[test]
fn ten_times_as_much_takes_no_hundred_times_as_long() {
    let messages = |count: usize| {
        let one = json!({"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "file", "file": {"file_data": "aGk=", "filename": "a.pdf"}}]});
        json!({"model": "anthropic.claude-sonnet-4-5", "messages": vec![one; count]}).to_string()
    };
    let fields = |count: usize| {
        let fields: serde_json::Map<String, Value> = (0..count).map(|at| (format!("f{at}"), json!(at))).collect();
        json!({"model": "anthropic.claude-sonnet-4-5", "messages": [{"role": "user", "content": "x"}], "top_k": 1, "additionalModelRequestFields": fields}).to_string()
    };
    let deep = |count: usize| {
        let list = format!("{}{}", "[".repeat(count), "]".repeat(count));
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"additionalModelRequestFields":{{"a":{list}}}}}"#
        )
    };
    for (name, little, much) in [
        ("messages", messages(2_000), messages(20_000)),
        ("fields", fields(400), fields(4_000)),
        ("depth", deep(20_000), deep(200_000)),
    ] {
        assert!(chat(much.as_bytes(), None).is_ok(), "{name}");
        let work = |body: &str| drop(chat(body.as_bytes(), None));
        assert!(grows_linearly(|| work(&little), || work(&much)), "{name}");
    }

    let delta = frame(
        &[(":message-type", "event"), (":event-type", "contentBlockDelta")],
        br#"{"contentBlockIndex":0,"delta":{"text":"x"}}"#,
    );
    let (little, much) = (delta.repeat(500), delta.repeat(5_000));
    for size in [1, 4096, usize::MAX] {
        let work = |frames: &[u8]| drop(streamed(frames.chunks(size), true, true));
        assert!(grows_linearly(|| work(&little), || work(&much)), "{size}");
    }
}

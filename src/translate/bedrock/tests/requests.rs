//! Requests beyond the recorded ones, and what is refused.

use serde_json::{Value, json};

use super::{super::chat, asked};

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn ask(model: &str, members: &Value) -> Result<Value, String> {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    asked(&body)
}

#[test]
fn a_whole_conversation() {
    let body = json!({
        "model": "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": [{"type": "text", "text": "w?"}, {"type": "text", "text": " "}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.10}"}},
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": "18C"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ]},
            {"role": "tool", "tool_call_id": "c2", "content": "", "name": "f"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "thanks"},
        ],
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "additionalModelRequestFields": {"k": {"x": null}},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "performance_config": {"latency": "optimized"},
        "nobody_knows": {"this": true},
    });
    let text = body.to_string().replace("\"x\":null", "\"x\":1e400");
    let sent = chat(text.as_bytes(), None).expect("a request");
    let ours = String::from_utf8(sent.body).expect("UTF-8");
    assert_eq!(
        ours,
        concat!(
            r#"{"messages":[{"role":"user","content":[{"text":"w?"}]},"#,
            r#"{"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"f","input":{"a": 1.10}}},"#,
            r#"{"toolUse":{"toolUseId":"c2","name":"f","input":{}}}]},"#,
            r#"{"role":"user","content":[{"toolResult":{"toolUseId":"c1","content":[{"text":"18C"},"#,
            r#"{"image":{"format":"png","source":{"bytes":"aGk="}}}]}},{"toolResult":{"toolUseId":"c2","content":[]}},"#,
            r#"{"text":"thanks"}]}],"system":[{"text":"S"}],"#,
            r#""guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1"},"#,
            r#""performanceConfig":{"latency":"optimized"},"#,
            r#""additionalModelRequestFields":{"k":{"x":1e400}},"additionalModelResponseFieldPaths":["/stop_sequence"]}"#,
        ),
    );
    assert!(!sent.stream && !sent.include_usage);
}

#[test]
fn streams_are_asked_for_by_the_body() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true,
        "stream_options": {"include_usage": true}});
    let chat = chat(body.to_string().as_bytes(), None).expect("a request");
    assert!(chat.stream && chat.include_usage);
    assert_eq!(&*chat.model, "m");
}

#[test]
fn what_vendors_take() {
    let some = json!({"top_k": 5, "user": "u", "n": 2, "frequency_penalty": 0.5, "logit_bias": {"1": 2}});
    for (model, fields) in [
        (SONNET, json!({"top_k": 5, "metadata": {"user_id": "u"}})),
        ("cohere.command-r-v1:0", json!({"top_k": 5, "n": 2, "frequency_penalty": 0.5, "logitBias": {"1": 2}})),
        ("ai21.jamba-1-5-large-v1:0", json!({"top_k": 5, "frequencyPenalty": {"scale": 0.5}})),
        ("amazon.nova-pro-v1:0", Value::Null),
    ] {
        let ours = ask(model, &some).expect(model);
        assert_eq!(ours["additionalModelRequestFields"], fields, "{model}");
    }
    let own = json!({"top_k": 5, "additional_model_request_fields": {"top_k": 1, "b": 2}});
    assert_eq!(ask("meta.x", &own).expect("a request")["additionalModelRequestFields"], json!({"top_k": 5, "b": 2}));
}

#[test]
fn anthropics_own_members() {
    let computer = json!({"type": "computer", "computer": {"name": "computer_20241022", "display_width_px": 9}});
    let members = json!({"anthropic_beta": "a, b", "anthropic_version": "v", "tools": [computer]});
    let fields = json!({"anthropic_beta": ["a", "b"], "anthropic_version": "v",
        "tools": [{"name": "computer", "type": "computer_20241022", "display_width_px": 9}]});
    assert_eq!(ask(SONNET, &members).expect("a request")["additionalModelRequestFields"], fields);

    let mut body = json!({"model": SONNET, "messages": [{"role": "user", "content": "hi"}], "anthropic_beta": ["a"]});
    for (header, expected) in [(None, json!(["a"])), (Some("c,d"), json!(["c", "d"]))] {
        let chat = chat(body.to_string().as_bytes(), header).expect("a request");
        let ours: Value = serde_json::from_slice(&chat.body).expect("JSON");
        assert_eq!(ours["additionalModelRequestFields"]["anthropic_beta"], expected);
    }
    body["messages"] = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x", "content_blocks": [
        {"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "QQ=="},
        {"type": "text", "text": "x"}]}, {"role": "user", "content": "go on"}]);
    let blocks = json!([{"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "QQ=="}}, {"text": "x"}]);
    assert_eq!(asked(&body).expect("a request")["messages"][1]["content"], blocks);
}

#[test]
fn reasoning() {
    for (model, members, thinking, effort) in [
        (
            SONNET,
            json!({"reasoning_effort": "high", "max_tokens": 10000}),
            json!({"type": "enabled", "budget_tokens": 8000}),
            Value::Null,
        ),
        (
            SONNET,
            json!({"reasoning_effort": "minimal", "max_tokens": 2000}),
            json!({"type": "enabled", "budget_tokens": 1024}),
            Value::Null,
        ),
        (SONNET, json!({"reasoning_effort": "medium"}), json!({"type": "enabled", "budget_tokens": 4096}), Value::Null),
        (SONNET, json!({"reasoning_effort": "none"}), Value::Null, Value::Null),
        (
            SONNET,
            json!({"reasoning_effort": "low", "thinking": {"type": "disabled"}}),
            json!({"type": "disabled"}),
            Value::Null,
        ),
        (
            "anthropic.claude-opus-4-6-v1",
            json!({"reasoning_effort": "minimal"}),
            json!({"type": "adaptive"}),
            json!("low"),
        ),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", json!({"reasoning_effort": "high"}), Value::Null, Value::Null),
        ("meta.x", json!({"reasoning_effort": "high", "thinking": {"type": "enabled"}}), Value::Null, Value::Null),
    ] {
        let ours = ask(model, &members).expect(model);
        assert_eq!(ours["additionalModelRequestFields"]["thinking"], thinking, "{model} {members}");
        assert_eq!(ours["outputConfig"]["effort"], effort, "{model} {members}");
    }
}

#[test]
fn marks_for_the_cache() {
    let tool =
        json!({"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}});
    let ours = ask(SONNET, &json!({"tools": [tool]})).expect("a request");
    assert_eq!(ours["toolConfig"]["tools"][1], json!({"cachePoint": {"type": "default", "ttl": "1h"}}));
    let amazons = ask("amazon.nova-pro-v1:0", &json!({"tools": [tool]})).expect("a request");
    assert_eq!(amazons["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));

    let marked = json!([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]);
    let body = json!({"model": SONNET, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "tool", "tool_call_id": "c", "content": marked}]});
    let blocks =
        json!([{"toolResult": {"toolUseId": "c", "content": [{"text": "x"}]}}, {"cachePoint": {"type": "default"}}]);
    assert_eq!(asked(&body).expect("a request")["messages"][2]["content"], blocks);
}

#[test]
fn no_tools_only_where_none_were_used() {
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    let none = ask("m", &json!({"tools": [tool], "tool_choice": "none"})).expect("a request");
    assert_eq!(none.get("toolConfig"), None);
    let body = json!({"model": "m", "tools": [tool], "tool_choice": "none",
        "messages": [{"role": "user", "content": "a"}, {"role": "tool", "tool_call_id": "c", "content": "x"}]});
    let kept = asked(&body).expect("a request");
    let schema = json!({"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}});
    assert_eq!(kept["toolConfig"], json!({"tools": [{"toolSpec": schema}]}));
}

#[test]
fn what_cannot_be_sent_is_named() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let said = |message: Value| json!({"messages": [{"role": "user", "content": "a"}, message]});
    for (members, expected) in [
        (json!({"model": 1}), "model must be a string"),
        (json!({"model": ""}), "model must have 1 to 2048 bytes"),
        (json!({"messages": null}), "messages is missing"),
        (json!({"messages": []}), "messages must have a message of a user"),
        (json!({"messages": {"0": 1}}), "messages must be a list"),
        (json!({"messages": [["user", "hi"]]}), "messages[0] must be an object"),
        (json!({"messages": [{"content": "x"}]}), "messages[0].role is missing"),
        (said(json!({"role": "wizard", "content": "x"})), "messages[1].role must be system"),
        (user(json!(5)), "messages[0].content must be a string or a list of parts"),
        (user(json!([{"type": "video_url"}])), "messages[0].content[0].type must be text, image_url"),
        (user(json!([{"text": "x"}])), "messages[0].content[0].type is missing"),
        (user(json!([{"type": "text", "text": 1}])), "messages[0].content[0].text must be a string"),
        (user(json!([{"type": "image_url"}])), "messages[0].content[0].image_url is missing"),
        (
            user(json!([{"type": "image_url", "image_url": {"url": "http://a/b.png"}}])),
            "messages[0].content[0].image_url.url must be a data URL",
        ),
        (
            user(json!([{"type": "file", "file": {"file_id": "file-1"}}])),
            "messages[0].content[0].file.file_id names a file",
        ),
        (
            user(json!([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mod"}}])),
            "messages[0].content[0].input_audio.format is of a media type",
        ),
        (
            said(json!({"role": "system", "content": [{"type": "image_url"}]})),
            "messages[1].content[0].type must be text: what the system",
        ),
        (
            said(json!({"role": "assistant", "content": [{"type": "image_url"}]})),
            "messages[1].content[0].type must be text, refusal",
        ),
        (
            said(
                json!({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}]}),
            ),
            "messages[1].tool_calls[0].function.arguments must be the text of a JSON object",
        ),
        (
            said(
                json!({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "[]"}}]}),
            ),
            "messages[1].tool_calls[0].function.arguments must be",
        ),
        (
            said(json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]})),
            "messages[1].tool_calls[0].function is missing",
        ),
        (said(json!({"role": "tool", "content": "x"})), "messages[1].tool_call_id is missing"),
        (json!({"stop": 5}), "stop must be a string or a list of strings"),
        (json!({"stop": ["a", 5]}), "stop[1] must be a string"),
        (json!({"temperature": "hot"}), "temperature must be a number"),
        (json!({"max_tokens": "9"}), "max_tokens must be a number"),
        (json!({"stream": "yes"}), "stream must be true or false"),
        (json!({"stream_options": {"include_usage": 1}}), "stream_options.include_usage must be true or false"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type must be function"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].function is missing"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]}),
            "tools[0].function.parameters must be an object",
        ),
        (json!({"tool_choice": "maybe"}), "tool_choice must be none, auto, required"),
        (json!({"tool_choice": {"type": "function"}}), "tool_choice.function is missing"),
        (json!({"response_format": {"type": "json_schema"}}), "response_format.json_schema is missing"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type must be text"),
        (json!({"guardrailConfig": "g"}), "guardrailConfig must be an object"),
        (json!({"additionalModelRequestFields": [1]}), "additionalModelRequestFields must be an object"),
        (json!({"additionalModelResponseFieldPaths": {}}), "additionalModelResponseFieldPaths must be a list"),
        (json!({"reasoning_effort": "extreme"}), "reasoning_effort must be none"),
    ] {
        let fault = ask("m", &members).expect_err(expected);
        assert!(fault.starts_with(expected), "{members}: {fault}");
    }
    assert!(ask(SONNET, &json!({"reasoning_effort": "high", "max_tokens": 1024})).is_err());
    for body in ["", "null", "[]", "{", "{\"messages\":1,\"messages\":2}", "{\"a\":1}x"] {
        let fault = chat(body.as_bytes(), None).expect_err(body).to_string();
        assert!(fault.starts_with("The body "), "{body}: {fault}");
    }
    assert!(chat(b"{\"model\":\"\xff\"}", None).is_err());
}

#[test]
fn no_fault_repeats_a_value() {
    for members in [
        json!({"temperature": "LEAKME"}),
        json!({"messages": [{"role": "LEAKME", "content": "LEAKME"}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "LEAKME"}]}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://LEAKME/"}}]}]}),
        json!({"tools": [{"type": "LEAKME"}]}),
    ] {
        assert!(!ask("m", &members).expect_err("a fault").contains("LEAKME"), "{members}");
    }
}

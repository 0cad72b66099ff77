//! What Portkey's gateway made of the same bodies, and why we don't always.

use serde_json::{Value, json};

use super::{
    super::{Embeddings, answer, embed, error},
    about, asked, vectors,
};

const CLAUDE: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";
const LLAMA: &str = "meta.llama3-1-8b-instruct-v1:0";

fn with_model(body: &Value, model: &str) -> Value {
    let mut body = body.clone();
    body["model"] = model.into();
    body
}

/// Requests of which ours is another one, each with the reason, and what it is.
fn differs(case: &str, ours: &Result<Value, String>, theirs: &Value) -> Option<&'static str> {
    let ok = |body: &Value| ours.as_ref().is_ok_and(|ours| ours == body);
    let replaced = |pointer: &str, value: Value| {
        let mut body = theirs.clone();
        *body.pointer_mut(pointer).expect(pointer) = value;
        body
    };
    let (holds, reason) = match case {
        "stop_string" => {
            (ok(&replaced("/inferenceConfig/stopSequences", json!(["END"]))), "AWS takes a list, they send the string")
        }
        "image_gif" => {
            let image = json!([{"image": {"format": "gif", "source": {"bytes": "R0lG"}}}]);
            (ok(&replaced("/messages/0/content", image)), "a GIF is an image, they send a document")
        }
        "image_jpg_mime" => {
            let image = json!([{"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}}]);
            (ok(&replaced("/messages/0/content", image)), "image/jpg is JPEG, they send a document")
        }
        "image_https" => {
            let named = "messages[0].content[0].image_url.url must be a data URL";
            (
                ours.as_ref().is_err_and(|fault| fault.starts_with(named)),
                "a URL is the caller's mistake, they answer 500",
            )
        }
        "text_doc" => {
            let document = json!([{"document": {"format": "txt", "name": "document-1", "source": {"bytes": "aGk="}}}]);
            (ok(&replaced("/messages/0/content", document)), "text/plain is txt, they send plain")
        }
        "pdf_doc" => (
            ok(&replaced("/messages/0/content/0/document/name", "document-1".into())),
            "a random name spoils the cache of prompts, ours are counted",
        ),
        "file_part_openai" => {
            let document = json!([{"document": {"format": "pdf", "name": "a", "source": {"bytes": "JVBERi0="}}}]);
            (ok(&replaced("/messages/0/content", document)), "a data URL is no base64; OpenAI's filename counts")
        }
        "input_audio" => {
            let audio = json!([{"audio": {"format": "wav", "source": {"bytes": "AAAA"}}}]);
            (ok(&replaced("/messages/0/content", audio)), "Converse has audio, they drop it")
        }
        "tools_none" => {
            let mut without = theirs.clone();
            without.as_object_mut().and_then(|body| body.remove("toolConfig")).expect("tools");
            (ok(&without), "who may call no tool is shown none, they show them")
        }
        "tool_no_params" => (
            ok(&replaced(
                "/toolConfig/tools/0/toolSpec/inputSchema",
                json!({"json": {"type": "object", "properties": {}}}),
            )),
            "AWS refuses an empty schema",
        ),
        "tool_empty_args" => {
            let messages = json!([
                {"role": "user", "content": [{"text": "w?"}]},
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "ping", "input": {}}}]},
                {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "ok"}]}}]},
            ]);
            let body = json!({"messages": messages, "inferenceConfig": {"maxTokens": 5}});
            (ok(&body), "no arguments are none, they answer 500")
        }
        "two_assistants" => {
            let merged = json!([
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "assistant", "content": [{"text": "b"}, {"text": "c"}]},
                {"role": "user", "content": [{"text": "d"}]},
            ]);
            (ok(&replaced("/messages", merged)), "AWS wants roles to take turns, they merge users only")
        }
        "json_schema" => {
            let schema = json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                "additionalProperties": false});
            let mut body = theirs.clone();
            let structure = json!({"jsonSchema": {"name": "x", "schema": schema.to_string()}});
            body["outputConfig"] = json!({"textFormat": {"type": "json_schema", "structure": structure}});
            (ok(&body), "AWS has structured output, they drop it")
        }
        _ => return None,
    };
    assert!(holds, "{case}: {ours:?}");
    Some(reason)
}

#[test]
fn requests() {
    let Some(golden) = vectors("golden_transforms.json") else { return };
    let (mut equal, mut other) = (0, Vec::new());
    for model in [CLAUDE, LLAMA] {
        for (case, body) in golden["request_inputs"].as_object().expect("cases") {
            let theirs = &golden["requests"][format!("bedrock:{model}")][case];
            let ours = asked(&with_model(body, model));
            match differs(case, &ours, theirs) {
                Some(_) => other.push(case),
                None => {
                    assert_eq!(ours.as_ref(), Ok(theirs), "{model} {case}");
                    equal += 1;
                }
            }
        }
    }
    assert_eq!((equal, other.len()), (30, 26), "{other:?}");
}

/// Embeddings of which ours are asked otherwise, each with the reason, and how.
fn embeds_otherwise(model: &str, case: &str) -> Option<(Value, &'static str)> {
    let v2 = model.contains("v2:0");
    Some(match (model.starts_with("cohere"), case) {
        (false, "arr") => {
            (json!([{"inputText": "a"}, {"inputText": "b"}]), "one call an input, they drop all but the first")
        }
        (false, "b64") if v2 => {
            (json!([{"inputText": "hello", "embeddingTypes": ["float"]}]), "AWS makes no base64, we do")
        }
        (false, "arr_dims") => (json!([{"inputText": "a", "dimensions": 256}]), "embeddingConfig is the image model's"),
        (false, "coh") => (json!([{"inputText": "a", "dimensions": 512}]), "embeddingConfig is the image model's"),
        (true, "str") => (json!([{"texts": ["hello"], "input_type": "search_document"}]), "AWS refuses none"),
        (true, "arr") => (json!([{"texts": ["a", "b"], "input_type": "search_document"}]), "AWS refuses none"),
        (true, "b64" | "flt") => {
            let body = json!([{"texts": ["hello"], "embedding_types": ["float"], "input_type": "search_document"}]);
            (body, "AWS refuses none, and makes no base64")
        }
        (true, "arr_dims") => (json!([{"texts": ["a"], "input_type": "search_document"}]), "AWS refuses none"),
        (true, "img") => (json!([{"images": ["AAA"], "input_type": "image"}]), "AWS refuses none"),
        (_, "tokens") => (Value::Null, "Bedrock takes no tokens, they send nothing"),
        _ => return None,
    })
}

#[test]
fn embeddings() {
    let Some(golden) = vectors("golden_transforms.json") else { return };
    for model in ["amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1", "cohere.embed-english-v3"] {
        for (case, body) in golden["embed_inputs"].as_object().expect("cases") {
            let theirs = &golden["requests"][format!("embed bedrock:{model}")][case];
            let body = with_model(body, model).to_string();
            let ours = embed(body.as_bytes()).map(|embed| {
                embed.bodies.map(|body| serde_json::from_slice::<Value>(&body).expect("JSON")).collect::<Vec<_>>()
            });
            match embeds_otherwise(model, case) {
                Some((Value::Null, _)) => {
                    assert!(ours.expect_err(case).message().starts_with("input[0] must be"), "{case}");
                }
                Some((expected, reason)) => {
                    assert_eq!(Value::from(ours.expect(case)), expected, "{model} {case} {reason}");
                }
                None => assert_eq!(ours.expect(case), std::slice::from_ref(theirs), "{model} {case}"),
            }
        }
    }
}

#[test]
fn answers() {
    let Some(golden) = vectors("golden_transforms.json") else { return };
    for strict in [true, false] {
        let cases = &golden["responses"][format!("bedrock|{CLAUDE}|chatComplete|200|strict={strict}")];
        for case in cases.as_array().expect("cases") {
            let ours = answer(case["upstream"].to_string().as_bytes(), &about(CLAUDE, strict)).expect("an answer");
            let ours: Value = serde_json::from_slice(&ours).expect("JSON");
            let mut theirs = case["gateway"].clone();
            (theirs["id"], theirs["created"]) = ("chatcmpl-1".into(), 1.into());
            if case["upstream"]["stopReason"] == "model_context_window_exceeded" {
                // OpenAI's word for what is cut off; they say "stop".
                theirs["choices"][0]["finish_reason"] = "length".into();
            }
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn answers_of_embeddings() {
    let Some(golden) = vectors("golden_transforms.json") else { return };
    for model in ["amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"] {
        for case in golden["responses"][format!("bedrock|{model}|embed|200|strict=true")].as_array().expect("cases") {
            let body = json!({"model": model, "input": "x"}).to_string();
            let shape = embed(body.as_bytes()).expect("a request").shape;
            let mut embeddings = Embeddings::default();
            // 7 is what AWS's header said when it was recorded.
            embeddings.add(case["upstream"].to_string().as_bytes(), Some(7), &shape).expect("an answer");
            let ours: Value = serde_json::from_slice(&embeddings.into_body(model)).expect("JSON");
            let item = |embedding: Value| json!([{"object": "embedding", "embedding": embedding, "index": 0}]);
            if case["upstream"]["embeddingsByType"].get("binary").is_some() {
                // They can't read it.
                assert_eq!((&ours["data"], &ours["usage"]["total_tokens"]), (&item(json!([1])), &json!(3)));
            } else if case["upstream"]["embeddings"].get("int8").is_some() {
                // They leave it out.
                assert_eq!(ours["data"], item(json!([1])));
            } else {
                assert_eq!(ours, case["gateway"]);
            }
        }
    }
}

#[test]
fn errors() {
    let Some(golden) = vectors("golden_transforms.json") else { return };
    for status in [400, 403] {
        let cases = &golden["responses"][format!("bedrock|{CLAUDE}|chatComplete|{status}|strict=true")];
        for case in cases.as_array().expect("cases") {
            let ours = error(case["upstream"].to_string().as_bytes(), None, "Forbidden");
            let ours: Value = serde_json::from_slice(&ours).expect("JSON");
            let mut theirs = case["gateway"].clone();
            if case["upstream"].get("Message").is_some() {
                // They know the small letter only.
                theirs["error"]["message"] = "bedrock error: User is not authorized".into();
            }
            assert_eq!(ours, theirs);
        }
    }
}

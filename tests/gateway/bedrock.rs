//! AWS Bedrock behind the gateway: OpenAI's requests come out as Converse, signed; its answers come back as OpenAI's.

use serde_json::{Value, json};

use crate::{
    net::{Connection, Message, Upstream},
    process::{Directory, Gateway, KEY, STORED, base, by_key, entry, run, saved},
    verify::{ID, SECRET, verify},
};

const MODEL: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";
const PATH: &str = "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse";
const STORED_ID: &str = "AKIDSTORED7";
const STORED_SECRET: &str = "stored+Secret/Qw2Er4Ty6Ui8Op1As3Df5Gh7Jk";
const SESSION_ID: &str = "ASIASESSION7";
const SESSION_SECRET: &str = "session+Secret/Zx2Cv4Bn6Mq8Wq1Er3Ty5Ui7Op";
const SESSION_TOKEN: &str = "token+of/the-session==";
const OPENAI: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n{\"object\":\"from openai\"}\n";

/// Speaks Converse, and is STS on `/`.
async fn aws() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let path = request.target().split('?').next().unwrap_or_default().to_owned();
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let answer = match path.rsplit('/').next().unwrap_or_default() {
                "converse" if path.contains("throttled") => reply(
                    "429 Too Many Requests\r\nx-amzn-errortype: ThrottlingException",
                    "application/json",
                    br#"{"message":"Too many requests"}"#,
                ),
                "converse" if body.get("toolConfig").is_some() && !body.to_string().contains("toolResult") => {
                    let call = json!({"toolUse": {"toolUseId": "t-1", "name": "weather", "input": {"city": "Köln"}}});
                    whole(&[call], "tool_use")
                }
                "converse" => whole(&[json!({"text": "grüß dich"})], "end_turn"),
                "converse-stream" => {
                    let broken = path.contains("broken");
                    reply("200 OK", "application/vnd.amazon.eventstream", &events(broken))
                }
                "" => sts(),
                _ => reply("404 Not Found", "application/json", b"{}"),
            };
            connection.send(answer).await;
        }
    })
    .await
}

fn reply(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn whole(content: &[Value], stop: &str) -> Vec<u8> {
    let answer = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop,
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
    });
    reply("200 OK", "application/json", answer.to_string().as_bytes())
}

fn sts() -> Vec<u8> {
    let xml = format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{SESSION_ID}</AccessKeyId>\
         <SecretAccessKey>{SESSION_SECRET}</SecretAccessKey><SessionToken>{SESSION_TOKEN}</SessionToken>\
         <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    );
    reply("200 OK", "text/xml", xml.as_bytes())
}

/// A stream of events: an answer, or one that ends with an exception.
fn events(broken: bool) -> Vec<u8> {
    let event = |kind: &str, payload: Value| frame("event", kind, &payload.to_string());
    let mut all = event("messageStart", json!({"role": "assistant"}));
    for text in ["grüß ", "dich"] {
        all.extend(event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": text}})));
    }
    if broken {
        all.extend(frame("exception", "modelStreamErrorException", r#"{"message":"the model broke"}"#));
        return all;
    }
    all.extend(event("contentBlockStop", json!({"contentBlockIndex": 0})));
    all.extend(event("messageStop", json!({"stopReason": "end_turn"})));
    let usage = json!({"usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}});
    all.extend(event("metadata", usage));
    all
}

/// One frame of AWS's event stream.
fn frame(message: &str, kind: &str, payload: &str) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).expect("a length").to_be_bytes();
    let mut headers = Vec::new();
    for (name, value) in
        [(":message-type", message), (&format!(":{message}-type"), kind), (":content-type", "application/json")]
    {
        headers.push(u8::try_from(name.len()).expect("a length"));
        headers.extend(name.bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).expect("a length").to_be_bytes());
        headers.extend(value.bytes());
    }
    let mut all = [length(headers.len() + payload.len() + 16), length(headers.len())].concat();
    all.extend(crc32fast::hash(&all).to_be_bytes());
    all.extend(headers);
    all.extend(payload.bytes());
    all.extend(crc32fast::hash(&all).to_be_bytes());
    all
}

/// A gateway whose `bedrock` and STS are this server, with what may stand in a file.
fn settings(aws: &Upstream, openai: &Upstream, more: &str) -> String {
    let url = aws.url("");
    let keys = format!("[[keys]]\nid = \"ci\"\nkey = \"{KEY}\"\n");
    format!("{}bedrock = \"{url}\"\nsts = \"{url}\"\n{keys}{more}", base("required", openai))
}

fn aws_entry(slug: &str, lines: &str) -> String {
    format!(
        "[[providers]]\nslug = \"{slug}\"\nprovider = \"bedrock\"\naws_region = \"eu-central-1\"\n\
         aws_access_key_id = \"{STORED_ID}\"\naws_secret_access_key = \"{STORED_SECRET}\"\n{lines}\n"
    )
}

/// The header lines of a caller with keys of its own.
fn own_keys() -> String {
    format!(
        "content-type: application/json\r\nx-portkey-provider: bedrock\r\nx-portkey-aws-access-key-id: {ID}\r\n\
         x-portkey-aws-secret-access-key: {SECRET}\r\nx-portkey-aws-region: us-east-1\r\n"
    )
}

fn by_slug(slug: &str) -> String {
    format!("content-type: application/json\r\nx-portkey-provider: @{slug}\r\n")
}

fn question(model: &str, more: &Value) -> String {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "sag grüß dich"}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body.to_string()
}

fn json_of(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap_or_else(|error| panic!("{error}: {message:?}"))
}

fn content(answer: &Message) -> Value {
    assert_eq!(answer.status(), 200, "{answer:?} {}", answer.text());
    json_of(answer)["choices"][0]["message"]["content"].clone()
}

async fn gateway(aws: &Upstream, more: &str) -> Gateway {
    let nobody = Upstream::answering(OPENAI).await;
    Gateway::start(&settings(aws, &nobody, more)).await
}

#[tokio::test]
async fn a_chat_becomes_converse_and_is_signed() {
    let aws = aws().await;
    let gateway = gateway(&aws, "").await;
    // A signature of the caller's own, and what would take one of ours off.
    let lines =
        own_keys() + "x-amz-date: 20200101T000000Z\r\nx-amz-security-token: callers\r\nconnection: x-amz-date\r\n";
    let answer = gateway.ask(by_key(&lines, &question(MODEL, &json!({"max_tokens": 9, "stop": "x"})))).await;
    assert_eq!(content(&answer), "grüß dich");
    let body = json_of(&answer);
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!(MODEL)), "{body}");
    let usage = &body["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["total_tokens"]), (&json!(7), &json!(10)), "{body}");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");

    let sent = aws.only_request();
    let shown = verify(&sent, SECRET);
    assert_eq!((&*shown.id, &*shown.region, &*shown.service), (ID, "us-east-1", "bedrock"));
    assert_eq!(sent.target(), PATH);
    assert!(!shown.date.starts_with("2020"));
    assert_eq!(sent.header("x-amz-security-token"), None);
    let body = json_of(&sent);
    assert_eq!(body["messages"], json!([{"role": "user", "content": [{"text": "sag grüß dich"}]}]));
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 9, "stopSequences": ["x"]}));
    let all = format!("{sent:?}");
    for never in [KEY, SECRET, "x-portkey", "callers"] {
        assert!(!all.contains(never), "{never}: {all}");
    }
}

#[tokio::test]
async fn a_stream_of_events_comes_as_server_sent_events() {
    let aws = aws().await;
    let gateway = gateway(&aws, "").await;
    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = gateway.ask(by_key(&own_keys(), &question(MODEL, &asked))).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/event-stream")), "{answer:?}");
    let text = answer.text();
    let (chunks, end) = text.trim_end().rsplit_once("\n\n").expect("events");
    assert_eq!(end, "data: [DONE]");
    let chunks: Vec<Value> = chunks
        .split("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").expect(event)).expect(event))
        .collect();
    let said: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, "grüß dich");
    assert_eq!(chunks.last().expect("a chunk")["usage"]["total_tokens"], 10, "{text}");
    let sent = aws.only_request();
    verify(&sent, SECRET);
    assert_eq!(sent.target(), format!("{PATH}-stream"));

    let answer = gateway.ask(by_key(&own_keys(), &question("broken", &asked))).await;
    let text = answer.text();
    assert!(text.contains("the model broke") && !text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn tools_go_there_and_back() {
    let aws = aws().await;
    let gateway = gateway(&aws, "").await;
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let answer = gateway.ask(by_key(&own_keys(), &question(MODEL, &json!({"tools": tools})))).await;
    let body = json_of(&answer);
    let message = body["choices"][0]["message"].clone();
    let call = &message["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["name"]), (&json!("t-1"), &json!("weather")), "{body}");
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    let arguments = call["function"]["arguments"].as_str().expect("a text");
    assert_eq!(serde_json::from_str::<Value>(arguments).expect(arguments), json!({"city": "Köln"}));

    let asked = json!({"role": "user", "content": "Wetter?"});
    let result = json!({"role": "tool", "tool_call_id": "t-1", "content": "rain"});
    let more = json!({"tools": tools, "messages": [asked, message, result]});
    assert_eq!(content(&gateway.ask(by_key(&own_keys(), &question(MODEL, &more))).await), "grüß dich");
    let sent = aws.requests().pop().expect("a request");
    verify(&sent, SECRET);
    let expected = json!({"toolUseId": "t-1", "content": [{"text": "rain"}]});
    let found = &json_of(&sent)["messages"][2]["content"][0]["toolResult"];
    assert_eq!((&found["toolUseId"], &found["content"]), (&expected["toolUseId"], &expected["content"]));
}

#[tokio::test]
async fn stored_keys_are_never_combined_with_anything_of_the_callers() {
    let aws = aws().await;
    let bearer = "[[providers]]\nslug = \"key\"\nprovider = \"bedrock\"\naws_auth_type = \"apiKey\"\napi_key = \"ABSK-stored\"\n";
    let gateway = gateway(&aws, &(aws_entry("aws", "") + bearer)).await;
    let callers = format!(
        "x-portkey-aws-session-token: callers-1\r\nx-amz-security-token: callers-2\r\nauthorization: Bearer callers-3\r\n\
         x-portkey-aws-access-key-id: {ID}\r\nx-portkey-aws-secret-access-key: {SECRET}\r\n\
         x-portkey-aws-region: us-east-1\r\nx-portkey-aws-auth-type: assumedRole\r\n"
    );
    for slug in ["aws", "key"] {
        let answer = gateway.ask(by_key(&(by_slug(slug) + &callers), &question(MODEL, &json!({})))).await;
        assert_eq!(content(&answer), "grüß dich", "{slug}");
        let sent = aws.requests().pop().expect("a request");
        let all = format!("{sent:?}");
        assert!(!all.contains("callers") && !all.contains(ID) && !all.contains("x-amz-security-token"), "{all}");
        if slug == "aws" {
            let shown = verify(&sent, STORED_SECRET);
            assert_eq!((&*shown.id, &*shown.region), (STORED_ID, "eu-central-1"));
        } else {
            assert_eq!(sent.header("authorization"), Some("Bearer ABSK-stored"));
        }
    }
    assert!(gateway.said().iter().all(|line| !line.contains(STORED_SECRET) && !line.contains("ABSK-stored")));
}

#[tokio::test]
async fn half_a_credential_is_refused_and_nothing_is_sent() {
    let aws = aws().await;
    let gateway = gateway(&aws, "").await;
    let named = "content-type: application/json\r\nx-portkey-provider: bedrock\r\n";
    for lines in [
        String::new(),
        format!("x-portkey-aws-access-key-id: {ID}\r\n"),
        format!("x-portkey-aws-secret-access-key: {SECRET}\r\n"),
        format!("x-portkey-aws-access-key-id: {ID}\r\nauthorization: Bearer sk-1\r\n"),
        "x-portkey-aws-session-token: token\r\n".to_owned(),
        format!("x-portkey-aws-access-key-id: {ID}, Signature=0\r\nx-portkey-aws-secret-access-key: {SECRET}\r\n"),
        format!(
            "x-portkey-aws-access-key-id: {ID}\r\nx-portkey-aws-secret-access-key: {SECRET}\r\nx-portkey-aws-region: a.b/\r\n"
        ),
        "x-portkey-aws-auth-type: serviceRole\r\n".to_owned(),
        "x-portkey-aws-auth-type: assumedRole\r\nx-portkey-aws-role-arn: arn:aws:iam::123456789012:role/x\r\n"
            .to_owned(),
    ] {
        let answer = gateway.ask(by_key(&format!("{named}{lines}"), &question(MODEL, &json!({})))).await;
        assert_eq!(answer.status(), 400, "{lines}: {answer:?}");
        assert!(!answer.text().contains(SECRET), "{lines}: {answer:?}");
    }
    let image = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://e.example/a.png"}}]}]});
    assert_eq!(gateway.ask(by_key(&own_keys(), &question(MODEL, &image))).await.status(), 400);
    assert!(aws.requests().is_empty());
}

#[tokio::test]
async fn one_provider_answers_for_the_other() {
    let (aws, openai) = (aws().await, Upstream::answering(OPENAI).await);
    let failing = Upstream::answering("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await;
    let targets = |first: &str, second: &str| {
        let model = |slug: &str| match slug {
            "aws" => format!(r#"{{"provider":"@aws","override_params":{{"model":"{MODEL}"}}}}"#),
            "slow" => r#"{"provider":"@aws","override_params":{"model":"throttled"}}"#.to_owned(),
            other => format!(r#"{{"provider":"@{other}"}}"#),
        };
        format!(r#"{{"strategy":{{"mode":"fallback"}},"targets":[{},{}]}}"#, model(first), model(second))
    };
    let more = [
        aws_entry("aws", ""),
        entry("openai", "openai", ""),
        entry("failing", "openai", &format!("custom_host = \"{}\"", failing.url("/v1"))),
        saved("pc-there", &targets("failing", "aws"), ""),
        saved("pc-back", &targets("slow", "openai"), ""),
    ];
    let gateway = Gateway::start(&settings(&aws, &openai, &more.concat())).await;
    let ask = async |config: &str| {
        let lines = format!("content-type: application/json\r\nx-portkey-config: {config}\r\n");
        gateway.ask(by_key(&lines, &question("gpt-4o", &json!({})))).await
    };
    assert_eq!(content(&ask("pc-there").await), "grüß dich");
    assert_eq!(verify(&aws.only_request(), STORED_SECRET).id, STORED_ID);
    assert_eq!(failing.only_request().header("authorization"), Some(&*format!("Bearer {STORED}")));

    let answer = ask("pc-back").await;
    assert_eq!((answer.status(), json_of(&answer)["object"].clone()), (200, json!("from openai")), "{answer:?}");
    let sent = openai.only_request();
    assert_eq!(sent.text(), question("gpt-4o", &json!({})), "the second target gets the caller's body");
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {STORED}")));
    assert!(!format!("{sent:?}").contains("x-amz"));

    let answer = gateway.ask(by_key(&own_keys(), &question("throttled", &json!({})))).await;
    assert_eq!(answer.status(), 429, "{answer:?}");
    assert!(json_of(&answer)["error"]["message"].as_str().is_some_and(|text| text.contains("Too many requests")));
}

#[tokio::test]
async fn native_routes_pass_as_they_are() {
    let aws = aws().await;
    let gateway = gateway(&aws, "").await;
    let body = r#"{ "messages": [{"role":"user","content":[{"text":"hi"}]}] }"#;
    let request = by_key(&own_keys(), body).replace("/v1/chat/completions", &format!("/v1{PATH}"));
    let answer = gateway.ask(request).await;
    assert_eq!(json_of(&answer)["stopReason"], "end_turn", "{answer:?}");
    let sent = aws.only_request();
    verify(&sent, SECRET);
    assert_eq!((sent.target(), sent.text()), (PATH, body.to_owned()));

    let request = by_key(&own_keys(), body).replace("/v1/chat/completions", &format!("/v1{PATH}-stream"));
    let answer = gateway.ask(request).await;
    assert_eq!(answer.header("content-type"), Some("application/vnd.amazon.eventstream"));
    assert_eq!(answer.body, events(false), "a stream as it came");
}

#[tokio::test]
async fn a_role_is_assumed_once() {
    let aws = aws().await;
    let role = "aws_auth_type = \"assumedRole\"\naws_role_arn = \"arn:aws:iam::123456789012:role/gateway\"\n\
                aws_external_id = \"ext-7\"";
    let gateway = gateway(&aws, &aws_entry("role", role)).await;
    let asked = by_key(&by_slug("role"), &question(MODEL, &json!({})));
    let answers = futures_util::future::join_all((0..20).map(|_| gateway.ask(&asked))).await;
    for answer in &answers {
        assert_eq!(content(answer), "grüß dich");
    }
    let (sts, chats): (Vec<_>, Vec<_>) = aws.requests().into_iter().partition(|request| request.target() == "/");
    let [sts] = sts.as_slice() else { panic!("{} calls", sts.len()) };
    let shown = verify(sts, STORED_SECRET);
    assert_eq!((&*shown.id, &*shown.service, &*shown.region), (STORED_ID, "sts", "eu-central-1"));
    assert!(sts.text().contains("ExternalId=ext-7"), "{}", sts.text());
    assert_eq!(chats.len(), 20);
    for chat in &chats {
        assert_eq!(verify(chat, SESSION_SECRET).id, SESSION_ID);
        assert_eq!(chat.header("x-amz-security-token"), Some(SESSION_TOKEN));
    }
}

#[tokio::test]
async fn check_and_explain_know_entries_of_awss() {
    let (aws, openai, directory) = (aws().await, Upstream::answering(OPENAI).await, Directory::new());
    let role = "aws_auth_type = \"assumedRole\"\naws_role_arn = \"arn:aws:iam::123456789012:role/gateway\"";
    let good = settings(&aws, &openai, &(aws_entry("aws", "") + &aws_entry("role", role)));
    let file = directory.write("gateway.toml", &good);
    let path = file.to_string_lossy();
    let output = run(&["check", "--config", &path]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("@aws (bedrock") && said.contains("sts: http://"), "{said}");
    assert!(!said.contains("no credential") && !said.contains(STORED_SECRET), "{said}");
    let key = format!("x-portkey-api-key: {KEY}");
    for slug in ["aws", "role"] {
        let named = format!("x-portkey-provider: @{slug}");
        let output = run(&["explain", "--config", &path, "-H", &key, "-H", &named, "--model", MODEL]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains(PATH) && said.contains("sign") && said.contains("a stored credential"), "{said}");
        assert!(!said.contains(STORED_SECRET) && !said.contains("Signature=") && !said.contains("explained"), "{said}");
    }
    assert!(aws.requests().is_empty(), "an explanation sends nothing");
    for (lines, expected) in [
        ("aws_auth_type = \"assumedRole\"", "aws_auth_type: assumedRole needs an aws_role_arn"),
        ("aws_auth_type = \"assumedRole\"\naws_role_arn = \"x\"", "aws_role_arn: "),
        ("aws_auth_type = \"apiKey\"", "aws_auth_type: apiKey needs an api_key"),
        ("aws_auth_type = \"other\"", "aws_auth_type: is accessKey, "),
        ("aws_session_token = \"a b\"", "aws_session_token: "),
    ] {
        directory.write("gateway.toml", &settings(&aws, &openai, &aws_entry("aws", lines)));
        let output = run(&["check", "--config", &path]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(expected), "{expected}: {said}");
    }
    let half = aws_entry("aws", "").replace(&format!("aws_access_key_id = \"{STORED_ID}\"\n"), "");
    directory.write("gateway.toml", &settings(&aws, &openai, &half));
    let output = run(&["check", "--config", &path]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("aws_secret_access_key: needs an aws_access_key_id"), "{said}");
}

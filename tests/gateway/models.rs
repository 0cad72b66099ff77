//! `GET /v1/models`, and saved-only mode, through the binary.

use serde_json::{Value, json};

use crate::{
    net::{Message, Upstream},
    process::{Directory, Gateway, KEY, STORED, base, entry, required, run, saved},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const OTHER_KEY: &str = "pk-Zr5Tg6Hy7Uj8Ik9Lo0Pq1";

fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: gateway.test\r\n{lines}\r\n")
}

fn key(key: &str) -> String {
    format!("x-portkey-api-key: {key}\r\n")
}

fn ids(answer: &Message) -> Vec<String> {
    let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((answer.status(), &json["object"]), (200, &json!("list")));
    json["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|model| model["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn settings(upstream: &Upstream) -> String {
    let keys =
        format!("[[keys]]\nid = \"other\"\nkey = \"{OTHER_KEY}\"\nworkspace = \"ws-2\"\nscopes = [\"models.list\"]\n");
    [
        required(upstream),
        keys,
        entry("prod", "openai", "models = [\"gpt-4o\"]\nworkspaces = [\"default\"]"),
        entry("shared", "anthropic", ""),
        saved("pc-prod", r#"{"provider":"@prod"}"#, ""),
    ]
    .concat()
}

#[tokio::test]
async fn each_workspace_is_told_of_its_own() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::start(&settings(&upstream)).await;
    let answer = gateway.ask(get("/v1/models", &key(KEY))).await;
    assert_eq!(ids(&answer), ["@prod/gpt-4o", "@shared"]);
    assert!(answer.header("x-portkey-trace-id").is_some() && !answer.text().contains(STORED));
    assert_eq!(ids(&gateway.ask(get("/v1/models", &key(OTHER_KEY))).await), ["@shared"]);
    assert_eq!(gateway.ask(get("/v1/models", "")).await.status(), 401);
    let one = gateway.ask(get("/v1/models/@prod%2Fgpt-4o", &key(KEY))).await;
    assert!(one.text().starts_with(r#"{"id":"@prod/gpt-4o","object":"model""#), "{}", one.text());
    let head = gateway.connect().await.ask(get("/v1/models", &key(KEY)).replacen("GET", "HEAD", 1)).await;
    assert_eq!((head.status(), head.body.len()), (200, 0));
    assert_eq!(upstream.connections(), 0);
    let line = gateway.says("\"path\":\"/v1/models\"").await;
    assert!(line.contains("\"key\":\"ci\""), "{line}");

    let answer = gateway.ask(get("/v1/models", &(key(KEY) + "x-portkey-config: pc-prod\r\n"))).await;
    assert_eq!((answer.text().as_str(), upstream.only_request().target()), ("ok", "/v1/models"));
}

#[tokio::test]
async fn open_mode_has_none_to_tell_of() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::start(&base("open", &upstream)).await;
    assert_eq!(gateway.ask(get("/v1/models", "")).await.status(), 400);
    let named = "x-portkey-provider: openai\r\nauthorization: Bearer sk-1\r\n";
    assert_eq!(gateway.ask(get("/v1/models", named)).await.status(), 200);
}

#[tokio::test]
async fn saved_only_mode_holds_after_a_reload() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::start(&settings(&upstream)).await;
    let inline = crate::process::chat("", "{}");
    assert_eq!(gateway.ask(&inline).await.status(), 200);
    let strict = format!("saved_only = true\n{}", settings(&upstream));
    gateway.rewrite(&strict);
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    let answer = gateway.ask(&inline).await;
    let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((answer.status(), &json["error"]["code"]), (400, &json!("inline_provider_blocked")));
    let by_slug = crate::process::by_key("x-portkey-provider: @prod\r\n", r#"{"model":"gpt-4o"}"#);
    assert_eq!(gateway.ask(by_slug).await.status(), 200);
    gateway.says("InlineBlocked").await;

    let directory = Directory::new();
    let file = directory.write("gateway.toml", &strict);
    let output = run(&["check", "--config", &file.to_string_lossy()]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("\nsaved only  callers name entries"));
}

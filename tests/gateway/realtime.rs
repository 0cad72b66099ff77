//! `/v1/realtime` through the binary.

use std::time::Duration;

use crate::{
    net::{Connection, Message, Upstream, Wire, soon},
    process::{Gateway, KEY, STORED, base, entry, required},
};

const HANDSHAKE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         sec-websocket-version: 13\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn echo(mut connection: Connection) {
    if connection.request().await.is_none() {
        return;
    }
    connection.send(SWITCHED).await;
    while let Some(byte) = connection.wire.exactly(1).await {
        connection.send(byte).await;
    }
}

fn open(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: gateway.test\r\n{HANDSHAKE}{lines}\r\n")
}

async fn assert_echoes(wire: &mut Wire) {
    wire.send("frame").await;
    assert_eq!(soon(wire.exactly(5)).await.as_deref(), Some(&b"frame"[..]));
}

fn of_entries(upstream: &Upstream) -> String {
    let host = format!("custom_host = \"{}\"", upstream.url("/v1"));
    [
        required(upstream),
        entry("prod", "openai", &host),
        entry("some", "openai", &format!("{host}\nmodels = [\"gpt-realtime\"]")),
        entry("counted", "openai", &format!("{host}\nusage_limits = [{{ type = \"tokens\", credit_limit = 100000 }}]")),
        entry("asked", "openai", &format!("{host}\nrate_limits = [{{ unit = \"rpw\", value = 1 }}]")),
    ]
    .concat()
}

#[tokio::test]
async fn every_way_to_show_a_credential() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&of_entries(&upstream)).await;
    let key = format!("x-portkey-api-key: {KEY}\r\n");
    let browser =
        format!("sec-websocket-protocol: realtime, openai-insecure-api-key.{KEY}\r\norigin: https://app.test\r\n");
    let plain = "/v1/realtime?model=gpt-realtime";
    for (target, lines, credential) in [
        (plain, format!("{key}x-portkey-provider: openai\r\nauthorization: Bearer sk-caller\r\n"), "sk-caller"),
        (plain, format!("{key}x-portkey-provider: @prod\r\n"), STORED),
        ("/v1/realtime?model=@prod/gpt-realtime", key.clone(), STORED),
        ("/v1/realtime?model=%40some%2Fgpt-realtime", browser.clone(), STORED),
        (
            plain,
            format!(
                "{key}x-portkey-provider: openai\r\nsec-websocket-protocol: realtime,openai-insecure-api-key.sk-page\r\n"
            ),
            "sk-page",
        ),
    ] {
        let mut wire = gateway.connect().await;
        let answer = wire.ask(open(target, &lines)).await;
        assert_eq!(answer.status(), 101, "{target} {lines} {answer:?}");
        assert_echoes(&mut wire).await;
        let sent = upstream.requests().pop().expect("a request");
        assert_eq!(sent.start, "GET /v1/realtime?model=gpt-realtime HTTP/1.1");
        assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {credential}")), "{lines}");
        assert_eq!(sent.header("origin"), None);
        let all = format!("{sent:?}");
        assert!(!all.contains(KEY) && !all.contains("insecure"), "{all}");
    }
    let line = gateway.says("tower_portkey::session").await;
    assert!(line.contains("\"provider\":\"openai\"") && !line.contains(STORED), "{line}");
    let line = gateway.says("\"status\":101").await;
    assert!(line.contains("/v1/realtime") && !line.contains("gpt-realtime"), "{line}");
    let log = gateway.said().concat();
    assert!([KEY, STORED, "sk-caller", "sk-page"].iter().all(|secret| !log.contains(secret)), "{log}");
}

#[tokio::test]
async fn who_may_not_come_in_reaches_nobody() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&of_entries(&upstream)).await;
    let key = format!("x-portkey-api-key: {KEY}\r\n");
    let plain = "/v1/realtime?model=gpt-realtime";
    for (target, lines, status, text) in [
        (plain, "x-portkey-provider: @prod\r\n".to_owned(), 401, "Invalid API Key"),
        (
            plain,
            "sec-websocket-protocol: openai-insecure-api-key.pk-wrong-0123456789\r\n".to_owned(),
            401,
            "Invalid API Key",
        ),
        (plain, key.clone(), 400, "x-portkey-provider"),
        ("/v1/realtime?model=@nobody/m", key.clone(), 400, "nobody"),
        ("/v1/realtime?model=@some/o3", key.clone(), 412, "o3"),
        ("/v1/realtime?model=gpt-realtime&model=o3", format!("{key}x-portkey-provider: @some\r\n"), 412, "o3"),
        (
            "/v1/realtime?intent=transcription",
            format!("{key}x-portkey-provider: @some\r\n"),
            400,
            "must name the model",
        ),
        (plain, format!("{key}x-portkey-provider: @counted\r\n"), 501, "tokens or cost"),
        (
            plain,
            format!(
                "{key}x-portkey-provider: openai\r\nauthorization: Bearer a\r\nsec-websocket-protocol: openai-insecure-api-key.b\r\n"
            ),
            400,
            "sec-websocket-protocol",
        ),
        (plain, format!("{key}x-portkey-provider: @prod\r\ncontent-length: 3\r\n"), 400, "no body"),
    ] {
        let answer = gateway.ask(open(target, &lines)).await;
        assert_eq!(answer.status(), status, "{target} {lines}");
        assert!(answer.text().contains(text), "{}", answer.text());
    }
    let no_upgrade = format!("GET {plain} HTTP/1.1\r\nhost: gateway.test\r\n{key}x-portkey-provider: @prod\r\n\r\n");
    let answer = gateway.ask(no_upgrade).await;
    assert!(answer.status() == 400 && answer.text().contains("upgrade: websocket"), "{answer:?}");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn requests_are_counted_and_sessions_are_not_tried_twice() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&of_entries(&upstream)).await;
    let config = r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@asked"},{"provider":"@prod"}],"retry":{"attempts":2}}"#;
    let lines = format!("x-portkey-api-key: {KEY}\r\nx-portkey-config: {config}\r\n");
    for target in ["config.targets[0]", "config.targets[1]"] {
        let mut wire = gateway.connect().await;
        let answer = wire.ask(open("/v1/realtime?model=m", &lines)).await;
        assert_eq!((answer.status(), answer.header("x-portkey-last-used-option-index")), (101, Some(target)));
        assert_echoes(&mut wire).await;
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn open_mode_takes_the_providers_key_from_either_place() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&base("open", &upstream)).await;
    for lines in
        ["authorization: Bearer sk-1\r\n", "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-1\r\n"]
    {
        let mut wire = gateway.connect().await;
        let answer = wire.ask(open("/v1/realtime?model=m", &format!("x-portkey-provider: openai\r\n{lines}"))).await;
        assert_eq!(answer.status(), 101);
        assert_echoes(&mut wire).await;
    }
    let all: Vec<Message> = upstream.requests();
    assert!(all.iter().all(|sent| sent.header("authorization") == Some("Bearer sk-1")), "{all:?}");
    assert!(!format!("{all:?}").contains("insecure"));
}

#[tokio::test]
async fn a_session_has_its_grace_and_is_cut_after_it() {
    let upstream = Upstream::start(echo).await;
    let mut gateway = Gateway::start(&of_entries(&upstream)).await;
    let lines = format!("x-portkey-api-key: {KEY}\r\nx-portkey-provider: @prod\r\n");
    let mut wire = gateway.connect().await;
    assert_eq!(wire.ask(open("/v1/realtime?model=m", &lines)).await.status(), 101);
    gateway.signal("TERM").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(gateway.is_running());
    assert_echoes(&mut wire).await;
    assert!(gateway.ended().await.success());
    soon(wire.closed()).await;
    gateway.says("took longer than the grace").await;

    let mut gateway = Gateway::start(&of_entries(&upstream).replace("grace_seconds = 1", "grace_seconds = 60")).await;
    let mut wire = gateway.connect().await;
    assert_eq!(wire.ask(open("/v1/realtime?model=m", &lines)).await.status(), 101);
    gateway.signal("TERM").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.finish().await;
    assert!(gateway.ended().await.success(), "it ends with its last session");
}

#[tokio::test]
async fn a_silent_session_ends() {
    let upstream = Upstream::start(echo).await;
    let settings = of_entries(&upstream)
        .replace("[upstream.base_url]", "[upstream]\nsession_idle_timeout_ms = 300\n[upstream.base_url]");
    let gateway = Gateway::start(&settings).await;
    let lines = format!("x-portkey-api-key: {KEY}\r\nx-portkey-provider: @prod\r\n");
    let mut wire = gateway.connect().await;
    assert_eq!(wire.ask(open("/v1/realtime?model=m", &lines)).await.status(), 101);
    soon(wire.closed()).await;
    let line = gateway.says("tower_portkey::session").await;
    assert!(line.contains("silence"), "{line}");
}

//! Stored credentials and saved configs: who may use them, and what reaches the provider.

use crate::{
    net::{Message, Upstream},
    process::{Gateway, KEY, STORED, base, by_key, entry, required, saved},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const OTHER_KEY: &str = "pk-Zr5Tg6Hy7Uj8Ik9Lo0Pq1";
/// Every place in which a caller could show a credential of its own.
const CALLERS: &str = "authorization: Bearer caller-1\r\nx-api-key: caller-2\r\napi-key: caller-3\r\n\
                       x-goog-api-key: caller-4\r\ncookie: a=caller-5\r\nx-portkey-azure-ad-token: caller-6\r\n";

fn everything(request: &Message) -> String {
    let lines: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{}\n{}", request.start, lines.join("\n"))
}

#[tokio::test]
async fn the_stored_credential_takes_the_place_of_every_one_of_the_callers() {
    // A provider that repeats what it gets.
    let upstream = Upstream::answering(OK.replace("\r\n\r\n", &format!("\r\nx-echo: Bearer {STORED}\r\n\r\n"))).await;
    let providers = ["openai", "anthropic", "google", "groq", "cohere"];
    let host = format!("custom_host = \"{}\"", upstream.url("/base"));
    let entries = providers.map(|id| entry(&format!("{id}-prod"), id, &host)).concat();
    let gateway = Gateway::start(&format!("{}{entries}", required(&upstream))).await;
    let mut wire = gateway.connect().await;
    let mut sent = 0;
    for id in providers {
        for (method, path) in [
            ("POST", "/v1/chat/completions"),
            ("POST", "/v1/messages"),
            ("GET", "/v1/models"),
            ("GET", "/v1/some/thing/else"),
            ("PUT", "/v1/proxy/some/thing"),
        ] {
            for named in [format!("x-portkey-provider: @{id}-prod"), format!("x-portkey-virtual-key: {id}-prod")] {
                let before = upstream.requests().len();
                // For the one provider that takes its key there.
                let query = if id == "google" { "?key=caller-7" } else { "" };
                let lines = format!("host: a\r\nx-portkey-api-key: {KEY}\r\n{named}\r\n{CALLERS}content-length: 2\r\n");
                let answer = wire.ask(format!("{method} {path}{query} HTTP/1.1\r\n{lines}\r\n{{}}")).await;
                let received = upstream.requests().split_off(before);
                if answer.status() == 501 {
                    assert!(received.is_empty(), "{id} {path}");
                    continue;
                }
                let [request] = received.as_slice() else { panic!("{id} {path}: {answer:?} {received:?}") };
                let all = everything(request);
                assert_eq!((answer.status(), all.matches(STORED).count()), (200, 1), "{id} {path}: {all}");
                for never in ["caller-", KEY, "x-portkey"] {
                    assert!(!all.contains(never), "{id} {path}: {all}");
                }
                assert!(!everything(&answer).contains(STORED), "{id} {path}: {answer:?}");
                sent += 1;
            }
        }
    }
    assert!(sent > 30, "{sent} were sent");
}

#[tokio::test]
async fn no_log_tells_a_credential_however_much_it_tells() {
    let upstream = Upstream::answering(OK).await;
    let fallback = r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@gone"},{"provider":"@prod"}]}"#;
    let inner = format!(r#"{{"provider":"openai","api_key":"{STORED}"}}"#);
    let settings = [
        required(&upstream),
        entry("prod", "openai", ""),
        entry("gone", "openai", "custom_host = \"http://127.0.0.1:1/v1\""),
        saved("pc-fallback", fallback, ""),
        saved("pc-inner", &inner, ""),
    ];
    let gateway = Gateway::start_as(&settings.concat(), &[], &[("RUST_LOG", "trace")]).await;
    for (lines, status) in [
        ("x-portkey-provider: @prod\r\n", 200),
        ("x-portkey-config: pc-fallback\r\n", 200),
        ("x-portkey-config: pc-inner\r\n", 200),
        ("x-portkey-provider: @prod\r\nx-portkey-custom-host: https://a.example\r\n", 400),
        ("x-portkey-provider: @gone\r\n", 502),
    ] {
        let answer = gateway.ask(by_key(&format!("{lines}authorization: Bearer caller-0123456789\r\n"), "{}")).await;
        assert_eq!(answer.status(), status, "{lines}: {answer:?}");
    }
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    for line in gateway.said() {
        assert!(![STORED, KEY, "caller-0123456789"].iter().any(|secret| line.contains(secret)), "{line}");
    }
}

/// Settings with two workspaces: [`KEY`] is of the first, entry and config are the second's.
fn two_workspaces(upstream: &Upstream) -> String {
    let keys = format!(
        "[[keys]]\nid = \"one\"\nkey = \"{KEY}\"\nworkspace = \"ws-1\"\n\
         [[keys]]\nid = \"two\"\nkey = \"{OTHER_KEY}\"\nworkspace = \"ws-2\"\n"
    );
    let (entry, saved) = (
        entry("theirs", "openai", "workspaces = [\"ws-2\"]"),
        saved("pc-theirs", r#"{"provider":"@theirs"}"#, "workspaces = [\"ws-2\"]"),
    );
    format!("{}{keys}{entry}{saved}", base("required", upstream))
}

#[tokio::test]
async fn what_another_workspace_has_and_what_nobody_has_is_answered_alike() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::start(&two_workspaces(&upstream)).await;
    let config = |json: &str| format!("x-portkey-config: {json}\r\n");
    for (lines, body) in [
        ("x-portkey-provider: @NAME\r\n".to_owned(), "{}"),
        ("x-portkey-virtual-key: NAME\r\n".to_owned(), "{}"),
        (config(r#"{"provider":"@NAME"}"#), "{}"),
        (config(r#"{"virtual_key":"NAME"}"#), "{}"),
        (config(r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@NAME"},{"virtual_key":"NAME"}]}"#), "{}"),
        (config("pc-NAME"), "{}"),
        ("content-type: application/json\r\n".to_owned(), r#"{"model":"@NAME/gpt-4o"}"#),
    ] {
        let lines = format!("x-portkey-trace-id: same\r\n{lines}");
        let ask = async |name: &str, key: &str| {
            let request = by_key(&lines.replace("NAME", name), &body.replace("NAME", name)).replace(KEY, key);
            let answer = gateway.ask(request).await;
            let kept = answer.headers.iter().filter(|(header, _)| header != "date").cloned().collect::<Vec<_>>();
            (answer.start.clone(), kept, answer.text().replace(name, "NAME"))
        };
        assert_eq!(ask("theirs", OTHER_KEY).await.0, "HTTP/1.1 200 OK", "{lines}{body}");
        let theirs = ask("theirs", KEY).await;
        assert_eq!(theirs.0, "HTTP/1.1 400 Bad Request", "{lines}{body}: {theirs:?}");
        assert_eq!(theirs, ask("nobody", KEY).await, "{lines}{body}");
    }
    assert!(upstream.requests().iter().all(|request| everything(request).contains(STORED)));
    assert_eq!(upstream.requests().len(), 7);
}

#[tokio::test]
async fn an_entry_that_may_not_be_used_says_why_and_sends_nothing() {
    let upstream = Upstream::answering(OK).await;
    let entries: String = [
        ("used-up", "status = \"exhausted\""),
        ("is-over", "status = \"expired\""),
        ("put-away", "status = \"archived\""),
        ("is-past", "expires_at = \"2020-01-01T00:00:00Z\""),
        ("few-models", "models = [\"gpt-4o\"]"),
        ("not-yet", "expires_at = \"2999-01-01T00:00:00Z\""),
    ]
    .map(|(slug, line)| entry(slug, "openai", line))
    .concat();
    let gateway = Gateway::start(&format!("{}{entries}", required(&upstream))).await;
    for (slug, status, text) in [
        ("used-up", 412, "Portkey Virtual Key us********-up Usage Limit Exceeded"),
        ("is-over", 401, "Portkey Virtual Key is********ver Expired"),
        // As if it were not there.
        ("put-away", 400, "Following keys are not valid: put-away"),
        ("is-past", 401, "Portkey Virtual Key is********ast Expired"),
        ("few-models", 412, "Model o3 is not allowed for this integration"),
        ("not-yet", 200, "ok"),
    ] {
        for (named, model) in
            [(format!("x-portkey-provider: @{slug}\r\n"), "o3".to_owned()), (String::new(), format!("@{slug}/o3"))]
        {
            let lines = format!("{named}content-type: application/json\r\n");
            let answer = gateway.ask(by_key(&lines, &format!("{{\"model\":\"{model}\"}}"))).await;
            assert_eq!(answer.status(), status, "{slug} {model}: {answer:?}");
            assert!(answer.text().contains(text), "{slug} {model}: {answer:?}");
        }
    }
    assert_eq!(upstream.requests().len(), 2);
    assert!(upstream.requests().iter().all(|request| request.text() == r#"{"model":"o3"}"#));
}

#[tokio::test]
async fn a_default_config_counts_where_none_is_named_and_may_be_locked() {
    let upstream = Upstream::answering(OK).await;
    let settings = |allowed: bool| {
        let defaults = format!("defaults = {{ config_id = \"pc-own\", allow_config_override = {allowed} }}\n");
        let configs =
            saved("pc-own", r#"{"provider":"@prod"}"#, "") + &saved("pc-other", r#"{"provider":"@prod"}"#, "");
        format!("{}{defaults}{}{configs}", required(&upstream), entry("prod", "openai", ""))
    };
    for (allowed, status) in [(true, 200), (false, 400)] {
        let gateway = Gateway::start(&settings(allowed)).await;
        assert_eq!(gateway.ask(by_key("", "{}")).await.status(), 200);
        for config in ["pc-other", r#"{"provider":"@prod"}"#] {
            let answer = gateway.ask(by_key(&format!("x-portkey-config: {config}\r\n"), "{}")).await;
            assert_eq!(answer.status(), status, "{config}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn settings_that_are_read_again_add_entries_and_bad_ones_change_nothing() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::start(&required(&upstream)).await;
    let ask = async |slug: &str| gateway.ask(by_key(&format!("x-portkey-provider: @{slug}\r\n"), "{}")).await.status();
    assert_eq!(ask("fresh").await, 400);
    gateway.rewrite(&format!("{}{}", required(&upstream), entry("fresh", "openai", "")));
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    assert_eq!(ask("fresh").await, 200);
    gateway.rewrite(&format!("{}{}", required(&upstream), entry("later", "openai", "api_kee = 1")));
    gateway.signal("HUP").await;
    let line = gateway.says("the old ones stay in force").await;
    assert!(line.contains("providers[0].api_kee"), "{line}");
    assert_eq!((ask("fresh").await, ask("later").await), (200, 400));
}

#[tokio::test]
async fn in_open_mode_nothing_stored_can_be_named() {
    let upstream = Upstream::answering(OK).await;
    let stored = entry("prod", "openai", "") + &saved("pc-prod", r#"{"provider":"@prod"}"#, "");
    let gateway = Gateway::start(&format!("{}{stored}", base("open", &upstream))).await;
    for (lines, body) in [
        ("x-portkey-provider: @prod\r\n", "{}"),
        ("x-portkey-config: pc-prod\r\n", "{}"),
        ("x-portkey-config: {\"provider\":\"@prod\"}\r\n", "{}"),
        ("x-portkey-virtual-key: prod\r\n", "{}"),
        ("content-type: application/json\r\n", r#"{"model":"@prod/gpt-4o"}"#),
    ] {
        let answer = gateway.ask(by_key(lines, body)).await;
        assert_eq!(answer.status(), 400, "{lines}{body}: {answer:?}");
    }
    let beside = "x-portkey-provider: openai\r\nx-portkey-virtual-key: prod\r\nauthorization: Bearer sk-mine\r\n";
    assert_eq!(gateway.ask(by_key(beside, r#"{"model":"@prod/gpt-4o"}"#)).await.status(), 200);
    assert!(!everything(&upstream.only_request()).contains(STORED));
}

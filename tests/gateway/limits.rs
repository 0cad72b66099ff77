//! Rate and usage limits by requests from outside: what passes, how a refusal reads, and what outlives a restart.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    net::{Connection, Message, Upstream, Wire, nobody, soon},
    process::{Directory, Gateway, KEY, base, by_key, entry, run, saved},
    tokens::{Issuer, table},
};

const PROVIDER: &str = "x-portkey-provider: openai\r\nauthorization: Bearer sk-provider\r\n\
                        content-type: application/json\r\n";

/// A provider that says what it has used: 30 tokens, or 12 in a stream.
async fn provider() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let (kind, text) = if request.text().contains(r#""stream":true"#) {
                let usage = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
                ("text/event-stream", format!("data: {{\"choices\":[{{}}]}}\n\ndata: {usage}\n\ndata: [DONE]\n\n"))
            } else {
                let usage = json!({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30});
                ("application/json", json!({"choices": [], "usage": usage}).to_string())
            };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", text.len());
            connection.send(head + &text).await;
        }
    })
    .await
}

/// Settings with these lines at their beginning, in the table of [`KEY`], and after it.
fn settings(upstream: &Upstream, top: &str, key: &str, rest: &str) -> String {
    format!("{top}\n{}[[keys]]\nid = \"ci\"\nkey = \"{KEY}\"\n{key}\n{rest}", base("required", upstream))
}

async fn ask(gateway: &Gateway, body: &str) -> Message {
    gateway.ask(by_key(PROVIDER, body)).await
}

async fn statuses(gateway: &Gateway, count: usize) -> Vec<u16> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(ask(gateway, "{}").await.status());
    }
    all
}

/// `GET` of a page of the admin listener.
async fn page(admin: SocketAddr, path: &str) -> Message {
    Wire::connect(admin).await.ask(format!("GET {path} HTTP/1.1\r\nhost: {admin}\r\n\r\n")).await
}

/// What is used and held by the only counter there is, once nothing is under way.
async fn used(admin: SocketAddr) -> u64 {
    let settled = async {
        loop {
            let page: Value = serde_json::from_str(&page(admin, "/limits").await.text()).expect("JSON");
            let [counter] = page["counters"].as_array().expect("counters").as_slice() else { panic!("{page}") };
            if counter["held"] == 0 {
                return counter["used"].as_u64().expect("a number");
            }
        }
    };
    soon(settled).await
}

#[tokio::test]
async fn of_two_hundred_at_once_exactly_as_many_pass_as_may() {
    let upstream = provider().await;
    let limits =
        "rate_limits = [{ unit = \"rpw\", value = 100 }, { type = \"tokens\", unit = \"rpw\", value = 9000000 }]";
    let gateway = Gateway::start(&settings(&upstream, "", limits, "")).await;
    let mut asking = JoinSet::new();
    for _ in 0..200 {
        let address = gateway.address;
        asking.spawn(async move { Wire::connect(address).await.ask(by_key(PROVIDER, "{}")).await.status() });
    }
    let answers = asking.join_all().await;
    let count = |wanted| answers.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(429), upstream.requests().len()), (100, 100, 100));
}

#[tokio::test]
async fn a_refusal_reads_as_portkeys_and_says_when_to_come_again() {
    let upstream = provider().await;
    let text = |text: &str, code: &str| {
        let message = format!("Portkey Error: {text}. Error Code: {code}");
        format!(r#"{{"status":"failure","message":"{message}","error":{{"message":"{message}","code":"{code}"}}}}"#)
    };
    let once = "[{ unit = \"rpw\", value = 1 }]";
    let used_up = "[{ type = \"requests\", credit_limit = 1 }]";
    let workspace = |lines: String| format!("[[workspaces]]\nid = \"default\"\n{lines}");
    for (key, rest, status, body) in [
        (format!("rate_limits = {once}"), String::new(), 429, text("apikey de********rpw rate limit exceded", "05")),
        (
            String::new(),
            workspace(format!("rate_limits = {once}")),
            429,
            text("workspace de********rpw rate limit exceeded", "05"),
        ),
        (format!("usage_limits = {used_up}"), String::new(), 412, text("Portkey API Key Usage Limit Exceeded", "04")),
        (
            String::new(),
            workspace(format!("usage_limits = {used_up}")),
            412,
            text("Portkey Workspace Usage Limit Exceeded", "04"),
        ),
    ] {
        let gateway = Gateway::start(&settings(&upstream, "", &key, &rest)).await;
        let first = ask(&gateway, "{}").await;
        assert_eq!(first.status(), 200, "{first:?}");
        let answer = ask(&gateway, "{}").await;
        assert_eq!((answer.status(), answer.text()), (status, body), "{key}{rest}");
        let seconds = answer.header("retry-after").map(|seconds| seconds.parse::<u64>().expect("seconds"));
        assert_eq!(seconds.is_some_and(|seconds| (1..=604_800).contains(&seconds)), status == 429, "{answer:?}");
        if status == 429 {
            for (answer, remaining) in [(first, "0"), (answer, "0")] {
                assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("1"), "{answer:?}");
                assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(remaining));
                assert!(answer.header("x-ratelimit-reset-requests").is_some());
            }
        }
    }
    for (limits, status) in [("expired", 401), ("exhausted", 412), ("archived", 200)] {
        let limits = format!("usage_limits = [{{ type = \"tokens\", credit_limit = 5000, status = \"{limits}\" }}]");
        let gateway = Gateway::start(&settings(&upstream, "", &limits, "")).await;
        assert_eq!(statuses(&gateway, 1).await, [status], "{limits}");
    }
}

#[tokio::test]
async fn another_target_takes_the_place_of_an_entry_that_is_over() {
    let upstream = provider().await;
    let host = |name: &str| format!("custom_host = \"{}\"", upstream.url(name));
    let config = r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@one"},{"provider":"@two"}]}"#;
    let rest = [
        entry("one", "openai", &format!("{}\nrate_limits = [{{ unit = \"rpw\", value = 1 }}]", host("/one"))),
        entry("two", "openai", &host("/two")),
        entry(
            "spent",
            "openai",
            &format!("{}\nusage_limits = [{{ type = \"requests\", credit_limit = 0 }}]", host("/spent")),
        ),
        saved("pc-both", config, ""),
    ];
    let gateway = Gateway::start(&settings(&upstream, "", "", &rest.concat())).await;
    let by = async |lines: &str| gateway.ask(by_key(&format!("{lines}\r\n"), "{}")).await;
    for (target, path) in
        [("config.targets[0]", "/one/chat/completions"), ("config.targets[1]", "/two/chat/completions")]
    {
        let answer = by("x-portkey-config: pc-both").await;
        assert_eq!((answer.status(), answer.header("x-portkey-last-used-option-index")), (200, Some(target)));
        assert_eq!(upstream.requests().last().expect("a request").target(), path);
    }
    let answer = by("x-portkey-provider: @one").await;
    let body: Value = serde_json::from_str(&answer.text()).expect("JSON");
    assert_eq!(answer.status(), 429);
    let message = "Portkey Virtual Key de********rpw Rate Limit Exceeded";
    let kind = "virtual_key_rate_limit_error";
    assert_eq!(body, json!({"error": {"message": message, "type": kind, "param": null, "code": null}}));
    assert!(answer.header("retry-after").is_some() && answer.header("x-portkey-provider") == Some("openai"));
    let answer = by("x-portkey-provider: @spent").await;
    let body: Value = serde_json::from_str(&answer.text()).expect("JSON");
    assert_eq!((answer.status(), &body["error"]["type"]), (412, &json!("virtual_key_exhaust_error")));
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn what_an_answer_says_is_counted_and_told() {
    let (upstream, admin) = (provider().await, nobody().expect("an address"));
    let limits = "usage_limits = [{ type = \"tokens\", credit_limit = 1000 }]";
    let text = settings(&upstream, &format!("admin_listen = \"{admin}\""), limits, "");
    let gateway = Gateway::start(&text).await;
    for (body, total) in
        [(r#"{"max_tokens":500}"#, 30), (r#"{"max_tokens":500,"stream":true}"#, 42), (r#"{"stream":true}"#, 54)]
    {
        let answer = gateway.ask(by_key(&format!("{PROVIDER}accept-encoding: gzip\r\n"), body)).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(used(admin).await, total);
        let sent = upstream.requests().pop().expect("a request");
        assert_eq!((sent.text().as_str(), sent.header("accept-encoding")), (body, Some("identity")));
    }
    assert_eq!(ask(&gateway, r#"{"max_tokens":990}"#).await.status(), 412);
    let metrics = page(admin, "/metrics").await;
    for line in ["portkey_limit_used", "portkey_limit_remaining", "portkey_limit_max", "portkey_limit_denied"] {
        assert!(
            metrics.text().contains(&format!("\n{line}{{counter=\"default-tokens-API_KEY-ci-total\"")),
            "{metrics:?}"
        );
    }
    assert_eq!(page(admin, "/v1/health").await.status(), 404);
    assert_eq!(gateway.ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.status(), 401);

    let directory = Directory::new();
    let file = directory.write("gateway.toml", &text);
    let output = run(&["limits", "--config", &file.to_string_lossy()]).await;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && table.contains("default-tokens-API_KEY-ci-total  54"), "{table}");
    drop(gateway);
    let output = run(&["limits", "--config", &file.to_string_lossy()]).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_stream_is_asked_for_its_usage_where_the_operator_wants_it() {
    let upstream = provider().await;
    let limits = "usage_limits = [{ type = \"tokens\", credit_limit = 100000 }]";
    let gateway = Gateway::start(&settings(&upstream, "", limits, "[limits]\ninclude_usage = true\n")).await;
    for (body, sent) in [
        (
            r#"{"model" : "m", "stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model" : "m", "stream":true}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"include_usage":false}}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (r#"{"model" : "m"}"#, r#"{"model" : "m"}"#),
    ] {
        assert_eq!(ask(&gateway, body).await.status(), 200);
        let request = upstream.requests().pop().expect("a request");
        assert_eq!((request.text().as_str(), request.whole), (sent, true));
    }
}

#[tokio::test]
async fn counters_outlive_a_restart_and_nobody_can_write_them_down() {
    let (upstream, directory) = (provider().await, Directory::new());
    let snapshot = directory.write("place", "").with_file_name("counters");
    let limits = "usage_limits = [{ type = \"requests\", credit_limit = 2 }]";
    let table = format!("[limits]\nsnapshot = {snapshot:?}\nsnapshot_interval_seconds = 3600\n");
    let text = settings(&upstream, "", limits, &table);
    let mut gateway = Gateway::start(&text).await;
    assert_eq!(statuses(&gateway, 1).await, [200]);
    gateway.signal("TERM").await;
    assert!(gateway.ended().await.success());
    let gateway = Gateway::start(&text).await;
    gateway.says("counters of limits put back").await;
    assert_eq!(statuses(&gateway, 2).await, [200, 412]);
    drop(gateway);

    let good = fs::read_to_string(&snapshot).expect("a file");
    let file = directory.write("gateway.toml", &text);
    let refused = async |file: &Path| {
        for command in ["serve", "check"] {
            let output = run(&[command, "--config", &file.to_string_lossy()]).await;
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{told}");
            assert!(told.contains("the checksum is wrong") || told.contains("the file is cut off"), "{told}");
        }
    };
    assert!(good.contains("\"used\":1"));
    fs::write(&snapshot, good.replace("\"used\":1", "\"used\":0")).expect("written");
    refused(&file).await;
    fs::write(&snapshot, &good[..good.len() / 2]).expect("written");
    refused(&file).await;
    fs::write(&snapshot, &good).expect("written");
    let output = run(&["check", "--config", &file.to_string_lossy()]).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("limits 2 requests in all") && told.contains("counters    kept in"), "{told}");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_ends_the_start() {
    let (upstream, directory) = (provider().await, Directory::new());
    let text = settings(&upstream, "", "", "[limits]\nsnapshot = \"/no/such/folder/counters\"\n");
    let file = directory.write("gateway.toml", &text);
    let output = run(&["serve", "--config", &file.to_string_lossy()]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && told.contains("/no/such/folder/counters: "), "{told}");
}

#[tokio::test]
async fn a_reload_keeps_what_was_counted() {
    let upstream = provider().await;
    let text =
        |value: u32| settings(&upstream, "", &format!("rate_limits = [{{ unit = \"rpw\", value = {value} }}]"), "");
    let gateway = Gateway::start(&text(2)).await;
    assert_eq!(statuses(&gateway, 1).await, [200]);
    gateway.rewrite(&text(3));
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    assert_eq!(statuses(&gateway, 3).await, [200, 200, 429]);
}

#[tokio::test]
async fn tokens_have_their_own_counters_or_their_subjects() {
    let upstream = provider().await;
    let issuer = Issuer::new();
    let limit = json!({"rate_limits": [{"unit": "rpw", "value": 1}], "portkey_workspace": "ws-1"});
    let token = |jti: &str| {
        let mut claims = limit.clone();
        claims["jti"] = json!(jti);
        issuer.token(&claims)
    };
    let jwt = table("org-1", &format!("jwks = '{}'", issuer.set()));
    for (counters, expected) in [("token", [200, 429, 200, 429]), ("subject", [200, 429, 429, 429])] {
        let rest = format!("{jwt}[limits]\ntoken_counters = \"{counters}\"\n");
        let gateway = Gateway::start(&settings(&upstream, "", "", &rest)).await;
        for (jti, status) in ["a", "a", "b", "b"].into_iter().zip(expected) {
            let answer = gateway.ask(by_key(PROVIDER, "{}").replace(KEY, &token(jti))).await;
            assert_eq!(answer.status(), status, "{counters} {jti}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_workspace_is_everybodys_who_belongs_to_it() {
    let (upstream, issuer) = (provider().await, Issuer::new());
    let workspace = "[[workspaces]]\nid = \"ws-1\"\norganisation = \"org-1\"\ndefaults = { config_id = \"pc-own\" }\n\
                     rate_limits = [{ unit = \"rpw\", value = 3 }]\n";
    let rest = [
        table("org-1", &format!("jwks = '{}'", issuer.set())),
        workspace.to_owned(),
        entry("prod", "openai", ""),
        saved("pc-own", r#"{"provider":"@prod"}"#, ""),
    ];
    let key = "organisation = \"org-1\"\nworkspace = \"ws-1\"";
    let gateway = Gateway::start(&settings(&upstream, "", key, &rest.concat())).await;
    let token = |workspace: &str| issuer.token(&json!({"portkey_workspace": workspace}));
    for (credential, lines, status) in [
        (KEY.to_owned(), "", 200),
        (token("ws-1"), "", 200),
        (token("ws-2"), PROVIDER, 200),
        (token("ws-2"), "", 400),
        (token("ws-1"), PROVIDER, 200),
        (token("ws-1"), PROVIDER, 429),
        (KEY.to_owned(), PROVIDER, 429),
    ] {
        let answer = gateway.ask(by_key(lines, "{}").replace(KEY, &credential)).await;
        assert_eq!(answer.status(), status, "{answer:?}");
    }
}

#[tokio::test]
async fn check_and_explain_tell_limits_and_what_is_most_likely_not_meant() {
    let (upstream, directory) = (provider().await, Directory::new());
    let limits = "rate_limits = [{ unit = \"rpm\", value = 60 }]\nusage_limits = [{ credit_limit = 2.5 }]";
    let rest = [
        "[[workspaces]]\nid = \"default\"\nrate_limits = [{ type = \"tokens\", unit = \"rph\", value = 7 }]\n"
            .to_owned(),
        "[[workspaces]]\nid = \"defualt\"\n".to_owned(),
        entry("prod", "openai", "rate_limits = [{ unit = \"rps\", value = 5 }]"),
    ];
    let file = directory.write("gateway.toml", &settings(&upstream, "", limits, &rest.concat()));
    let file = file.to_string_lossy();
    let output = run(&["check", "--config", &file]).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in [
        "scopes completions.write, limits 2.5 USD in all, 60 requests rpm)",
        "workspace   default (organisation default, limits 7 tokens rph)",
        "workspace   defualt (organisation default, no limits)",
        "; limits 5 requests rps)",
        "keys[0].usage_limits: counts nothing: its type is cost, and there are no [[prices]]",
        "workspaces[1]: no key and no token belongs to this workspace",
    ] {
        assert!(told.contains(expected), "{expected:?} in {told}");
    }
    let key = format!("x-portkey-api-key: {KEY}");
    let arguments = ["explain", "--config", &file, "-H", &key, "-H", "x-portkey-provider: @prod", "--model", "m"];
    let told = String::from_utf8_lossy(&run(&arguments).await.stdout).into_owned();
    for expected in [
        "limits of the caller: 2.5 USD in all, 60 requests rpm",
        "limits of the workspace: 7 tokens rph",
        "limits of the entry: 5 requests rps",
    ] {
        assert!(told.contains(expected), "{expected:?} in {told}");
    }
}

//! `check`, `demo` and arguments: what they print and how they end.

use crate::{
    net::Upstream,
    process::{Directory, Gateway, KEY, STORED, base, entry, required, run, saved},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn check_says_what_would_be_served() {
    let upstream = Upstream::answering(OK).await;
    let file = Directory::new();
    let file = (file.write("gateway.toml", &required(&upstream)), file);
    let output = run(&["check", "--config", &file.0.to_string_lossy()]).await;
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in
        ["127.0.0.1:0", "required: 1 keys", "ci (organisation default", "openai: http://", "settings are good"]
    {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    assert!(!text.contains(KEY) && output.stderr.is_empty());
    assert_eq!(upstream.connections(), 0, "no network");
}

#[tokio::test]
async fn a_wrong_file_is_code_2_and_named_by_line_and_key() {
    let directory = Directory::new();
    for (text, expected) in [
        ("mode = \"open\"\nlisten = \"0.0.0.0:1\"", ":2: listen: open mode on an address that is not loopback"),
        ("mode = \"open\"\nlisten_on = 1", ":2: unknown field `listen_on`"),
        ("mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = \"short\"", ":4: keys[0].key: a gateway key has 20 to 256"),
        (
            "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = { env = \"NOT_SET_1\" }",
            "keys[0].key: the environment variable NOT_SET_1",
        ),
        (
            "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = { file = \"/no/such\" }",
            "keys[0].key: the file can't be read: ",
        ),
        ("mode = \"open\"\n[store]\nurl = \"x\"", ":2: store: not available in this build"),
        (
            "mode = \"open\"\n[upstream.base_url]\nnope = \"http://a\"",
            ":3: upstream.base_url.nope: there is no provider",
        ),
        ("[[providers]]\nslug = \"a\"\nprovider = \"vertex-ai\"", ": providers[0].provider: needs a vertex_region"),
        (
            "[[providers]]\nslug = \"a\"\nprovider = \"openai\"\nexpires_at = \"soon\"",
            ":4: providers[0].expires_at: not a time",
        ),
        (
            "[[configs]]\nid = \"pc-1\"\nconfig = '{\"provider\":\"openai\",\"retry\":1}'",
            ":3: configs[0].config: Invalid config passed",
        ),
        ("mode = \"open\"\ntrusted_hosts = [\"169.254.169.254\"]", ":2: trusted_hosts: "),
        ("mode = ", ":1: "),
    ] {
        let file = directory.write("gateway.toml", text);
        for command in ["check", "serve"] {
            let output = run(&[command, "--config", &file.to_string_lossy()]).await;
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{text}: {stderr}");
            assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{expected:?} in {stderr}");
            assert!(output.stdout.is_empty());
        }
    }
    let output = run(&["check", "--config", "/no/such/gateway.toml"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: /no/such/gateway.toml: "));
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_code_2() {
    for arguments in [
        &["serve", "--listen", "nowhere"][..],
        &["serve", "--no-such"],
        &["check"],
        &["no-such"],
        &["demo", "--config", "x"],
    ] {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn open_mode_is_for_loopback_unless_it_is_said_twice() {
    let upstream = Upstream::answering(OK).await;
    let directory = Directory::new();
    let file = directory.write("gateway.toml", &base("open", &upstream));
    for arguments in [
        &["serve", "--listen", "0.0.0.0:0"][..],
        &["--listen", "0.0.0.0:0"],
        &["serve", "--listen", "[::]:0"],
        &["serve", "--config", &file.to_string_lossy(), "--listen", "0.0.0.0:0"],
    ] {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains("needs allow_open_on_network = true"), "{stderr}");
    }
    let allowed = format!("allow_open_on_network = true\n{}", base("open", &upstream));
    let gateway = Gateway::start_as(&allowed, &["--listen", "0.0.0.0:0"], &[]).await;
    assert!(gateway.address.ip().is_unspecified());
}

#[tokio::test]
async fn the_argument_wins_over_the_file_and_a_taken_port_is_code_2() {
    let upstream = Upstream::answering(OK).await;
    let settings = required(&upstream).replace("127.0.0.1:0", "127.0.0.1:1");
    let gateway = Gateway::start_as(&settings, &["--listen", "127.0.0.1:0"], &[]).await;
    assert!(gateway.address.port() > 1);
    assert_eq!(gateway.ask("GET /v1/health HTTP/1.1\r\nhost: a\r\n\r\n").await.status(), 200);
    let taken = gateway.address.to_string();
    let output = run(&["serve", "--listen", &taken]).await;
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with(&format!("error: {taken} can't be listened on: ")), "{stderr}");
}

#[tokio::test]
async fn the_demo_shows_every_mode_and_masks_secrets() {
    let output = run(&["demo", "--once"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("every request was answered as it should be\n"), "{text}");
    for status in ["200", "400", "401", "403", "412"] {
        assert!(text.contains(&format!("the answer was     {status} ")), "{status}");
    }
    assert!(
        !text.contains("eyJhbGciOiJ")
            && !text.contains("sk-caller-demo-1234567890")
            && !text.contains("sk-stored-demo-0987654321")
    );
    let swapped = text.split("\n\n").find(|part| part.starts_with("a stored credential by its slug")).expect("it");
    let (sent, got) = swapped.split_once("the provider got").expect("what each saw");
    assert!(sent.contains("Bearer sk-c…890") && got.contains("Bearer sk-s…321"), "{swapped}");
}

#[tokio::test]
async fn check_tells_of_entries_and_configs_and_what_looks_wrong() {
    let upstream = Upstream::answering(OK).await;
    let directory = Directory::new();
    let settings = format!(
        "trusted_hosts = [\"llm.internal\"]\n{}{}{}{}",
        required(&upstream),
        entry(
            "prod",
            "openai",
            "models = [\"a\", \"b\"]\nallowed_hosts = [\"llm.example:8443\"]\nworkspaces = [\"ws\"]"
        ),
        saved("pc-1", r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@prod"},{"provider":"@gone"}]}"#, ""),
        entry("lone", "groq", "organisation = \"other\"").replace(STORED, ""),
    );
    let file = directory.write("gateway.toml", &settings);
    let output = run(&["check", "--config", &file.to_string_lossy()]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        &*format!("@prod (openai; every organisation, workspaces ws; http://{}/v1; 2 models;", upstream.address),
        "allowed hosts llm.example:8443)\n",
        "@lone (groq; organisation other, every workspace; the provider's own host; every model; no credential)\n",
        "pc-1 (fallback over 2 targets; every organisation, every workspace; entries @prod @gone)\n",
        "trusted     llm.internal\n",
        "time limits connect 5s, first byte 120s, idle 120s, WebSocket idle 300s, shutdown 1s\n",
        ": providers[0]: names no organisation",
        "names @gone, and nobody who may see the config may see an entry of this slug",
        "names @prod, which workspace default of organisation default may not see",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    assert!(!text.contains(STORED) && upstream.connections() == 0);
}

#[tokio::test]
async fn what_open_mode_leaves_unused_is_told() {
    let upstream = Upstream::answering(OK).await;
    let settings = required(&upstream).replace("required", "open");
    let gateway = Gateway::start(&settings).await;
    gateway.says("keys: nobody is asked for a key in open mode").await;
    let directory = Directory::new();
    let file = directory.write("gateway.toml", &settings);
    let output = run(&["check", "--config", &file.to_string_lossy()]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("nobody is asked for a key in open mode"));
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_asked() {
    let (upstream, proxy) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let url = proxy.url("");
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let gateway = Gateway::start_as(&required(&upstream), &[], &names.map(|name| (name, url.as_str()))).await;
    assert_eq!(gateway.ask(crate::process::chat("", "{}")).await.status(), 200);
    assert_eq!((upstream.requests().len(), proxy.connections()), (1, 0));
}

use super::*;

mod stored;

fn settings(text: &str) -> Result<Settings, SettingsError> {
    Settings::parse(Path::new("gw.toml"), text)
}

fn problem(text: &str) -> String {
    match settings(text) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_whole_file_is_read() {
    let settings = settings(
        r#"
        listen = "127.0.0.1:0"
        mode = "required"
        trusted_hosts = ["127.0.0.1:9000", "llm.internal"]
        shutdown_grace_seconds = 3
        [upstream]
        connect_timeout_ms = 100
        [upstream.base_url]
        openai = "http://127.0.0.1:9000/v1"
        [[keys]]
        id = "ci"
        key = "pk-7Qm2vX9tRb4Ls8Kd1Wn6"
        organisation = "org-1"
        workspace = "ws-1"
        scopes = ["completions.write", "logs.read"]
        expires_at = "2027-01-01T00:00:00Z"
        status = "active"
        [[keys]]
        id = "hashed"
        key_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
        "#,
    )
    .expect("settings");
    let keys = settings.keys.expect("keys");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].principal().workspace(), "ws-1");
    assert!(keys[0].principal().may_lapse() && keys[1].principal().has_scope("completions.write"));
    assert_eq!(settings.base_urls["openai"].1.path(), "/v1");
    assert_eq!((settings.upstream.connect.as_millis(), settings.upstream.idle.as_secs()), (100, 120));
}

#[test]
fn what_is_wrong_is_named_by_line_and_key() {
    let key = "[[keys]]\nid = \"a\"\nkey = \"pk-7Qm2vX9tRb4Ls8Kd1Wn6\"\n";
    for (text, expected) in [
        ("mode = \"required\"\nlisten_on = 1", "gw.toml:2: unknown field `listen_on`"),
        ("mode = \"closed\"", "gw.toml:1: unknown value"),
        ("mode = \"open\"\n[store]\nurl = \"x\"", "gw.toml:2: store: not available in this build"),
        ("mode = \"open\"\nadmin_listen = \"0.0.0.0:1\"", "gw.toml:2: admin_listen: an address that is not loopback"),
        ("mode = \"open\"\nlisten = \"0.0.0.0:1\"", "gw.toml:2: listen: open mode on an address"),
        ("mode = \"open\"\n[upstream.base_url]\nnope = \"http://a\"", "gw.toml:3: upstream.base_url.nope: there is no"),
        ("mode = \"open\"\n[upstream.base_url]\nsts = \"a\"", "gw.toml:3: upstream.base_url.sts: "),
        ("mode = \"open\"\n[aws]\nendpoint_domain = \"a/b\"", "gw.toml:3: aws.endpoint_domain: "),
        ("mode = \"open\"\n[upstream.base_url]\nopenai = \"ftp://a\"", "gw.toml:3: upstream.base_url.openai:"),
        ("mode = \"open\"\n[upstream]\nconnect_timeout_ms = 0", "gw.toml:3:"),
        ("mode = \"open\"\n[upstream]\nconnections_per_host = 0", "gw.toml:3:"),
        ("mode = \"open\"\n[upstream]\nproxy = \"https://p:1\"", "gw.toml:3: upstream.proxy: not of the form http://"),
        ("mode = \"open\"\n[upstream]\nno_proxy = [\"a\"]", "gw.toml:3: upstream.no_proxy: there is no upstream.proxy"),
        (
            "mode = \"open\"\n[upstream]\nproxy_credentials = \"a:b\"",
            "gw.toml:3: upstream.proxy_credentials: there is no upstream.proxy",
        ),
        (
            "mode = \"open\"\n[upstream]\nproxy = \"http://p:1\"\nproxy_credentials = \"nocolon\"",
            "gw.toml:4: upstream.proxy_credentials: not of the form user:password",
        ),
        (
            "mode = \"open\"\n[upstream]\nproxy = \"http://p:1\"\nno_proxy = [\"10.0.0.0/8\"]",
            "gw.toml:4: upstream.no_proxy: trusted host",
        ),
        ("mode = \"open\"\n[upstream]\nsession_idle_timeout_ms = 0", "gw.toml:3:"),
        ("mode = \"open\"\nsaved_only = true", "gw.toml:2: saved_only: needs mode = \"required\""),
        ("mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = \"short\"", "gw.toml:4: keys[0].key: a gateway key has 20"),
        ("mode = \"required\"\n[[keys]]\nid = \"a\"", "keys[0].key: give either"),
        ("mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = { env = \"NO_SUCH_VARIABLE_1\" }", "NO_SUCH_VARIABLE_1"),
        (
            "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = { env = \"A\", file = \"b\" }",
            "exactly one of env and file",
        ),
        (
            &format!("mode = \"required\"\n{key}rate_limits = [{{ unit = \"rpm\", value = 0 }}]"),
            "gw.toml:5: keys[0].rate_limits[0]: a rate is",
        ),
        (&format!("mode = \"required\"\n{key}expires_at = \"soon\""), "gw.toml:5: keys[0].expires_at: not a time"),
        (&format!("mode = \"required\"\n{key}{key}"), "keys[1].id"),
        (&format!("mode = \"required\"\n{key}{}", key.replace("\"a\"", "\"b\"")), "already in the set"),
    ] {
        let found = problem(text);
        assert!(found.contains(expected), "{text}\n=> {found}");
    }
}

#[test]
fn no_value_is_ever_quoted() {
    for text in [
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = \"canary-1\"",
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nscopes = \"canary-1\"",
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = \"canary-1\" oops",
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = [\"canary-1\"]",
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = { env2 = \"canary-1\" }",
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = \"canary-1canary-1canary-1.x\"",
        "mode = \"required\"\ntrusted_hosts = \"canary-1\"",
        "mode = \"canary-1\"",
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = { env = \"canary-1\" }",
        "mode = \"required\"\n[[keys]]\nid = \"a\"\nkey = { file = \"/canary-1\" }",
        "mode = \"open\"\ntrusted_hosts = [\"http://u:canary-1@a.b/\"]",
        "mode = \"open\"\n[upstream.base_url]\nopenai = \"http://user:canary-1@h/\"",
        "mode = \"open\"\n[upstream]\nproxy = \"http://user:canary-1@p:3128\"",
        "mode = \"open\"\n[upstream]\nproxy = \"http://p:3128\"\nproxy_credentials = \"canary-1\"",
        "mode = \"open\"\n[upstream]\nproxy = \"http://p:3128\"\nproxy_credentials = { env = \"canary-1\" }",
        "mode = \"open\"\n[upstream]\nproxy = \"http://p:3128\"\nno_proxy = [\"http://u:canary-1@a.b/\"]",
    ] {
        let found = problem(text);
        assert!(!found.is_empty() && !found.contains("canary-1"), "{text}\n=> {found}");
    }
}

#[test]
fn a_file_that_names_no_mode_keeps_the_door_closed() {
    assert_eq!(settings("").expect("settings").keys.expect("required mode").len(), 0);
}

#[test]
fn without_a_file_everybody_is_let_in_on_loopback() {
    let settings = Settings::without_file().expect("settings");
    assert!(settings.keys.is_none() && settings.listen.ip().is_loopback());
    assert_eq!(settings.listen.port(), 8787);
}

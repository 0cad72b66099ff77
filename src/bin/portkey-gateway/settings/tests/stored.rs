//! Entries, saved configs and the defaults of keys.

use std::time::SystemTime;

use tower_portkey::context::{Status, Workspace};

use super::{problem, settings};

const KEY: &str = "[[keys]]\nid = \"a\"\nkey = \"pk-7Qm2vX9tRb4Ls8Kd1Wn6\"\n";
const ENTRY: &str = "[[providers]]\nslug = \"prod\"\nprovider = \"openai\"\n";
const CONFIG: &str = "[[configs]]\nid = \"pc-1\"\nconfig = '{\"provider\":\"@prod\"}'\n";

fn place<'a>(organisation: &'a str, workspace: &'a str) -> Workspace<'a> {
    Workspace { organisation, workspace }
}

#[test]
fn entries_and_configs_are_read() {
    let settings = settings(
        r#"
        [[keys]]
        id = "ci"
        key = "pk-7Qm2vX9tRb4Ls8Kd1Wn6"
        organisation = "org-1"
        workspace = "ws-1"
        defaults = { config_id = "pc-fallback", metadata = { team = "a" }, allow_config_override = false }
        [[providers]]
        slug = "openai-prod"
        provider = "openai"
        organisation = "org-1"
        workspaces = ["ws-1"]
        api_key = "sk-stored"
        custom_host = "http://127.0.0.1:9000/v1"
        models = ["gpt-4o", "gpt-4o-mini"]
        allowed_hosts = ["llm.example", "127.0.0.1:9001"]
        status = "exhausted"
        expires_at = "2027-01-01T00:00:00Z"
        openai_organization = "org-of-openai"
        anthropic_version = 2023
        aws_region = { env = "CARGO_PKG_NAME" }
        azure_auth_mode = true
        [providers.custom_headers]
        x-own = "1"
        [[providers]]
        slug = "backup"
        provider = "groq"
        api_key = ""
        [[configs]]
        id = "pc-fallback"
        workspaces = ["ws-1"]
        config = '{"strategy":{"mode":"fallback"},"targets":[{"provider":"@openai-prod"},{"provider":"@backup"}]}'
        "#,
    )
    .expect("settings");
    let [prod, backup] = settings.providers.as_slice() else { panic!("two entries") };
    assert!(prod.credential && !backup.credential, "an empty credential is none");
    assert_eq!(prod.entry.status(SystemTime::now()), Status::Exhausted);
    assert!(prod.entry.allows_model("gpt-4o") && !prod.entry.allows_model("o3"));
    assert!(prod.seen_by.includes(place("org-1", "ws-1")) && !prod.seen_by.includes(place("org-1", "ws-2")));
    assert!(backup.seen_by.includes(place("org-9", "ws-9")));
    let [config] = settings.configs.as_slice() else { panic!("a config") };
    assert_eq!((config.saved.id(), &*config.shape), ("pc-fallback", "fallback over 2 targets"));
    let keys = settings.keys.expect("keys");
    let who = keys[0].principal();
    assert_eq!(who.default_config().map(tower_portkey::context::DefaultConfig::id), Some("pc-fallback"));
    assert!(!who.allows_config_override() && who.metadata().get("team") == Some("a"));
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn what_is_wrong_with_them_is_named_by_line_and_key() {
    let entry = |line: &str| format!("{ENTRY}{line}");
    let config = |json: &str| format!("[[configs]]\nid = \"pc-1\"\nconfig = '{json}'");
    let key = |line: &str| format!("{KEY}{line}\n{ENTRY}workspaces = [\"ws\"]\n{CONFIG}workspaces = [\"ws\"]");
    for (text, expected) in [
        ("[[providers]]\nprovider = \"openai\"".to_owned(), "gw.toml:1: missing field `slug`"),
        (ENTRY.replace("prod", "a/b"), "gw.toml:2: providers[0].slug: a slug is made of"),
        (ENTRY.replace("openai", "nobody"), "gw.toml:3: providers[0].provider: there is no provider"),
        (entry("nmae = 1"), "gw.toml:4: providers[0].nmae: no setting of an entry"),
        (entry("customHost = 'https://a.example'"), "gw.toml:4: providers[0].customHost: no setting"),
        (entry("api_key = 1"), "gw.toml:4: invalid type: integer, expected a secret"),
        (entry("api_key = \"a\\nb\""), "gw.toml:4: providers[0].api_key: no header may carry the value"),
        (
            entry("api_key = { env = \"NOT_SET_1\" }"),
            "gw.toml:4: providers[0].api_key: the environment variable NOT_SET_1",
        ),
        (entry("aws_region = { env = \"NOT_SET_1\" }"), "gw.toml:4: providers[0].aws_region: the environment"),
        (entry("aws_region = [1]"), "gw.toml:4: invalid type: sequence"),
        (entry("huggingface_base_url = 'nowhere'"), "gw.toml:4: providers[0].huggingface_base_url: the scheme must"),
        (entry("custom_host = 'ftp://a'"), "gw.toml:4: providers[0].custom_host: the scheme must"),
        (
            entry("allowed_hosts = ['a.example',\n'169.254.169.254']"),
            "gw.toml:5: providers[0].allowed_hosts[1]: the host is never",
        ),
        (entry("models = []"), "gw.toml:4: providers[0].models: names at least one"),
        (entry("workspaces = []"), "gw.toml:4: providers[0].workspaces: names at least one"),
        (entry("status = 'gone'"), "gw.toml:4: unknown value, expected one of"),
        (entry("expires_at = 'soon'"), "gw.toml:4: providers[0].expires_at: not a time"),
        (
            entry("rate_limits = [{ unit = \"rpm\", value = 0 }]"),
            "gw.toml:4: providers[0].rate_limits[0]: a rate is of requests or tokens, and not zero",
        ),
        (
            entry("usage_limits = [{ credit_limit = -1.0 }]"),
            "gw.toml:4: providers[0].usage_limits[0]: a limit is not below zero",
        ),
        (
            entry("[providers.custom_headers]\nhost = 'a'"),
            "gw.toml:5: providers[0].custom_headers.host: an entry can't",
        ),
        (
            format!("{ENTRY}{ENTRY}"),
            "gw.toml:5: providers[1].slug: some workspace would see two entries of this slug: this one and providers[0]",
        ),
        (CONFIG.replace("pc-1", "prod"), "gw.toml:2: configs[0].id: A config's id"),
        (config("{"), "gw.toml:3: configs[0].config: "),
        (config("{\"provider\":\"nobody\"}"), "gw.toml:3: configs[0].config: "),
        (format!("{CONFIG}workspaces = []"), "gw.toml:4: configs[0].workspaces: names at least one"),
        (format!("{CONFIG}name = 1"), "gw.toml:4: unknown field `name`"),
        (format!("{CONFIG}{CONFIG}"), "gw.toml:5: configs[1].id: some workspace would see two configs"),
        (key("defaults = { config_id = 'pc-1' }"), "gw.toml:4: keys[0].defaults.config_id: no config of this id"),
        (
            key("workspace = 'ws'\ndefaults = { config_id = 'pc-2' }"),
            "gw.toml:5: keys[0].defaults.config_id: no config",
        ),
        (
            key("defaults = { allow_config_override = false }"),
            "gw.toml:4: keys[0].defaults.allow_config_override: locks",
        ),
        (key("defaults = { metadata = { a = 1 } }"), "gw.toml:4: invalid type: integer, expected a string"),
        (
            key(&format!("defaults = {{ metadata = {{ a = '{}' }} }}", "x".repeat(129))),
            "gw.toml:4: keys[0].defaults.metadata.a: a value has up to 128",
        ),
    ] {
        let found = problem(&text);
        assert!(found.contains(expected), "{text}\n=> {found}\nnot {expected}");
    }
}

#[test]
fn no_value_of_theirs_is_quoted() {
    for text in [
        "api_key = \"canary-1\\n\"",
        "api_key = { env = \"canary-1\" }",
        "aws_secret_access_key = [\"canary-1\"]",
        "aws_secret_access_key = { canary = \"canary-1\" }",
        "custom_headers = { host = \"canary-1\" }",
        "custom_headers = \"canary-1\"",
        "custom_host = \"http://user:canary-1@h/\"",
        "allowed_hosts = [\"http://user:canary-1@h/\"]",
        "expires_at = \"canary-1\"",
        "status = \"canary-1\"",
        "models = \"canary-1\"",
        "[[configs]]\nid = \"pc-1\"\nconfig = '{\"provider\":\"openai\",\"api_key\":\"canary-1\",\"retry\":\"canary-1\"}'",
        "[[configs]]\nid = \"pc-1\"\nconfig = '{\"api_key\":\"canary-1\"'",
        "[[configs]]\nid = \"pc-1\"\nconfig = { api_key = \"canary-1\" }",
    ] {
        let found = problem(&format!("{ENTRY}{text}"));
        assert!(!found.is_empty() && !found.contains("canary-1"), "{text}\n=> {found}");
    }
}

#[test]
fn the_same_slug_may_stand_for_different_workspaces() {
    let of = |workspace: &str| format!("{ENTRY}workspaces = [\"{workspace}\"]\n");
    assert_eq!(problem(&format!("{}{}", of("one"), of("two"))), "");
    assert!(problem(&format!("{}{}", of("one"), of("one"))).contains("providers[1].slug"));
}

#[test]
fn what_is_most_likely_not_meant_is_a_warning() {
    let two = format!("{KEY}organisation = \"org-1\"\n{ENTRY}{CONFIG}organisation = \"org-2\"\n");
    let unseen = format!("{KEY}workspace = \"ws-2\"\n{ENTRY}workspaces = [\"ws-1\"]\n{CONFIG}");
    for (text, expected) in [
        (format!("{KEY}{ENTRY}{CONFIG}"), &[][..]),
        (format!("{KEY}{CONFIG}"), &["gw.toml:4: configs[0].config: names @prod, and nobody"]),
        (unseen, &["gw.toml:9: configs[0].config: names @prod, which workspace ws-2 of organisation default"]),
        (two, &["gw.toml:5: providers[0]: names no organisation"]),
        (
            format!("mode = \"open\"\n{KEY}{ENTRY}"),
            &["gw.toml:2: keys: nobody is asked", "gw.toml:5: providers: nobody can"],
        ),
    ] {
        let found = settings(&text).expect("settings").warnings;
        let same = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.starts_with(b));
        assert!(same, "{text}\n=> {found:?}");
    }
}

//! Providers of the operator's own: by the settings file alone.

use crate::{
    net::Upstream,
    process::{Directory, Gateway, KEY, STORED, entry, required, run},
};

/// Whether `check` likes these settings, and what it says.
async fn check(settings: &str) -> (bool, String) {
    let directory = Directory::new();
    let file = directory.write("gateway.toml", settings);
    let output = run(&["check", "--config", &file.to_string_lossy()]).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn settings(upstream: &Upstream, directory: &Directory) -> String {
    let gate = directory.write("gate", "canary-0123456789\n");
    format!(
        r#"{}
[[custom_providers]]
id = "in-house"
base_url = "{}"
credential = {{ header = "x-in-house-key", prefix = "ApiKey " }}
openai_prefix = "/openai/v1"
headers = {{ x-team = "search", x-gate = {{ file = "{}" }} }}
[[custom_providers]]
id = "plain"
base_url = "{}"
credential = "none"
[[configs]]
id = "pc-own"
config = '{{"provider":"in-house","api_key":"sk-saved-0123456789"}}'
{}"#,
        required(upstream),
        upstream.url("/api"),
        gate.display(),
        upstream.url(""),
        entry("house", "in-house", ""),
    )
}

#[tokio::test]
async fn a_provider_of_the_settings_is_one_like_the_others() {
    let upstream = Upstream::answering(OK.to_owned()).await;
    let directory = Directory::new();
    let gateway = Gateway::start(&settings(&upstream, &directory)).await;
    for (lines, path, target, credential) in [
        (
            "x-portkey-provider: in-house\r\nauthorization: Bearer sk-1",
            "/v1/chat/completions",
            "/api/openai/v1/chat/completions",
            Some("ApiKey sk-1".to_owned()),
        ),
        ("x-portkey-provider: @house", "/v1/models", "/api/openai/v1/models", Some(format!("ApiKey {STORED}"))),
        (
            "x-portkey-config: pc-own",
            "/v1/queue/status",
            "/api/queue/status",
            Some("ApiKey sk-saved-0123456789".to_owned()),
        ),
        ("x-portkey-provider: plain", "/v1/chat/completions", "/chat/completions", None),
    ] {
        let before = upstream.requests().len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nx-portkey-api-key: {KEY}\r\n{lines}\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        let answer = gateway.ask(request).await;
        assert_eq!(answer.status(), 200, "{lines}");
        let received = upstream.requests().split_off(before);
        let [request] = received.as_slice() else { panic!("{lines}: {received:?}") };
        assert_eq!(request.target(), target);
        assert_eq!(request.header("x-in-house-key").map(str::to_owned), credential, "{lines}");
        assert_eq!(request.header("authorization"), None);
        let team = credential.as_ref().map(|_| "search");
        assert_eq!((request.header("x-team"), request.header("x-gate").is_some()), (team, team.is_some()), "{lines}");
    }
    // A secret header goes to the operator's host and to no other.
    let line =
        "x-portkey-provider: in-house\r\nauthorization: Bearer sk-1\r\nx-portkey-custom-host: https://evil.example";
    let before = upstream.requests().len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-portkey-api-key: {KEY}\r\n{line}\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    assert_eq!((gateway.ask(request).await.status(), upstream.requests().len()), (400, before));
    // Its id is known here, and no other that is like it.
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-portkey-api-key: {KEY}\r\nx-portkey-provider: In-House\r\nauthorization: Bearer x\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    assert_eq!(gateway.ask(request).await.status(), 400);
}

#[tokio::test]
async fn check_shows_them_and_says_what_is_wrong() {
    let upstream = Upstream::answering(OK.to_owned()).await;
    let directory = Directory::new();
    let (good, said) = check(&settings(&upstream, &directory)).await;
    assert!(good, "{said}");
    let line = format!(
        "custom      in-house ({}; credential in x-in-house-key behind ApiKey; headers x-gate x-team)",
        upstream.url("/api")
    );
    assert!(said.contains(&line), "{said}");
    assert!(said.contains("(in-house; ") && !said.contains("canary"), "{said}");
    for (change, told) in [
        ("id = \"openai\"\nbase_url = \"http://h\"", "custom_providers[0].id: a built-in provider has this id"),
        ("id = \"In\"\nbase_url = \"http://h\"", "custom_providers[0].id: an id is made of"),
        ("id = \"in\"\nbase_url = \"ftp://h\"", "custom_providers[0].base_url: "),
        (
            "id = \"in\"\nbase_url = \"http://h\"\ncredential = { header = \"host\" }",
            "custom_providers[0].credential: a provider can't set this header",
        ),
        (
            "id = \"in\"\nbase_url = \"http://h\"\ncredential = { query = \"a=b\" }",
            "custom_providers[0].credential: a parameter is made of",
        ),
        ("id = \"in\"\nbase_url = \"http://h\"\ncredential = \"canary\"", "expected \"bearer\", \"none\""),
        ("id = \"in\"\nbase_url = \"http://h\"\nopenai_prefix = \"v1\"", "custom_providers[0].openai_prefix: "),
        (
            "id = \"in\"\nbase_url = \"http://h\"\nheaders = { x-portkey-a = \"canary\" }",
            "custom_providers[0].headers.x-portkey-a: ",
        ),
        (
            "id = \"in\"\nbase_url = \"http://h\"\n[[custom_providers]]\nid = \"in\"\nbase_url = \"http://h\"",
            "custom_providers[1].id: another provider",
        ),
        (
            "id = \"in\"\nbase_url = \"http://h\"\n[[providers]]\nslug = \"a\"\nprovider = \"inn\"",
            "there is no provider of this id",
        ),
    ] {
        let (good, said) = check(&format!("{}\n[[custom_providers]]\n{change}", required(&upstream))).await;
        assert!(!good && said.contains(told) && !said.contains("canary"), "{change}: {said}");
    }
}

#[tokio::test]
async fn an_entry_of_oracles_is_whole_or_refused() {
    let upstream = Upstream::answering(OK.to_owned()).await;
    let oracle = |fields: &str| {
        format!(
            "{}\n[[providers]]\nslug = \"oci\"\nprovider = \"oracle\"\noracle_region = \"us-chicago-1\"\n{fields}",
            required(&upstream)
        )
    };
    let parts = "oracle_tenancy = \"ocid1.tenancy.oc1..t\"\noracle_user = \"ocid1.user.oc1..u\"\n\
                 oracle_fingerprint = \"20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34\"\n";
    for (fields, told) in [
        (parts.to_owned(), "oracle_private_key: is missing beside the other parts of the key"),
        (format!("{parts}oracle_private_key = \"canary\""), "oracle_private_key is no PEM of at most 16 KiB"),
        (
            format!(
                "{parts}oracle_private_key = \"\"\"-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\"\"\""
            ),
            "oracle_private_key is no RSA key of 2048 to 8192 bits",
        ),
        ("oracle_tenancy = \"t\"".to_owned(), "oracle_user: is missing beside the other parts of the key"),
    ] {
        let (good, said) = check(&oracle(&fields)).await;
        assert!(!good && said.contains(told) && !said.contains("canary"), "{said}");
    }
    let (good, said) = check(&oracle("api_key = \"sk-1\"")).await;
    assert!(good && said.contains("@oci (oracle; "), "{said}");
}

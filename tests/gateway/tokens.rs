//! `[[jwt]]`: tokens beside keys, several organisations, key sets from files and servers, and what a reload does.

use std::{
    fs,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    net::Upstream,
    process::{Directory, Gateway, KEY, UNAUTHORIZED, run},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

pub(crate) struct Issuer(Ed25519KeyPair);

impl Issuer {
    pub(crate) fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key"))
    }

    /// A key set with a symmetric key in it.
    pub(crate) fn set(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        let own = json!({"kid": "k", "kty": "OKP", "crv": "Ed25519", "x": x});
        json!({"keys": [own, {"kid": "s", "kty": "oct", "k": "AAAA"}]}).to_string()
    }

    pub(crate) fn token(&self, over: &Value) -> String {
        let mut claims = json!({"exp": 4_102_444_800_u64, "sub": "user-1", "scope": "completions.write"});
        claims.as_object_mut().expect("claims").extend(over.as_object().expect("claims").clone());
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "EdDSA", "kid": "k", "typ": "JWT"})), encode(&claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes())))
    }
}

fn settings(upstream: &Upstream, tables: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nmode = \"required\"\ntrusted_hosts = [\"{}\"]\n[upstream.base_url]\nopenai = \"{}\"\n\
         [[keys]]\nid = \"ci\"\nkey = \"{KEY}\"\n{tables}",
        upstream.address,
        upstream.url("/v1"),
    )
}

pub(crate) fn table(organisation: &str, source: &str) -> String {
    format!("[[jwt]]\norganisation = \"{organisation}\"\n{source}\nalgorithms = [\"EdDSA\"]\n")
}

fn request(credential: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-portkey-api-key: {credential}\r\nx-portkey-provider: openai\r\n\
         authorization: Bearer sk-of-the-caller\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    )
}

async fn status(gateway: &Gateway, credential: &str) -> u16 {
    gateway.ask(request(credential)).await.status()
}

#[tokio::test]
async fn tokens_beside_keys_and_two_organisations() {
    let upstream = Upstream::answering(OK).await;
    let (one, two) = (Issuer::new(), Issuer::new());
    let directory = Directory::new();
    let file = directory.write("one.json", &one.set());
    let tables = [
        table("org-1", &format!("jwks_file = {file:?}\nallowed_workspaces = [\"ws-1\"]")),
        table("org-2", &format!("jwks = '{}'", two.set())),
    ];
    let gateway = Gateway::start(&settings(&upstream, &tables.concat())).await;
    for (credential, expected) in [
        (KEY.to_owned(), 200),
        (one.token(&json!({"portkey_oid": "org-1"})), 200),
        (two.token(&json!({"portkey_oid": "org-2", "portkey_workspace": "ws-9"})), 200),
        (one.token(&json!({"portkey_oid": "org-2"})), 401),
        (one.token(&json!({})), 401),
        (one.token(&json!({"portkey_oid": "org-3"})), 401),
        (one.token(&json!({"portkey_oid": "org-1", "portkey_workspace": "ws-2"})), 403),
        (one.token(&json!({"portkey_oid": "org-1", "scope": []})), 403),
        (one.token(&json!({"portkey_oid": "org-1", "usage_limits": {"credit_limit": 0}})), 412),
        ("e30.e30.AAAA".to_owned(), 401),
    ] {
        assert_eq!(status(&gateway, &credential).await, expected, "{credential}");
    }
    assert_eq!(gateway.ask(request("e30.e30.AAAA")).await.text(), UNAUTHORIZED);
    let sent = upstream.requests();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|request| request.header("authorization") == Some("Bearer sk-of-the-caller")));
    // A token in `authorization` is the gateway's, and goes no further.
    let token = two.token(&json!({"portkey_oid": "org-2"}));
    let bearer = request("").replace("sk-of-the-caller", &token);
    gateway.ask(bearer).await;
    let rest: Vec<_> = upstream.requests().split_off(3);
    assert!(rest.iter().all(|request| !format!("{request:?}").contains(&token)));
    gateway.says("a token was refused").await;
    assert!(!gateway.said().iter().any(|line| line.contains(&token)));
    gateway.says("jwt[0].jwks_file: key not used: keys[1]").await;
}

#[tokio::test]
async fn a_reload_reads_the_key_sets_again() {
    let upstream = Upstream::answering(OK).await;
    let (old, new) = (Issuer::new(), Issuer::new());
    let directory = Directory::new();
    let file = directory.write("keys.json", &old.set());
    let text = settings(&upstream, &table("org-1", &format!("jwks_file = {file:?}")));
    let gateway = Gateway::start(&text).await;
    let (before, after) = (old.token(&json!({})), new.token(&json!({})));
    assert_eq!((status(&gateway, &before).await, status(&gateway, &after).await), (200, 401));
    fs::write(&file, "{}").expect("a file");
    gateway.signal("HUP").await;
    gateway.says("the old ones stay in force").await;
    assert_eq!(status(&gateway, &before).await, 200);
    fs::write(&file, new.set()).expect("a file");
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    assert_eq!((status(&gateway, &before).await, status(&gateway, &after).await), (401, 200));
}

#[tokio::test]
async fn a_key_set_is_fetched_and_outlives_a_reload() {
    let upstream = Upstream::answering(OK).await;
    let issuer = Issuer::new();
    let set = issuer.set();
    let server = Upstream::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}", set.len())).await;
    let tables = |more: &str| {
        let text = settings(&upstream, &table("org-1", &format!("jwks_url = \"{}\"\n{more}", server.url("/keys"))));
        text.replace("trusted_hosts = [", &format!("trusted_hosts = [\"{}\", ", server.address))
    };
    let gateway = Gateway::start(&tables("")).await;
    let token = issuer.token(&json!({}));
    assert_eq!((status(&gateway, &token).await, server.requests().len()), (200, 1));
    gateway.rewrite(&tables("allowed_subjects = [\"user-2\"]"));
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    assert_eq!((status(&gateway, &token).await, server.requests().len()), (403, 1), "the rules are new, the keys kept");
}

#[tokio::test]
async fn a_key_set_that_cannot_be_had_is_503_and_keys_go_on() {
    let upstream = Upstream::answering(OK).await;
    let server = Upstream::answering("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await;
    let text = settings(&upstream, &table("org-1", &format!("jwks_url = \"{}\"", server.url("/keys"))));
    let gateway =
        Gateway::start(&text.replace("trusted_hosts = [", &format!("trusted_hosts = [\"{}\", ", server.address))).await;
    let began = Instant::now();
    let answer = gateway.ask(request(&Issuer::new().token(&json!({})))).await;
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("1")));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(status(&gateway, KEY).await, 200);
    gateway.says("the key set can't be fetched").await;
}

#[tokio::test]
async fn check_names_organisations_and_keys_that_are_not_used() {
    let upstream = Upstream::answering(OK).await;
    let text = settings(&upstream, &table("org-1", &format!("jwks = '{}'", Issuer::new().set())));
    let directory = Directory::new();
    let file = directory.write("gateway.toml", &text);
    let path = file.to_str().expect("text");
    let output = run(&["check", "--config", path]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("jwt         organisation org-1, keys k, algorithms EdDSA"), "{said}");
    assert!(said.contains(r#"warning     jwt[0].jwks: key not used: keys[1] ("s"): a symmetric key"#), "{said}");
    directory.write("gateway.toml", &text.replace("jwks = '", "jwks = 'x"));
    let output = run(&["check", "--config", path]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("jwt[0].jwks: not a JSON Web Key Set"), "{said}");
}

#[tokio::test]
async fn explain_says_what_a_token_gets_and_why_it_is_refused() {
    let upstream = Upstream::answering(OK).await;
    let issuer = Issuer::new();
    let rules = format!("jwks = '{}'\nissuer = [\"https://idp.test/\"]", issuer.set());
    let directory = Directory::new();
    let file = directory.write("gateway.toml", &settings(&upstream, &table("org-1", &rules)));
    let path = file.to_str().expect("text");
    let good = json!({"iss": "https://idp.test/", "email_id": "\u{1b}[2Ja@b.test"});
    for (claims, code, lines) in [
        (&good, 0, &["ok  signature     of the key k", "let in as user-1, organisation org-1, workspace default"][..]),
        (&json!({"iss": "https://other/"}), 1, &["no  iss           https://other/: the issuer", "refused with 401"]),
        (&json!({"portkey_oid": "org-2"}), 1, &["no  organisation  org-2: the organisation is not known"]),
    ] {
        let output = run(&["jwt", "explain", &issuer.token(claims), "--config", path]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert!(lines.iter().all(|line| said.contains(line)) && !said.contains('\u{1b}'), "{said}");
    }
    let forged = Issuer::new().token(&good);
    let output = run(&["jwt", "explain", &forged, "--config", path]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("refused with 401: the signature is wrong"));
    assert!(upstream.requests().is_empty());
}

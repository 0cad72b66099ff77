//! `explain`: how a request would be decided, without a secret and without a connection.

use crate::{
    net::Upstream,
    process::{Directory, entry, required, run, saved},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Code and both outputs of `explain` with these arguments.
async fn explain(settings: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let directory = Directory::new();
    let file = directory.write("gateway.toml", settings);
    let file = file.to_string_lossy();
    let output = run(&[&["explain", "--config", &file], arguments].concat()).await;
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_request_is_followed_to_its_provider_without_a_secret() {
    let upstream = Upstream::answering(OK).await;
    let config = r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@prod"},{"provider":"@inner"}]}"#;
    let inner = r#"{"provider":"openai","api_key":"sk-canary-of-a-config"}"#;
    let settings = [
        required(&upstream).replace("pk-", "pk-canary-"),
        entry(
            "prod",
            "openai",
            "openai_organization = \"org-canary-field\"\n[providers.custom_headers]\nx-own = \"canary-of-a-header\"",
        ),
        entry("gemini", "google", &format!("custom_host = \"{}\"", upstream.url(""))),
        saved("pc-two", config, "").replace("{\"provider\":\"@inner\"}", "{\"provider\":\"@prod\"}"),
        saved("pc-inner", inner, ""),
    ]
    .concat()
    .replace("sk-stored", "sk-canary-stored");
    let key = "x-portkey-api-key: pk-canary-7Qm2vX9tRb4Ls8Kd1Wn6";
    let callers = "authorization: Bearer sk-canary-of-the-caller";
    let config = r#"x-portkey-config: {"provider":"openai","api_key":"sk-canary-inline"}"#;
    for (arguments, code, expected) in [
        (&["-H", key, "-H", "x-portkey-config: pc-two", "--model", "gpt-4o"][..], 0, "would be sent: POST http://"),
        (&["-H", key, "-H", "x-portkey-provider: @prod", "-H", callers], 0, "with a stored credential"),
        (&["-H", key, "--model", "@prod/gpt-4o"], 0, "model in the body: gpt-4o"),
        (&["-H", key, "-H", "x-portkey-provider: openai", "-H", callers], 0, "with the caller's credential"),
        (&["-H", key, "-H", config], 0, "with the caller's credential"),
        (&["-H", key, "-H", "x-portkey-config: pc-inner"], 0, "with a stored credential"),
        (
            &[
                "-H",
                key,
                "-H",
                "x-portkey-provider: @gemini",
                "--method",
                "GET",
                "--path",
                "/v1/v1beta/models?key=canary-query",
            ],
            0,
            "/v1beta/models?key=sk…Mq6",
        ),
        (
            &[
                "-H",
                key,
                "-H",
                "x-portkey-provider: @prod",
                "-H",
                "x-portkey-custom-host: https://a.example/v1?k=canary-of-a-url",
            ],
            1,
            "refused: 400",
        ),
        (&["-H", "x-portkey-api-key: pk-canary-unknown-1234"], 1, "refused: 401"),
        (&["-H", "authorization: Bearer canary-in-the-wrong-place"], 1, "refused: 401"),
        (&["-H", key, "-H", "x-portkey-provider: @other"], 1, "refused: 400"),
        (&["-H", key, "-H", "x-portkey-config: {\"api_key\":\"canary-in-bad-json"], 1, "refused: 400"),
        (&["-H", key, "-H", "transfer-encoding: canary-coding"], 1, "refused before the first layer: 400"),
        (&["--method", "GET", "--path", "/v1/health"], 0, "answered by the gateway itself: 200"),
        (&["-H", "canary-without-colon"], 2, "the 1. header is not of the form"),
        (&["-H", "a b: canary-in-a-bad-name"], 2, "the 1. header is not of the form"),
        (&["-H", key, "--path", "no path"], 2, "--path is no path"),
    ] {
        let (found, text) = explain(&settings, arguments).await;
        assert_eq!(found, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{expected:?}: {text}");
        assert!(!text.contains("canary"), "{arguments:?}: {text}");
    }
    assert_eq!(upstream.connections(), 0, "nothing is sent");
}

#[tokio::test]
async fn the_steps_are_numbered_in_their_order() {
    let upstream = Upstream::answering(OK).await;
    let settings = required(&upstream) + &entry("prod", "openai", "");
    let key = format!("x-portkey-api-key: {}", crate::process::KEY);
    let (_, text) = explain(&settings, &["-H", &key, "-H", "x-portkey-provider: @prod", "--model", "gpt-4o"]).await;
    let steps = [" 1. ", "config", "model", "resolve", "would be sent: POST", "authorization: Bearer sk…Mq6"];
    let places: Vec<_> = steps.iter().map(|step| text.find(step)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {text}");
}

#[tokio::test]
async fn settings_that_are_wrong_are_code_2() {
    let (code, text) = explain("mode = \"canary\"", &[]).await;
    assert!(code == Some(2) && text.contains(":1: unknown value") && !text.contains("canary"), "{text}");
}

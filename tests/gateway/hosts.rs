//! A stored credential and hosts that callers name.

use crate::{
    net::Upstream,
    process::{Gateway, STORED, by_key, entry, required, saved},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn no_way_of_naming_a_host_leads_a_stored_credential_there() {
    let (upstream, attacker) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let evil = attacker.url("/v1");
    let own = format!("custom_host = \"{}\"", upstream.url("/v1"));
    let stored = [
        entry("prod", "openai", &own),
        entry("faces", "huggingface", &format!("huggingface_base_url = \"{}\"", upstream.url(""))),
        saved("pc-prod", r#"{"provider":"@prod"}"#, ""),
        saved("pc-inner", &format!(r#"{{"provider":"openai","api_key":"{STORED}"}}"#), ""),
    ]
    .concat();
    let header = format!("x-portkey-custom-host: {evil}\r\n");
    let config = |json: &str| format!("x-portkey-config: {}\r\n", json.replace("EVIL", &evil));
    let asked = [
        (format!("x-portkey-provider: @prod\r\n{header}"), "{}"),
        (format!("x-portkey-virtual-key: prod\r\n{header}"), "{}"),
        (format!("content-type: application/json\r\n{header}"), r#"{"model":"@prod/gpt-4o"}"#),
        (format!("x-portkey-config: pc-prod\r\n{header}"), "{}"),
        (format!("x-portkey-config: pc-inner\r\n{header}"), "{}"),
        (config(r#"{"provider":"@prod"}"#) + &header, "{}"),
        (config(r#"{"provider":"@prod","custom_host":"EVIL"}"#), "{}"),
        (config(r#"{"provider":"@prod","customHost":"EVIL"}"#), "{}"),
        (config(r#"{"virtual_key":"prod","custom_host":"EVIL"}"#), "{}"),
        (config(r#"{"custom_host":"EVIL","strategy":{"mode":"single"},"targets":[{"provider":"@prod"}]}"#), "{}"),
        (config(r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@prod","custom_host":"EVIL"}]}"#), "{}"),
        (
            config(
                r#"{"strategy":{"mode":"single"},"targets":[{"strategy":{"mode":"loadbalance"},"targets":[{"virtual_key":"prod","custom_host":"EVIL"}]}]}"#,
            ),
            "{}",
        ),
        (format!("x-portkey-provider: @prod\r\n{}", config(r#"{"custom_host":"EVIL"}"#)), "{}"),
        (format!("x-portkey-provider: @faces\r\n{header}"), "{}"),
        (format!("x-portkey-provider: @faces\r\nx-portkey-huggingface-base-url: {evil}\r\n"), "{}"),
    ];
    let aside = [
        config(r#"{"provider":"@faces","huggingface_base_url":"EVIL"}"#),
        config(r#"{"strategy":{"mode":"single"},"targets":[{"provider":"@faces","huggingface_base_url":"EVIL"}]}"#),
        format!("x-portkey-provider: @prod\r\nx-portkey-huggingface-base-url: {evil}\r\n"),
    ];
    // The attacker is private, so the first of these gateways refuses it for that alone; the second one trusts it.
    for trusted in [String::new(), format!("trusted_hosts = [\"{}\"]\n", attacker.address)] {
        let gateway = Gateway::start(&format!("{trusted}{}{stored}", required(&upstream))).await;
        for (lines, body) in &asked {
            let answer = gateway.ask(by_key(lines, body)).await;
            assert_eq!(answer.status(), 400, "{lines}{body}: {answer:?}");
            assert!(!answer.text().contains(STORED));
        }
        assert_eq!((upstream.connections(), attacker.connections()), (0, 0), "{trusted}");
    }
    let gateway = Gateway::start(&format!("{}{stored}", required(&upstream))).await;
    for lines in &aside {
        // What has no meaning beside an entry is refused or passed over.
        let answer = gateway.ask(by_key(lines, "{}")).await;
        assert!(matches!(answer.status(), 200 | 400 | 501), "{lines}: {answer:?}");
    }
    assert_eq!(attacker.connections(), 0);
}

#[tokio::test]
async fn a_host_that_the_entry_allows_gets_its_credential_and_the_next_port_does_not() {
    let (allowed, next) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let lines = format!("allowed_hosts = [\"{}\", \"llm.example\"]", allowed.address);
    let trusted = format!("trusted_hosts = [\"{}\"]\n", next.address);
    let gateway = Gateway::start(&format!("{trusted}{}{}", required(&next), entry("prod", "openai", &lines))).await;
    let header =
        |host: &Upstream| format!("x-portkey-provider: @prod\r\nx-portkey-custom-host: {}\r\n", host.url("/a"));
    let config = |host: &Upstream| {
        format!("x-portkey-config: {{\"provider\":\"@prod\",\"custom_host\":\"{}\"}}\r\n", host.url("/a"))
    };
    for (lines, status) in
        [(header(&allowed), 200), (config(&allowed), 200), (header(&next), 400), (config(&next), 400)]
    {
        let answer = gateway.ask(by_key(&lines, "{}")).await;
        assert_eq!(answer.status(), status, "{lines}: {answer:?}");
    }
    for url in ["http://llm.example/v1", "https://llm.example:8443/v1", "https://a.llm.example/v1"] {
        let lines = format!("x-portkey-provider: @prod\r\nx-portkey-custom-host: {url}\r\n");
        assert_eq!(gateway.ask(by_key(&lines, "{}")).await.status(), 400, "{url}");
    }
    assert_eq!(next.connections(), 0);
    for request in allowed.requests() {
        assert_eq!(request.target(), "/a/chat/completions");
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {STORED}")));
    }
    assert_eq!(allowed.requests().len(), 2);
}

#[tokio::test]
async fn a_callers_own_credential_still_goes_where_the_caller_says() {
    let (upstream, host) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let trusted = format!("trusted_hosts = [\"{}\"]\n", host.address);
    let gateway = Gateway::start(&format!("{trusted}{}{}", required(&upstream), entry("prod", "openai", ""))).await;
    let lines = format!(
        "x-portkey-provider: openai\r\nauthorization: Bearer sk-mine\r\nx-portkey-custom-host: {}\r\n",
        host.url("/v1")
    );
    assert_eq!(gateway.ask(by_key(&lines, "{}")).await.status(), 200);
    assert_eq!(host.only_request().header("authorization"), Some("Bearer sk-mine"));
    assert_eq!(upstream.connections(), 0);
}

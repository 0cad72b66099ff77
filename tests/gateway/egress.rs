//! What leaves the gateway, where it goes, and what comes back of it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use tokio::{io::copy_bidirectional, net::TcpListener, net::TcpStream};

use crate::{
    net::{Connection, Message, Upstream, locked, nobody},
    process::{Gateway, KEY, STORED, base, by_key, chat, entry, required, saved},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNREACHABLE: &str = r#"{"status":"failure","message":"The provider could not be reached"}"#;
const OTHER_KEY: &str = "pk-9Hs4Kq2Wz7Xc5Vb3Nm1Lp";

/// Another address of the gateway's, as a load balancer has one: it can be told later whom it stands for.
struct Front {
    address: SocketAddr,
    behind: Arc<Mutex<Option<SocketAddr>>>,
    taken: Arc<Mutex<usize>>,
}

impl Front {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (behind, taken) = (Arc::<Mutex<Option<SocketAddr>>>::default(), Arc::<Mutex<usize>>::default());
        let front = Self { address, behind: Arc::clone(&behind), taken: Arc::clone(&taken) };
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                *locked(&taken) += 1;
                let Some(address) = *locked(&behind) else { continue };
                tokio::spawn(async move {
                    let mut to = TcpStream::connect(address).await.expect("the gateway");
                    let _ = copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        front
    }
}

#[tokio::test]
async fn a_request_that_goes_in_a_circle_is_refused_at_its_fourth_turn() {
    // Each key's default leads to an entry that shows the other key to the front of this same gateway.
    let front = Front::start().await;
    let nobody = Upstream::answering(OK).await;
    let key = |id: &str, key: &str| {
        format!("[[keys]]\nid = \"{id}\"\nkey = \"{key}\"\ndefaults = {{ config_id = \"pc-{id}\" }}\n")
    };
    let leads = |slug: &str, key: &str| {
        format!(
            "[[providers]]\nslug = \"{slug}\"\nprovider = \"portkey\"\napi_key = \"{key}\"\ncustom_host = \"http://{}/v1\"\n",
            front.address
        )
    };
    let settings = [
        base("required", &nobody),
        key("one", KEY),
        key("two", OTHER_KEY),
        leads("to-two", OTHER_KEY),
        leads("to-one", KEY),
        saved("pc-one", r#"{"provider":"@to-two"}"#, ""),
        saved("pc-two", r#"{"provider":"@to-one"}"#, ""),
    ]
    .concat();
    let gateway = Gateway::start(&settings).await;
    *locked(&front.behind) = Some(gateway.address);
    let answer = gateway.ask(by_key("", "{}")).await;
    assert_eq!(answer.status(), 508, "{answer:?}");
    assert!(answer.text().contains("The request has passed through too many gateways"), "{answer:?}");
    assert_eq!(*locked(&front.taken), 3);

    // Who writes the header himself has his own request refused, and no other.
    let mark = "cdn-loop: portkey-gateway, portkey-gateway, portkey-gateway\r\n";
    assert_eq!(gateway.ask(by_key(mark, "{}")).await.status(), 508);
    assert_eq!(*locked(&front.taken), 3, "nothing was sent");
}

#[tokio::test]
async fn the_count_of_gateways_is_the_gateways_own() {
    let upstream = Upstream::answering(OK).await;
    let gateway = Gateway::required(&upstream).await;
    for (line, expected) in [
        ("", "portkey-gateway"),
        ("cdn-loop: elsewhere\r\n", "portkey-gateway"),
        ("cdn-loop: portkey-gateway\r\n", "portkey-gateway, portkey-gateway"),
        ("cdn-loop: portkey-gateway\r\nconnection: cdn-loop\r\n", "portkey-gateway, portkey-gateway"),
    ] {
        assert_eq!(gateway.ask(chat(line, "{}")).await.status(), 200, "{line}");
        let sent = upstream.requests().pop().expect("a request");
        assert_eq!(sent.header("cdn-loop"), Some(expected), "{line}");
    }
    let named = chat("cdn-loop: a\r\nx-portkey-forward-headers: cdn-loop\r\n", "{}");
    assert_eq!(gateway.ask(named).await.status(), 400);
}

#[tokio::test]
async fn the_gateway_never_dials_itself_although_loopback_is_trusted() {
    let upstream = Upstream::answering(OK).await;
    let admin = nobody().expect("an address");
    let top = format!("trusted_hosts = [\"127.0.0.1\", \"localhost\", \"0.0.0.0\"]\nadmin_listen = \"{admin}\"\n");
    let gateway = Gateway::start(&format!("{top}{}", required(&upstream))).await;
    for host in [
        format!("http://{}/v1", gateway.address),
        format!("http://localhost:{}/v1", gateway.address.port()),
        format!("http://0.0.0.0:{}/v1", gateway.address.port()),
        format!("http://{admin}/metrics"),
    ] {
        let answer = gateway.ask(chat(&format!("x-portkey-custom-host: {host}\r\n"), "{}")).await;
        assert_eq!((answer.status(), &*answer.text()), (502, UNREACHABLE), "{host}");
    }
    let lines = format!("x-portkey-custom-host: {}\r\n", upstream.url("/v1"));
    assert_eq!(gateway.ask(chat(&lines, "{}")).await.status(), 200);
    // A reload forgets nothing of it.
    gateway.signal("HUP").await;
    gateway.says("settings read again").await;
    let lines = format!("x-portkey-custom-host: http://{}/v1\r\n", gateway.address);
    assert_eq!(gateway.ask(chat(&lines, "{}")).await.status(), 502);
    // Each of these reached the outermost layer once: from here, and not from itself. Lines come after the answers.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(gateway.said().iter().filter(|line| line.contains("\"path\"")).count(), 6, "{:#?}", gateway.said());
}

#[tokio::test]
async fn variables_of_the_environment_name_no_proxy() {
    let (upstream, proxy) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let url = proxy.url("");
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let variables = names.map(|name| (name, url.as_str()));
    let gateway = Gateway::start_as(&required(&upstream), &[], &variables).await;
    assert_eq!(gateway.ask(chat("", "{}")).await.status(), 200);
    assert_eq!((upstream.connections(), proxy.connections()), (1, 0));
}

#[tokio::test]
async fn the_proxy_of_the_settings_is_asked_for_a_checked_address() {
    let proxy = Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let answer = if request.method() == "CONNECT" { "HTTP/1.1 200 Connected\r\n\r\n" } else { OK };
            connection.send(answer).await;
        }
    })
    .await;
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nmode = \"open\"\n[upstream]\nproxy = \"{}\"\n\
         proxy_credentials = {{ env = \"PROXY_CREDENTIALS\" }}\nno_proxy = [\"127.0.0.1\"]\n\
         [upstream.base_url]\nopenai = \"http://10.255.255.1:8081/v1\"\n",
        proxy.url("")
    );
    let variables = [("PROXY_CREDENTIALS", "somebody:canary-of-the-proxy")];
    let gateway = Gateway::start_as(&settings, &[], &variables).await;
    let answer = gateway.ask(chat("", "{}")).await;
    assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{answer:?}");
    let [connect, request] = <[Message; 2]>::try_from(proxy.requests()).expect("two requests");
    assert_eq!(connect.start, "CONNECT 10.255.255.1:8081 HTTP/1.1");
    let credentials = STANDARD.encode("somebody:canary-of-the-proxy");
    assert_eq!(connect.header("proxy-authorization"), Some(&*format!("Basic {credentials}")));
    assert_eq!(request.header("host"), Some("10.255.255.1:8081"));
    assert!(!format!("{request:?}{answer:?}{:?}", gateway.said()).contains(&credentials));
    assert!(!format!("{:?}", gateway.said()).contains("canary-of-the-proxy"));
    // What may not be dialled may not be asked of a proxy either.
    let lines = "x-portkey-custom-host: http://10.255.255.1:8081/v1\r\n";
    assert_eq!(gateway.ask(chat(lines, "{}")).await.status(), 400);
    assert_eq!(proxy.connections(), 1);
}

/// Every URL of the shared list that is not for callers, through the whole binary, with a proxy that would be asked for
/// whatever is to be dialled.
#[tokio::test]
async fn no_unsafe_url_of_the_shared_list_is_dialled() {
    let (upstream, proxy) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/ssrf_urls.json");
    let shared: Value =
        std::fs::read_to_string(path).map_or(Value::Null, |text| serde_json::from_str(&text).expect("vectors"));
    let shared = shared["cases"].as_array().cloned().unwrap_or_default();
    let shared = shared.iter().filter(|case| case["expect"] != "allow").filter_map(|case| case["url"].as_str());
    let inside = upstream.url("/v1");
    let sample = ["http://169.254.169.254/latest", "http://2130706433:1/", "http://[::ffff:a00:1]/", &inside];
    let settings = required(&upstream)
        .replace("[upstream.base_url]", &format!("[upstream]\nproxy = \"{}\"\n[upstream.base_url]", proxy.url("")));
    let gateway = Gateway::start(&format!("{settings}{}", entry("prod", "openai", ""))).await;
    for url in sample.into_iter().chain(shared) {
        if url.chars().any(char::is_control) {
            continue;
        }
        let quoted = Value::from(url).to_string();
        for lines in [
            format!("x-portkey-provider: openai\r\nauthorization: Bearer sk-1\r\nx-portkey-custom-host: {url}\r\n"),
            format!("x-portkey-provider: @prod\r\nx-portkey-custom-host: {url}\r\n"),
            format!(
                "x-portkey-provider: huggingface\r\nauthorization: Bearer sk-1\r\nx-portkey-huggingface-base-url: {url}\r\n"
            ),
            format!(
                "x-portkey-provider: azure-ai\r\nauthorization: Bearer sk-1\r\nx-portkey-azure-foundry-url: {url}\r\n"
            ),
            format!("x-portkey-config: {{\"provider\":\"openai\",\"api_key\":\"k\",\"custom_host\":{quoted}}}\r\n"),
            format!(
                "x-portkey-config: {{\"strategy\":{{\"mode\":\"single\"}},\"targets\":[{{\"provider\":\"openai\",\"api_key\":\"k\",\"custom_host\":{quoted}}}]}}\r\n"
            ),
        ] {
            let answer = gateway.ask(by_key(&lines, "{}")).await;
            // Huggingface's and Azure's fields pass as absent where they are empty; nothing leaves for that either.
            assert!([400, 501, 502, 504].contains(&answer.status()), "{lines}: {answer:?}");
        }
    }
    assert_eq!((proxy.connections(), upstream.connections()), (0, 0));
}

/// Repeats what it is sent in every dress.
async fn echo() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let mut head =
                format!("HTTP/1.1 307 Echo\r\ncontent-length: 0\r\nlocation: http://h.test{}\r\n", request.target());
            let target = [("target".to_owned(), request.target().to_owned())];
            for (index, (name, value)) in request.headers.iter().chain(&target).enumerate() {
                if name == "content-length" {
                    continue;
                }
                let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC);
                head += &format!("{name}: {value}\r\nx-plain-{index}: '{value}'\r\nx-url-{index}: ?v={encoded}\r\n");
                let (line, twice) = (
                    format!("{name}: {value}"),
                    utf8_percent_encode(&encoded.to_string(), NON_ALPHANUMERIC).to_string(),
                );
                head += &format!(
                    "x-base64-{index}: {}\r\nx-line-{index}: {}\r\nx-twice-{index}: {twice}\r\n",
                    STANDARD.encode(value),
                    STANDARD.encode(line)
                );
                head += &format!("set-cookie: s{index}={value}\r\n");
            }
            connection.send(head + "\r\n").await;
        }
    })
    .await
}

/// Where a secret stands in a head, in whatever dress.
fn repeats(answer: &Message, secret: &str) -> Vec<String> {
    let dresses = |value: &str| {
        let once = percent_decode_str(value).decode_utf8_lossy().into_owned();
        let twice = percent_decode_str(&once).decode_utf8_lossy().into_owned();
        let decoded = STANDARD.decode(value).unwrap_or_default();
        [value.to_owned(), once, twice, String::from_utf8_lossy(&decoded).into_owned()]
    };
    let found = answer.headers.iter().filter(|(_, value)| dresses(value).iter().any(|text| text.contains(secret)));
    found.map(|(name, value)| format!("{name}: {value}")).collect()
}

#[tokio::test]
async fn a_provider_that_repeats_everything_tells_the_caller_no_secret() {
    const OWN: &str = "own-Header/Secret+1";
    const OWN_BEARER: &str = "own-Bearer-Secret-2";
    const TOKEN: &str = "session/Token+of-Aws==3";
    let echo = echo().await;
    let host = format!("custom_host = \"{}\"\n", echo.url(""));
    let own = format!(
        "{host}[providers.custom_headers]\nx-own = \"{OWN}\"\nx-bearer = \"Bearer {OWN_BEARER}\"\naccept = \"*/*; q=0.123\"\n"
    );
    let aws = format!(
        "[[providers]]\nslug = \"aws\"\nprovider = \"bedrock\"\naws_region = \"us-east-1\"\naws_access_key_id = \"AKIDEXAMPLE7\"\n\
         aws_secret_access_key = \"{STORED}\"\naws_session_token = \"{TOKEN}\"\n{host}"
    );
    let mut settings = required(&echo) + &aws;
    let placed = [
        ("openai", "/v1/chat/completions"),
        ("anthropic", "/v1/messages"),
        ("anthropic", "/v1/chat/completions"),
        ("qdrant", "/v1/collections"),
        ("google", "/v1/v1beta/models/g:generateContent"),
        ("google", "/v1/chat/completions"),
        ("bytez", "/v1/models/v2/a"),
        ("deepgram", "/v1/listen"),
        ("reka-ai", "/v1/chat/completions"),
    ];
    for (index, (provider, _)) in placed.iter().enumerate() {
        settings += &entry(&format!("e{index}"), provider, &own);
    }
    let gateway = Gateway::start(&settings).await;
    let ask = |slug: String, path: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway.test\r\nx-portkey-api-key: {KEY}\r\nx-portkey-provider: @{slug}\r\n\
             x-kept: plain\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        gateway.ask(request)
    };
    for (index, (provider, path)) in placed.iter().enumerate() {
        let answer = ask(format!("e{index}"), path).await;
        assert_eq!(answer.status(), 307, "{provider} {path}: {answer:?}");
        let sent = format!("{:?}", echo.requests().pop().expect("a request"));
        for secret in [STORED, OWN, OWN_BEARER] {
            assert!(sent.contains(secret), "the provider itself has it: {provider} {secret} {sent}");
            assert_eq!(repeats(&answer, secret), [""; 0], "{provider} {path} {secret}");
        }
        assert_eq!(answer.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 0, "{provider}");
        // Not because everything is taken out.
        assert!(answer.headers.iter().any(|(name, _)| name.starts_with("x-plain-")), "{provider}: {answer:?}");
    }
    let answer = ask("aws".to_owned(), "/v1/model/some.model/invoke").await;
    assert_eq!(answer.status(), 307, "{answer:?}");
    let sent = echo.requests().pop().expect("a request");
    let signature = sent.header("authorization").and_then(|line| line.rsplit('=').next()).expect("a signature");
    assert_eq!(sent.header("x-amz-security-token"), Some(TOKEN));
    for secret in [TOKEN, signature, STORED] {
        assert_eq!(repeats(&answer, secret), [""; 0], "{secret}");
    }
}

#[tokio::test]
async fn a_redirect_takes_no_credential_to_another_host() {
    let sink = Upstream::answering(OK).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", sink.url("/take"));
        let upstream = Upstream::answering(to).await;
        let line = format!("custom_host = \"{}\"", upstream.url("/v1"));
        let gateway = Gateway::start(&format!("{}{}", required(&upstream), entry("claude", "anthropic", &line))).await;
        let request = by_key("x-portkey-provider: @claude\r\n", "{}").replacen("chat/completions", "messages", 1);
        let answer = gateway.ask(request).await;
        assert_eq!((answer.status(), answer.header("location")), (status, Some(&*sink.url("/take"))));
        assert_eq!(upstream.only_request().header("x-api-key"), Some(STORED));
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn cookies_of_a_provider_pass_where_the_operator_says_so() {
    for (cookie, allow, expected) in [
        ("session=1", false, None),
        ("session=1", true, Some("session=1")),
        // One that repeats the credential never does.
        ("session=sk-provider", true, None),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nset-cookie: {cookie}\r\ncontent-length: 0\r\n\r\n");
        let upstream = Upstream::answering(answer).await;
        let line = format!("[upstream]\nallow_set_cookie = {allow}\n[upstream.base_url]");
        let gateway = Gateway::start(&required(&upstream).replace("[upstream.base_url]", &line)).await;
        let answer = gateway.ask(chat("", "{}")).await;
        assert_eq!((answer.status(), answer.header("set-cookie")), (200, expected), "{cookie} {allow}");
    }
}

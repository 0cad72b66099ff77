//! No secret is written anywhere: not to a log at TRACE, not by Debug, not in an error, an answer or a header of one,
//! whatever happens to the request. Only the provider gets its credential.
//!
//! Every secret is a text of its own. What is searched for is any ten characters of one.

#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, clippy::panic)] // Helpers are tests, too.

#[path = "support/canaries.rs"]
mod canaries;
#[path = "support/net.rs"]
#[allow(dead_code)] // Each test binary uses its own part.
mod net;
#[path = "gateway/process.rs"]
#[allow(dead_code)]
mod process;

use std::{convert::Infallible, error::Error, fmt::Debug, io, sync::Mutex, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    ConfigLayer, ExchangeLayer, Forward, GatewayKey, ModelLayer, PortkeyAuthLayer, PortkeyLayer, RescueLayer, Secret,
    auth::{KeySet, Validate, validate_fn},
    config::{ConfigSet, SavedConfig},
    context::{Credential, Entry, PortkeyHeaders, Principal, ProviderId, RequestConfig, Target, Visibility, Workspace},
    forward::Client,
    guard::Decision,
    host::{CustomHost, TrustedHosts},
    model::{EntrySet, ResolveProvider},
    rejection::Rejection,
};
use tracing_subscriber::fmt::format::FmtSpan;

use canaries::{
    AUTH, AWS_STORED, AWS_STORED_TOKEN, BODY, CONFIG, COOKIE, ENTRA, ENTRA_STORED, KEY, ORACLE, OWN, QUERY, SAVED,
    STORED, TOKEN, VERTEX, X_API, assert_clean, caller, found, provider, raw, request, requests,
};
use net::{locked, nobody, soon};
use process::{Directory, Gateway, run};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&LOG).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every event and span with every field, of every crate.
fn log_everything() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_span_events(FmtSpan::FULL);
        all.with_ansi(false).with_writer(|| Log).init();
    });
}

fn logged() -> String {
    String::from_utf8_lossy(&locked(&LOG)).into_owned()
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

/// An error and all its causes, by Display and by Debug.
fn chain(error: &(dyn Error + 'static)) -> String {
    let rest = error.source().map(chain).unwrap_or_default();
    format!("{error} {error:?} {error:#?}\n{rest}")
}

/// Everything of an answer that somebody could look at.
async fn transcript<B>(answer: Response<B>) -> String
where
    B: http_body::Body<Error: Error + 'static>,
{
    let (head, body) = answer.into_parts();
    let mut text = format!("{} {:?}\n", head.status, head.headers);
    text += &head.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()) + "\n").collect::<String>();
    let facts = &head.extensions;
    text += &shown(&(facts.get::<Target>(), facts.get::<PortkeyHeaders>(), facts.get::<RequestConfig>()));
    text += &shown(&(facts.get::<Principal>(), facts.get::<Rejection>()));
    text += &facts.get::<Rejection>().map(|rejection| chain(rejection)).unwrap_or_default();
    text += &match soon(body.collect()).await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(error) => chain(&error),
    };
    text
}

fn keys() -> KeySet {
    let principal = Principal::new("ci").with_scopes(["completions.write"]);
    KeySet::new([GatewayKey::new(KEY, principal).expect("a key")]).expect("a set")
}

fn entries() -> EntrySet {
    let entry = Entry::new("stored", ProviderId::parse("openai").expect("an id"))
        .and_then(|entry| entry.with_api_key(STORED))
        .and_then(|entry| entry.with_header("x-own", &Secret::from(OWN)));
    let aws = Entry::new("aws", ProviderId::parse("bedrock").expect("an id"))
        .and_then(|entry| entry.with_field("aws_access_key_id", &Secret::from("AKIDEXAMPLE")))
        .and_then(|entry| entry.with_field("aws_secret_access_key", &Secret::from(AWS_STORED)))
        .and_then(|entry| entry.with_field("aws_session_token", &Secret::from(AWS_STORED_TOKEN)));
    let entra = [
        ("resource_name", "r"),
        ("deployment_id", "d"),
        ("api_version", "2024-10-21"),
        ("azure_auth_mode", "entra"),
        ("azure_entra_tenant_id", "t"),
        ("azure_entra_client_id", "c"),
        ("azure_entra_client_secret", ENTRA_STORED),
    ];
    let own = Entry::new("entra", ProviderId::parse("azure-openai").expect("an id"));
    let entra = entra.iter().fold(own, |entry, (name, value)| entry?.with_field(name, &Secret::from(*value)));
    let all = EntrySet::new().with(entry.expect("an entry"), Visibility::everybody());
    let all = all.with(entra.expect("an entry"), Visibility::everybody());
    all.with(aws.expect("an entry"), Visibility::everybody())
}

fn configs() -> ConfigSet {
    let json = format!(r#"{{"provider":"openai","api_key":"{SAVED}"}}"#);
    let saved = SavedConfig::parse("pc-saved", &json, &TrustedHosts::default());
    ConfigSet::new().with(saved.expect("a config"), Visibility::everybody())
}

#[tokio::test]
async fn nothing_leaks_from_the_layers() {
    log_everything();
    let upstream = provider().await;
    let gone = format!("http://{}", nobody().expect("a port"));
    let url = CustomHost::operator(&upstream.url("/v1")).expect("a URL");
    let id = |id| ProviderId::parse(id).expect("an id");
    let layer = PortkeyLayer::builder()
        .trusted_hosts(TrustedHosts::parse([&gone]).expect("a host"))
        .base_url(id("openai"), url.clone())
        .base_url(id("anthropic"), url.clone())
        .base_url(id("google"), url.clone())
        .base_url(id("azure-openai"), url.clone())
        .base_url(id("bedrock"), url.clone());
    let client = Client::builder().idle_timeout(Duration::from_secs(2)).build().expect("a client");
    let exchange = ExchangeLayer::new().fetch(client.clone()).entra_endpoint(url);
    let layer = layer.exchange(exchange).auth(PortkeyAuthLayer::new(keys())).entries(entries());
    let layer = layer.configs(configs()).build();
    let gateway = layer.layer(Forward::new(client));
    assert_clean(&shown(&layer), "the layer");
    for (path, lines, status) in requests(&gone) {
        let Ok(answer) = soon(gateway.clone().oneshot(request(path, &lines))).await;
        assert_eq!(answer.status(), status, "{path} {lines:?}");
        assert_clean(&transcript(answer).await, &format!("the answer to {path} {lines:?}"));
    }
    let reached: String = upstream.requests().iter().map(|request| format!("{request:?} {}", request.text())).collect();
    let mut expected = vec![AUTH, CONFIG, QUERY, BODY, STORED, OWN, SAVED, AWS_STORED_TOKEN, ENTRA_STORED, TOKEN];
    expected.sort_unstable();
    let mut had = found(&reached);
    had.sort_unstable();
    assert_eq!(had, expected, "the provider has its credentials and what is meant for it, and no other secret");
    assert!(logged().contains("hyper_util") && logged().contains("tower_portkey"), "there is a log");
    assert_clean(&logged(), "the log");
}

#[tokio::test]
async fn nothing_leaks_over_http_2() {
    log_everything();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let mut tls = rustls::ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|tls| tls.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
        .expect("a server");
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}/v1", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let stream = TlsAcceptor::from(std::sync::Arc::new(tls)).accept(stream).await.expect("TLS");
        let echo = hyper::service::service_fn(async |request: Request<Incoming>| {
            let mut answer = Response::new(request.into_body());
            answer.headers_mut().insert("x-echo", HeaderValue::from_static(AUTH));
            Ok::<_, Infallible>(answer)
        });
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), echo).await
    });
    let layer = PortkeyLayer::builder()
        .base_url(ProviderId::parse("openai").expect("an id"), CustomHost::operator(&url).expect("a URL"))
        .auth(PortkeyAuthLayer::new(keys()))
        .build();
    let client = Client::builder().root_certificate(made.cert.der().to_vec()).build().expect("a client");
    let sent = request("/v1/chat/completions?key=queryV5Bn7Mq9Wx2Er4Ty6Ui8Op", &caller());
    let Ok(answer) = soon(layer.layer(Forward::new(client)).oneshot(sent)).await;
    assert_eq!(answer.status(), 200);
    let text = transcript(answer).await;
    assert!(text.ends_with(BODY), "the body is the provider's, and passes untouched: {text}");
    assert_clean(text.trim_end_matches(BODY), "the answer");
    assert!(logged().contains("h2::"), "there is a log");
    assert_clean(&logged(), "the log");
}

/// A validator that falls over, with the credential in its last words.
struct Falls;

impl Validate for Falls {
    type Future = std::future::Ready<Result<Principal, Rejection>>;

    fn validate(&self, credential: &Credential) -> Decision<Principal, Self::Future> {
        panic!("no store for {}", credential.expose())
    }
}

async fn refused_by<V>(validator: V)
where
    V: Validate + Send + Sync + 'static,
    V::Future: Send,
{
    let leaf = service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    let service = RescueLayer::new().layer(PortkeyAuthLayer::new(validator).layer(leaf));
    let Ok(answer) = service.oneshot(request("/v1/models", &caller())).await;
    assert!(answer.status().is_server_error(), "{}", answer.status());
    assert_clean(&transcript(answer).await, "the answer");
}

#[tokio::test]
async fn nothing_leaks_from_a_validator_that_fails() {
    log_everything();
    refused_by(Falls).await;
    refused_by(validate_fn(async |credential: Credential| panic!("no store for {}", credential.expose()))).await;
    assert_clean(&logged(), "the log");
}

#[test]
fn nothing_is_shown_by_debug() {
    let secret = Secret::from(KEY);
    let line = HeaderValue::from_str(&format!("Bearer {AUTH}")).expect("a value");
    let credential = Credential::from_authorization(&line).expect("a credential");
    let host = CustomHost::operator(&format!("https://example.com/v1?key={QUERY}")).expect("a host");
    let key = GatewayKey::new(KEY, Principal::new("ci")).expect("a key");
    let (minted, text) = GatewayKey::mint(Principal::new("ci")).expect("a key");
    for text in [
        shown(&(&secret, secret.header_value("Bearer "))),
        shown(&(&credential, credential.header_value("Bearer "), credential.header_value("Key "))),
        shown(&(&key, keys(), PortkeyAuthLayer::new(keys()))),
        shown(&host),
        shown(&(entries(), configs(), ModelLayer::new(entries()), ConfigLayer::new().configs(configs()))),
        shown(&entries().resolve(Workspace { organisation: "o", workspace: "w" }, "stored")),
        shown(&SavedConfig::parse("pc-a", &format!(r#"{{"provider":"{SAVED}"}}"#), &TrustedHosts::default())),
        shown(
            &Entry::new("a", ProviderId::parse("openai").expect("an id"))
                .and_then(|entry| entry.with_api_key(format!("{STORED}\n"))),
        ),
        shown(&GatewayKey::new("short", Principal::new("ci")).expect_err("too short")),
    ] {
        assert_clean(&text, "Debug");
    }
    assert!(!shown(&(minted, &text)).contains(&text.expose()[3..]));
}

#[tokio::test]
async fn a_layers_headers_are_marked_when_they_reach_the_leaf() {
    let leaf = service_fn(async |request: Request<_>| {
        assert_clean(&shown(request.headers()), "the headers at the leaf");
        assert!(request.headers().values().any(HeaderValue::is_sensitive));
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let layer = PortkeyLayer::builder().auth(PortkeyAuthLayer::new(keys())).build();
    let Ok(answer) = layer.layer(leaf).oneshot(request("/v1/chat/completions", &caller())).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn nothing_leaks_from_the_binary() {
    let upstream = provider().await;
    let gone = format!("http://{}", nobody().expect("a port"));
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nmode = \"required\"\ntrusted_hosts = [\"{gone}\"]\n[upstream]\nidle_timeout_ms = 500\n\
         [upstream.base_url]\nopenai = \"{0}\"\nanthropic = \"{0}\"\ngoogle = \"{0}\"\nbedrock = \"{0}\"\nazure-openai = \"{0}\"\nentra = \"{0}\"\n[[keys]]\nid = \"ci\"\nkey = {{ env = \"CI_KEY\" }}\n\
         [[providers]]\nslug = \"stored\"\nprovider = \"openai\"\napi_key = {{ env = \"STORED\" }}\n[providers.custom_headers]\nx-own = {{ env = \"OWN\" }}\n\
         [[providers]]\nslug = \"aws\"\nprovider = \"bedrock\"\naws_access_key_id = \"AKIDEXAMPLE\"\n\
         aws_secret_access_key = {{ env = \"AWS_STORED\" }}\naws_session_token = {{ env = \"AWS_STORED_TOKEN\" }}\n\
         [[providers]]\nslug = \"entra\"\nprovider = \"azure-openai\"\nresource_name = \"r\"\ndeployment_id = \"d\"\n\
         api_version = \"2024-10-21\"\nazure_auth_mode = \"entra\"\nazure_entra_tenant_id = \"t\"\nazure_entra_client_id = \"c\"\n\
         azure_entra_client_secret = {{ env = \"ENTRA_STORED\" }}\n\
         [[configs]]\nid = \"pc-saved\"\nconfig = '{{\"provider\":\"openai\",\"api_key\":\"{SAVED}\"}}'\n",
        upstream.url("/v1")
    );
    let variables = [
        ("CI_KEY", KEY),
        ("STORED", STORED),
        ("OWN", OWN),
        ("AWS_STORED", AWS_STORED),
        ("AWS_STORED_TOKEN", AWS_STORED_TOKEN),
        ("ENTRA_STORED", ENTRA_STORED),
        ("RUST_LOG", "trace"),
    ];
    let gateway = Gateway::start_as(&settings, &[], &variables).await;
    for (path, lines, status) in requests(&gone) {
        let answer = gateway.ask(raw(path, &lines)).await;
        assert_eq!(answer.status(), status, "{path} {lines:?}");
        assert_clean(&format!("{answer:?} {}", answer.text()), &format!("the answer to {path} {lines:?}"));
    }
    let stream = soon(TcpStream::connect(gateway.address)).await.expect("a connection");
    let made = soon(hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await;
    let (mut client, connection) = made.expect("HTTP/2");
    tokio::spawn(connection);
    for lines in [caller(), canaries::with("x-portkey-api-key", canaries::WRONG)] {
        let answer = soon(client.send_request(request("http://gateway.test/v1/chat/completions", &lines))).await;
        assert_clean(&transcript(answer.expect("an answer")).await, "the answer over HTTP/2");
    }
    // What no request comes of.
    for start in
        ["POST /v1 ?key=queryV5Bn7Mq9Wx2Er4Ty6Ui8Op HTTP/1.1", "PRI * HTTP/2.0\r\n\r\nqueryV5Bn7Mq9Wx2Er4Ty6Ui8Op"]
    {
        let mut wire = gateway.connect().await;
        wire.send(format!("{start}\r\nauthorization: {AUTH}\r\n\r\n")).await;
        soon(wire.closed()).await;
    }
    gateway.rewrite(&settings.replace("{ env = \"CI_KEY\" }", &format!("\"{KEY}.\"")));
    gateway.signal("HUP").await;
    gateway.says("the old ones stay in force").await;
    let said = gateway.said().join("\n");
    assert!(said.contains("TRACE") && said.contains("portkey_gateway::access"), "there is a log");
    assert_clean(&said, "the log");
}

#[tokio::test]
async fn nothing_leaks_from_settings() {
    let directory = Directory::new();
    let head = "mode = \"required\"\n[[keys]]\nid = \"a\"\n";
    for (text, code) in [
        (format!("{head}key = \"{KEY}\""), 0),
        (format!("{head}key = \"{KEY}.\""), 2),
        (format!("{head}key = \"{KEY}"), 2),
        (format!("{head}key = {KEY}"), 2),
        (format!("{head}key = '{KEY}' {AUTH}"), 2),
        (format!("{head}key = [\"{KEY}\"]"), 2),
        (format!("{head}key = {{ env2 = \"{KEY}\" }}"), 2),
        (format!("{head}key_sha256 = \"{KEY}\""), 2),
        (format!("{head}key = \"{KEY}\"\nkey_sha256 = \"{KEY}\""), 2),
        (format!("{head}key = \"{KEY}\"\n[[keys]]\nid = \"b\"\nkey = \"{KEY}\""), 2),
        (
            format!(
                "{head}key = \"{KEY}\"\n[[providers]]\nslug = \"a\"\nprovider = \"openai\"\napi_key = \"{STORED}\""
            ),
            0,
        ),
        (format!("{head}key = \"{KEY}\"\n[[providers]]\nslug = \"a\"\nprovider = \"{STORED}\""), 2),
        (format!("{head}key = \"{KEY}\"\n[[providers]]\nslug = \"{STORED}/\"\nprovider = \"openai\""), 2),
        (
            format!(
                "{head}key = \"{KEY}\"\n[[providers]]\nslug = \"a\"\nprovider = \"openai\"\napi_key = [\"{STORED}\"]"
            ),
            2,
        ),
        (
            format!(
                "{head}key = \"{KEY}\"\n[[providers]]\nslug = \"a\"\nprovider = \"openai\"\naws_region = {{ of = \"{STORED}\" }}"
            ),
            2,
        ),
        (
            format!(
                "{head}key = \"{KEY}\"\n[[configs]]\nid = \"pc-a\"\nconfig = '{{\"provider\":\"openai\",\"api_key\":[\"{SAVED}\"]}}'"
            ),
            2,
        ),
        (
            format!(
                "{head}key = \"{KEY}\"\n[[configs]]\nid = \"pc-a\"\nconfig = '{{\"provider\":\"openai\",\"api_key\":\"{SAVED}\"}}'"
            ),
            0,
        ),
        (format!("mode = \"open\"\n[upstream.base_url]\nopenai = \"https://u:{AUTH}@example.com\""), 2),
        (format!("mode = \"open\"\n[upstream.base_url]\nopenai = \"https://example.com/v1?key={QUERY}\""), 0),
    ] {
        let file = directory.write("gateway.toml", &text);
        let output = run(&["check", "--config", &file.to_string_lossy()]).await;
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert_clean(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()), &text);
    }
}

#[test]
fn a_secret_that_is_written_is_found() {
    // In a place of its own: the other tests look at the one log.
    let written = std::sync::Arc::new(Mutex::new(Vec::<u8>::new()));
    struct To(std::sync::Arc<Mutex<Vec<u8>>>);
    impl io::Write for To {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            locked(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let to = std::sync::Arc::clone(&written);
    let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_span_events(FmtSpan::FULL);
    tracing::subscriber::with_default(all.with_writer(move || To(std::sync::Arc::clone(&to))).finish(), || {
        tracing::trace!(value = AUTH, "in an event");
        drop(tracing::trace_span!("a span", value = ?Some(X_API)).entered());
    });
    let text = String::from_utf8_lossy(&locked(&written)).into_owned();
    assert_eq!(found(&text), [AUTH, X_API]);
    assert_eq!(found(&format!("{}...", &COOKIE[..10].to_uppercase())), [COOKIE], "a piece is enough");
    assert!(found(&shown(&Some(VERTEX))) == [VERTEX] && found(&chain(&io::Error::other(ORACLE))) == [ORACLE]);
    assert!(std::panic::catch_unwind(|| assert_clean(ENTRA, "a planted secret")).is_err());
    assert!(found("nothing of the kind").is_empty());
}

//! TLS towards providers: who is trusted, and HTTP/2 where the provider speaks it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version, request::Parts};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_rustls::{TlsAcceptor, rustls};
use tower_portkey::{
    context::HostOrigin,
    forward::{
        ClientBuilder,
        egress::{BoxFuture, Proxy as HttpProxy, Resolve},
    },
};

use crate::{
    harness::{Answer, CREDENTIAL, Feed, Proxy, assert_failure, feed, get, post, read, target},
    net::{Connection, Upstream, locked, soon},
};

const UNREACHABLE: &str = "The provider could not be reached";

/// A provider that speaks TLS. It hands every request to the test, which answers it.
pub(crate) struct Provider {
    address: SocketAddr,
    certificate: Vec<u8>,
    requests: Mutex<mpsc::Receiver<Exchange>>,
    connections: Arc<AtomicUsize>,
}

/// A request, and the way to answer it.
pub(crate) struct Exchange {
    pub(crate) head: Parts,
    body: Incoming,
    pub(crate) answer: tokio::sync::oneshot::Sender<Response<Feed>>,
}

impl Provider {
    /// For `localhost`, with these protocols in ALPN.
    pub(crate) async fn start(alpn: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a server");
        tls.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let (acceptor, listener) = (TlsAcceptor::from(Arc::new(tls)), TcpListener::bind("127.0.0.1:0").await);
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = mpsc::channel(8);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, sender, counted) = (acceptor.clone(), sender.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    counted.fetch_add(1, Ordering::SeqCst);
                    let service = service_fn(move |request| hand_over(sender.clone(), request));
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        let certificate = made.cert.der().to_vec();
        Self { address, certificate, requests: Mutex::new(requests), connections }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    pub(crate) fn trusted(&self) -> Proxy {
        Proxy::with(|client| client.root_certificate(self.certificate.clone()))
    }

    #[allow(clippy::await_holding_lock)] // Each provider has one test, and it takes one request after the other.
    pub(crate) async fn request(&self) -> Exchange {
        soon(locked(&self.requests).recv()).await.expect("a request")
    }
}

async fn hand_over(to: mpsc::Sender<Exchange>, request: Request<Incoming>) -> Result<Response<Feed>, Infallible> {
    let (head, body) = request.into_parts();
    let (answer, answered) = tokio::sync::oneshot::channel();
    to.send(Exchange { head, body, answer }).await.expect("a test");
    Ok(answered.await.expect("an answer"))
}

impl Exchange {
    /// Answers, and returns what feeds the answer's body.
    fn answer(self, head: http::response::Builder) -> (mpsc::Sender<Frame<Bytes>>, Incoming) {
        let (sender, receiver) = mpsc::channel(8);
        assert!(self.answer.send(head.body(Feed(receiver)).expect("a response")).is_ok(), "nobody waits");
        (sender, self.body)
    }
}

fn trailers(name: &'static str, value: &'static str) -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))]))
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_502_and_nothing_is_sent() {
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        let provider = Provider::start(alpn).await;
        assert_failure(Proxy::new().send(get(provider.url("/"))).await, 502, UNREACHABLE).await;
        // Trusted, and for another name.
        let by_address = format!("https://{}/", provider.address);
        assert_failure(provider.trusted().send(get(by_address)).await, 502, UNREACHABLE).await;
        assert!(locked(&provider.requests).try_recv().is_err());
    }
}

#[tokio::test]
async fn the_version_is_what_both_sides_speak() {
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["h2"], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let provider = Provider::start(alpn).await;
        let proxy = provider.trusted();
        for _ in 0..2 {
            let sending = tokio::spawn({
                let (proxy, request) = (proxy.clone(), get(provider.url("/v1/models?a=b")));
                async move { read(proxy.send(request).await).await }
            });
            let exchange = provider.request().await;
            assert_eq!(exchange.head.version, version, "{alpn:?}");
            assert_eq!(exchange.head.uri.path_and_query().map(http::uri::PathAndQuery::as_str), Some("/v1/models?a=b"));
            assert_eq!(exchange.head.headers["authorization"], format!("Bearer {CREDENTIAL}"));
            let own = format!("localhost:{}", provider.address.port());
            let host = exchange.head.headers.get("host").map(HeaderValue::as_bytes);
            let authority = exchange.head.uri.authority().map(|authority| authority.as_str().as_bytes());
            assert_eq!(host.or(authority), Some(own.as_bytes()));
            let (sender, _) = exchange.answer(Response::builder());
            sender.send(Frame::data(Bytes::from("ok"))).await.expect("room");
            drop(sender);
            assert_eq!(soon(sending).await.expect("an answer").0, "ok");
        }
        assert_eq!(provider.connections.load(Ordering::SeqCst), 1, "{alpn:?}");
    }
}

#[tokio::test]
async fn a_private_address_behind_tls_is_not_dialled_for_a_caller() {
    let provider = Provider::start(&["h2"]).await;
    for origin in [HostOrigin::Catalog, HostOrigin::Caller] {
        let request = get(provider.url("/"));
        let target = target(request.uri(), origin);
        assert_failure(provider.trusted().send_to(target, request).await, 502, UNREACHABLE).await;
    }
    assert_eq!(provider.connections.load(Ordering::SeqCst), 0);
}

/// Sends a request that is fed, and waits until it is there.
async fn begin(provider: &Provider) -> (mpsc::Sender<Frame<Bytes>>, tokio::task::JoinHandle<Answer>, Exchange) {
    let (sender, body) = feed();
    let mut request = post(provider.url("/pkg.Service/Method"), body);
    for (name, value) in [
        ("te", "trailers"),
        ("trailer", "x-checksum"),
        ("connection", "te, x-local"),
        ("x-local", "1"),
        ("keep-alive", "timeout=1"),
        ("upgrade", "h2c"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let proxy = provider.trusted();
    let sending = tokio::spawn(async move { proxy.send(request).await });
    let exchange = provider.request().await;
    (sender, sending, exchange)
}

#[tokio::test]
async fn http_2_streams_both_ways_and_keeps_trailers() {
    let provider = Provider::start(&["h2"]).await;
    let (to_provider, sending, exchange) = begin(&provider).await;
    assert_eq!(exchange.head.version, Version::HTTP_2);
    for name in ["connection", "x-local", "keep-alive", "upgrade", "transfer-encoding", "content-length"] {
        assert!(!exchange.head.headers.contains_key(name), "{name}");
    }
    let (to_caller, mut received) = exchange.answer(Response::builder().header("content-type", "application/grpc"));
    let mut answer = soon(sending).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    for number in 0..3 {
        let chunk = Bytes::from(format!("chunk {number}"));
        to_provider.send(Frame::data(chunk.clone())).await.expect("room");
        assert_eq!(soon(received.frame()).await.expect("a frame").expect("data").into_data().expect("data"), chunk);
        to_caller.send(Frame::data(chunk.clone())).await.expect("room");
        assert_eq!(soon(answer.frame()).await.expect("a frame").expect("data").into_data().expect("data"), chunk);
    }
    to_provider.send(trailers("x-checksum", "abc")).await.expect("room");
    drop(to_provider);
    let end = soon(received.collect()).await.expect("the request's end");
    assert_eq!(end.trailers().map(|trailers| trailers["x-checksum"].clone()), Some(HeaderValue::from_static("abc")));
    to_caller.send(trailers("grpc-status", "0")).await.expect("room");
    drop(to_caller);
    assert_eq!(read(answer).await.1["grpc-status"], "0");
}

#[tokio::test]
async fn that_trailers_are_welcome_is_said_to_http_2() {
    let provider = Provider::start(&["h2"]).await;
    let (_to_provider, _sending, exchange) = begin(&provider).await;
    // gRPC servers ask for this line. A caller over HTTP/1.1 nominates it in `connection`, as it must.
    assert_eq!(exchange.head.headers.get("te").map(HeaderValue::as_bytes), Some(&b"trailers"[..]));
}

#[tokio::test]
async fn dropping_the_answer_resets_the_stream_and_keeps_the_connection() {
    let provider = Provider::start(&["h2"]).await;
    let proxy = provider.trusted();
    let second = Duration::from_secs(1);

    let waiting = tokio::spawn({
        let (proxy, request) = (proxy.clone(), get(provider.url("/head")));
        async move { proxy.send(request).await }
    });
    let mut exchange = provider.request().await;
    waiting.abort();
    timeout(second, exchange.answer.closed()).await.expect("the provider was not told while it had not answered");

    let waiting = tokio::spawn({
        let (proxy, request) = (proxy.clone(), get(provider.url("/body")));
        async move { proxy.send(request).await }
    });
    let (to_caller, _) = provider.request().await.answer(Response::builder());
    to_caller.send(Frame::data(Bytes::from("first"))).await.expect("room");
    let mut answer = soon(waiting).await.expect("an answer");
    assert!(soon(answer.frame()).await.is_some());
    drop(answer);
    timeout(second, to_caller.closed()).await.expect("the provider was not told while it streamed");
    assert_eq!(provider.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reset_stream_ends_as_an_error() {
    let provider = Provider::start(&["h2"]).await;
    let proxy = provider.trusted();
    let waiting = tokio::spawn({
        let (proxy, request) = (proxy.clone(), get(provider.url("/")));
        async move { proxy.send(request).await }
    });
    // An answer that ends before its announced length is reset by the server.
    let (to_caller, _) = provider.request().await.answer(Response::builder().header("content-length", "10"));
    to_caller.send(Frame::data(Bytes::from("hello"))).await.expect("room");
    drop(to_caller);
    let answer = soon(waiting).await.expect("an answer");
    let error = soon(answer.into_body().collect()).await.expect_err("a broken stream ended as if it were whole");
    assert!(!error.is_timeout());
}

#[tokio::test]
async fn tls_through_a_proxy_is_spoken_with_the_name_and_the_proxy_is_told_the_address() {
    struct Public;
    impl Resolve for Public {
        fn resolve(&self, host: &str, port: u16) -> BoxFuture<std::io::Result<Vec<SocketAddr>>> {
            assert_eq!(host, "localhost");
            Box::pin(async move { Ok(vec![SocketAddr::from(([93, 184, 215, 14], port))]) })
        }
    }

    let provider = Provider::start(&["h2", "http/1.1"]).await;
    let behind = provider.address;
    let proxy = Upstream::start(move |mut connection: Connection| async move {
        connection.head().await;
        connection.send("HTTP/1.1 200 Connected\r\n\r\n").await;
        connection.wire.bridge(behind).await;
    })
    .await;
    let through = HttpProxy::http(&proxy.url("")).expect("a proxy");
    let trusted = |client: ClientBuilder| client.root_certificate(provider.certificate.clone()).resolver(Public);
    let gateway = Proxy::with(|client| trusted(client).proxy(through.clone()));
    let request = get(provider.url("/v1/models"));
    let target = target(request.uri(), HostOrigin::Catalog);
    let (answer, ()) = tokio::join!(gateway.send_to(target, request), async {
        let exchange = provider.request().await;
        assert_eq!(exchange.head.version, Version::HTTP_2);
        assert_eq!(exchange.head.uri.host(), Some("localhost"));
        drop(exchange.answer(Response::builder()));
    });
    assert_eq!(answer.status(), 200);
    // The certificate is for `localhost` alone, and was looked for under that name.
    assert_eq!(proxy.only_request().start, format!("CONNECT 93.184.215.14:{} HTTP/1.1", behind.port()));
    assert_eq!(provider.connections.load(Ordering::SeqCst), 1);
}

//! WebSockets: the handshake, and what becomes of the connection.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower_portkey::context::{CredentialSource, Handshake, HostOrigin, TargetBuilder};

use crate::{
    harness::{Feed, Proxy, bytes, target},
    net::{Connection, Upstream, Wire, nobody, soon},
    tls::Provider,
};

const HANDSHAKE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         sec-websocket-version: 13\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: realtime\r\n\
                        set-cookie: session=1\r\nx-request-id: r-1\r\n\r\n";

/// A hyper server in front of the leaf, as an embedder writes it.
async fn serve(proxy: Proxy, provider: String, settings: fn(TargetBuilder) -> TargetBuilder) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (proxy, provider) = (proxy.clone(), provider.clone());
            let service = service_fn(move |request| answer(proxy.clone(), provider.clone(), settings, request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
        }
    });
    address
}

async fn answer(
    proxy: Proxy,
    provider: String,
    settings: fn(TargetBuilder) -> TargetBuilder,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut head, _) = request.into_parts();
    if let Some(handshake) = Handshake::of(&head).expect("a handshake") {
        head.extensions.insert(handshake);
    }
    let uri: Uri = format!("{provider}{}", head.uri).parse().expect("a URI");
    let target = settings(target(&uri, HostOrigin::Operator));
    head.uri = uri;
    let answer = proxy.send_to(target, Request::from_parts(head, bytes(""))).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(Response::from_parts(head, Full::new(body)))
}

/// Switches, and sends back what comes.
async fn echo(mut connection: Connection) {
    if connection.request().await.is_none() {
        return;
    }
    connection.send(SWITCHED).await;
    while let Some(byte) = connection.wire.exactly(1).await {
        connection.send(byte).await;
    }
}

fn open(lines: &str) -> String {
    format!("GET /v1/realtime?model=m HTTP/1.1\r\nhost: gateway.test\r\n{lines}\r\n")
}

#[tokio::test]
async fn frames_go_both_ways_after_the_providers_101() {
    let upstream = Upstream::start(echo).await;
    let gateway = serve(Proxy::new(), upstream.url(""), |target| target).await;
    let mut wire = Wire::connect(gateway).await;
    let more = "sec-websocket-protocol: realtime, openai-beta.realtime-v1\r\nsec-websocket-extensions: permessage-deflate\r\n\
                x-local: 1\r\n";
    // The first frame comes with the head: it is for the provider, but not before it has agreed.
    wire.send(
        open(&format!("{}{more}", HANDSHAKE.replace("connection: Upgrade", "connection: x-local, upgrade"))) + "first",
    )
    .await;
    let answer = soon(wire.response(false)).await.expect("an answer");
    assert_eq!(answer.status(), 101);
    for (name, value) in [
        ("connection", Some("Upgrade")),
        ("upgrade", Some("websocket")),
        ("sec-websocket-accept", Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("sec-websocket-protocol", Some("realtime")),
        ("x-request-id", Some("r-1")),
        ("x-portkey-provider", Some("openai")),
        ("x-portkey-trace-id", Some(crate::harness::TRACE)),
        ("set-cookie", None),
        ("content-length", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert_eq!(soon(wire.exactly(5)).await.as_deref(), Some(&b"first"[..]));
    for _ in 0..3 {
        wire.send([0x81, 0x00, 0xff]).await;
        assert_eq!(soon(wire.exactly(3)).await.as_deref(), Some(&[0x81, 0x00, 0xff][..]));
    }

    let sent = upstream.only_request();
    assert_eq!(sent.start, "GET /v1/realtime?model=m HTTP/1.1");
    for (name, value) in [
        ("connection", Some("Upgrade")),
        ("upgrade", Some("websocket")),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ==")),
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-protocol", Some("realtime, openai-beta.realtime-v1")),
        ("sec-websocket-extensions", Some("permessage-deflate")),
        ("authorization", Some("Bearer sk-provider/0123456789+")),
        ("x-local", None),
        ("content-length", None),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn the_account_among_the_subprotocols_is_not_for_callers_of_a_stored_credential() {
    let upstream = Upstream::start(echo).await;
    let gateway = serve(Proxy::new(), upstream.url(""), |target| {
        let credential =
            tower_portkey::context::Credential::from_raw(&"sk-stored-1".parse().expect("a value")).expect("one");
        let name = http::header::AUTHORIZATION;
        target.credential(
            credential,
            CredentialSource::Stored,
            tower_portkey::context::Placement::Header { name, prefix: "Bearer ".into() },
        )
    })
    .await;
    let protocols = "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-mine, openai-organization.o, openai-project.p\r\n";
    let answer = Wire::connect(gateway).await.ask(open(&format!("{HANDSHAKE}{protocols}"))).await;
    assert_eq!(answer.status(), 101);
    let sent = upstream.only_request();
    assert_eq!(sent.header("authorization"), Some("Bearer sk-stored-1"));
    assert_eq!(sent.header("sec-websocket-protocol"), Some("realtime"));
}

#[tokio::test]
async fn whatever_is_no_101_is_an_answer_like_any_other() {
    let refused = "HTTP/1.1 401 Unauthorized\r\nupgrade: websocket\r\nconnection: upgrade\r\nwww-authenticate: Bearer\r\n\
                   content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let upstream = Upstream::answering(refused).await;
    let gateway = serve(Proxy::new(), upstream.url(""), |target| target).await;
    let mut wire = Wire::connect(gateway).await;
    for _ in 0..2 {
        let answer = wire.ask(open(HANDSHAKE)).await;
        assert_eq!((answer.status(), answer.text().as_str()), (401, "{}"));
        assert_eq!((answer.header("upgrade"), answer.header("www-authenticate")), (None, Some("Bearer")));
    }
}

#[tokio::test]
async fn a_101_that_is_no_answer_to_this_handshake_is_502() {
    for wrong in [
        SWITCHED.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        SWITCHED.replace("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""),
        SWITCHED.replace("upgrade: websocket", "upgrade: h2c"),
    ] {
        let upstream = Upstream::answering(wrong).await;
        let gateway = serve(Proxy::new(), upstream.url(""), |target| target).await;
        let mut wire = Wire::connect(gateway).await;
        let answer = wire.ask(open(HANDSHAKE)).await;
        assert_eq!(answer.status(), 502);
        assert!(answer.text().contains("switched protocols unasked"), "{}", answer.text());
        // The caller's connection speaks HTTP as before.
        assert_eq!(wire.ask(open(HANDSHAKE)).await.status(), 502);
    }
}

#[tokio::test]
async fn without_a_handshake_nothing_of_it_goes_on() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gateway = serve(Proxy::new(), upstream.url(""), |target| target).await;
    let request =
        format!("GET /v1/models HTTP/1.1\r\nhost: gateway.test\r\n{HANDSHAKE}sec-websocket-protocol: a\r\n\r\n");
    assert_eq!(Wire::connect(gateway).await.ask(request).await.status(), 200);
    let sent = upstream.only_request();
    let left = sent.headers.iter().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name.starts_with("sec-websocket-") || name == "upgrade" || name == "connection"
    });
    assert_eq!(left.count(), 0, "{sent:?}");
}

#[tokio::test]
async fn a_side_that_closes_takes_the_other_with_it() {
    let (gone, mut left) = tokio::sync::mpsc::channel::<()>(1);
    let upstream = Upstream::start(move |mut connection| {
        let gone = gone.clone();
        async move {
            connection.request().await;
            connection.send(SWITCHED).await;
            connection.wire.closed().await;
            gone.send(()).await.expect("the test waits");
        }
    })
    .await;
    let gateway = serve(Proxy::new(), upstream.url(""), |target| target).await;
    let mut wire = Wire::connect(gateway).await;
    assert_eq!(wire.ask(open(HANDSHAKE)).await.status(), 101);
    drop(wire);
    assert_eq!(soon(left.recv()).await, Some(()));

    let upstream = Upstream::start(|mut connection| async move {
        connection.request().await;
        connection.send(SWITCHED).await;
        connection.send("last words").await;
        connection.wire.finish().await;
    })
    .await;
    let gateway = serve(Proxy::new(), upstream.url(""), |target| target).await;
    let mut wire = Wire::connect(gateway).await;
    assert_eq!(wire.ask(open(HANDSHAKE)).await.status(), 101);
    assert_eq!(soon(wire.exactly(10)).await.as_deref(), Some(&b"last words"[..]));
    soon(wire.closed()).await;
}

#[tokio::test]
async fn silence_ends_a_session() {
    let upstream = Upstream::start(echo).await;
    let proxy = Proxy::with(|client| client.session_idle_timeout(Duration::from_millis(300)));
    let gateway = serve(proxy, upstream.url(""), |target| target).await;
    let mut wire = Wire::connect(gateway).await;
    assert_eq!(wire.ask(open(HANDSHAKE)).await.status(), 101);
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        wire.send("x").await;
        assert_eq!(soon(wire.exactly(1)).await.as_deref(), Some(&b"x"[..]));
    }
    soon(wire.closed()).await;
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_502_and_one_that_says_nothing_504() {
    let gateway = serve(Proxy::new(), format!("http://{}", nobody().expect("a port")), |target| target).await;
    assert_eq!(Wire::connect(gateway).await.ask(open(HANDSHAKE)).await.status(), 502);

    let silent = Upstream::start(|mut connection| async move {
        connection.request().await;
        connection.wire.closed().await;
    })
    .await;
    let proxy = Proxy::with(|client| client.first_byte_timeout(Duration::from_millis(200)));
    let gateway = serve(proxy, silent.url(""), |target| target).await;
    assert_eq!(Wire::connect(gateway).await.ask(open(HANDSHAKE)).await.status(), 504);
}

#[tokio::test]
async fn a_server_that_hands_nothing_over_is_told_so_before_anything_is_sent() {
    let upstream = Upstream::start(echo).await;
    let (mut head, ()) = Request::get(upstream.url("/v1/realtime"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .body(())
        .expect("a request")
        .into_parts();
    let handshake = Handshake::of(&head).expect("a handshake").expect("a handshake");
    head.extensions.insert(handshake);
    let answer = Proxy::new().send(Request::from_parts(head, bytes(""))).await;
    assert_eq!((answer.status().as_u16(), upstream.connections()), (501, 0));
}

#[tokio::test]
async fn towards_a_provider_of_http_2_a_session_speaks_http_1() {
    let provider = Provider::start(&["h2", "http/1.1"]).await;
    let gateway = serve(provider.trusted(), provider.url(""), |target| target).await;
    let mut wire = Wire::connect(gateway).await;
    wire.send(open(HANDSHAKE)).await;
    let mut asked = provider.request().await;
    assert_eq!(asked.head.version, http::Version::HTTP_11);
    let upgrade = asked.head.extensions.remove::<hyper::upgrade::OnUpgrade>().expect("an upgrade");
    let (_, nothing) = tokio::sync::mpsc::channel(1);
    let answer = Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        .body(Feed(nothing))
        .expect("a response");
    assert!(asked.answer.send(answer).is_ok());
    assert_eq!(soon(wire.response(false)).await.expect("an answer").status(), 101);
    let mut provider = TokioIo::new(soon(upgrade).await.expect("a connection"));
    wire.send("frame").await;
    let mut heard = [0; 5];
    soon(provider.read_exact(&mut heard)).await.expect("a frame");
    assert_eq!(&heard, b"frame");
    provider.write_all(b"other").await.expect("room");
    provider.flush().await.expect("room");
    assert_eq!(soon(wire.exactly(5)).await.as_deref(), Some(&b"other"[..]));
}

//! The connector: what is dialled for whom. The proxy of these tests sees which address would be dialled in the world
//! outside; nothing leaves the machine.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde_json::Value;
use tower::{Service as _, ServiceExt as _};
use tower_portkey::{
    Secret,
    context::HostOrigin::{Caller, Catalog, Operator, TrustedCaller},
    forward::egress::{BoxFuture, Egress, EgressErrorKind, Proxy as HttpProxy, Reach, Resolve},
    host::TrustedHosts,
};

use crate::{
    harness::{Proxy, assert_failure, get, read, target},
    net::{Connection, Upstream, locked, soon},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const PUBLIC: &str = "93.184.215.14";
const SHORT: Duration = Duration::from_millis(300);

/// Answers one list of addresses after the other, and goes on with the last.
#[derive(Clone)]
struct Answers(Arc<(Mutex<Vec<Vec<IpAddr>>>, AtomicUsize)>);

impl Answers {
    fn new(lists: &[&[&str]]) -> Self {
        let ip = |text: &&str| text.parse().expect("an address");
        let mut lists: Vec<Vec<IpAddr>> = lists.iter().map(|list| list.iter().map(ip).collect()).collect();
        lists.reverse();
        Self(Arc::new((Mutex::new(lists), AtomicUsize::new(0))))
    }

    fn set(&self, ip: &str) {
        *locked(&self.0.0) = vec![vec![ip.parse().expect(ip)]];
    }

    fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Resolve for Answers {
    fn resolve(&self, _: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        let mut lists = locked(&self.0.0);
        let list = if lists.len() > 1 { lists.pop() } else { lists.last().cloned() }.unwrap_or_default();
        Box::pin(async move { Ok(list.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }
}

/// A proxy that answers every request itself, once it has been asked to connect.
async fn proxy() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            // One request a tunnel, so that each asks for a connection.
            let ok = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
            let answer = if request.method() == "CONNECT" { "HTTP/1.1 200 Connected\r\n\r\n" } else { ok };
            connection.send(answer).await;
        }
    })
    .await
}

fn through(proxy: &Upstream) -> HttpProxy {
    HttpProxy::http(&proxy.url("")).expect("a proxy")
}

/// The addresses that a proxy was asked to connect to.
fn connects(proxy: &Upstream) -> Vec<String> {
    let connects = proxy.requests().into_iter().filter(|request| request.method() == "CONNECT");
    connects.map(|request| request.target().to_owned()).collect()
}

/// What becomes of one attempt to connect: the kind of its error, if any.
async fn attempt(egress: &Egress, uri: &str) -> Option<EgressErrorKind> {
    let mut egress = egress.clone();
    let connecting = egress.ready().await.expect("it is ready").call(uri.parse().expect("a URI"));
    soon(connecting).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn one_bad_address_among_good_ones_refuses_them_all() {
    let (inside, proxy) = (Upstream::answering(OK).await, proxy().await);
    for list in [
        &[PUBLIC, "127.0.0.1"][..],
        &["127.0.0.1", PUBLIC],
        &[PUBLIC, "10.0.0.1"],
        &[PUBLIC, "::ffff:127.0.0.1"],
        &[PUBLIC, "64:ff9b::7f00:1"],
        &[PUBLIC, "2002:7f00:1::"],
        &[PUBLIC, "2001:0:7f00:1::1"],
        &[PUBLIC, "0.0.0.0"],
        &[PUBLIC, "169.254.169.254"],
        &[PUBLIC, "192.0.2.1"],
        &[PUBLIC, "2606:4700::1111", "fd00::1"],
    ] {
        let builder = Egress::builder().resolver(Answers::new(&[list])).proxy(through(&proxy));
        let uri = format!("http://rebind.example:{}/", inside.address.port());
        let kind = attempt(&builder.build().expect("a connector"), &uri).await;
        assert_eq!(kind, Some(EgressErrorKind::Refused), "{list:?}");
    }
    assert_eq!((inside.connections(), proxy.connections()), (0, 0), "nothing was dialled");
}

#[tokio::test]
async fn an_answer_that_flips_is_never_dialled() {
    let (inside, proxy) = (Upstream::answering(OK).await, proxy().await);
    for (origin, bad) in [(Caller, "127.0.0.1"), (Catalog, "127.0.0.1"), (TrustedCaller, "169.254.169.254")] {
        let before = connects(&proxy).len();
        let answers = Answers::new(&[&[PUBLIC], &[bad]]);
        let gateway = Proxy::with(|client| client.resolver(answers.clone()).proxy(through(&proxy)));
        let request = || get(format!("http://rebind.example:{}/", inside.address.port()));
        let target = || target(request().uri(), origin);
        // One look-up for one connection: what was checked is what is dialled.
        assert_eq!(gateway.send_to(target(), request()).await.status(), 200);
        assert_eq!(answers.asked(), 1);
        let public = format!("{PUBLIC}:{}", inside.address.port());
        assert_eq!(connects(&proxy)[before..], [public]);
        assert_failure(gateway.send_to(target(), request()).await, 502, "The provider could not be reached").await;
        assert_eq!((answers.asked(), connects(&proxy).len()), (2, before + 1), "{origin:?}");
    }
    assert_eq!(inside.connections(), 0);
}

/// The special-purpose ranges, as literals and as answers of a name server.
#[tokio::test]
async fn every_address_of_the_shared_list_is_judged_when_it_is_dialled() {
    let proxy = proxy().await;
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/ip_verdicts.json"));
    let shared: Value = text.map_or(Value::Null, |text| serde_json::from_str(&text).expect("vectors"));
    let shared = shared["cases"].as_array().cloned().unwrap_or_default();
    let shared = shared.iter().filter_map(|case| Some((case["ip"].as_str()?, case["expect"] == "allow")));
    let sample = [
        ("0.0.0.0", false),
        ("127.255.255.254", false),
        ("100.64.0.1", false),
        ("169.254.170.2", false),
        ("192.0.2.7", false),
        ("198.51.100.7", false),
        ("203.0.113.7", false),
        ("::", false),
        ("::1", false),
        ("::ffff:8.8.8.8", false),
        ("64:ff9b::808:808", false),
        ("2002:808:808::1", false),
        ("2001::1", false),
        ("2001:db8::1", false),
        ("fd00:ec2::254", false),
        ("8.8.8.8", true),
        ("2606:4700:4700::1111", true),
    ];
    let answers = Answers::new(&[]);
    let builder = Egress::builder().proxy(through(&proxy)).resolver(answers.clone());
    let egress = builder.build().expect("a connector");
    for (ip, allowed) in sample.into_iter().chain(shared) {
        let address = SocketAddr::new(ip.parse().expect(ip), 80);
        let before = proxy.connections();
        answers.set(ip);
        let expected = if allowed { None } else { Some(EgressErrorKind::Refused) };
        assert_eq!(attempt(&egress, &format!("http://{address}/")).await, expected, "{ip}");
        assert_eq!(attempt(&egress, "http://name.example/").await, expected, "{ip}");
        assert_eq!(proxy.connections() - before, if allowed { 2 } else { 0 }, "{ip}");
        if allowed {
            assert_eq!(connects(&proxy).pop(), Some(address.to_string()));
        }
    }
}

#[tokio::test]
async fn a_proxy_is_told_the_address_and_shown_its_credentials() {
    let proxy = proxy().await;
    let settings = through(&proxy).credentials(&Secret::from("user:pass")).expect("credentials");
    let gateway = Proxy::with(|client| client.resolver(Answers::new(&[&[PUBLIC]])).proxy(settings));
    let request = get("http://name.example/v1/models");
    let target = target(request.uri(), Catalog);
    assert_eq!(read(gateway.send_to(target, request).await).await.0, "ok");
    let [connect, request] = <[_; 2]>::try_from(proxy.requests()).expect("two requests");
    assert_eq!(connect.start, format!("CONNECT {PUBLIC}:80 HTTP/1.1"));
    assert_eq!(connect.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
    // The tunnel is the provider's from here on.
    assert_eq!((request.target(), request.header("host")), ("/v1/models", Some("name.example")));
    assert_eq!(request.header("proxy-authorization"), None);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_502_with_one_text_and_nothing_is_dialled_past_it() {
    for answer in ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HTTP/1.1 503 No\r\n\r\n", "SSH-2.0\r\n", ""] {
        let refusing = Upstream::start(move |mut connection: Connection| async move {
            connection.request().await;
            connection.send(answer).await;
            connection.wire.finish().await;
        })
        .await;
        let gateway = Proxy::with(|client| client.resolver(Answers::new(&[&[PUBLIC]])).proxy(through(&refusing)));
        for origin in [Catalog, Caller] {
            let request = get("http://name.example/");
            let target = target(request.uri(), origin);
            assert_failure(gateway.send_to(target, request).await, 502, "The provider could not be reached").await;
        }
        assert_eq!(refusing.connections(), 2);
    }
}

#[tokio::test]
async fn this_machine_and_spared_hosts_are_not_asked_of_a_proxy() {
    let (inside, proxy) = (Upstream::answering(OK).await, proxy().await);
    let gateway = Proxy::with(|client| client.proxy(through(&proxy)));
    assert_eq!(gateway.send(get(inside.url("/"))).await.status(), 200);
    assert_eq!((inside.connections(), proxy.connections()), (1, 0));

    // To a proxy 10.0.0.7 goes, unless it is spared: then nothing but a dead end of this machine's network is there.
    for (spared, expected) in [(&["other.example"][..], 1), (&["10.0.0.7"], 0), (&["name.example:81"], 0)] {
        let bypass = through(&proxy).bypass(TrustedHosts::parse(spared).expect("hosts"));
        let builder = Egress::builder().reach(Reach::Private).connect_timeout(SHORT).proxy(bypass);
        let egress = builder.resolver(Answers::new(&[&["10.0.0.7"]])).build().expect("a connector");
        let before = proxy.connections();
        let _ = attempt(&egress, "http://name.example:81/").await;
        assert_eq!(proxy.connections() - before, expected, "{spared:?}");
    }
}

#[tokio::test]
async fn the_addresses_that_this_process_listens_on_are_refused_even_where_loopback_is_trusted() {
    let (own, other) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let port = own.address.port();
    for listens in
        [own.address, SocketAddr::from(([0, 0, 0, 0], port)), SocketAddr::new("::".parse().expect("an IP"), port)]
    {
        let gateway = Proxy::with(|client| client.own_addresses([listens]));
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            let request = get(format!("http://{host}:{port}/"));
            let to = target(request.uri(), TrustedCaller);
            assert_failure(gateway.send_to(to, request).await, 502, "The provider could not be reached").await;
            let request = get(format!("http://{host}:{port}/"));
            let to = target(request.uri(), Operator);
            assert_failure(gateway.send_to(to, request).await, 508, "The provider's host is this gateway itself").await;
        }
        assert_eq!(gateway.send(get(other.url("/"))).await.status(), 200, "the next port is somebody else's");
    }
    assert_eq!(own.connections(), 0, "nothing was dialled");
}

#[tokio::test]
async fn a_host_has_so_many_connections_and_whoever_comes_then_waits() {
    // Answers the head, and the body when it is told to.
    let upstream = Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
            if request.target() == "/later" {
                tokio::time::sleep(SHORT).await;
                connection.send("ok").await;
            }
        }
    })
    .await;
    let gateway =
        Proxy::with(|client| client.connect_timeout(SHORT).connections_per_host(2).connections_per_caller_host(1));
    let send = |path: &str, origin| {
        let request = get(upstream.url(path));
        let target = target(request.uri(), origin);
        let gateway = gateway.clone();
        async move { gateway.send_to(target, request).await }
    };
    let held = [send("/", Operator).await, send("/", Operator).await];
    let full = "Service temporarily unavailable";
    let answer = send("/", Operator).await;
    assert_eq!(answer.status(), 503);
    let text = String::from_utf8(read(answer).await.0.to_vec()).expect("text");
    assert!(text.contains("Too many connections to the provider are open") && !text.contains(full), "{text}");
    // Callers' hosts have places of their own, and one text for everything.
    let own = send("/", TrustedCaller).await;
    assert_failure(send("/", TrustedCaller).await, 502, "The provider could not be reached").await;
    drop(held);
    drop(own);
    assert_eq!(upstream.connections(), 3);

    // A place that becomes free in time is taken.
    let (first, second, third) = tokio::join!(send("/later", Operator), send("/later", Operator), async {
        tokio::time::sleep(SHORT / 3).await;
        send("/later", Operator).await
    });
    for answer in [first, second] {
        assert_eq!(answer.status(), 200);
        drop(answer);
    }
    assert!([200, 503].contains(&third.status().as_u16()));
}

#[tokio::test]
async fn a_connection_that_is_given_back_serves_whoever_waits_for_a_place() {
    let upstream = Upstream::start(|mut connection: Connection| async move {
        while connection.request().await.is_some() {
            tokio::time::sleep(SHORT / 3).await;
            connection.send(OK).await;
        }
    })
    .await;
    let gateway = Proxy::with(|client| client.connections_per_host(1));
    let one = || async { read(gateway.send(get(upstream.url("/"))).await).await.0 };
    let answers = tokio::join!(one(), one(), one());
    assert_eq!(answers, ("ok".into(), "ok".into(), "ok".into()));
    assert_eq!((upstream.connections(), upstream.requests().len()), (1, 3));
}

#[tokio::test]
async fn the_connector_serves_a_client_of_somebody_elses() {
    let inside = Upstream::answering(OK).await;
    let uri: http::Uri = inside.url("/").parse().expect("a URI");
    for (reach, good) in [(Reach::Private, true), (Reach::Public, false)] {
        let egress = Egress::builder().reach(reach).build().expect("a connector");
        let client = legacy::Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(egress);
        assert_eq!(soon(client.get(uri.clone())).await.is_ok(), good, "{reach:?}");
    }
    assert_eq!(inside.connections(), 1);
}

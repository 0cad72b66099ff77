//! Resolver and dialer without sockets of a provider's; the connector as a whole is in `tests/forward/egress.rs`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Uri;
use tokio::net::TcpListener;

use super::{
    EgressErrorKind, Reach, SystemResolver,
    dial::Dialer,
    policy::Policy,
    resolve::{BoxFuture, Resolve, Resolver},
};

fn dialer(reach: Reach) -> Dialer {
    let policy = Policy { reach, own: Arc::default() };
    let resolver = Resolver::new(Arc::new(SystemResolver));
    Dialer { policy, resolver, proxy: None, limit: Duration::from_secs(5) }
}

async fn refusal(dialer: &Dialer, uri: &str) -> Option<EgressErrorKind> {
    let uri: Uri = uri.parse().expect("a URI");
    dialer.dial(&uri).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn literals_and_names_are_checked_alike() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // The last two are addresses to the system's resolver alone.
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let uri = format!("http://{host}:{port}/");
        assert_eq!(refusal(&dialer(Reach::Public), &uri).await, Some(EgressErrorKind::Refused), "{host}");
    }
    assert_eq!(refusal(&dialer(Reach::Private), &format!("http://127.0.0.1:{port}/")).await, None);
    for host in ["169.254.169.254", "[::ffff:169.254.169.254]", "100.100.100.200", "2852039166"] {
        let uri = format!("http://{host}/");
        assert_eq!(refusal(&dialer(Reach::Private), &uri).await, Some(EgressErrorKind::Refused), "{host}");
    }
}

#[tokio::test]
async fn look_ups_have_their_places() {
    let dialer = dialer(Reach::Private);
    let places = dialer.resolver.places().acquire_many_owned(64).await.expect("places");
    assert_eq!(refusal(&dialer, "http://localhost:1/").await, Some(EgressErrorKind::Busy));
    drop(places);
    assert_eq!(refusal(&dialer, "http://localhost:1/").await, Some(EgressErrorKind::Dial));
}

#[tokio::test]
async fn what_nobody_takes_is_an_error_of_its_own() {
    let dialer = dialer(Reach::Private);
    assert_eq!(refusal(&dialer, "http://127.0.0.1:1/").await, Some(EgressErrorKind::Dial));
    assert_eq!(refusal(&dialer, "http://no-such-name.invalid/").await, Some(EgressErrorKind::Resolve));
    assert_eq!(refusal(&dialer, "/path").await, Some(EgressErrorKind::NoHost));
}

/// Says a port of its own, and addresses that are none.
struct Odd(Vec<SocketAddr>);

impl Resolve for Odd {
    fn resolve(&self, _: &str, _: u16) -> BoxFuture<std::io::Result<Vec<SocketAddr>>> {
        let found = self.0.clone();
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test]
async fn a_resolver_chooses_neither_port_nor_silence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut dialer = dialer(Reach::Private);
    dialer.resolver = Resolver::new(Arc::new(Odd(vec![elsewhere])));
    assert_eq!(refusal(&dialer, &format!("http://name.test:{}/", address.port())).await, None);
    dialer.resolver = Resolver::new(Arc::new(Odd(Vec::new())));
    assert_eq!(refusal(&dialer, "http://name.test/").await, Some(EgressErrorKind::Resolve));
}

//! The one way out: resolve, check every address, dial what was checked.

use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::Uri;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    time::timeout,
};

use crate::host::{IpVerdict, ip_verdict};

/// Addresses of one name that are tried, one after the other.
const TRIED: usize = 8;
/// Names that are looked up at a time, for one kind of host. A look-up that nobody waits for any more still holds a
/// thread until the system gives up on it: more of them would leave none for the hosts of others.
const LOOK_UPS: usize = 64;

/// Looks names up, so many at a time.
#[derive(Clone, Debug)]
pub(super) struct Resolver(Arc<Semaphore>);

impl Resolver {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(LOOK_UPS)))
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EgressError> {
        let place = Arc::clone(&self.0).try_acquire_owned().map_err(|_| EgressError::Busy)?;
        let host = host.to_owned();
        // In a task of its own, which keeps its place until the system has answered.
        let looking = tokio::spawn(async move {
            let found = lookup_host((host, port)).await.map(Iterator::collect);
            drop(place);
            found
        });
        let found = looking.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        found.map_err(EgressError::Resolve)
    }
}

/// Which addresses may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public ones only.
    Public,
    /// Private and loopback ones too, for hosts that the operator named or trusts. Metadata services never.
    Private,
}

/// Why no connection was made.
#[derive(Debug)]
pub(super) enum EgressError {
    /// The name has no address.
    Resolve(io::Error),
    /// An address that must not be dialled: the whole name is refused, however many good ones it has.
    Refused,
    /// No address took the connection.
    Dial(io::Error),
    /// Too many names of this kind are being looked up.
    Busy,
    /// It took too long.
    Timeout,
    /// The URI has no host.
    NoHost,
}

impl fmt::Display for EgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve(_) => "the host name could not be resolved",
            Self::Refused => "the host has an address that must not be dialled",
            Self::Dial(_) => "no address of the host took the connection",
            Self::Busy => "too many host names are being looked up",
            Self::Timeout => "connecting took too long",
            Self::NoHost => "the URI has no host",
        })
    }
}

impl Error for EgressError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Resolve(error) | Self::Dial(error) => Some(error),
            Self::Refused | Self::Busy | Self::Timeout | Self::NoHost => None,
        }
    }
}

/// A connection to the URI's host. Names and literals alike are checked here, after resolution, so that neither a
/// literal nor a name that changes its answer gets around the check.
pub(super) async fn dial(
    uri: Uri,
    reach: Reach,
    limit: Duration,
    resolver: &Resolver,
) -> Result<TcpStream, EgressError> {
    let host = uri.host().ok_or(EgressError::NoHost)?.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let addresses = match host.parse::<IpAddr>() {
        Ok(literal) => vec![SocketAddr::new(literal, port)],
        Err(_) => resolver.look_up(host, port).await?,
    };
    if !addresses.iter().all(|address| may_dial(address.ip(), reach)) {
        return Err(EgressError::Refused);
    }
    let mut last = EgressError::Resolve(io::ErrorKind::NotFound.into());
    // Each address has its share of the time, so that one that swallows packets doesn't use up the others'.
    let tried = addresses.len().clamp(1, TRIED);
    let share = limit / u32::try_from(tried).unwrap_or(u32::MAX);
    for address in addresses.into_iter().take(tried) {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(EgressError::Dial)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = EgressError::Dial(error),
            Err(_) => last = EgressError::Timeout,
        }
    }
    Err(last)
}

fn may_dial(ip: IpAddr, reach: Reach) -> bool {
    match ip_verdict(ip) {
        IpVerdict::Public => true,
        IpVerdict::Private => reach == Reach::Private,
        IpVerdict::Forbidden => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(5);

    async fn refusal(uri: &str, reach: Reach) -> String {
        let uri = uri.parse().expect("a URI");
        dial(uri, reach, LIMIT, &Resolver::new()).await.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn literals_and_names_are_checked_alike() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let uri = format!("http://{host}:{port}/");
            assert!(refusal(&uri, Reach::Public).await.contains("must not be dialled"), "{host}");
        }
        assert_eq!(refusal(&format!("http://127.0.0.1:{port}/"), Reach::Private).await, "");
        for host in ["169.254.169.254", "[::ffff:169.254.169.254]", "100.100.100.200"] {
            let uri = format!("http://{host}/");
            assert!(refusal(&uri, Reach::Private).await.contains("must not be dialled"), "{host}");
        }
    }

    #[tokio::test]
    async fn look_ups_have_their_places() {
        let resolver = Resolver::new();
        let places = Arc::clone(&resolver.0).acquire_many_owned(64).await.expect("places");
        let busy = dial("http://localhost:1/".parse().expect("a URI"), Reach::Private, LIMIT, &resolver).await;
        assert!(matches!(busy, Err(EgressError::Busy)));
        drop(places);
        let free = dial("http://localhost:1/".parse().expect("a URI"), Reach::Private, LIMIT, &resolver).await;
        assert!(matches!(free, Err(EgressError::Dial(_))));
    }

    #[tokio::test]
    async fn what_nobody_takes_is_an_error_of_its_own() {
        assert!(refusal("http://127.0.0.1:1/", Reach::Private).await.contains("took the connection"));
        assert!(refusal("http://no-such-name.invalid/", Reach::Private).await.contains("resolved"));
    }
}

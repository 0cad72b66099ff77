//! Names into addresses, so many at a time.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use tokio::{net::lookup_host, sync::Semaphore};

use super::error::{EgressError, EgressErrorKind};

/// Names that are looked up at a time, by one connector. A look-up that nobody waits for any more still holds a thread
/// until the system gives up on it: more of them would leave none for the hosts of others.
const LOOK_UPS: usize = 64;

/// A future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Looks host names up. The answer is believed for one connection and checked as a whole, whatever it says.
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `host`, which is a name and never an address. Ports other than `port` are replaced by it.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>>;
}

/// The system's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        Box::pin(async move { lookup_host((host, port)).await.map(Iterator::collect) })
    }
}

/// A resolver with its places.
#[derive(Clone)]
pub(super) struct Resolver {
    resolve: Arc<dyn Resolve>,
    places: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new(resolve: Arc<dyn Resolve>) -> Self {
        Self { resolve, places: Arc::new(Semaphore::new(LOOK_UPS)) }
    }

    /// The addresses of a URI's host: of a literal itself, of a name what one look-up finds.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EgressError> {
        let bare = host.trim_matches(['[', ']']);
        match bare.parse::<IpAddr>() {
            Ok(literal) => Ok(vec![SocketAddr::new(literal, port)]),
            Err(_) => self.look_up(bare, port).await,
        }
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EgressError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| EgressErrorKind::Busy)?;
        let found = self.resolve.resolve(host, port);
        // In a task of its own, which keeps its place until there is an answer.
        let looking = tokio::spawn(async move {
            let found = found.await;
            drop(place);
            found
        });
        let found = looking.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let mut addresses = found.map_err(|error| EgressError::new(EgressErrorKind::Resolve, error))?;
        for address in &mut addresses {
            address.set_port(port);
        }
        Ok(addresses)
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

//! The world outside, as a key set that is fetched needs it.

use std::{error::Error, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};

/// A future in a box.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Fetches, waits, and works in the background. `JwksClient` does it with the crate's own client.
pub trait FetchJwks: Send + Sync + 'static {
    /// Sends one request and reads the whole answer, whatever its status. Follows no redirect.
    fn fetch(&self, request: JwksRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>>;

    /// Ends after this time.
    fn sleep(&self, time: Duration) -> BoxFuture<()>;

    /// Works at this in the background until it is done.
    fn spawn(&self, task: BoxFuture<()>);

    /// The time since some moment of the past; never goes back.
    fn now(&self) -> Duration;
}

/// A request for a key set, or for the document that says where it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct JwksRequest {
    /// What to send.
    pub request: Request<()>,
    /// Whether the operator named the host: only then may its address be private.
    pub operator: bool,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// How long the body may be, in bytes.
    pub max_body: usize,
}

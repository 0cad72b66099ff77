//! Who is asked, by whom.

use std::{error::Error, fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};

/// A future whose type can't be named.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One call to a token endpoint. Debug shows its host only.
pub struct TokenRequest {
    /// What goes out.
    pub request: Request<Bytes>,
    /// Whose host it is.
    pub host: TokenHost,
    /// How long all of it may take, from name resolution to the last byte.
    pub timeout: Duration,
    /// How long the answer's body may be, in bytes.
    pub max_body: usize,
}

/// Whose host a token is asked for at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenHost {
    /// Microsoft's or Google's: a public one.
    Provider,
    /// One that the operator named, so that it may be private.
    Operator,
    /// The metadata service of this machine's cloud, at 169.254.169.254 and nowhere else. Only a target that was resolved
    /// for an entry leads there.
    Metadata,
}

/// Asks for tokens. With the feature `client`, `forward::Client` does.
///
/// No redirect is followed, and nothing is tried again.
pub trait FetchToken: Send + Sync {
    /// Sends the request and reads the whole answer, whatever its status.
    fn fetch(&self, request: TokenRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>>;
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("host", &self.request.uri().host()).finish_non_exhaustive()
    }
}

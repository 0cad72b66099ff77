//! Why no connection was made.

use std::{error::Error, fmt};

/// Why there is no connection. The text is fixed and names neither host nor address.
#[derive(Debug)]
pub struct EgressError {
    kind: EgressErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`EgressError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EgressErrorKind {
    /// The URI has no host.
    NoHost,
    /// The name has no address, or nobody could say.
    Resolve,
    /// One of the addresses must not be dialled: the whole name is refused, however many good ones it has.
    Refused,
    /// One of the addresses is one that this process listens on.
    Own,
    /// No address took the connection.
    Dial,
    /// The proxy made no connection.
    Proxy,
    /// The server speaks no TLS, or has no certificate for this name.
    Tls,
    /// Too many names are being looked up.
    Busy,
    /// All connections that there may be are in use, and none became free in time.
    Full,
    /// Connecting took too long.
    Timeout,
}

impl EgressError {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> EgressErrorKind {
        self.kind
    }

    pub(super) fn new(kind: EgressErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }
}

impl From<EgressErrorKind> for EgressError {
    fn from(kind: EgressErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for EgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            EgressErrorKind::NoHost => "the URI has no host",
            EgressErrorKind::Resolve => "the host name could not be resolved",
            EgressErrorKind::Refused => "the host has an address that must not be dialled",
            EgressErrorKind::Own => "the host is this server itself",
            EgressErrorKind::Dial => "no address of the host took the connection",
            EgressErrorKind::Proxy => "the proxy made no connection",
            EgressErrorKind::Tls => "there is no TLS connection to the host",
            EgressErrorKind::Busy => "too many host names are being looked up",
            EgressErrorKind::Full => "too many connections are open",
            EgressErrorKind::Timeout => "connecting took too long",
        })
    }
}

impl Error for EgressError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

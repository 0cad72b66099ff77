//! One request and its whole answer, for the gateway's own errands: key sets, tokens, assumed roles.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Version, header::HOST};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy;
use tokio::time::timeout;

use super::{client::Client, egress::EgressErrorKind, error::egress};
use crate::context::HostOrigin;

/// How much an errand may take.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// How long all of it may take, from name resolution to the last byte.
    pub total: Duration,
    /// How long the answer's body may be, in bytes.
    pub body: usize,
}

impl Client {
    /// Sends a request and reads the whole answer, whatever its status. Goes out as every other request does, by the
    /// address rules for hosts of this origin; follows no redirect, decodes nothing, tries once.
    ///
    /// # Errors
    ///
    /// There is no connection, no answer, no end of it, or more of it than the limits allow.
    pub async fn fetch(
        &self,
        mut request: Request<Bytes>,
        origin: HostOrigin,
        limits: FetchLimits,
    ) -> Result<Response<Bytes>, FetchError> {
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().remove(HOST);
        let exchange = async {
            let response = self.own_pools().of(origin).request(request.map(Full::new)).await.map_err(FetchError::of)?;
            let (head, body) = response.into_parts();
            let announced = http_body::Body::size_hint(&body).lower();
            if usize::try_from(announced).map_or(true, |announced| announced > limits.body) {
                return Err(FetchErrorKind::TooLong.into());
            }
            let body = Limited::new(body, limits.body).collect().await.map_err(FetchError::of_body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(limits.total, exchange).await.unwrap_or_else(|_| Err(FetchErrorKind::Timeout.into()))
    }
}

/// An errand that failed.
#[derive(Debug)]
pub struct FetchError {
    kind: FetchErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Where it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The host's address must not be dialled.
    Refused,
    /// There was no connection.
    Connect,
    /// The time was over.
    Timeout,
    /// The answer broke off, or was none.
    Broken,
    /// The answer's body is too long.
    TooLong,
}

impl FetchError {
    /// Where it failed.
    #[must_use]
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }

    fn of(error: legacy::Error) -> Self {
        let kind = match egress(&error) {
            Some(EgressErrorKind::Refused | EgressErrorKind::Own) => FetchErrorKind::Refused,
            _ if error.is_connect() => FetchErrorKind::Connect,
            _ => FetchErrorKind::Broken,
        };
        Self { kind, source: Some(error.into()) }
    }

    fn of_body(error: Box<dyn Error + Send + Sync>) -> Self {
        let kind = if error.is::<LengthLimitError>() { FetchErrorKind::TooLong } else { FetchErrorKind::Broken };
        Self { kind, source: Some(error) }
    }
}

impl From<FetchErrorKind> for FetchError {
    fn from(kind: FetchErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FetchErrorKind::Refused => "the host has an address that must not be dialled",
            FetchErrorKind::Connect => "no connection to the host",
            FetchErrorKind::Timeout => "the answer took too long",
            FetchErrorKind::Broken => "the answer broke off",
            FetchErrorKind::TooLong => "the answer is too long",
        })
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

//! Key sets over the crate's own client: where `auth` and `forward` meet.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::Response;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use crate::{
    auth::jwt::{BoxFuture, FetchJwks, Jwks, JwksError, JwksErrorKind, JwksRequest, JwtValidator, RemoteJwks},
    context::HostOrigin,
    forward::{Client, FetchLimits},
    host::TrustedHosts,
};

/// Fetches key sets by a [`Client`], in the background of a tokio runtime.
///
/// ```no_run
/// use tower_portkey::{JwksClient, auth::jwt::{JwtValidator, RemoteJwks}, forward::Client, host::TrustedHosts};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let fetch = JwksClient::new(Client::builder().build()?)?;
/// let jwks = fetch.start(RemoteJwks::discover("https://idp.test/", &TrustedHosts::default())?);
/// let validator = JwtValidator::new("org-1", jwks).issuer("https://idp.test/").audience("gateway");
/// # drop(validator);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct JwksClient {
    client: Client,
    runtime: Handle,
    started: Instant,
}

impl JwksClient {
    /// Works within the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// There is no runtime.
    pub fn new(client: Client) -> Result<Self, JwksError> {
        let runtime = Handle::try_current().map_err(|_| JwksErrorKind::NoRuntime)?;
        Ok(Self { client, runtime, started: Instant::now() })
    }

    /// Begins to fetch this set.
    #[must_use]
    pub fn start(&self, jwks: RemoteJwks) -> Jwks {
        jwks.start(self.clone())
    }
}

impl JwtValidator {
    /// Lets in whoever has a token of this organisation, by the key set at an https URL. Called within a tokio runtime,
    /// which fetches the set and keeps it fresh.
    ///
    /// # Errors
    ///
    /// The URL is none that a key set may be fetched from, or there is no runtime.
    pub fn from_jwks_url(organisation: impl Into<Box<str>>, url: &str, client: &Client) -> Result<Self, JwksError> {
        let jwks = RemoteJwks::new(url, &TrustedHosts::default())?;
        Ok(Self::new(organisation, JwksClient::new(client.clone())?.start(jwks)))
    }
}

impl FetchJwks for JwksClient {
    fn fetch(&self, request: JwksRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>> {
        let client = self.client.clone();
        Box::pin(async move {
            let origin = if request.operator { HostOrigin::Operator } else { HostOrigin::Catalog };
            let limits = FetchLimits { total: request.timeout, body: request.max_body };
            Ok(client.fetch(request.request.map(|()| Bytes::new()), origin, limits).await?)
        })
    }

    fn sleep(&self, time: Duration) -> BoxFuture<()> {
        Box::pin(sleep(time))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.runtime.spawn(task);
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

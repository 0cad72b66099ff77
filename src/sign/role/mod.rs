//! Sessions of assumed roles: one call to STS at a time and role, kept until shortly before they expire.

mod answer;
mod request;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::{
    credentials::{BoxFuture, KeysFuture},
    key::SigningKeys,
};
use crate::{
    context::{AwsKeys, AwsRole},
    guard::Decision,
    host::CustomHost,
    rejection::{Kind, Rejection},
    secret::Secret,
    session::{Clock, Sessions},
};

/// How long the answer of STS may be, in bytes.
const LONGEST: usize = 64 * 1024;

/// One call to STS, signed already. Debug shows its host only.
pub struct StsRequest {
    /// What goes out.
    pub request: Request<Bytes>,
    /// Whether the operator named the host, so that it may be private.
    pub operator: bool,
    /// How long all of it may take, from name resolution to the last byte.
    pub timeout: Duration,
    /// How long the answer's body may be, in bytes.
    pub max_body: usize,
}

/// Calls STS. With the feature `client`, `forward::Client` does.
///
/// No redirect is followed, and nothing is tried again.
pub trait FetchSts: Send + Sync {
    /// Sends the request and reads the whole answer, whatever its status.
    fn fetch(&self, request: StsRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>>;
}

/// The sessions, and how they are got. A clone is a few reference counts.
#[derive(Clone)]
pub(super) struct Roles {
    pub(super) fetch: Option<Arc<dyn FetchSts>>,
    pub(super) endpoint: Option<CustomHost>,
    pub(super) domain: Option<Box<str>>,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
    pub(super) signing_keys: SigningKeys,
    sessions: Sessions<AwsKeys>,
}

impl Roles {
    pub(super) fn new(clock: Clock, signing_keys: SigningKeys) -> Self {
        let sessions = Sessions::new();
        let timeout = Duration::from_secs(5);
        Self { fetch: None, endpoint: None, domain: None, timeout, clock, signing_keys, sessions }
    }

    /// The keys of a session of this role. `base` is who assumes it.
    pub(super) fn keys(
        &self,
        role: &AwsRole,
        region: &str,
        base: impl FnOnce() -> Decision<AwsKeys, KeysFuture>,
    ) -> Decision<AwsKeys, KeysFuture> {
        let Some(fetch) = self.fetch.clone() else {
            return Decision::refuse(
                Rejection::new(Kind::NotImplemented).with_message("The gateway assumes no roles at AWS"),
            );
        };
        self.sessions.get(self.place(role, region), &self.clock, || {
            let (base, role, region, this) = (base(), role.clone(), Box::<str>::from(region), self.clone());
            Box::pin(async move {
                let base = match base {
                    Decision::Now(base) => base?,
                    Decision::Later(base) => base.await?,
                };
                let now = (this.clock)();
                let endpoint = request::Endpoint::of(&region, this.endpoint.as_ref(), this.domain.as_deref())?;
                let request = request::assume(&role, &region, &endpoint, &base, now, &this.signing_keys)?;
                let call =
                    StsRequest { request, operator: endpoint.operator, timeout: this.timeout, max_body: LONGEST };
                let answer = fetch.fetch(call).await.map_err(|error| failed().with_source(error))?;
                if answer.status() != StatusCode::OK {
                    return Err(failed().with_source(answer::refusal(answer.status(), answer.body())));
                }
                answer::session(answer.body()).ok_or_else(|| failed().with_source("the answer of STS has no session"))
            })
        })
    }
}

impl Roles {
    /// The place of a session: tenant, who assumes the role, the role, external id, region and tags.
    fn place(&self, role: &AwsRole, region: &str) -> [u8; 32] {
        let base = role.base();
        let own = [
            Some(role.tenant()),
            base.map(AwsKeys::access_key_id),
            base.map(|keys| keys.secret_access_key().expose()),
            base.and_then(AwsKeys::session_token).map(Secret::expose),
            Some(role.arn()),
            role.external_id(),
            Some(region),
        ];
        let tags = role.tags().flat_map(|(name, value)| [Some(name), Some(value)]);
        self.sessions.digest(own.into_iter().chain(tags))
    }
}

/// Whatever went wrong: 503, and the next request tries again.
fn failed() -> Rejection {
    Rejection::new(Kind::Unavailable)
        .with_message("The AWS role could not be assumed")
        .with_retry_after(Duration::from_secs(1))
}

impl fmt::Debug for StsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsRequest").field("host", &self.request.uri().host()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roles")
            .field("endpoint", &self.endpoint)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

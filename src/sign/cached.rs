//! Keys from outside, kept until shortly before they end.

use std::{
    error::Error,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::credentials::{BoxFuture, KeysFuture, ProvideCredentials};
use crate::{
    context::AwsKeys,
    guard::Decision,
    rejection::{Kind, Rejection},
    session::{Clock, Session, Sessions},
};

/// How long keys without an end are kept, in all.
const ENDLESS: Duration = Duration::from_secs(1200);

type Found = Result<(AwsKeys, Option<SystemTime>), Box<dyn Error + Send + Sync>>;

/// A [`ProvideCredentials`] over a function that finds keys and says when they end. One request asks at a time, and all
/// others wait for it; what was found is kept until 5 minutes before its end, or 15 minutes where it has none. A failure is
/// 503, and the next request asks again. A clone is two reference counts.
///
/// ```
/// use tower_portkey::{Secret, SignLayer, context::AwsKeys, sign::CachedCredentials};
///
/// let found = CachedCredentials::new(|| async {
///     let keys = AwsKeys::new("AKIDEXAMPLE", Secret::from("wJalrXUtnFEMI/K7MDENG"), None)?;
///     Ok((keys, None))
/// });
/// let layer = SignLayer::new().ambient(found);
/// # drop(layer);
/// ```
#[derive(Clone)]
pub struct CachedCredentials {
    find: Arc<dyn Fn() -> BoxFuture<Found> + Send + Sync>,
    sessions: Sessions<AwsKeys>,
    clock: Clock,
}

impl CachedCredentials {
    /// Keeps what this finds.
    pub fn new<F, Fut>(find: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Found> + Send + 'static,
    {
        let find = Arc::new(move || Box::pin(find()) as BoxFuture<Found>);
        Self { find, sessions: Sessions::new(), clock: Arc::new(SystemTime::now) }
    }

    /// The time of day; the system's unless set.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide(&self) -> Decision<AwsKeys, KeysFuture> {
        self.sessions.get([0; 32], &self.clock, || {
            let (finding, clock) = ((self.find)(), Arc::clone(&self.clock));
            Box::pin(async move {
                let (keys, end) = finding.await.map_err(|error| {
                    let rejection = Rejection::new(Kind::Unavailable).with_source(error);
                    let rejection = rejection.with_message("The gateway's own identity at AWS could not be found");
                    rejection.with_retry_after(Duration::from_secs(1))
                })?;
                Ok(Session { value: keys, expires_at: end.unwrap_or_else(|| clock() + ENDLESS) })
            })
        })
    }
}

impl fmt::Debug for CachedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedCredentials").finish_non_exhaustive()
    }
}

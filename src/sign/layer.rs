use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tower_layer::Layer;

#[cfg(feature = "oracle")]
use super::oci::OciKeys;
use super::{
    credentials::{ProvideCredentials, Sources},
    key::SigningKeys,
    role::{FetchSts, Roles},
    service::Sign,
    skew::Skew,
};
use crate::{
    budget::Budget,
    context::{AwsError, Signing},
    host::{CustomHost, is_host_label},
    rejection::PortkeyJson,
    session::Clock,
};

/// Signs requests for AWS, and with the feature `oracle` for Oracle. See the [module](super).
///
/// A clone is one reference count. Clones, and the services made by them, share budget, signing keys and sessions; one that is
/// given another identity or another STS has sessions of its own.
#[derive(Clone, Debug)]
pub struct SignLayer<R = PortkeyJson> {
    settings: Arc<Settings>,
    render: R,
}

#[derive(Clone)]
pub(super) struct Settings {
    /// For every request; `None` for those whose target asks for it.
    pub(super) always: Option<Signing>,
    pub(super) sources: Sources,
    pub(super) signing_keys: SigningKeys,
    #[cfg(feature = "oracle")]
    pub(super) oci_keys: OciKeys,
    pub(super) limit: usize,
    pub(super) budget: Budget,
    pub(super) skew: Skew,
    pub(super) read_timeout: Duration,
}

impl SignLayer {
    /// The longest body that is read in order to sign it, in bytes, unless set.
    pub const LIMIT: usize = 32 * 1024 * 1024;
    /// How much of all bodies together is held, in bytes, unless set.
    pub const BUDGET: usize = 256 * 1024 * 1024;

    /// How long a body may take to come, unless set.
    pub const READ_TIMEOUT: Duration = Duration::from_secs(120);

    /// Signs the requests whose [`Target`](crate::context::Target) asks for it; others pass as they are.
    #[must_use]
    pub fn new() -> Self {
        let signing_keys = SigningKeys::new();
        let skew = Skew::default();
        let roles = Roles::new(clock(&skew, SystemTime::now), signing_keys.clone(), skew.clone());
        let settings = Settings {
            always: None,
            sources: Sources { ambient: None, roles },
            signing_keys,
            #[cfg(feature = "oracle")]
            oci_keys: OciKeys::new(),
            limit: Self::LIMIT,
            budget: Budget::new(Self::BUDGET),
            skew,
            read_timeout: Self::READ_TIMEOUT,
        };
        Self { settings: Arc::new(settings), render: PortkeyJson }
    }

    /// Signs every request, whatever its target: in front of a client of one's own. The `x-amz-*` headers of a request are
    /// its sender's here, and are signed; only those of another signature go.
    #[must_use]
    pub fn always(signing: impl Into<Signing>) -> Self {
        Self::new().change(|settings| settings.always = Some(signing.into()))
    }
}

impl<R> SignLayer<R> {
    /// The longest body that is read in order to sign it, in bytes; 32 MiB unless set. Longer ones are refused with 413.
    #[must_use]
    pub fn body_limit(self, bytes: usize) -> Self {
        self.change(|settings| settings.limit = bytes)
    }

    /// How much of all bodies together is held, in bytes; 256 MiB unless set. Beyond it, requests are refused with 503.
    #[must_use]
    pub fn body_budget(self, bytes: usize) -> Self {
        self.change(|settings| settings.budget = Budget::new(bytes))
    }

    /// How long a body that has to be read may take to come, from when it is first waited for; 120 s unless set. One that
    /// takes longer is answered 408, so that slow senders don't hold the [budget](SignLayer::body_budget). Needs tokio's timer.
    #[must_use]
    pub fn read_timeout(self, limit: Duration) -> Self {
        self.change(|settings| settings.read_timeout = limit)
    }

    /// The gateway's own identity at AWS, for entries that use it; none unless set.
    #[must_use]
    pub fn ambient(self, provider: impl ProvideCredentials + 'static) -> Self {
        self.assuming(|sources| sources.ambient = Some(Arc::new(provider)))
    }

    /// Who calls STS, for entries that assume a role; nobody unless set.
    #[must_use]
    pub fn sts(self, fetch: impl FetchSts + 'static) -> Self {
        self.assuming(|sources| sources.roles.fetch = Some(Arc::new(fetch)))
    }

    /// Where STS answers ([`CustomHost::operator`]), in place of `https://sts.{region}.{domain}`.
    #[must_use]
    pub fn sts_endpoint(self, url: CustomHost) -> Self {
        self.assuming(|sources| sources.roles.endpoint = Some(url))
    }

    /// How long a call of STS may take; 5 s unless set.
    #[must_use]
    pub fn sts_timeout(self, limit: Duration) -> Self {
        self.change(|settings| settings.sources.roles.timeout = limit)
    }

    /// The domain of AWS's endpoints, in place of the one that the region says
    /// ([`aws_domain`](crate::context::aws_domain)).
    ///
    /// # Errors
    ///
    /// It is no domain: [`AwsError::Domain`].
    pub fn endpoint_domain(self, domain: &str) -> Result<Self, AwsError> {
        if !domain.split('.').all(is_host_label) {
            return Err(AwsError::Domain);
        }
        let domain = domain.to_ascii_lowercase().into_boxed_str();
        Ok(self.assuming(|sources| sources.roles.domain = Some(domain)))
    }

    /// The time of day; the system's unless set. AWS refuses signatures that are more than 5 minutes off; see the
    /// [module](super) for what is learnt of that.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.change(|settings| settings.sources.roles.clock = clock(&settings.skew, now))
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> SignLayer<R2> {
        SignLayer { settings: self.settings, render }
    }

    /// Changes who assumes roles, or where: sessions of before are no longer shared.
    fn assuming(self, change: impl FnOnce(&mut Sources)) -> Self {
        self.change(|settings| {
            change(&mut settings.sources);
            settings.sources.roles.forget();
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Default for SignLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, R: Clone> Layer<S> for SignLayer<R> {
    type Service = Sign<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Sign::new(inner, Arc::clone(&self.settings), self.render.clone())
    }
}

/// This clock, put right.
fn clock(skew: &Skew, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Clock {
    let skew = skew.clone();
    Arc::new(move || skew.put_right(now()))
}

impl Settings {
    pub(super) fn now(&self) -> SystemTime {
        (self.sources.roles.clock)()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("always", &self.always)
            .field("sources", &self.sources)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

//! A provider entry: a stored credential, with everything that is bound to it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use http::{HeaderName, HeaderValue};

use crate::{
    context::{Credential, Deployment, Holder, Owner, ProviderId, RateLimit, Rules, Status, UsageLimit, one_line},
    header::{self, PortkeyHeader},
    host::{AllowedHosts, CustomHost, HostError},
    secret::Secret,
};

/// A stored credential of one provider, named by a slug (Portkey: provider, virtual key, integration), with the hosts it
/// may be sent to, the models it may be used for, and how long. A clone is one reference count; Debug shows slug and
/// provider only.
///
/// ```
/// use tower_portkey::context::{Entry, ProviderId};
///
/// let openai = ProviderId::parse("openai").expect("a provider");
/// let entry = Entry::new("openai-prod", openai.clone())?.with_api_key("sk-1")?.with_models(["gpt-4o"]);
/// assert!(entry.allows_model("gpt-4o") && !entry.allows_model("o3"));
/// assert!(Entry::new("a/b", openai).is_err());
/// # Ok::<(), tower_portkey::context::EntryError>(())
/// ```
#[derive(Clone)]
pub struct Entry(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    slug: Box<str>,
    provider: ProviderId,
    credential: Option<Credential>,
    fields: Vec<(PortkeyHeader, HeaderValue)>,
    deployments: Arc<[Deployment]>,
    custom_host: Option<CustomHost>,
    allowed_hosts: AllowedHosts,
    models: Option<Vec<Box<str>>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    aws_control_plane: bool,
    expires_at: Option<SystemTime>,
    status: Status,
    usage_limits: Vec<UsageLimit>,
    rate_limits: Vec<RateLimit>,
    counter_key: Option<Box<str>>,
    /// Both limits as counters see them, made when somebody asks.
    rules: OnceLock<Rules>,
}

impl Entry {
    /// The longest slug, in bytes.
    pub const MAX_SLUG_BYTES: usize = 255;

    /// An entry without a credential, for every model, that never expires.
    ///
    /// # Errors
    ///
    /// A slug is made of 1 to 255 letters, digits, `_`, `-` and `.`, without `..`.
    pub fn new(slug: impl Into<Box<str>>, provider: ProviderId) -> Result<Self, EntryError> {
        let slug = slug.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if slug.is_empty() || slug.len() > Self::MAX_SLUG_BYTES || !slug.bytes().all(plain) || slug.contains("..") {
            return Err(EntryError::Slug);
        }
        Ok(Self(Arc::new(Facts {
            slug,
            provider,
            credential: None,
            fields: Vec::new(),
            deployments: Arc::default(),
            custom_host: None,
            allowed_hosts: AllowedHosts::default(),
            models: None,
            headers: Vec::new(),
            aws_control_plane: false,
            expires_at: None,
            status: Status::Active,
            usage_limits: Vec::new(),
            rate_limits: Vec::new(),
            counter_key: None,
            rules: OnceLock::new(),
        })))
    }

    /// Sets the credential. An empty one counts as none.
    ///
    /// # Errors
    ///
    /// It holds something else than visible ASCII and inner spaces.
    pub fn with_api_key(self, key: impl Into<Secret>) -> Result<Self, EntryError> {
        let key = key.into();
        if key.is_empty() {
            return Ok(self);
        }
        let credential = Credential::from_secret(&key).ok_or(EntryError::Value("api_key".into()))?;
        Ok(self.change(|facts| facts.credential = Some(credential)))
    }

    /// Sets a field of the provider's by its name in a config object, such as `openai_organization`.
    ///
    /// # Errors
    ///
    /// There is no field of this name, or no header may carry the value.
    pub fn with_field(self, name: &str, value: &Secret) -> Result<Self, EntryError> {
        let field = PortkeyHeader::from_field(name).ok_or_else(|| EntryError::Field(name.into()))?;
        let line = match field {
            // Outside of texts, where JSON has no line break, it is a space.
            PortkeyHeader::VertexServiceAccountJson => {
                Secret::new(value.expose().replace(['\r', '\n', '\t'], " ")).header_value("")
            }
            PortkeyHeader::OraclePrivateKey => Secret::from(one_line(value.expose()).into_owned()).header_value(""),
            _ => value.header_value(""),
        };
        let value = line.ok_or_else(|| EntryError::Value(name.into()))?;
        Ok(self.change(|facts| {
            facts.fields.retain(|(known, _)| *known != field);
            facts.fields.push((field, value));
        }))
    }

    /// Sets the deployments of Azure OpenAI that models are names for.
    #[must_use]
    pub fn with_deployments<I: IntoIterator<Item = Deployment>>(self, deployments: I) -> Self {
        self.change(|facts| facts.deployments = deployments.into_iter().collect())
    }

    /// Sets the base URL that takes the place of the provider's own, as the operator wrote it: it may be private.
    ///
    /// # Errors
    ///
    /// It is no URL ([`CustomHost::operator`]).
    pub fn with_custom_host(self, url: &str) -> Result<Self, EntryError> {
        let host = CustomHost::operator(url).map_err(EntryError::Host)?;
        Ok(self.change(|facts| facts.custom_host = Some(host)))
    }

    /// Sets the hosts, beside the provider's own, that a custom host of a request may name with this credential.
    #[must_use]
    pub fn with_allowed_hosts(self, hosts: AllowedHosts) -> Self {
        self.change(|facts| facts.allowed_hosts = hosts)
    }

    /// Limits the entry to these models. The list holds for the model that a request names in its body, path or query.
    #[must_use]
    pub fn with_models<I: IntoIterator<Item: Into<Box<str>>>>(self, models: I) -> Self {
        self.change(|facts| facts.models = Some(models.into_iter().map(Into::into).collect()))
    }

    /// Adds a header that goes with every request by this entry, in place of a caller's own. It can't take the place of
    /// the credential, unless the entry has none.
    ///
    /// # Errors
    ///
    /// It belongs to the connection, to the framing or to the gateway, or no header may carry the value.
    pub fn with_header(self, name: &str, value: &Secret) -> Result<Self, EntryError> {
        let known = HeaderName::try_from(name).ok().filter(|known| !header::is_reserved(known));
        let known = known.ok_or_else(|| EntryError::Header(name.into()))?;
        let value = value.header_value("").ok_or_else(|| EntryError::Value(name.into()))?;
        Ok(self.change(|facts| facts.headers.push((known, value))))
    }

    /// Opens the control plane of AWS Bedrock (guardrails, logging, custom models, provisioned throughput, …) with all that
    /// the entry's identity may do there. Closed unless opened; OpenAI's batches and fine-tuning jobs, which become jobs
    /// there, are open.
    #[must_use]
    pub fn with_aws_control_plane(self) -> Self {
        self.change(|facts| facts.aws_control_plane = true)
    }

    /// Sets the moment from which the entry is expired.
    #[must_use]
    pub fn with_expiry(self, expires_at: SystemTime) -> Self {
        self.change(|facts| facts.expires_at = Some(expires_at))
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        self.change(|facts| facts.status = status)
    }

    /// Sets what all callers together may use up by this entry, and how fast.
    #[must_use]
    pub fn with_limits(self, usage: Vec<UsageLimit>, rate: Vec<RateLimit>) -> Self {
        self.change(|facts| (facts.usage_limits, facts.rate_limits) = (usage, rate))
    }

    /// Sets the name by which the limits are counted; the slug unless set. Entries of one slug that belong to different
    /// organisations need names that differ.
    #[must_use]
    pub fn with_counter_key(self, key: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.counter_key = Some(key.into()))
    }

    /// The slug.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.0.slug
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &ProviderId {
        &self.0.provider
    }

    /// The base URL that takes the place of the provider's own.
    #[must_use]
    pub fn custom_host(&self) -> Option<&CustomHost> {
        self.0.custom_host.as_ref()
    }

    /// The further hosts that may be named with the credential.
    #[must_use]
    pub fn allowed_hosts(&self) -> &AllowedHosts {
        &self.0.allowed_hosts
    }

    /// The models that the entry is limited to; `None` where it is not.
    #[must_use]
    pub fn models(&self) -> Option<impl Iterator<Item = &str>> {
        self.0.models.as_ref().map(|models| models.iter().map(AsRef::as_ref))
    }

    /// Whether the entry may be used for `model`.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.0.models.as_ref().is_none_or(|models| models.iter().any(|own| **own == *model))
    }

    /// Whether AWS's control plane is open.
    #[must_use]
    pub fn opens_aws_control_plane(&self) -> bool {
        self.0.aws_control_plane
    }

    /// The status at `now`.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> Status {
        match self.0.status {
            Status::Active if self.0.expires_at.is_some_and(|end| end <= now) => Status::Expired,
            status => status,
        }
    }

    /// The limits as counters see them: budgets before rates.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        self.0.rules.get_or_init(|| {
            let facts = &*self.0;
            let key = facts.counter_key.as_deref().unwrap_or(&facts.slug);
            let own = Holder::new(Owner::Entry, [self.provider().as_str(), &facts.slug], key);
            own.budgets(&facts.usage_limits).chain(own.rates(&facts.rate_limits)).collect()
        })
    }

    /// Whether the entry could be anything but active now or later.
    pub(crate) fn may_lapse(&self) -> bool {
        self.0.expires_at.is_some() || self.0.status != Status::Active
    }

    pub(crate) fn credential(&self) -> Option<&Credential> {
        self.0.credential.as_ref()
    }

    pub(crate) fn field(&self, name: PortkeyHeader) -> Option<&HeaderValue> {
        self.0.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    pub(crate) fn deployments(&self) -> &[Deployment] {
        &self.0.deployments
    }

    /// Whether the model of a body decides about the URL, or about what goes out in its place.
    pub(crate) fn has_models_in_paths(&self) -> bool {
        let field = |name| self.field(name).and_then(|value| value.to_str().ok());
        !self.0.deployments.is_empty() || self.provider().has_models_in_paths(field)
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    fn change(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        let facts = Arc::make_mut(&mut self.0);
        change(facts);
        facts.rules = OnceLock::new();
        self
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("slug", &self.slug())
            .field("provider", &self.provider().as_str())
            .finish_non_exhaustive()
    }
}

/// Why an entry can't be made. Names fields and headers; never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// The slug is empty, too long, or holds another character than a slug may.
    Slug,
    /// There is no field of this name.
    Field(Box<str>),
    /// No header may carry the value of this field or header.
    Value(Box<str>),
    /// This header can't be set by an entry.
    Header(Box<str>),
    /// The custom host is no URL.
    Host(HostError),
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slug => f.write_str("a slug is made of 1 to 255 letters, digits, `_`, `-` and `.`, without `..`"),
            Self::Field(name) => write!(f, "there is no field {name}"),
            Self::Value(name) => write!(f, "{name}: no header may carry the value"),
            Self::Header(name) => write!(f, "the header {name} can't be set by an entry"),
            Self::Host(error) => write!(f, "custom_host: {error}"),
        }
    }
}

impl std::error::Error for EntryError {}

//! Who is calling.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use serde::de::DeserializeOwned;

use crate::context::{ClaimError, Claims, Holder, Metadata, Owner, RateLimit, Rules, UsageLimit, Workspace};

/// Whether a key, or the workspace it belongs to, may be used (Portkey's key record, field `status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It may.
    #[default]
    Active,
    /// One of its usage limits is used up: 412.
    Exhausted,
    /// Its time is over: 401.
    Expired,
    /// It was put away: 401, as if there were no such key.
    Archived,
}

/// The caller, as authentication found it. A clone is one reference count; nothing in it is secret.
///
/// There is no `Default` and no anonymous principal: where nobody was authenticated, there is no `Principal` at all.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Facts>);

#[derive(Clone, Debug)]
struct Facts {
    subject: Box<str>,
    organisation: Box<str>,
    workspace: Box<str>,
    scopes: Vec<Box<str>>,
    expires_at: Option<SystemTime>,
    status: Status,
    workspace_status: Status,
    key_config: Option<DefaultConfig>,
    workspace_config: Option<DefaultConfig>,
    allow_config_override: bool,
    key_metadata: Metadata,
    workspace_metadata: Metadata,
    user: Metadata,
    claims: Option<Claims>,
    /// The metadata of key, workspace and user, merged.
    metadata: Metadata,
    limits: Limits,
    workspace_limits: Limits,
    counters: Counters,
    /// Both limits as counters see them, made when somebody asks.
    rules: OnceLock<Rules>,
}

#[derive(Clone, Debug, Default)]
struct Limits {
    usage: Vec<UsageLimit>,
    rate: Vec<RateLimit>,
}

/// Whose the credential's counters are.
#[derive(Clone, Debug, Default)]
enum Counters {
    /// Those of its subject.
    #[default]
    Subject,
    /// Its own, by this name.
    Own(Box<str>),
    /// Those of all credentials that have this name.
    Shared(Box<str>),
}

/// The saved config of requests that name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultConfig {
    id: Box<str>,
    required: bool,
}

impl DefaultConfig {
    /// The config's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether a request is refused if there is no such config.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }
}

impl Principal {
    /// A caller named `subject` (the id of a key, or a token's `sub`), in organisation and workspace `default`,
    /// without any scope.
    #[must_use]
    pub fn new(subject: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Facts {
            subject: subject.into(),
            organisation: "default".into(),
            workspace: "default".into(),
            scopes: Vec::new(),
            expires_at: None,
            status: Status::Active,
            workspace_status: Status::Active,
            key_config: None,
            workspace_config: None,
            allow_config_override: true,
            key_metadata: Metadata::default(),
            workspace_metadata: Metadata::default(),
            user: Metadata::default(),
            claims: None,
            metadata: Metadata::default(),
            limits: Limits::default(),
            workspace_limits: Limits::default(),
            counters: Counters::Subject,
            rules: OnceLock::new(),
        }))
    }

    /// Sets the organisation.
    #[must_use]
    pub fn with_organisation(self, organisation: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.organisation = organisation.into())
    }

    /// Sets the workspace.
    #[must_use]
    pub fn with_workspace(self, workspace: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.workspace = workspace.into())
    }

    /// Sets the scopes. A leading `portkey.` is taken off (Portkey's JWT page).
    #[must_use]
    pub fn with_scopes<I: IntoIterator<Item: AsRef<str>>>(self, scopes: I) -> Self {
        let plain = |scope: &str| scope.strip_prefix("portkey.").unwrap_or(scope).into();
        self.change(|facts| facts.scopes = scopes.into_iter().map(|scope| plain(scope.as_ref())).collect())
    }

    /// Sets the moment from which the credential is expired.
    #[must_use]
    pub fn with_expiry(self, expires_at: SystemTime) -> Self {
        self.change(|facts| facts.expires_at = Some(expires_at))
    }

    /// Sets the credential's own status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        self.change(|facts| facts.status = status)
    }

    /// Sets the status of the workspace.
    #[must_use]
    pub fn with_workspace_status(self, status: Status) -> Self {
        self.change(|facts| facts.workspace_status = status)
    }

    /// Sets the saved config of requests that name none (Portkey's `defaults.config_id` of a key).
    #[must_use]
    pub fn with_default_config(self, id: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.key_config = Some(DefaultConfig { id: id.into(), required: true }))
    }

    /// The same, but one that is not there counts as none (`defaults.config_id` of a JWT).
    #[must_use]
    pub fn with_suggested_config(self, id: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.key_config = Some(DefaultConfig { id: id.into(), required: false }))
    }

    /// Sets the workspace's saved config, for requests that name none and keys that have none.
    #[must_use]
    pub fn with_workspace_config(self, id: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.workspace_config = Some(DefaultConfig { id: id.into(), required: true }))
    }

    /// Whether a request may name another config than the key's default one; it may unless this says `false`.
    #[must_use]
    pub fn with_config_override(self, allowed: bool) -> Self {
        self.change(|facts| facts.allow_config_override = allowed)
    }

    /// Sets the key's metadata, which wins over the request's.
    #[must_use]
    pub fn with_default_metadata(self, metadata: Metadata) -> Self {
        self.change(|facts| facts.key_metadata = metadata).merged()
    }

    /// Sets the workspace's metadata, which wins over the key's.
    #[must_use]
    pub fn with_workspace_metadata(self, metadata: Metadata) -> Self {
        self.change(|facts| facts.workspace_metadata = metadata).merged()
    }

    /// Sets the user the credential belongs to: the metadata's `_user`, whatever request, key and workspace say.
    #[must_use]
    pub fn with_user(self, name: impl Into<String>) -> Self {
        let user = Metadata::from(BTreeMap::from([("_user".to_owned(), name.into())]));
        self.change(|facts| facts.user = user).merged()
    }

    /// Sets what the credential may use up, and how fast.
    #[must_use]
    pub fn with_limits(self, usage: Vec<UsageLimit>, rate: Vec<RateLimit>) -> Self {
        self.change(|facts| facts.limits = Limits { usage, rate })
    }

    /// Sets what the token says of its owner. The caller's own facts, like its scopes, are not read from there.
    #[must_use]
    pub fn with_claims(self, claims: Claims) -> Self {
        self.change(|facts| facts.claims = Some(claims))
    }

    /// What the caller's token says, where it showed one: a key has no claims.
    #[must_use]
    pub fn claims(&self) -> Option<&Claims> {
        self.0.claims.as_ref()
    }

    /// The claim `name` of the caller's token, read as a `T`; see [`Claims::get`]. `None` where there is no such claim,
    /// or no token.
    ///
    /// # Errors
    ///
    /// The claim is no `T`.
    #[must_use]
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<Result<T, ClaimError>> {
        self.claims()?.get(name)
    }

    /// Sets what all credentials of the workspace together may use up, and how fast.
    #[must_use]
    pub fn with_workspace_limits(self, usage: Vec<UsageLimit>, rate: Vec<RateLimit>) -> Self {
        self.change(|facts| facts.workspace_limits = Limits { usage, rate })
    }

    /// Gives the credential counters of its own, by a name that no other credential of the workspace has: a token's
    /// `jti`, or its digest. They are forgotten when the credential expires. Without this, whoever has the same subject
    /// has the same counters, however often a token is issued again.
    #[must_use]
    pub fn with_counter_key(self, key: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.counters = Counters::Own(key.into()))
    }

    /// Gives all credentials of the workspace that have this name the same counters, which outlast each of them: a
    /// token's `sub`, so that nobody begins anew with a new token. Keys of the same name have counters of their own.
    #[must_use]
    pub fn with_shared_counter_key(self, key: impl Into<Box<str>>) -> Self {
        self.change(|facts| facts.counters = Counters::Shared(key.into()))
    }

    /// Who: the id of the key, or a token's subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The organisation.
    #[must_use]
    pub fn organisation(&self) -> &str {
        &self.0.organisation
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> &str {
        &self.0.workspace
    }

    /// Organisation and workspace.
    #[must_use]
    pub fn place(&self) -> Workspace<'_> {
        Workspace { organisation: self.organisation(), workspace: self.workspace() }
    }

    /// The saved config of requests that name none: the key's, else the workspace's.
    #[must_use]
    pub fn default_config(&self) -> Option<&DefaultConfig> {
        self.0.key_config.as_ref().or(self.0.workspace_config.as_ref())
    }

    /// Whether a request may name a config. Only a key's own default can be locked.
    #[must_use]
    pub fn allows_config_override(&self) -> bool {
        self.0.allow_config_override || self.0.key_config.is_none()
    }

    /// What is added to a request's metadata, and wins over it: the user, the workspace's, the key's.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The user the credential belongs to, where authentication knows one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.0.user.user()
    }

    /// What the credential may use up.
    #[must_use]
    pub fn usage_limits(&self) -> &[UsageLimit] {
        &self.0.limits.usage
    }

    /// How fast the credential may be used.
    #[must_use]
    pub fn rate_limits(&self) -> &[RateLimit] {
        &self.0.limits.rate
    }

    /// By which name, beside organisation and workspace, the credential's limits are counted: its own where it has
    /// one, else the subject.
    #[must_use]
    pub fn counter_key(&self) -> &str {
        match &self.0.counters {
            Counters::Subject => &self.0.subject,
            Counters::Own(key) | Counters::Shared(key) => key,
        }
    }

    /// The limits of credential and workspace as counters see them, in the order in which they are told (wire contract
    /// 2.6): the credential's budgets, the workspace's budgets, the workspace's rates, the credential's rates.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        self.0.rules.get_or_init(|| {
            let facts = &*self.0;
            let place = [self.organisation(), self.workspace()];
            let own = Holder::new(Owner::Key, place, self.counter_key());
            let own = match &facts.counters {
                Counters::Subject => own,
                Counters::Own(_) => own.until(facts.expires_at, "own"),
                Counters::Shared(_) => own.until(None, "shared"),
            };
            let shared = Holder::new(Owner::Workspace, place, self.workspace());
            let (own_limits, all) = (&facts.limits, &facts.workspace_limits);
            let budgets = own.budgets(&own_limits.usage).chain(shared.budgets(&all.usage));
            budgets.chain(shared.rates(&all.rate)).chain(own.rates(&own_limits.rate)).collect()
        })
    }

    /// The scopes, without `portkey.`.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.iter().map(AsRef::as_ref)
    }

    /// Whether `scope` is among the scopes.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|own| **own == *scope)
    }

    /// The status at `now`: a key whose expiry has come is expired whatever the record says, unless it is archived.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> Status {
        match self.0.status {
            Status::Active if self.0.expires_at.is_some_and(|end| end <= now) => Status::Expired,
            status => status,
        }
    }

    /// The status of the workspace.
    #[must_use]
    pub fn workspace_status(&self) -> Status {
        self.0.workspace_status
    }

    /// Whether the credential or the workspace could be anything but active now or later: what a caller without a
    /// clock asks first.
    #[must_use]
    pub fn may_lapse(&self) -> bool {
        let facts = &*self.0;
        facts.expires_at.is_some() || facts.status != Status::Active || facts.workspace_status != Status::Active
    }

    fn change(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        let facts = Arc::make_mut(&mut self.0);
        change(facts);
        facts.rules = OnceLock::new();
        self
    }

    /// The same with its metadata merged anew.
    fn merged(self) -> Self {
        self.change(|facts| facts.metadata = Self::merge(facts))
    }

    fn merge(facts: &Facts) -> Metadata {
        facts.user.clone().over(facts.workspace_metadata.clone()).over(facts.key_metadata.clone())
    }
}

#[cfg(test)]
mod tests;

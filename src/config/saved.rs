//! Saved configs: looked up by id, for somebody.

use std::{
    fmt,
    future::{Future, Ready},
    sync::Arc,
};

use super::{
    decode::{Asks, decode},
    request::{is_id, named_host, refused},
};
use crate::{
    context::{ConfigTree, ProviderIds, Scoped, Visibility, Workspace},
    guard::Decision,
    host::TrustedHosts,
    rejection::Rejection,
};

/// Finds saved configs.
///
/// There is no way to ask without saying who asks. A config that is not there and one that this workspace may not see are
/// both `None`; a store that can't answer is [`Rejection::unavailable`].
pub trait ResolveConfig {
    /// An answer that has to be waited for.
    type Future: Future<Output = Result<Option<SavedConfig>, Rejection>>;

    /// The config of this id, which begins with `pc-` and goes on with letters, digits, `_` and `-`.
    fn resolve(&self, who: Workspace<'_>, id: &str) -> Decision<Option<SavedConfig>, Self::Future>;
}

impl<C: ResolveConfig> ResolveConfig for Arc<C> {
    type Future = C::Future;

    fn resolve(&self, who: Workspace<'_>, id: &str) -> Decision<Option<SavedConfig>, C::Future> {
        C::resolve(self, who, id)
    }
}

/// A saved config, decoded and validated. A clone is one reference count and shares the state of its circuit breakers,
/// so whoever looks configs up in a store keeps what was decoded.
///
/// ```
/// use tower_portkey::{config::SavedConfig, host::TrustedHosts};
///
/// let trusted = TrustedHosts::default();
/// let config = SavedConfig::parse("pc-prod-1", r#"{"provider":"@openai-prod","retry":{"attempts":2}}"#, &trusted)?;
/// assert_eq!(config.slugs().collect::<Vec<_>>(), ["openai-prod"]);
/// assert!(SavedConfig::parse("pc-prod-2", r#"{"provider":"nobody"}"#, &trusted).is_err());
/// # Ok::<(), tower_portkey::rejection::Rejection>(())
/// ```
#[derive(Clone)]
pub struct SavedConfig(Arc<Saved>);

struct Saved {
    id: Box<str>,
    tree: Arc<ConfigTree>,
}

impl SavedConfig {
    /// Reads a config. Credentials in it are stored ones: they go to the provider's own host or to a `custom_host` that
    /// stands in the same config, never to one that a caller names.
    ///
    /// # Errors
    ///
    /// The id is none, or the config is refused as it would be in a header: the [message](Rejection::message) and the
    /// [details](Rejection::details) say why, and repeat no value.
    pub fn parse(id: &str, json: &str, trusted: &TrustedHosts) -> Result<Self, Rejection> {
        Self::parse_for(id, json, trusted, &ProviderIds::default())
    }

    /// The same for a layer that knows other providers beside the built-in ones
    /// ([`ConfigLayer::providers`](crate::ConfigLayer::providers)).
    ///
    /// # Errors
    ///
    /// As for [`parse`](SavedConfig::parse).
    pub fn parse_for(id: &str, json: &str, trusted: &TrustedHosts, providers: &ProviderIds) -> Result<Self, Rejection> {
        if !is_id(id) {
            return Err(refused("A config's id is made of pc- and up to 252 letters, digits, `_` and `-`"));
        }
        let host = |url: &str, may_defer| named_host(url, trusted, may_defer).ok();
        let provider = |id: &str| providers.parse(id);
        let asked = Asks { provider_header: true, slugs: true, saved: true, provider: &provider, host: &host };
        Ok(Self(Arc::new(Saved { id: id.into(), tree: Arc::new(decode(json.as_bytes(), &asked)?) })))
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The entries that the config names, once each.
    pub fn slugs(&self) -> impl Iterator<Item = &str> {
        self.0.tree.slugs.iter().map(AsRef::as_ref)
    }

    pub(super) fn tree(&self) -> Arc<ConfigTree> {
        Arc::clone(&self.0.tree)
    }
}

impl fmt::Debug for SavedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedConfig").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Saved configs in memory. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct ConfigSet(Arc<Scoped<SavedConfig>>);

impl ConfigSet {
    /// No configs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a config. Where one caller may see two of the same id, the first counts.
    #[must_use]
    pub fn with(mut self, config: SavedConfig, seen_by: Visibility) -> Self {
        Arc::make_mut(&mut self.0).insert(config.id().to_owned(), seen_by, config);
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<(SavedConfig, Visibility)> for ConfigSet {
    fn from_iter<I: IntoIterator<Item = (SavedConfig, Visibility)>>(configs: I) -> Self {
        configs.into_iter().fold(Self::new(), |set, (config, seen_by)| set.with(config, seen_by))
    }
}

impl ResolveConfig for ConfigSet {
    type Future = Ready<Result<Option<SavedConfig>, Rejection>>;

    fn resolve(&self, who: Workspace<'_>, id: &str) -> Decision<Option<SavedConfig>, Self::Future> {
        Decision::Now(Ok(self.0.get(who, id).cloned()))
    }
}

/// No saved config at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoConfigs;

impl ResolveConfig for NoConfigs {
    type Future = Ready<Result<Option<SavedConfig>, Rejection>>;

    fn resolve(&self, _: Workspace<'_>, _: &str) -> Decision<Option<SavedConfig>, Self::Future> {
        Decision::Now(Ok(None))
    }
}

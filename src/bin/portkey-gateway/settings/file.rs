//! The file's tables, as they stand there.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU64};

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;

use super::{error::Problem, secret::SecretRef};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(default = "File::listen")]
    pub(crate) listen: Spanned<SocketAddr>,
    /// Whoever says nothing keeps the door closed.
    #[serde(default = "File::required")]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) allow_open_on_network: bool,
    #[serde(default = "File::no_hosts")]
    pub(crate) trusted_hosts: Spanned<Vec<String>>,
    #[serde(default = "File::grace")]
    pub(crate) shutdown_grace_seconds: u64,
    #[serde(default)]
    pub(crate) upstream: UpstreamTable,
    #[serde(default)]
    pub(crate) keys: Vec<Spanned<KeyTable>>,

    // Known, and not built in yet: an error each, so that nobody believes in a setting that does nothing.
    admin_listen: Option<Spanned<IgnoredAny>>,
    store: Option<Spanned<IgnoredAny>>,
    providers: Option<Spanned<IgnoredAny>>,
    configs: Option<Spanned<IgnoredAny>>,
    jwt: Option<Spanned<IgnoredAny>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Open,
    Required,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamTable {
    pub(crate) connect_timeout_ms: NonZeroU64,
    pub(crate) first_byte_timeout_ms: NonZeroU64,
    pub(crate) idle_timeout_ms: NonZeroU64,
    pub(crate) base_url: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyTable {
    pub(crate) id: String,
    pub(crate) key: Option<SecretRef>,
    pub(crate) key_sha256: Option<String>,
    #[serde(default = "KeyTable::default_name")]
    pub(crate) organisation: String,
    #[serde(default = "KeyTable::default_name")]
    pub(crate) workspace: String,
    #[serde(default = "KeyTable::default_scopes")]
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Option<String>,
    #[serde(default)]
    pub(crate) status: State,

    rate_limits: Option<Spanned<IgnoredAny>>,
    usage_limits: Option<Spanned<IgnoredAny>>,
    defaults: Option<Spanned<IgnoredAny>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    #[default]
    Active,
    Exhausted,
    Expired,
    Archived,
}

impl File {
    fn listen() -> Spanned<SocketAddr> {
        Spanned::new(0..0, SocketAddr::from(([127, 0, 0, 1], 8787)))
    }

    fn required() -> Mode {
        Mode::Required
    }

    fn no_hosts() -> Spanned<Vec<String>> {
        Spanned::new(0..0, Vec::new())
    }

    fn grace() -> u64 {
        30
    }

    pub(crate) fn refuse_unavailable(&self) -> Result<(), Problem> {
        let tables = [
            ("admin_listen", &self.admin_listen),
            ("store", &self.store),
            ("providers", &self.providers),
            ("configs", &self.configs),
            ("jwt", &self.jwt),
        ];
        let of_keys = self.keys.iter().enumerate().flat_map(|(index, key)| {
            let key = key.get_ref();
            [("rate_limits", &key.rate_limits), ("usage_limits", &key.usage_limits), ("defaults", &key.defaults)]
                .map(|(name, found)| (format!("keys[{index}].{name}"), found))
        });
        let mut all = tables.into_iter().map(|(name, found)| (name.to_owned(), found)).chain(of_keys);
        match all.find_map(|(name, found)| Some((name, found.as_ref()?.span()))) {
            Some((name, span)) => Err(Problem::new(Some(span), name, "not available in this build")),
            None => Ok(()),
        }
    }
}

impl Default for UpstreamTable {
    fn default() -> Self {
        let seconds = |seconds: u64| NonZeroU64::new(seconds * 1000).unwrap_or(NonZeroU64::MIN);
        Self {
            connect_timeout_ms: seconds(5),
            first_byte_timeout_ms: seconds(120),
            idle_timeout_ms: seconds(120),
            base_url: BTreeMap::new(),
        }
    }
}

impl KeyTable {
    fn default_name() -> String {
        "default".to_owned()
    }

    fn default_scopes() -> Vec<String> {
        vec!["completions.write".to_owned()]
    }
}

//! The file's tables, as they stand there.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU64};

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;
use tower_portkey::context::Status;

use super::{
    aws::AwsTable, configs::ConfigTable, error::Problem, jwt::JwtTable, keys::KeyTable, provider_table::ProviderTable,
};

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
    pub(crate) aws: AwsTable,
    #[serde(default)]
    pub(crate) keys: Vec<Spanned<KeyTable>>,
    #[serde(default)]
    pub(crate) providers: Vec<Spanned<ProviderTable>>,
    #[serde(default)]
    pub(crate) configs: Vec<Spanned<ConfigTable>>,
    #[serde(default)]
    pub(crate) jwt: Vec<Spanned<JwtTable>>,

    // Known, and not built in yet: an error each, so that nobody believes in a setting that does nothing.
    admin_listen: Option<Spanned<IgnoredAny>>,
    store: Option<Spanned<IgnoredAny>>,
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

/// The status of a key or an entry.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    #[default]
    Active,
    Exhausted,
    Expired,
    Archived,
}

impl From<State> for Status {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Exhausted => Self::Exhausted,
            State::Expired => Self::Expired,
            State::Archived => Self::Archived,
        }
    }
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
        let tables = [("admin_listen", &self.admin_listen), ("store", &self.store)];
        let tables = tables.into_iter().filter_map(|(name, found)| Some((name.to_owned(), found.as_ref()?.span())));
        let of_keys = self.keys.iter().enumerate().flat_map(|(index, key)| {
            let found = key.get_ref().unavailable();
            found.map(move |(name, span)| (format!("keys[{index}].{name}"), span))
        });
        let of_providers = self.providers.iter().enumerate().flat_map(|(index, provider)| {
            let found = provider.get_ref().unavailable.iter();
            found.map(move |name| (format!("providers[{index}].{}", name.get_ref()), name.span()))
        });
        match tables.chain(of_keys).chain(of_providers).next() {
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

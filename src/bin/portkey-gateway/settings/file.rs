//! The file's tables, as they stand there.

use std::net::SocketAddr;

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;
use tower_portkey::{context::Status, limit::Price};

use super::{
    aws::AwsTable,
    configs::ConfigTable,
    custom::CustomTable,
    error::Problem,
    jwt::JwtTable,
    keys::KeyTable,
    limits::{self, LimitsTable},
    provider_table::ProviderTable,
    upstream::UpstreamTable,
    workspaces::WorkspaceTable,
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
    pub(crate) saved_only: Option<Spanned<bool>>,
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
    pub(crate) custom_providers: Vec<Spanned<CustomTable>>,
    #[serde(default)]
    pub(crate) providers: Vec<Spanned<ProviderTable>>,
    #[serde(default)]
    pub(crate) configs: Vec<Spanned<ConfigTable>>,
    #[serde(default)]
    pub(crate) jwt: Vec<Spanned<JwtTable>>,
    #[serde(default)]
    pub(crate) workspaces: Vec<Spanned<WorkspaceTable>>,
    #[serde(default)]
    pub(crate) limits: LimitsTable,
    #[serde(default)]
    pub(crate) prices: Vec<Spanned<Price>>,
    /// Where limits and metrics are told; nowhere unless given.
    pub(crate) admin_listen: Option<Spanned<SocketAddr>>,
    #[serde(default)]
    pub(crate) allow_admin_on_network: bool,

    // Known, and not built in yet: an error each, so that nobody believes in a setting that does nothing.
    store: Option<Spanned<IgnoredAny>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Open,
    Required,
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
        match &self.store {
            Some(store) => Err(Problem::new(Some(store.span()), "store", "not available in this build")),
            None => Ok(()),
        }
    }

    /// Budgets in USD where nothing has a price.
    pub(super) fn unpriced(&self) -> Vec<Problem> {
        if !self.prices.is_empty() {
            return Vec::new();
        }
        let keys = self.keys.iter().map(|key| ("keys", &key.get_ref().usage_limits)).enumerate();
        let workspaces = self.workspaces.iter().map(|own| ("workspaces", &own.get_ref().usage_limits)).enumerate();
        let providers = self.providers.iter().map(|own| ("providers", &own.get_ref().members.usage_limits)).enumerate();
        let why = "counts nothing: its type is cost, and there are no [[prices]]";
        let all = keys.chain(workspaces).chain(providers);
        let found = all.filter_map(|(index, (table, usage))| {
            let name = format!("{table}[{index}].usage_limits");
            Some(Problem::new(Some(limits::cost(usage.as_ref())?), name, why))
        });
        found.collect()
    }
}

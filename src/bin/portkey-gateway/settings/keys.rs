//! `[[keys]]`: who may come in.

use std::{collections::BTreeMap, collections::HashSet, ops::Range, time::SystemTime};

use serde::Deserialize;
use toml::Spanned;
use tower_portkey::{
    GatewayKey,
    auth::KeySet,
    context::{Metadata, Principal},
};

use super::{
    configs::Config,
    error::Problem,
    file::State,
    limits::{self, Listed, RateTable, UsageTable},
    secret::SecretRef,
    workspaces::Workspaces,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyTable {
    id: Spanned<String>,
    key: Option<Spanned<SecretRef>>,
    key_sha256: Option<Spanned<String>>,
    #[serde(default = "KeyTable::default_name")]
    organisation: String,
    #[serde(default = "KeyTable::default_name")]
    workspace: String,
    #[serde(default = "KeyTable::default_scopes")]
    scopes: Vec<String>,
    expires_at: Option<Spanned<String>>,
    #[serde(default)]
    status: State,
    defaults: Option<DefaultsTable>,
    rate_limits: Option<Listed<RateTable>>,
    pub(super) usage_limits: Option<Listed<UsageTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultsTable {
    config_id: Option<Spanned<String>>,
    #[serde(default)]
    metadata: BTreeMap<String, Spanned<String>>,
    allow_config_override: Option<Spanned<bool>>,
}

impl KeyTable {
    fn default_name() -> String {
        "default".to_owned()
    }

    fn default_scopes() -> Vec<String> {
        vec!["completions.write".to_owned()]
    }
}

/// The keys, each with its principal.
pub(super) fn keys(
    tables: &[Spanned<KeyTable>],
    configs: &[Config],
    workspaces: &Workspaces,
) -> Result<Vec<GatewayKey>, Problem> {
    let mut ids = HashSet::new();
    let keys = tables.iter().enumerate().map(|(index, table)| {
        let (span, table) = (table.span(), table.get_ref());
        let problem =
            |span, member: &str, why: String| Problem::new(Some(span), format!("keys[{index}].{member}"), why);
        if table.id.get_ref().is_empty() || !ids.insert(table.id.get_ref().as_str()) {
            return Err(problem(table.id.span(), "id", "an id is not empty and stands once".to_owned()));
        }
        let who = workspaces.complete(principal(table, configs, &problem)?);
        match (&table.key, &table.key_sha256) {
            (Some(secret), None) => {
                let text = secret.get_ref().read().map_err(|why| problem(secret.span(), "key", why))?;
                GatewayKey::new(text, who).map_err(|error| problem(secret.span(), "key", error.to_string()))
            }
            (None, Some(hex)) => GatewayKey::from_sha256(hex.get_ref(), who)
                .map_err(|error| problem(hex.span(), "key_sha256", error.to_string())),
            _ => Err(problem(span, "key", "give either key or key_sha256".to_owned())),
        }
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    // Built and thrown away: two tables with one key are found here, not at the first request.
    KeySet::new(keys.iter().cloned()).map_err(|error| Problem::new(None, "keys", error.to_string()))?;
    Ok(keys)
}

fn principal(
    table: &KeyTable,
    configs: &[Config],
    problem: &dyn Fn(Range<usize>, &str, String) -> Problem,
) -> Result<Principal, Problem> {
    let (usage, rates) = limits::limits(table.usage_limits.as_ref(), table.rate_limits.as_ref(), problem)?;
    let mut who = Principal::new(table.id.get_ref().as_str())
        .with_organisation(table.organisation.as_str())
        .with_workspace(table.workspace.as_str())
        .with_scopes(&table.scopes)
        .with_status(table.status.into())
        .with_limits(usage, rates);
    if let Some(end) = &table.expires_at {
        who = who.with_expiry(moment(end.get_ref()).map_err(|why| problem(end.span(), "expires_at", why.to_owned()))?);
    }
    let Some(defaults) = &table.defaults else { return Ok(who) };
    if let Some(id) = &defaults.config_id {
        if !configs.iter().any(|config| config.saved.id() == id.get_ref() && config.seen_by.includes(who.place())) {
            let why = "no config of this id is there for the key's workspace";
            return Err(problem(id.span(), "defaults.config_id", why.to_owned()));
        }
        who = who.with_default_config(id.get_ref().as_str());
    }
    if let Some(allowed) = &defaults.allow_config_override {
        if defaults.config_id.is_none() && !allowed.get_ref() {
            let why = "locks the key's own config_id, and there is none";
            return Err(problem(allowed.span(), "defaults.allow_config_override", why.to_owned()));
        }
        who = who.with_config_override(*allowed.get_ref());
    }
    Ok(who.with_default_metadata(labels(&defaults.metadata, problem)?))
}

/// `defaults.metadata`.
pub(super) fn labels(
    table: &BTreeMap<String, Spanned<String>>,
    problem: &dyn Fn(Range<usize>, &str, String) -> Problem,
) -> Result<Metadata, Problem> {
    let labels = table.iter().map(|(name, value)| {
        if value.get_ref().chars().count() > Metadata::MAX_CHARS {
            let why = format!("a value has up to {} characters", Metadata::MAX_CHARS);
            return Err(problem(value.span(), &format!("defaults.metadata.{name}"), why));
        }
        Ok((name.clone(), value.get_ref().clone()))
    });
    Ok(Metadata::from(labels.collect::<Result<BTreeMap<_, _>, _>>()?))
}

/// A point in time, as RFC 3339 writes it.
pub(super) fn moment(text: &str) -> Result<SystemTime, &'static str> {
    let moment: jiff::Timestamp = text.parse().map_err(|_| "not a time like 2027-01-01T00:00:00Z")?;
    Ok(moment.into())
}

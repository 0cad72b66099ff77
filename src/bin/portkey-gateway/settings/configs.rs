//! `[[configs]]`: saved configs, by id.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use tower_portkey::{config::SavedConfig, context::ProviderIds, host::TrustedHosts};

use super::{audience::Audience, error::Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigTable {
    id: Spanned<String>,
    organisation: Option<String>,
    workspaces: Option<Spanned<Vec<String>>>,
    /// The object, as JSON.
    config: Spanned<String>,
}

/// A saved config, and what the library doesn't tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) saved: SavedConfig,
    pub(crate) seen_by: Audience,
    /// What it does with its targets, in words.
    pub(crate) shape: String,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

pub(super) fn configs(
    tables: &[Spanned<ConfigTable>],
    trusted: &TrustedHosts,
    ids: &ProviderIds,
) -> Result<Vec<Config>, Problem> {
    let mut all: Vec<Config> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let (span, table) = (table.span(), table.get_ref());
        let name = format!("configs[{index}]");
        let id = table.id.get_ref();
        // Tried with a config that is good, so that what is wrong with the id is not told of the config.
        SavedConfig::parse(id, r#"{"provider":"@any"}"#, trusted).map_err(|refused| {
            Problem::new(Some(table.id.span()), format!("{name}.id"), refused.message().to_owned())
        })?;
        let json = table.config.get_ref();
        let saved = SavedConfig::parse_for(id, json, trusted, ids).map_err(|refused| {
            let why = [refused.message()].into_iter().chain(refused.details().iter().map(String::as_str));
            Problem::new(Some(table.config.span()), format!("{name}.config"), why.collect::<Vec<_>>().join("; "))
        })?;
        let seen_by = Audience::read(&name, table.organisation.as_ref(), table.workspaces.as_ref())?;
        let alike = |other: &Config| other.saved.id() == id && other.seen_by.overlaps(&seen_by);
        if let Some(first) = all.iter().position(alike) {
            let why = format!("some workspace would see two configs of this id: this one and configs[{first}]");
            return Err(Problem::new(Some(table.id.span()), format!("{name}.id"), why));
        }
        all.push(Config { saved, seen_by, shape: shape(json), span });
    }
    Ok(all)
}

/// `fallback over 2 targets`.
fn shape(json: &str) -> String {
    let config: Value = serde_json::from_str(json).unwrap_or_default();
    match config["strategy"]["mode"].as_str() {
        Some(mode) => format!("{mode} over {} targets", config["targets"].as_array().map_or(0, Vec::len)),
        None => "one target".to_owned(),
    }
}

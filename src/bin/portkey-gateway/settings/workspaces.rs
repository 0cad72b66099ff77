//! `[[workspaces]]`: what holds for everybody who belongs to one, whatever key or token is shown.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use serde::Deserialize;
use toml::Spanned;
use tower_portkey::context::{Metadata, Principal, RateLimit, Status, UsageLimit, Workspace};

use super::{
    configs::Config,
    error::Problem,
    file::State,
    keys::labels,
    limits::{self, Listed, RateTable, UsageTable},
};

/// One table, as it stands there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkspaceTable {
    id: Spanned<String>,
    #[serde(default = "WorkspaceTable::default_name")]
    organisation: String,
    #[serde(default)]
    status: State,
    rate_limits: Option<Listed<RateTable>>,
    pub(super) usage_limits: Option<Listed<UsageTable>>,
    defaults: Option<DefaultsTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultsTable {
    config_id: Option<Spanned<String>>,
    #[serde(default)]
    metadata: BTreeMap<String, Spanned<String>>,
}

impl WorkspaceTable {
    fn default_name() -> String {
        "default".to_owned()
    }

    pub(super) fn place(&self) -> Workspace<'_> {
        Workspace { organisation: &self.organisation, workspace: self.id.get_ref() }
    }
}

/// The workspaces of the file. A clone is one reference count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspaces(Arc<HashMap<(String, String), Facts>>);

#[derive(Clone, Debug)]
struct Facts {
    status: Status,
    usage: Vec<UsageLimit>,
    rates: Vec<RateLimit>,
    config: Option<String>,
    metadata: Metadata,
}

impl Workspaces {
    /// The caller, with what its workspace says.
    pub(crate) fn complete(&self, who: Principal) -> Principal {
        let place = (who.organisation().to_owned(), who.workspace().to_owned());
        let Some(facts) = self.0.get(&place) else { return who };
        let who = who
            .with_workspace_status(facts.status)
            .with_workspace_limits(facts.usage.clone(), facts.rates.clone())
            .with_workspace_metadata(facts.metadata.clone());
        match &facts.config {
            Some(id) => who.with_workspace_config(id.as_str()),
            None => who,
        }
    }

    /// Somebody of each workspace, in the order of names.
    pub(crate) fn samples(&self) -> Vec<Principal> {
        let mut places: Vec<_> = self.0.keys().collect();
        places.sort();
        let somebody = |(organisation, workspace): &(String, String)| {
            Principal::new("").with_organisation(organisation.as_str()).with_workspace(workspace.as_str())
        };
        places.into_iter().map(|place| self.complete(somebody(place))).collect()
    }
}

/// Reads the tables.
pub(super) fn workspaces(tables: &[Spanned<WorkspaceTable>], configs: &[Config]) -> Result<Workspaces, Problem> {
    let mut all = HashMap::new();
    for (index, table) in tables.iter().enumerate() {
        let table = table.get_ref();
        let report = |span: Range<usize>, member: &str, why: String| {
            Problem::new(Some(span), format!("workspaces[{index}].{member}"), why)
        };
        let facts = facts(table, configs, &report)?;
        let place = (table.organisation.clone(), table.id.get_ref().clone());
        if table.id.get_ref().is_empty() || all.insert(place, facts).is_some() {
            let why = "an id is not empty and stands once in its organisation";
            return Err(report(table.id.span(), "id", why.to_owned()));
        }
    }
    Ok(Workspaces(Arc::new(all)))
}

fn facts(
    table: &WorkspaceTable,
    configs: &[Config],
    report: &dyn Fn(Range<usize>, &str, String) -> Problem,
) -> Result<Facts, Problem> {
    let (usage, rates) = limits::limits(table.usage_limits.as_ref(), table.rate_limits.as_ref(), report)?;
    let mut facts = Facts { status: table.status.into(), usage, rates, config: None, metadata: Metadata::default() };
    let Some(defaults) = &table.defaults else { return Ok(facts) };
    if let Some(id) = &defaults.config_id {
        if !configs.iter().any(|config| config.saved.id() == id.get_ref() && config.seen_by.includes(table.place())) {
            let why = "no config of this id is there for the workspace";
            return Err(report(id.span(), "defaults.config_id", why.to_owned()));
        }
        facts.config = Some(id.get_ref().clone());
    }
    facts.metadata = labels(&defaults.metadata, report)?;
    Ok(facts)
}

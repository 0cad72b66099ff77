//! The tables `[[jwt]]`: whose tokens are let in, and by which keys.

use std::{fs, num::NonZeroU64, ops::Range, path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use tower_portkey::{
    auth::jwt::{Algorithm, Jwks, JwksError, JwtOrganisation, RemoteJwks, SkippedKey, TokenCounters},
    host::TrustedHosts,
};

use super::{error::Problem, workspaces::Workspaces};

/// One table, as it stands there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtTable {
    organisation: String,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    jwks: Option<String>,
    #[serde(default)]
    algorithms: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    issuer: OneOrMany,
    #[serde(default)]
    audience: OneOrMany,
    #[serde(default)]
    default_scopes: Vec<String>,
    default_workspace: Option<String>,
    #[serde(default)]
    allowed_workspaces: Vec<String>,
    #[serde(default)]
    allowed_subjects: Vec<String>,
    #[serde(default = "JwtTable::leeway")]
    leeway_seconds: u64,
    #[serde(default = "JwtTable::refresh")]
    refresh_seconds: NonZeroU64,
    #[serde(default = "JwtTable::interval")]
    unknown_kid_interval_seconds: NonZeroU64,
}

/// A list, or its only entry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "StringOrList")]
struct OneOrMany(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "invalid type: value, expected a string or a list of strings")]
enum StringOrList {
    One(String),
    Many(Vec<String>),
}

/// Where an organisation's keys come from. What can be read without a network is read.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    Given(Jwks),
    Fetched { url: String, remote: Box<RemoteJwks> },
}

/// An organisation whose tokens are let in.
#[derive(Clone, Debug)]
pub(crate) struct JwtSettings {
    pub(crate) source: KeySource,
    place: String,
    name: String,
    algorithms: Vec<Algorithm>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    default_scopes: Vec<String>,
    default_workspace: Option<String>,
    allowed_workspaces: Vec<String>,
    allowed_subjects: Vec<String>,
    leeway: Duration,
    refresh: Duration,
    interval: Duration,
    counters: TokenCounters,
    workspaces: Workspaces,
}

impl JwtSettings {
    /// Sets whose tokens are counted together, and what holds for whole workspaces.
    pub(super) fn within(self, counters: TokenCounters, workspaces: Workspaces) -> Self {
        Self { counters, workspaces, ..self }
    }

    /// The organisation's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The organisation, with its keys.
    pub(crate) fn organisation(&self, jwks: Jwks) -> JwtOrganisation {
        let mut organisation = JwtOrganisation::new(self.name.as_str(), jwks)
            .algorithms(self.algorithms.iter().copied())
            .default_scopes(self.default_scopes.iter().map(String::as_str))
            .allowed_workspaces(self.allowed_workspaces.iter().map(String::as_str))
            .allowed_subjects(self.allowed_subjects.iter().map(String::as_str))
            .leeway(self.leeway)
            .counters(self.counters);
        let workspaces = self.workspaces.clone();
        organisation = organisation.complete(move |who| workspaces.complete(who));
        if let Some(workspace) = &self.default_workspace {
            organisation = organisation.default_workspace(workspace.as_str());
        }
        let bound = self.issuers.iter().fold(organisation, |own, issuer| own.issuer(issuer.as_str()));
        self.audiences.iter().fold(bound, |own, audience| own.audience(audience.as_str()))
    }

    /// Whether keys that are being fetched for `other` are the ones that are to be fetched for this.
    pub(crate) fn fetches_like(&self, other: &Self) -> bool {
        let place = |settings: &Self| match &settings.source {
            KeySource::Given(_) => None,
            KeySource::Fetched { url, .. } => Some((url.clone(), settings.refresh, settings.interval)),
        };
        place(self).is_some_and(|own| Some(own) == place(other))
    }

    /// What an operator should know although it is no error.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let skipped = match &self.source {
            KeySource::Given(jwks) => jwks.skipped(),
            KeySource::Fetched { .. } => Vec::new(),
        };
        let mut lines: Vec<_> = skipped.iter().map(|key| self.skipped(key)).collect();
        if self.issuers.is_empty() || self.audiences.is_empty() {
            let why = "without issuer and audience, tokens that were made for others are let in, too";
            lines.push(format!("{}: {why}", self.table()));
        }
        lines
    }

    /// What is served, in a line.
    pub(crate) fn describe(&self) -> String {
        let keys = match &self.source {
            KeySource::Given(jwks) => format!("keys {}", jwks.key_ids().join(" ")),
            KeySource::Fetched { remote, .. } => format!("keys from {}", remote.place()),
        };
        let algorithms: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        format!("organisation {}, {keys}, algorithms {}", self.name, algorithms.join(" "))
    }

    fn skipped(&self, key: &SkippedKey) -> String {
        format!("{}: key not used: {key}", self.place)
    }

    fn table(&self) -> &str {
        self.place.split_once('.').map_or(&*self.place, |(table, _)| table)
    }
}

/// Reads the tables, and the files they name.
pub(super) fn read(tables: &[Spanned<JwtTable>], trusted: &TrustedHosts) -> Result<Vec<JwtSettings>, Problem> {
    let mut read = Vec::with_capacity(tables.len());
    for (index, table) in tables.iter().enumerate() {
        let reader = Reader { index, span: table.span() };
        let table = table.get_ref();
        let known = read.iter().any(|known: &JwtSettings| known.name == table.organisation);
        if table.organisation.is_empty() || known {
            return Err(reader.problem("organisation", "an organisation is not empty and has one table"));
        }
        read.push(reader.read(table, trusted)?);
    }
    Ok(read)
}

struct Reader {
    index: usize,
    span: Range<usize>,
}

impl Reader {
    fn read(&self, table: &JwtTable, trusted: &TrustedHosts) -> Result<JwtSettings, Problem> {
        let seconds = |number: NonZeroU64| Duration::from_secs(number.get());
        let (refresh, interval) = (seconds(table.refresh_seconds), seconds(table.unknown_kid_interval_seconds));
        let (member, source) = match (&table.jwks_file, &table.jwks_url, &table.jwks) {
            (Some(path), None, None) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| self.problem("jwks_file", &format!("the file can't be read: {error}")))?;
                ("jwks_file", KeySource::Given(self.set("jwks_file", Jwks::from_json(&text))?))
            }
            (None, None, Some(text)) => ("jwks", KeySource::Given(self.set("jwks", Jwks::from_json(text))?)),
            (None, Some(url), None) => {
                let remote = self.set("jwks_url", RemoteJwks::new(url, trusted))?;
                let remote = remote.refresh(refresh).unknown_kid_interval(interval);
                ("jwks_url", KeySource::Fetched { url: url.clone(), remote: Box::new(remote) })
            }
            _ => return Err(self.problem("jwks_file", "give one of jwks_file, jwks_url and jwks")),
        };
        Ok(JwtSettings {
            source,
            place: self.name(member),
            name: table.organisation.clone(),
            algorithms: self.algorithms(table)?,
            issuers: table.issuer.0.clone(),
            audiences: table.audience.0.clone(),
            default_scopes: table.default_scopes.clone(),
            default_workspace: table.default_workspace.clone(),
            allowed_workspaces: table.allowed_workspaces.clone(),
            allowed_subjects: table.allowed_subjects.clone(),
            leeway: Duration::from_secs(table.leeway_seconds),
            refresh,
            interval,
            counters: TokenCounters::Token,
            workspaces: Workspaces::default(),
        })
    }

    fn algorithms(&self, table: &JwtTable) -> Result<Vec<Algorithm>, Problem> {
        let Some(names) = &table.algorithms else { return Ok(vec![Algorithm::RS256]) };
        let problem = |why: String| Problem::new(Some(names.span()), self.name("algorithms"), why);
        let known = names.get_ref().iter().map(|name| name.parse::<Algorithm>());
        let known: Vec<_> = known.collect::<Result<_, _>>().map_err(|error| problem(error.to_string()))?;
        if known.is_empty() { Err(problem("name at least one".to_owned())) } else { Ok(known) }
    }

    fn set<T>(&self, member: &str, read: Result<T, JwksError>) -> Result<T, Problem> {
        read.map_err(|error| self.problem(member, &error.to_string()))
    }

    fn problem(&self, member: &str, why: &str) -> Problem {
        Problem::new(Some(self.span.clone()), self.name(member), why)
    }

    fn name(&self, member: &str) -> String {
        format!("jwt[{}].{member}", self.index)
    }
}

impl JwtTable {
    fn leeway() -> u64 {
        5
    }

    fn refresh() -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add(299)
    }

    fn interval() -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add(29)
    }
}

impl From<StringOrList> for OneOrMany {
    fn from(read: StringOrList) -> Self {
        Self(match read {
            StringOrList::One(one) => vec![one],
            StringOrList::Many(many) => many,
        })
    }
}

#[cfg(test)]
mod tests;

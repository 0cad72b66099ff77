//! What is allowed, and most likely not meant.

use std::collections::BTreeSet;

use toml::Spanned;
use tower_portkey::context::{Principal, Workspace};

use super::{Config, JwtSettings, Provider, error::Problem, workspaces::WorkspaceTable};

/// Everything that refers to each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Review<'a> {
    /// Those who may come in.
    pub(super) principals: &'a [&'a Principal],
    pub(super) tokens: &'a [JwtSettings],
    pub(super) workspaces: &'a [Spanned<WorkspaceTable>],
    pub(super) providers: &'a [Provider],
    pub(super) configs: &'a [Config],
}

impl<'a> Review<'a> {
    pub(super) fn warnings(&self) -> Vec<Problem> {
        let mut all = self.unnamed_organisations();
        all.extend(self.empty_workspaces());
        for (index, config) in self.configs.iter().enumerate() {
            let places = self.places().into_iter().filter(|place| config.seen_by.includes(*place)).collect::<Vec<_>>();
            for slug in config.saved.slugs() {
                if let Some(why) = self.missing(slug, config, &places) {
                    all.push(Problem::new(Some(config.span.clone()), format!("configs[{index}].config"), why));
                }
            }
        }
        all
    }

    /// Why requests by this config could find no such entry.
    fn missing(&self, slug: &str, config: &Config, places: &[Workspace<'_>]) -> Option<String> {
        let named = self.providers.iter().filter(|provider| provider.entry.slug() == slug);
        let seen: Vec<_> = named.map(|found| &found.seen_by).filter(|seen| seen.overlaps(&config.seen_by)).collect();
        if seen.is_empty() {
            return Some(format!("names @{slug}, and nobody who may see the config may see an entry of this slug"));
        }
        let without = places.iter().find(|place| !seen.iter().any(|seen| seen.includes(**place)))?;
        let Workspace { organisation, workspace } = without;
        Some(format!("names @{slug}, which workspace {workspace} of organisation {organisation} may not see"))
    }

    /// Workspaces that no key belongs to; any token may name one of its organisation's.
    fn empty_workspaces(&self) -> impl Iterator<Item = Problem> {
        let known = |place: Workspace<'_>| {
            self.tokens.iter().any(|own| own.name() == place.organisation)
                || self.principals.iter().any(|who| who.place() == place)
        };
        let empty = self.workspaces.iter().enumerate().filter(move |(_, table)| !known(table.get_ref().place()));
        let why = "no key and no token belongs to this workspace of this organisation";
        empty.map(move |(index, table)| Problem::new(Some(table.span()), format!("workspaces[{index}]"), why))
    }

    /// Where there are several organisations, to name none is to share.
    fn unnamed_organisations(&self) -> Vec<Problem> {
        if self.organisations().len() < 2 {
            return Vec::new();
        }
        let providers = self.providers.iter().map(|found| (&found.seen_by, &found.span)).enumerate();
        let providers = providers.map(|(index, found)| (format!("providers[{index}]"), found));
        let configs = self.configs.iter().map(|found| (&found.seen_by, &found.span)).enumerate();
        let configs = configs.map(|(index, found)| (format!("configs[{index}]"), found));
        let unnamed = providers.chain(configs).filter(|(_, (seen_by, _))| seen_by.organisation().is_none());
        let why = "names no organisation: those of every organisation may use it";
        unnamed.map(|(name, (_, span))| Problem::new(Some(span.clone()), name, why)).collect()
    }

    /// The organisations that the file knows.
    fn organisations(&self) -> BTreeSet<&'a str> {
        let providers = self.providers.iter().filter_map(|provider| provider.seen_by.organisation());
        let configs = self.configs.iter().filter_map(|config| config.seen_by.organisation());
        let tokens = self.tokens.iter().map(JwtSettings::name);
        self.principals.iter().map(|who| who.organisation()).chain(tokens).chain(providers).chain(configs).collect()
    }

    /// The workspaces that the file knows, with their organisations.
    fn places(&self) -> Vec<Workspace<'a>> {
        let mut places: Vec<_> = self.principals.iter().map(|who| who.place()).collect();
        places.extend(self.configs.iter().flat_map(|config| config.seen_by.places()));
        places.extend(self.providers.iter().flat_map(|provider| provider.seen_by.places()));
        places
    }
}

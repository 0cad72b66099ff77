//! Who may see an entry or a config.

use std::fmt;

use toml::Spanned;
use tower_portkey::context::{Visibility, Workspace};

use super::error::Problem;

/// An organisation or every one, and some of its workspaces or all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audience {
    organisation: Option<String>,
    workspaces: Option<Vec<String>>,
}

impl Audience {
    /// Reads `organisation` and `workspaces` of the table that is called `table`.
    pub(super) fn read(
        table: &str,
        organisation: Option<&String>,
        workspaces: Option<&Spanned<Vec<String>>>,
    ) -> Result<Self, Problem> {
        if let Some(nobody) = workspaces.filter(|workspaces| workspaces.get_ref().is_empty()) {
            let why = "names at least one workspace; leave it out for all of them";
            return Err(Problem::new(Some(nobody.span()), format!("{table}.workspaces"), why));
        }
        let workspaces = workspaces.map(|workspaces| workspaces.get_ref().clone());
        Ok(Self { organisation: organisation.cloned(), workspaces })
    }

    /// The same for the library.
    pub(crate) fn visibility(&self) -> Visibility {
        let seen_by = self.organisation.as_deref().map_or_else(Visibility::everybody, Visibility::organisation);
        match &self.workspaces {
            Some(workspaces) => seen_by.limited_to(workspaces.iter().map(String::as_str)),
            None => seen_by,
        }
    }

    pub(crate) fn includes(&self, who: Workspace<'_>) -> bool {
        self.visibility().includes(who)
    }

    /// Whether some workspace may see both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let organisation = match (&self.organisation, &other.organisation) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        organisation
            && match (&self.workspaces, &other.workspaces) {
                (Some(own), Some(other)) => own.iter().any(|name| other.contains(name)),
                _ => true,
            }
    }

    /// The organisation, where it names one.
    pub(crate) fn organisation(&self) -> Option<&str> {
        self.organisation.as_deref()
    }

    /// A name for what stands under this slug: no other audience that sees another under the same slug has it. It stays
    /// when workspaces are added at the end.
    pub(super) fn name(&self, slug: &str) -> String {
        let front = self.organisation.iter().map(|organisation| format!("{organisation}/"));
        let first = self.workspaces.iter().filter_map(|workspaces| Some(format!("#{}", workspaces.first()?)));
        front.chain([slug.to_owned()]).chain(first).collect()
    }

    /// The workspaces that it names, where it names their organisation, too.
    pub(super) fn places(&self) -> impl Iterator<Item = Workspace<'_>> {
        let organisation = self.organisation.as_deref();
        let workspaces = self.workspaces.iter().flatten();
        workspaces.filter_map(move |workspace| Some(Workspace { organisation: organisation?, workspace }))
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.organisation {
            Some(organisation) => write!(f, "organisation {organisation}, ")?,
            None => f.write_str("every organisation, ")?,
        }
        match &self.workspaces {
            Some(workspaces) => write!(f, "workspaces {}", workspaces.join(" ")),
            None => f.write_str("every workspace"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(organisation: Option<&str>, workspaces: &[&str]) -> Audience {
        let workspaces = workspaces.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Audience {
            organisation: organisation.map(str::to_owned),
            workspaces: (!workspaces.is_empty()).then_some(workspaces),
        }
    }

    #[test]
    fn some_workspace_sees_both_or_none_does() {
        for (one, other, both) in [
            (audience(None, &[]), audience(Some("a"), &["w"]), true),
            (audience(Some("a"), &[]), audience(Some("b"), &[]), false),
            (audience(Some("a"), &["w"]), audience(None, &["w", "v"]), true),
            (audience(None, &["w"]), audience(None, &["v"]), false),
        ] {
            assert_eq!(one.overlaps(&other), both, "{one}; {other}");
            assert_eq!(other.overlaps(&one), both, "{one}; {other}");
        }
    }

    #[test]
    fn audiences_that_do_not_overlap_have_names_that_differ() {
        for (own, name) in [
            (audience(None, &[]), "s"),
            (audience(Some("a"), &[]), "a/s"),
            (audience(Some("a"), &["v", "w"]), "a/s#v"),
            (audience(None, &["v"]), "s#v"),
        ] {
            assert_eq!(own.name("s"), name);
        }
    }
}

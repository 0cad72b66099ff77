//! Where a caller belongs, and sets of things that belong to some of them.

use std::{collections::HashMap, fmt};

/// The workspace that asks: what is stored is looked up for somebody, never for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Workspace<'a> {
    /// The organisation.
    pub organisation: &'a str,
    /// The workspace within it.
    pub workspace: &'a str,
}

/// Who may see a stored thing.
///
/// ```
/// use tower_portkey::context::{Visibility, Workspace};
///
/// let seen_by = Visibility::workspaces("org-1", ["ws-1", "ws-2"]);
/// assert!(seen_by.includes(Workspace { organisation: "org-1", workspace: "ws-2" }));
/// assert!(!seen_by.includes(Workspace { organisation: "org-2", workspace: "ws-2" }));
/// assert!(Visibility::everybody().includes(Workspace { organisation: "org-2", workspace: "ws-2" }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility {
    organisation: Option<Box<str>>,
    /// `None`: every workspace there is.
    workspaces: Option<Vec<Box<str>>>,
}

impl Visibility {
    /// Every workspace of every organisation.
    #[must_use]
    pub const fn everybody() -> Self {
        Self { organisation: None, workspaces: None }
    }

    /// Every workspace of this organisation.
    #[must_use]
    pub fn organisation(organisation: impl Into<Box<str>>) -> Self {
        Self { organisation: Some(organisation.into()), workspaces: None }
    }

    /// These workspaces of this organisation.
    #[must_use]
    pub fn workspaces<I: IntoIterator<Item: Into<Box<str>>>>(organisation: impl Into<Box<str>>, workspaces: I) -> Self {
        Self::organisation(organisation).limited_to(workspaces)
    }

    /// These workspaces only, of the organisation or of every one.
    #[must_use]
    pub fn limited_to<I: IntoIterator<Item: Into<Box<str>>>>(mut self, workspaces: I) -> Self {
        self.workspaces = Some(workspaces.into_iter().map(Into::into).collect());
        self
    }

    /// Whether this workspace may see it.
    #[must_use]
    pub fn includes(&self, who: Workspace<'_>) -> bool {
        self.organisation.as_deref().is_none_or(|own| own == who.organisation)
            && self.workspaces.as_ref().is_none_or(|all| all.iter().any(|own| **own == *who.workspace))
    }
}

/// Things by name, each with those who may see it. A name that is unknown and one that is somebody else's differ by the
/// comparison of two short texts, some nanoseconds. Of several things with one name, the one that was put in first counts.
#[derive(Clone)]
pub(crate) struct Scoped<T>(HashMap<Box<str>, Vec<(Visibility, T)>>);

impl<T> Scoped<T> {
    pub(crate) fn insert(&mut self, name: impl Into<Box<str>>, seen_by: Visibility, thing: T) {
        self.0.entry(name.into()).or_default().push((seen_by, thing));
    }

    pub(crate) fn get(&self, who: Workspace<'_>, name: &str) -> Option<&T> {
        let all = self.0.get(name).map_or(&[][..], Vec::as_slice);
        all.iter().find(|(seen_by, _)| seen_by.includes(who)).map(|(_, thing)| thing)
    }

    /// All that `who` may see, one for each name.
    pub(crate) fn seen_by<'s>(&'s self, who: Workspace<'_>) -> impl Iterator<Item = &'s T> {
        let first = move |all: &'s Vec<(Visibility, T)>| all.iter().find(|(seen_by, _)| seen_by.includes(who));
        self.0.values().filter_map(first).map(|(_, thing)| thing)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Visibility, &T)> {
        self.0.values().flatten().map(|(seen_by, thing)| (seen_by, thing))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

impl<T> Default for Scoped<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("len", &self.len()).finish_non_exhaustive()
    }
}

//! Entries in memory.

use std::sync::Arc;

use super::resolve::{Listing, Never, ResolveProvider};
use crate::{
    context::{Entry, Scoped, Visibility, Workspace},
    guard::Decision,
};

/// Entries in memory, each with those who may see it. A clone is one reference count.
///
/// Workspaces may use one slug for different entries. Where one workspace may see several entries of one slug, the one
/// that was put in first counts.
///
/// ```
/// use tower_portkey::{context::{Entry, ProviderId, Visibility}, model::EntrySet};
///
/// let openai = ProviderId::parse("openai").expect("a provider");
/// let entries = EntrySet::new()
///     .with(Entry::new("prod", openai.clone())?, Visibility::workspaces("org-1", ["ws-1"]))
///     .with(Entry::new("shared", openai)?, Visibility::everybody());
/// assert_eq!(entries.len(), 2);
/// # Ok::<(), tower_portkey::context::EntryError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EntrySet(Arc<Scoped<Entry>>);

impl EntrySet {
    /// No entries yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. A set that was cloned before is copied; the clones stay what they are.
    #[must_use]
    pub fn with(mut self, entry: Entry, seen_by: Visibility) -> Self {
        let slug = entry.slug().to_owned();
        if let Some(own) = Arc::get_mut(&mut self.0) {
            own.insert(slug, seen_by, entry);
            return self;
        }
        let mut copy = Scoped::default();
        for (seen_by, entry) in self.0.iter() {
            copy.insert(entry.slug(), seen_by.clone(), entry.clone());
        }
        copy.insert(slug, seen_by, entry);
        Self(Arc::new(copy))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ResolveProvider for EntrySet {
    type Future = Never;

    fn resolve(&self, who: Workspace<'_>, slug: &str) -> Decision<Option<Entry>, Never> {
        Decision::pass(self.0.get(who, slug).cloned())
    }

    fn list(&self, who: Workspace<'_>) -> Decision<Option<Vec<Entry>>, Listing> {
        Decision::pass(Some(self.0.seen_by(who).cloned().collect()))
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ProviderId;

    #[test]
    fn the_first_that_may_be_seen_counts_and_clones_stay() {
        let entry = |id: &str| Entry::new("a", ProviderId::parse(id).expect(id)).expect("a slug");
        let one = EntrySet::new().with(entry("openai"), Visibility::workspaces("o", ["w"]));
        let three = one.clone().with(entry("groq"), Visibility::organisation("o"));
        let three = three.with(entry("cohere"), Visibility::everybody());
        let found = |set: &EntrySet, organisation, workspace| {
            let Decision::Now(Ok(found)) = set.resolve(Workspace { organisation, workspace }, "a") else {
                unreachable!()
            };
            found.map(|entry| entry.provider().as_str().to_owned())
        };
        assert_eq!((one.len(), three.len()), (1, 3));
        for (organisation, workspace, of_one, of_three) in [
            ("o", "w", Some("openai"), Some("openai")),
            ("o", "v", None, Some("groq")),
            ("p", "w", None, Some("cohere")),
        ] {
            assert_eq!(found(&one, organisation, workspace).as_deref(), of_one);
            assert_eq!(found(&three, organisation, workspace).as_deref(), of_three);
        }
        assert!(ResolveProvider::is_empty(&EntrySet::new()) && !ResolveProvider::is_empty(&one));
    }
}

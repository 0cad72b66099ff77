//! What can be said about the whole of a config.

use std::sync::Arc;

use crate::context::{ConfigObject, ConfigTree, Field, Mode, ProviderRef, Query};

/// The config with this root.
pub(super) fn of(root: ConfigObject, saved: bool) -> ConfigTree {
    let mut tree = ConfigTree {
        root: Arc::default(),
        slugs: Vec::new(),
        changes_body: false,
        may_resend: false,
        reads_params: false,
        models_in_paths: false,
        saved,
    };
    look(&root, &mut tree);
    tree.root = Arc::new(root);
    tree
}

fn look(object: &ConfigObject, tree: &mut ConfigTree) {
    let Some(branch) = &object.branch else {
        tree.changes_body |= !object.params.is_empty();
        tree.may_resend |= object.retry.as_ref().is_some_and(|retry| retry.attempts > 0);
        tree.models_in_paths |=
            matches!(&object.provider, Some(ProviderRef::Id(id)) if !object.passthrough && id.has_models_in_paths());
        let named = object.provider.as_ref().or(object.default_provider.as_ref());
        if let Some(ProviderRef::Slug(slug)) = named.filter(|_| !object.passthrough) {
            if !tree.slugs.contains(slug) {
                tree.slugs.push(slug.clone());
            }
        }
        return;
    };
    match &branch.mode {
        Mode::Single => {}
        Mode::Fallback { .. } => tree.may_resend |= branch.targets.len() > 1,
        Mode::LoadBalance { sticky } => {
            let fields = sticky.iter().flat_map(|sticky| &sticky.fields);
            tree.reads_params |= fields.into_iter().any(|field| matches!(field, Field::Param(_)));
        }
        Mode::Conditional { conditions, .. } => {
            tree.reads_params |= conditions.iter().any(|condition| asks_params(&condition.query));
        }
    }
    for target in &branch.targets {
        look(&target.object, tree);
    }
}

fn asks_params(query: &Query) -> bool {
    match query {
        Query::All(parts) | Query::Any(parts) => parts.iter().any(asks_params),
        Query::Test(field, _) => matches!(field, Field::Param(_)),
    }
}

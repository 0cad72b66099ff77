//! The question that this room asks: which entry is this?

use std::{
    fmt,
    future::{Future, Ready},
    pin::Pin,
    sync::Arc,
};

use crate::{
    context::{Entry, Workspace},
    guard::Decision,
    rejection::Rejection,
};

/// Finds the entry of a workspace.
///
/// There is no question without a workspace: an entry that this one may not see is answered as one that there isn't,
/// `None`. A store that can't answer is [`Rejection::unavailable`], never "unknown". An answer that is there is
/// [`Decision::Now`] and costs nothing; one that has to be fetched is [`Decision::Later`].
///
/// Only slugs that an [`Entry`] can have are asked for: 1 to 255 letters, digits, `_`, `-` and `.`, without `..`. An
/// entry of another slug than the one that was asked for counts as none, and so does an archived one. Expiry and the
/// list of models are judged by the layers, not here.
pub trait ResolveProvider {
    /// An answer that has to be waited for.
    type Future: Future<Output = Result<Option<Entry>, Rejection>>;

    /// The entry that `who` knows by this slug.
    fn resolve(&self, who: Workspace<'_>, slug: &str) -> Decision<Option<Entry>, Self::Future>;

    /// All entries that `who` may see, one for each slug, in any order; for `GET /v1/models`. Which of them can be used is
    /// judged by the layers. `None`, unless implemented: this store doesn't tell, and the request is answered 501.
    fn list(&self, who: Workspace<'_>) -> Decision<Option<Vec<Entry>>, Listing> {
        let _ = who;
        Decision::pass(None)
    }

    /// Whether there is no entry at all, for anybody, and won't be: bodies and queries are then not looked at for slugs,
    /// and those in headers and configs are unknown. `false` unless implemented.
    fn is_empty(&self) -> bool {
        false
    }
}

/// Entries that have to be waited for. Boxed: lists are asked for rarely.
pub type Listing = Pin<Box<dyn Future<Output = Result<Option<Vec<Entry>>, Rejection>> + Send>>;

impl<E: ResolveProvider> ResolveProvider for Arc<E> {
    type Future = E::Future;

    fn resolve(&self, who: Workspace<'_>, slug: &str) -> Decision<Option<Entry>, E::Future> {
        E::resolve(self, who, slug)
    }

    fn list(&self, who: Workspace<'_>) -> Decision<Option<Vec<Entry>>, Listing> {
        E::list(self, who)
    }

    fn is_empty(&self) -> bool {
        E::is_empty(self)
    }
}

/// Knows no entry: every slug is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEntries;

impl ResolveProvider for NoEntries {
    type Future = Never;

    fn resolve(&self, _: Workspace<'_>, _: &str) -> Decision<Option<Entry>, Never> {
        Decision::pass(None)
    }

    fn list(&self, _: Workspace<'_>) -> Decision<Option<Vec<Entry>>, Listing> {
        Decision::pass(Some(Vec::new()))
    }

    fn is_empty(&self) -> bool {
        true
    }
}

/// A [`ResolveProvider`] made of an async closure, which gets organisation, workspace and slug. It is asked on every
/// request that names an entry: whoever asks a store keeps a cache there.
///
/// ```
/// use tower_portkey::{ModelLayer, context::{Entry, ProviderId}, model::resolve_provider_fn, rejection::Rejection};
///
/// let layer = ModelLayer::new(resolve_provider_fn(|organisation: String, workspace: String, slug: String| async move {
///     if (&*organisation, &*workspace, &*slug) != ("default", "default", "openai-prod") {
///         return Ok(None);
///     }
///     let openai = ProviderId::parse("openai").ok_or_else(|| Rejection::unavailable("no such provider"))?;
///     Entry::new(slug, openai).map(Some).map_err(Rejection::unavailable)
/// }));
/// # drop(layer);
/// ```
pub fn resolve_provider_fn<F, Fut>(ask: F) -> ResolveProviderFn<F>
where
    F: Fn(String, String, String) -> Fut,
    Fut: Future<Output = Result<Option<Entry>, Rejection>>,
{
    ResolveProviderFn { ask }
}

/// See [`resolve_provider_fn`].
#[derive(Clone)]
pub struct ResolveProviderFn<F> {
    ask: F,
}

impl<F, Fut> ResolveProvider for ResolveProviderFn<F>
where
    F: Fn(String, String, String) -> Fut,
    Fut: Future<Output = Result<Option<Entry>, Rejection>>,
{
    type Future = Fut;

    fn resolve(&self, who: Workspace<'_>, slug: &str) -> Decision<Option<Entry>, Fut> {
        Decision::Later((self.ask)(who.organisation.to_owned(), who.workspace.to_owned(), slug.to_owned()))
    }
}

impl<F> fmt::Debug for ResolveProviderFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolveProviderFn").finish_non_exhaustive()
    }
}

/// The future of a resolver that never waits.
pub(super) type Never = Ready<Result<Option<Entry>, Rejection>>;

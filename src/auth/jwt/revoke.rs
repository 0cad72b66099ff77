//! Tokens that are taken back before their time.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// Says which tokens are taken back. Asked for every token on every request, cached or not, so an answer must be at hand.
pub trait Revoke: Send + Sync {
    /// Whether this token lets nobody in any more.
    fn is_revoked(&self, token: &TokenIdentity<'_>) -> bool;
}

/// By what a token can be told from others.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TokenIdentity<'a> {
    /// The organisation.
    pub organisation: &'a str,
    /// `sub`, where it is a text.
    pub subject: Option<&'a str>,
    /// `jti`, where it is a text.
    pub id: Option<&'a str>,
}

/// A [`Revoke`] in memory. A clone shares the list.
///
/// ```
/// use tower_portkey::auth::jwt::RevokedTokens;
///
/// let revoked = RevokedTokens::default();
/// revoked.revoke_id("org-1", "7f9c");
/// revoked.revoke_subject("org-1", "user-1");
/// revoked.restore_subject("org-1", "user-1");
/// ```
#[derive(Clone, Default)]
pub struct RevokedTokens(Arc<RwLock<List>>);

/// By organisation and name.
type List = HashSet<(Which, Box<str>, Box<str>)>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    Subject,
    Id,
}

impl RevokedTokens {
    /// Takes the token with this `jti` back.
    pub fn revoke_id(&self, organisation: &str, id: &str) {
        self.insert(Which::Id, organisation, id);
    }

    /// Takes every token of this `sub` back.
    pub fn revoke_subject(&self, organisation: &str, subject: &str) {
        self.insert(Which::Subject, organisation, subject);
    }

    /// Lets the token with this `jti` in again.
    pub fn restore_id(&self, organisation: &str, id: &str) {
        self.remove(Which::Id, organisation, id);
    }

    /// Lets tokens of this `sub` in again.
    pub fn restore_subject(&self, organisation: &str, subject: &str) {
        self.remove(Which::Subject, organisation, subject);
    }

    fn insert(&self, which: Which, organisation: &str, name: &str) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        list.insert((which, organisation.into(), name.into()));
    }

    fn remove(&self, which: Which, organisation: &str, name: &str) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        list.remove(&(which, organisation.into(), name.into()));
    }
}

impl Revoke for RevokedTokens {
    fn is_revoked(&self, token: &TokenIdentity<'_>) -> bool {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let has = |which, name: Option<&str>| {
            name.is_some_and(|name| list.contains(&(which, token.organisation.into(), name.into())))
        };
        !list.is_empty() && (has(Which::Id, token.id) || has(Which::Subject, token.subject))
    }
}

impl fmt::Debug for RevokedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokedTokens").finish_non_exhaustive()
    }
}

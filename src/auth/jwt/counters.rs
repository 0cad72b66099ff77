//! What is known of a caller beside its token: whose its counters are, and what its workspace says.

use std::{fmt, sync::Arc};

use super::{claims::Claims, organisation::JwtOrganisation};
use crate::context::Principal;

/// Whose limits are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenCounters {
    /// Each token has its own counters, by its `jti`, else by the digest of what is signed: a new token begins anew.
    #[default]
    Token,
    /// The tokens of one `sub` have the same counters, so that a new token doesn't reset them. Tokens without `sub` go by
    /// the name of the user, and those without any have one set of counters in their workspace.
    Subject,
}

/// Completes callers.
#[derive(Clone)]
pub(super) struct Complete(Arc<dyn Fn(Principal) -> Principal + Send + Sync>);

impl JwtOrganisation {
    /// Whose limits are counted together; each token's alone unless set.
    #[must_use]
    pub fn counters(mut self, counters: TokenCounters) -> Self {
        self.counters = counters;
        self
    }

    /// Completes each caller by what its token doesn't say, like the limits of its workspace. Asked once a token, not
    /// once a request.
    #[must_use]
    pub fn complete(mut self, complete: impl Fn(Principal) -> Principal + Send + Sync + 'static) -> Self {
        self.complete = Some(Complete(Arc::new(complete)));
        self
    }

    /// The caller of a token that was let in. `signed` is the part of it that nobody but the issuer can change.
    pub(super) fn completed(&self, who: Principal, claims: &Claims<'_>, signed: &[u8]) -> Principal {
        let who = match self.counters {
            TokenCounters::Subject => {
                let name = claims.sub.name().ok().flatten().unwrap_or(who.subject()).to_owned();
                who.with_shared_counter_key(name)
            }
            TokenCounters::Token => match claims.jti.name() {
                Ok(Some(id)) => who.with_counter_key(id),
                _ => who.with_counter_key(&blake3::hash(signed).to_hex()[..32]),
            },
        };
        match &self.complete {
            Some(Complete(complete)) => complete(who),
            None => who,
        }
    }
}

impl fmt::Debug for Complete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Complete")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWKS: &str =
        r#"{"keys":[{"kid":"k","kty":"OKP","crv":"Ed25519","x":"YwAwncUSWTgGNY68TGeRwsAp7lBGNEg2J6b1iffPksU"}]}"#;

    fn key(counters: TokenCounters, claims: &str, signed: &str) -> String {
        let own = JwtOrganisation::from_jwks_json("o", JWKS).expect("a key set").counters(counters);
        let claims = Claims::read(claims).expect("claims");
        own.completed(Principal::new("user"), &claims, signed.as_bytes()).counter_key().to_owned()
    }

    #[test]
    fn a_token_has_its_own_counters_or_those_of_its_subject() {
        let (token, subject) = (TokenCounters::Token, TokenCounters::Subject);
        assert_eq!(key(token, r#"{"jti":"t-1","sub":"s"}"#, "a"), "t-1");
        let digest = key(token, r#"{"sub":"s"}"#, "a");
        assert_eq!((digest.len(), &digest), (32, &key(token, r#"{"sub":"t","jti":7}"#, "a")));
        assert_ne!(digest, key(token, "{}", "b"));
        assert_eq!(key(subject, r#"{"jti":"t-1","sub":"s"}"#, "a"), "s");
        assert_eq!(key(subject, r#"{"jti":"t-1"}"#, "a"), "user");
    }

    #[test]
    fn a_caller_is_completed() {
        let own = JwtOrganisation::from_jwks_json("o", JWKS).expect("a key set");
        let own = own.complete(|who| who.with_workspace_config("pc-1"));
        let who = own.completed(Principal::new("user"), &Claims::read("{}").expect("claims"), b"");
        assert_eq!(who.default_config().expect("a config").id(), "pc-1");
        assert_eq!(format!("{:?}", own.complete), "Some(Complete)");
    }
}

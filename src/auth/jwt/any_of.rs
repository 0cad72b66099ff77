//! Keys and tokens side by side.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::token;
use crate::{
    auth::Validate,
    context::{Credential, Principal},
    guard::Decision,
    rejection::Rejection,
};

/// Asks one validator about JWTs, and another about everything else. A text is a JWT where it has three parts of
/// base64url letters with dots between them, whatever they hold.
///
/// ```
/// # const JWKS: &str = r#"{"keys":[{"kid":"k","kty":"OKP","crv":"Ed25519","x":"YwAwncUSWTgGNY68TGeRwsAp7lBGNEg2J6b1iffPksU"}]}"#;
/// use tower_portkey::{
///     GatewayKey, PortkeyAuthLayer,
///     auth::{KeySet, jwt::{AnyOf, JwtValidator}},
///     context::Principal,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = KeySet::new([GatewayKey::new("pk-7Qm2vX9tRb4Ls8Kd1Wn6", Principal::new("ci"))?])?;
/// let tokens = JwtValidator::from_jwks_json("org-1", JWKS)?;
/// let layer = PortkeyAuthLayer::new(AnyOf::new(keys, tokens));
/// # drop(layer);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct AnyOf<K, J> {
    keys: K,
    tokens: J,
}

impl<K, J> AnyOf<K, J> {
    /// `tokens` is asked about JWTs, `keys` about everything else.
    pub fn new(keys: K, tokens: J) -> Self {
        Self { keys, tokens }
    }
}

impl<K: Validate, J: Validate> Validate for AnyOf<K, J> {
    type Future = AnyOfFuture<K::Future, J::Future>;

    fn validate(&self, credential: &Credential) -> Decision<Principal, Self::Future> {
        if token::is_token(credential.expose()) {
            match self.tokens.validate(credential) {
                Decision::Now(answer) => Decision::Now(answer),
                Decision::Later(future) => Decision::Later(AnyOfFuture { asked: Asked::Tokens { future } }),
            }
        } else {
            match self.keys.validate(credential) {
                Decision::Now(answer) => Decision::Now(answer),
                Decision::Later(future) => Decision::Later(AnyOfFuture { asked: Asked::Keys { future } }),
            }
        }
    }
}

pin_project! {
    /// The answer of the validator that was asked.
    pub struct AnyOfFuture<K, J> {
        #[pin]
        asked: Asked<K, J>,
    }
}

pin_project! {
    #[project = Projected]
    enum Asked<K, J> {
        Keys { #[pin] future: K },
        Tokens { #[pin] future: J },
    }
}

impl<K, J> Future for AnyOfFuture<K, J>
where
    K: Future<Output = Result<Principal, Rejection>>,
    J: Future<Output = Result<Principal, Rejection>>,
{
    type Output = Result<Principal, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().asked.project() {
            Projected::Keys { future } => future.poll(cx),
            Projected::Tokens { future } => future.poll(cx),
        }
    }
}

impl<K, J> fmt::Debug for AnyOfFuture<K, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyOfFuture").finish_non_exhaustive()
    }
}

//! JSON Web Tokens, checked here, without asking anybody.
//!
//! A [`JwtValidator`] checks tokens against a [`Jwks`], which is given as text or fetched. It understands little and
//! refuses the rest: signatures by public keys that the key set names, one spelling of base64url, no extensions, every
//! claim of its own type, no member twice.
//!
//! Two [profiles](Profile): Portkey's own rules, and stricter ones as soon as issuer and audience are set. A gateway
//! that doesn't replace Portkey for tokens that exist should set both: without them every token of the issuer is let in,
//! also those that were made for somebody else.
//!
//! What the caller reads says little (401, 403 or 412, as for keys); the reason is in an event of the target
//! `tower_portkey::audit`, with two characters at each end of the token.
//!
//! Signatures are checked by aws-lc-rs with keys that were parsed when the set was read. jsonwebtoken, which parses the
//! key anew for every token, would do it in a fifth more time, and asks for a newer compiler; it is what the benches
//! compare with.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{PortkeyAuthLayer, auth::jwt::{Algorithm, JwtValidator}, context::Principal};
//!
//! // The key of RFC 8037, appendix A.
//! const JWKS: &str = r#"{"keys":[{"kid":"k","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let validator = JwtValidator::from_jwks_json("org-1", JWKS)?.algorithms([Algorithm::EdDSA]);
//! let leaf = service_fn(async |request: Request<String>| {
//!     let who = request.extensions().get::<Principal>().unwrap();
//!     Ok::<_, std::convert::Infallible>(Response::new(who.subject().to_owned()))
//! });
//! let service = PortkeyAuthLayer::jwt(validator).layer(leaf);
//!
//! // {"alg":"EdDSA","kid":"k","typ":"JWT"}, {"sub":"user-1","exp":4102444800}
//! let token = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.\
//!     Ya1MBv3liA2HYS5OnWPqrmNESnZS-rFVdCvUjm-wPgT1w2M6IYMOlexJdFEAabHfPHUHuB_zwZWU5LcnI7ETDw";
//! let request = Request::get("/").header("authorization", format!("Bearer {token}"));
//! assert_eq!(service.clone().oneshot(request.body(String::new())?).await?.status(), 200);
//! let forged = token.replace(".eyJ", ".eyK");
//! let request = Request::get("/").header("authorization", format!("Bearer {forged}"));
//! assert_eq!(service.oneshot(request.body(String::new())?).await?.status(), 401);
//! # Ok(()) }
//! ```

mod algorithm;
mod any_of;
mod cache;
mod claims;
mod counters;
mod error;
mod explain;
mod judge;
mod jwks;
mod layer;
mod organisation;
mod revoke;
mod seen;
#[cfg(test)]
mod tests;
mod token;
mod validator;
#[cfg(test)]
mod vectors;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use any_of::{AnyOf, AnyOfFuture};
pub use counters::TokenCounters;
pub use error::JwtError;
pub use explain::{Explanation, Step};
pub use jwks::{
    BoxFuture, FetchJwks, Jwks, JwksError, JwksErrorKind, JwksRequest, JwksStatus, KeyFault, RemoteJwks, SetFault,
    SkippedKey,
};
pub use organisation::{JwtOrganisation, Profile};
pub use revoke::{Revoke, RevokedTokens, TokenIdentity};
pub use validator::{JwtFuture, JwtValidator};

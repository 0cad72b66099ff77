//! Validators of tokens, made of settings. A key set that is fetched outlives a reload that doesn't change its place.

use tower_portkey::{
    JwksClient,
    auth::jwt::{Jwks, JwksError, JwtValidator, RemoteJwks},
    forward::Client,
};

use crate::settings::{JwtSettings, KeySource};

/// Who is let in by a token, and the key sets that are being fetched for that.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) validator: JwtValidator,
    fetched: Vec<(JwtSettings, Jwks)>,
}

impl Tokens {
    /// Those of these settings. What `before` fetches already isn't fetched anew.
    pub(crate) fn new(settings: &[JwtSettings], client: &Client, before: Option<&Self>) -> Result<Self, JwksError> {
        let (mut organisations, mut fetched) = (Vec::new(), Vec::new());
        for own in settings {
            for warning in own.warnings() {
                tracing::warn!("{warning}");
            }
            let jwks = match &own.source {
                KeySource::Given(jwks) => jwks.clone(),
                KeySource::Fetched { remote, .. } => {
                    let known = before.into_iter().flat_map(|before| &before.fetched);
                    let jwks = match known.into_iter().find(|(other, _)| own.fetches_like(other)) {
                        Some((_, jwks)) => jwks.clone(),
                        None => JwksClient::new(client.clone())?.start(RemoteJwks::clone(remote)),
                    };
                    fetched.push((own.clone(), jwks.clone()));
                    jwks
                }
            };
            organisations.push(own.organisation(jwks));
        }
        Ok(Self { validator: JwtValidator::of(organisations), fetched })
    }
}

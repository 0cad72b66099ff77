//! What an organisation asks of its tokens.

use std::time::Duration;

use super::{
    algorithm::Algorithm,
    counters::{Complete, TokenCounters},
    jwks::{Jwks, JwksError},
};

/// How strictly the parts of a token are asked for that Portkey's rules and the standards see differently.
///
/// | | [`Portkey`](Profile::Portkey) | [`Strict`](Profile::Strict) |
/// | --- | --- | --- |
/// | `typ` | `JWT`, letter by letter | `JWT` or `at+jwt` in any case, or none |
/// | `sub` | may be missing | must be there |
///
/// Everything else holds for both: `kid`, `exp`, `nbf`, the algorithm, the key; issuer and audience once they are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// Portkey's documented rules, for tokens that Portkey takes.
    Portkey,
    /// RFC 8725 and RFC 9068: the token is bound to one issuer and to this gateway, and says whose it is.
    Strict,
}

/// An organisation whose tokens are let in: its key set, and what a token must say.
///
/// ```
/// # const JWKS: &str = r#"{"keys":[{"kid":"k","kty":"OKP","crv":"Ed25519","x":"YwAwncUSWTgGNY68TGeRwsAp7lBGNEg2J6b1iffPksU"}]}"#;
/// use tower_portkey::auth::jwt::{Algorithm, JwtOrganisation, Jwks};
///
/// let organisation = JwtOrganisation::new("org-1", Jwks::from_json(JWKS)?)
///     .algorithms([Algorithm::RS256, Algorithm::EdDSA])
///     .issuer("https://idp.test/")
///     .audience("gateway")
///     .allowed_workspaces(["ws-1", "ws-2"]);
/// # assert_eq!(organisation.name(), "org-1");
/// # Ok::<(), tower_portkey::auth::jwt::JwksError>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwtOrganisation {
    pub(super) name: Box<str>,
    pub(super) jwks: Jwks,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) issuers: Vec<Box<str>>,
    pub(super) audiences: Vec<Box<str>>,
    pub(super) default_scopes: Vec<Box<str>>,
    pub(super) default_workspace: Box<str>,
    pub(super) allowed_workspaces: Vec<Box<str>>,
    pub(super) allowed_subjects: Vec<Box<str>>,
    pub(super) leeway: Duration,
    pub(super) counters: TokenCounters,
    pub(super) complete: Option<Complete>,
    profile: Option<Profile>,
}

impl JwtOrganisation {
    /// An organisation with Portkey's rules: RS256, `kid`, `typ: JWT`, `exp`, a leeway of 5 s; any issuer, audience,
    /// workspace and subject; no default scopes; `default` as default workspace.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, jwks: Jwks) -> Self {
        Self {
            name: name.into(),
            jwks,
            algorithms: vec![Algorithm::RS256],
            issuers: Vec::new(),
            audiences: Vec::new(),
            default_scopes: Vec::new(),
            default_workspace: "default".into(),
            allowed_workspaces: Vec::new(),
            allowed_subjects: Vec::new(),
            leeway: Duration::from_secs(5),
            counters: TokenCounters::Token,
            complete: None,
            profile: None,
        }
    }

    /// The same with a key set that is given as JSON text.
    ///
    /// # Errors
    ///
    /// The text is no key set, or has no key that can be used.
    pub fn from_jwks_json(name: impl Into<Box<str>>, json: &str) -> Result<Self, JwksError> {
        Ok(Self::new(name, Jwks::from_json(json)?))
    }

    /// The algorithms that are allowed. An empty list lets no token in.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Asks for this `iss`, or one of those said so far.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Asks for this `aud`, or one of those said so far.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The scopes of a token that has neither `scope` nor `scopes`.
    #[must_use]
    pub fn default_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.default_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The workspace of a token that names none, unless there is a list of allowed ones.
    #[must_use]
    pub fn default_workspace(mut self, workspace: impl Into<Box<str>>) -> Self {
        self.default_workspace = workspace.into();
        self
    }

    /// The workspaces that tokens may name; the first is that of a token that names none. An empty list allows all.
    #[must_use]
    pub fn allowed_workspaces(mut self, workspaces: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.allowed_workspaces = workspaces.into_iter().map(Into::into).collect();
        self
    }

    /// The values of `sub` that are let in. An empty list lets all in.
    #[must_use]
    pub fn allowed_subjects(mut self, subjects: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.allowed_subjects = subjects.into_iter().map(Into::into).collect();
        self
    }

    /// How far the clocks of issuer and gateway may be apart; 5 s unless set.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Which rules hold. Unless set: [`Profile::Strict`] where both issuer and audience are, else [`Profile::Portkey`].
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its key set.
    #[must_use]
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// The rules that hold.
    #[must_use]
    pub fn rules(&self) -> Profile {
        let bound = !self.issuers.is_empty() && !self.audiences.is_empty();
        self.profile.unwrap_or(if bound { Profile::Strict } else { Profile::Portkey })
    }
}

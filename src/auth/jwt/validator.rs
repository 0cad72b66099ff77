use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use super::{
    algorithm::Algorithm,
    cache::{Entry, TokenCache},
    claims::Claims,
    error::JwtError,
    judge::{self, Verdict},
    jwks::{Found, Jwks, JwksError, Waiting},
    organisation::JwtOrganisation,
    revoke::{Revoke, TokenIdentity},
    token::{MAX_TOKEN, Token},
};
use crate::{
    auth::{
        Validate,
        keys::{Digest, random},
    },
    context::{self, Credential, Principal},
    guard::Decision,
    rejection::Rejection,
};

/// Knows callers by their JSON Web Tokens. See the [module](super).
///
/// The methods that set rules set them for every organisation that the validator has so far. A clone is one reference
/// count, and shares what is known of tokens.
#[derive(Clone, Debug)]
pub struct JwtValidator(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    organisations: Vec<JwtOrganisation>,
    clock: Clock,
    revoke: Option<Arc<dyn Revoke>>,
    /// Of these rules only: other rules begin with an empty one.
    cache: Arc<OnceLock<Option<TokenCache>>>,
    /// Keys the caches, of these rules and of others. Drawn here: the first random number of a process takes long.
    /// `None` where the system has none: tokens are then checked every time.
    seed: Option<[u8; 32]>,
}

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

impl JwtValidator {
    /// Lets in whoever has a token of this organisation.
    #[must_use]
    pub fn new(organisation: impl Into<Box<str>>, jwks: Jwks) -> Self {
        Self::of([JwtOrganisation::new(organisation, jwks)])
    }

    /// The same with a key set that is given as JSON text.
    ///
    /// # Errors
    ///
    /// The text is no key set, or has no key that can be used.
    pub fn from_jwks_json(organisation: impl Into<Box<str>>, json: &str) -> Result<Self, JwksError> {
        Ok(Self::new(organisation, Jwks::from_json(json)?))
    }

    /// Lets in whoever has a token of one of these organisations. Of two with one name, the first counts.
    #[must_use]
    pub fn of(organisations: impl IntoIterator<Item = JwtOrganisation>) -> Self {
        Self(Arc::new(Facts {
            organisations: organisations.into_iter().collect(),
            clock: Arc::new(SystemTime::now),
            revoke: None,
            cache: Arc::default(),
            seed: random().ok(),
        }))
    }

    /// See [`JwtOrganisation::algorithms`].
    #[must_use]
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let algorithms: Vec<_> = algorithms.into_iter().collect();
        self.each(|own| own.algorithms(algorithms.iter().copied()))
    }

    /// See [`JwtOrganisation::issuer`].
    #[must_use]
    pub fn issuer(self, issuer: impl Into<Box<str>>) -> Self {
        let issuer = issuer.into();
        self.each(|own| own.issuer(issuer.clone()))
    }

    /// See [`JwtOrganisation::audience`].
    #[must_use]
    pub fn audience(self, audience: impl Into<Box<str>>) -> Self {
        let audience = audience.into();
        self.each(|own| own.audience(audience.clone()))
    }

    /// See [`JwtOrganisation::default_scopes`].
    #[must_use]
    pub fn default_scopes(self, scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let scopes: Vec<Box<str>> = scopes.into_iter().map(Into::into).collect();
        self.each(|own| own.default_scopes(scopes.iter().cloned()))
    }

    /// See [`JwtOrganisation::default_workspace`].
    #[must_use]
    pub fn default_workspace(self, workspace: impl Into<Box<str>>) -> Self {
        let workspace = workspace.into();
        self.each(|own| own.default_workspace(workspace.clone()))
    }

    /// See [`JwtOrganisation::allowed_workspaces`].
    #[must_use]
    pub fn allowed_workspaces(self, workspaces: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let workspaces: Vec<Box<str>> = workspaces.into_iter().map(Into::into).collect();
        self.each(|own| own.allowed_workspaces(workspaces.iter().cloned()))
    }

    /// See [`JwtOrganisation::allowed_subjects`].
    #[must_use]
    pub fn allowed_subjects(self, subjects: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let subjects: Vec<Box<str>> = subjects.into_iter().map(Into::into).collect();
        self.each(|own| own.allowed_subjects(subjects.iter().cloned()))
    }

    /// See [`JwtOrganisation::leeway`].
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        self.each(|own| own.leeway(leeway))
    }

    /// Asks this list, on every request, whether a token was taken back.
    #[must_use]
    pub fn revoke(self, revoke: impl Revoke + 'static) -> Self {
        self.change(|facts| facts.revoke = Some(Arc::new(revoke)))
    }

    /// Takes the time from here instead of from the system: for tests.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.change(|facts| facts.clock = Arc::new(clock))
    }

    /// The organisations.
    #[must_use]
    pub fn organisations(&self) -> &[JwtOrganisation] {
        &self.0.organisations
    }

    pub(super) fn is_revoked(&self, rules: &JwtOrganisation, claims: &Claims<'_>) -> bool {
        self.0.is_revoked(rules, claims.sub.text(), claims.jti.text())
    }

    fn each(self, set: impl Fn(JwtOrganisation) -> JwtOrganisation) -> Self {
        self.change(|facts| facts.organisations = facts.organisations.drain(..).map(set).collect())
    }

    fn change(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        let facts = Arc::make_mut(&mut self.0);
        change(facts);
        facts.cache = Arc::default();
        self
    }

    /// Nothing longer than a token is ever hashed.
    fn digest(&self, token: &str) -> Option<Digest> {
        let cache = self.0.cache().filter(|_| token.len() <= MAX_TOKEN)?;
        Some(cache.digest(token))
    }

    fn known(&self, digest: &Digest, now: SystemTime) -> Option<Result<Principal, JwtError>> {
        let cache = self.0.cache()?;
        let entry = cache.get(digest)?;
        let organisation = self.0.organisations.get(entry.organisation)?;
        if entry.ends <= now || organisation.jwks.generation() != Some(entry.generation) {
            cache.remove(digest);
            return None;
        }
        let revoked = self.0.is_revoked(organisation, entry.subject.as_deref(), entry.id.as_deref());
        Some(if revoked { Err(JwtError::Revoked) } else { Ok(entry.principal.clone()) })
    }

    /// Checks a token that is not known. `may_wait` says whether a key that is not there may be waited for.
    fn check(&self, text: &str, digest: Option<Digest>, now: SystemTime, may_wait: bool) -> Result<Checked, JwtError> {
        let facts = &*self.0;
        let mut token = Token::open(text)?;
        let payload = token.take_payload()?;
        let claims = Claims::read(&payload)?;
        let (place, rules) = judge::organisation(&claims, &facts.organisations)?;
        judge::check_header(&token, rules)?;
        let (key, generation) = match rules.jwks.find(&token.kid, may_wait) {
            Found::Key(key, generation) => (key, generation),
            Found::Waiting(waiting) => return Ok(Checked::Later(waiting)),
            Found::Unknown => return Err(JwtError::UnknownKey),
            Found::NoSet => return Err(JwtError::NoKeySet),
        };
        key.verify(token.algorithm, &rules.algorithms, token.signed(text), &token.signature)?;
        let Verdict { principal, ends } = judge::judge(&claims, rules, now)?;
        let principal = rules.completed(principal, &claims, token.signed(text));
        let (subject, id) = (claims.sub.text(), claims.jti.text());
        if facts.is_revoked(rules, subject, id) {
            return Err(JwtError::Revoked);
        }
        let (subject, id) = (subject.map(Into::into), id.map(Into::into));
        let principal = principal.with_claims(context::Claims::verified(payload));
        if let (Some(cache), Some(digest)) = (facts.cache(), digest) {
            let principal = principal.clone();
            let entry = Entry { principal, ends, organisation: place, generation, subject, id, length: text.len() };
            cache.insert(digest, entry);
        }
        Ok(Checked::Now(principal))
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.0.clock)()
    }
}

enum Checked {
    Now(Principal),
    Later(Waiting),
}

impl Facts {
    fn cache(&self) -> Option<&TokenCache> {
        self.cache.get_or_init(|| self.seed.map(TokenCache::new)).as_ref()
    }

    fn is_revoked(&self, rules: &JwtOrganisation, subject: Option<&str>, id: Option<&str>) -> bool {
        let token = TokenIdentity { organisation: &rules.name, subject, id };
        self.revoke.as_ref().is_some_and(|revoke| revoke.is_revoked(&token))
    }
}

impl From<JwtOrganisation> for JwtValidator {
    fn from(organisation: JwtOrganisation) -> Self {
        Self::of([organisation])
    }
}

impl Validate for JwtValidator {
    type Future = JwtFuture;

    fn validate(&self, credential: &Credential) -> Decision<Principal, JwtFuture> {
        let token = credential.expose();
        let now = self.now();
        let digest = self.digest(token);
        let checked = match digest.as_ref().and_then(|digest| self.known(digest, now)) {
            Some(known) => known.map(Checked::Now),
            None => self.check(token, digest, now, true),
        };
        match checked {
            Ok(Checked::Now(principal)) => Decision::pass(principal),
            Ok(Checked::Later(waiting)) => Decision::Later(JwtFuture::new(self.clone(), credential.clone(), waiting)),
            Err(error) => Decision::refuse(error.refuse(token)),
        }
    }
}

/// The answer for a token whose key has to be fetched first.
pub struct JwtFuture(Pin<Box<dyn Future<Output = Result<Principal, Rejection>> + Send>>);

impl JwtFuture {
    /// One allocation a token whose key is not there, not a request.
    fn new(validator: JwtValidator, credential: Credential, waiting: Waiting) -> Self {
        Self(Box::pin(async move {
            waiting.await;
            let token = credential.expose();
            match validator.check(token, validator.digest(token), validator.now(), false) {
                Ok(Checked::Now(principal)) => Ok(principal),
                Ok(Checked::Later(_)) => Err(JwtError::NoKeySet.refuse(token)),
                Err(error) => Err(error.refuse(token)),
            }
        }))
    }
}

impl Future for JwtFuture {
    type Output = Result<Principal, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for JwtFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtValidator").field("organisations", &self.organisations).finish_non_exhaustive()
    }
}

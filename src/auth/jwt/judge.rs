//! From claims whose signature was checked to a caller (pure: the time goes in).

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::value::RawValue;

use super::{
    claims::{Claim, Claims},
    error::JwtError,
    organisation::{JwtOrganisation, Profile},
    token::{Token, Type},
};
use crate::context::{Metadata, Principal, RateLimit, UsageLimit};

/// Most scopes of a token.
const MOST_SCOPES: usize = 128;
/// Most labels that a token brings along.
const MOST_LABELS: usize = 64;

/// A caller, and until when the token speaks for it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) principal: Principal,
    pub(super) ends: SystemTime,
}

/// Which of the organisations a token belongs to (wire contract 3.4): the one it names, or the only one there is. The
/// claim is not verified yet; it only picks the keys that are tried, and the same bytes are verified with them.
pub(super) fn organisation<'o>(
    claims: &Claims<'_>,
    organisations: &'o [JwtOrganisation],
) -> Result<(usize, &'o JwtOrganisation), JwtError> {
    let named = match claims.portkey_oid.name()? {
        None => claims.organisation_id.name()?,
        named => named,
    };
    match (named, organisations) {
        (None, [only]) => Ok((0, only)),
        (None, _) => Err(JwtError::NoOrganisation),
        (Some(name), all) => {
            all.iter().enumerate().find(|(_, own)| *own.name == *name).ok_or(JwtError::UnknownOrganisation)
        }
    }
}

/// What can be said before a key is looked for.
pub(super) fn check_header(token: &Token, rules: &JwtOrganisation) -> Result<(), JwtError> {
    if !rules.algorithms.contains(&token.algorithm) {
        return Err(JwtError::Algorithm);
    }
    match (rules.rules(), token.kind) {
        (_, Type::Jwt) | (Profile::Strict, _) => Ok(()),
        (Profile::Portkey, Type::Alike | Type::Absent) => Err(JwtError::Type),
    }
}

/// Judges claims that are the issuer's.
pub(super) fn judge(claims: &Claims<'_>, rules: &JwtOrganisation, now: SystemTime) -> Result<Verdict, JwtError> {
    let ends = lifetime(claims, rules.leeway, now)?;
    check_issuer(claims, rules)?;
    check_audience(claims, rules)?;
    check_subject(claims, rules)?;
    let workspace = workspace(claims, rules)?;
    let (usage, rate) = limits(claims)?;
    let identity = identity(claims);
    let mut principal = Principal::new(identity.unwrap_or("jwt"))
        .with_organisation(rules.name.clone())
        .with_workspace(workspace)
        .with_scopes(scopes(claims, rules)?)
        .with_expiry(ends)
        .with_limits(usage, rate);
    if let Some(name) = identity {
        principal = principal.with_user(name);
    }
    if let Some(id) = &claims.default_config {
        principal = principal.with_suggested_config(&**id);
    }
    if let Some(labels) = claims.default_metadata {
        principal = principal.with_default_metadata(metadata(labels));
    }
    Ok(Verdict { principal, ends })
}

/// The user: one that would move a cursor in somebody's log is passed over.
pub(super) fn identity<'c>(claims: &'c Claims<'_>) -> Option<&'c str> {
    [&claims.email_id, &claims.sub, &claims.uid].into_iter().find_map(|claim| claim.name().ok().flatten())
}

/// Until when the token may be used, leeway included.
pub(super) fn lifetime(claims: &Claims<'_>, leeway: Duration, now: SystemTime) -> Result<SystemTime, JwtError> {
    let exp = claims.exp.ok_or(JwtError::Expired)?;
    // Before 1970 is long over.
    let since = Duration::try_from_secs_f64(exp).map_err(|_| JwtError::Expired)?;
    let ends = UNIX_EPOCH.checked_add(since).and_then(|end| end.checked_add(leeway)).ok_or(JwtError::Claims)?;
    if ends <= now {
        return Err(JwtError::Expired);
    }
    let begins = claims.nbf.map_or(Duration::ZERO, |nbf| Duration::try_from_secs_f64(nbf).unwrap_or_default());
    let begins = UNIX_EPOCH.checked_add(begins).ok_or(JwtError::Claims)?;
    // The leeway is added to now, since a time before 1970 can't be named on every system.
    if now.checked_add(leeway).is_some_and(|now| begins > now) { Err(JwtError::NotYetValid) } else { Ok(ends) }
}

pub(super) fn check_issuer(claims: &Claims<'_>, rules: &JwtOrganisation) -> Result<(), JwtError> {
    let good = rules.issuers.is_empty() || claims.iss.text().is_some_and(|iss| is_among(iss, &rules.issuers));
    if good { Ok(()) } else { Err(JwtError::Issuer) }
}

pub(super) fn check_audience(claims: &Claims<'_>, rules: &JwtOrganisation) -> Result<(), JwtError> {
    let good = rules.audiences.is_empty() || is_for(&claims.aud, &rules.audiences);
    if good { Ok(()) } else { Err(JwtError::Audience) }
}

pub(super) fn check_subject(claims: &Claims<'_>, rules: &JwtOrganisation) -> Result<(), JwtError> {
    let subject = claims.sub.text().filter(|sub| !sub.is_empty());
    if subject.is_none() && rules.rules() == Profile::Strict {
        return Err(JwtError::NoSubject);
    }
    let listed = &rules.allowed_subjects;
    let good = listed.is_empty() || subject.is_some_and(|sub| is_among(sub, listed));
    if good { Ok(()) } else { Err(JwtError::SubjectNotAllowed) }
}

/// An audience is one text, or a list of texts with one of ours among them (RFC 7519, section 4.1.3).
fn is_for(aud: &Claim<'_>, audiences: &[Box<str>]) -> bool {
    match aud {
        Claim::Text(text) => is_among(text, audiences),
        Claim::List(list) => list.iter().any(|text| is_among(text, audiences)),
        Claim::Absent | Claim::Other => false,
    }
}

fn is_among(text: &str, list: &[Box<str>]) -> bool {
    list.iter().any(|own| **own == *text)
}

/// The rows of wire contract 3.5.
pub(super) fn workspace<'c>(claims: &'c Claims<'_>, rules: &'c JwtOrganisation) -> Result<&'c str, JwtError> {
    let named = match claims.portkey_workspace.name()? {
        None => claims.workspace_slug.name()?,
        named => named,
    };
    match (named, rules.allowed_workspaces.first()) {
        (Some(name), Some(_)) if !is_among(name, &rules.allowed_workspaces) => Err(JwtError::WorkspaceNotAllowed),
        (Some(name), _) => Ok(name),
        (None, Some(first)) => Ok(first),
        (None, None) => Ok(&rules.default_workspace),
    }
}

/// The scopes of both claims together; the defaults only where neither is there. A token with more of them than there
/// are is refused: in memory they take some times the room that they have in the token.
pub(super) fn scopes<'c>(claims: &'c Claims<'_>, rules: &'c JwtOrganisation) -> Result<Vec<&'c str>, JwtError> {
    let mut scopes = Vec::new();
    let mut note = |scope: &'c str| {
        if scopes.len() == MOST_SCOPES {
            return Err(JwtError::Claims);
        }
        scopes.push(scope);
        Ok(())
    };
    for claim in [&claims.scope, &claims.scopes] {
        match claim {
            Claim::Absent => {}
            Claim::Text(text) => text.split(' ').filter(|scope| !scope.is_empty()).try_for_each(&mut note)?,
            Claim::List(list) => list.iter().try_for_each(|scope| note(scope))?,
            Claim::Other => return Err(JwtError::Claims),
        }
    }
    if matches!((&claims.scope, &claims.scopes), (Claim::Absent, Claim::Absent)) {
        scopes.extend(rules.default_scopes.iter().map(|scope| &**scope));
    }
    Ok(scopes)
}

/// The limits, none of them used up. One that can't be read is not the same as none: such a token is refused.
pub(super) fn limits(claims: &Claims<'_>) -> Result<(Vec<UsageLimit>, Vec<RateLimit>), JwtError> {
    let usage = claims.usage_limits.map_or(Ok(Vec::new()), |json| UsageLimit::from_json(json.get()));
    let rate = claims.rate_limits.map_or(Ok(Vec::new()), |json| RateLimit::from_json(json.get()));
    let (usage, rate) = (usage.map_err(|_| JwtError::Claims)?, rate.map_err(|_| JwtError::Claims)?);
    if usage.iter().any(UsageLimit::is_exhausted) { Err(JwtError::Exhausted) } else { Ok((usage, rate)) }
}

/// Labels that may go on into logs and headers: no control characters.
fn metadata(json: &RawValue) -> Metadata {
    let plain = |text: &str| !text.chars().any(char::is_control);
    let labels = Metadata::from_json(json.get().as_bytes());
    let entries = labels.iter().filter(|(name, value)| plain(name) && plain(value)).take(MOST_LABELS);
    Metadata::from(entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>())
}

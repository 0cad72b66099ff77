//! What a validator makes of a token, step by step: for operators, never for callers.

use super::{
    claims::{Claim, Claims},
    error::JwtError,
    judge,
    jwks::Found,
    organisation::JwtOrganisation,
    token::Token,
    validator::JwtValidator,
};
use crate::context::{self, Principal};

/// What a token says and what comes of it. It shows claims as they are: whose token it is may be told from it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// What was looked at, in the order in which it is judged.
    pub steps: Vec<Step>,
    /// The caller, or the first thing that is wrong.
    pub outcome: Result<Principal, JwtError>,
}

/// One thing that was looked at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step {
    /// A claim or a part of the token.
    pub what: &'static str,
    /// What stands there, without control characters.
    pub found: String,
    /// What is wrong with it.
    pub fault: Option<JwtError>,
}

impl JwtValidator {
    /// Says, claim by claim, what a token would get and why it would be refused. The signature is checked; nothing is
    /// noted, fetched or told to the audit. Where a claim is wrong, those behind it are looked at all the same.
    #[must_use]
    pub fn explain(&self, token: &str) -> Explanation {
        let mut steps = Steps(Vec::new());
        let principal = self.look(token, &mut steps);
        let fault = steps.0.iter().find_map(|step| step.fault);
        let outcome = match (principal, fault) {
            (Ok(principal), None) => Ok(principal),
            (Err(error), _) | (Ok(_), Some(error)) => Err(fault.unwrap_or(error)),
        };
        Explanation { steps: steps.0, outcome }
    }

    fn look(&self, text: &str, steps: &mut Steps) -> Result<Principal, JwtError> {
        let form = format!("{} bytes", text.len());
        let mut token = Token::open(text).inspect_err(|error| steps.add("form", &form, Err(*error)))?;
        steps.add("form", &form, Ok(()));
        let mut unread = |error: &JwtError| steps.add("payload", "", Err(*error));
        let payload = token.take_payload().inspect_err(&mut unread)?;
        let claims = Claims::read(&payload).inspect_err(unread)?;
        let picked = judge::organisation(&claims, self.organisations());
        let named = or(claims.portkey_oid.text(), claims.organisation_id.text());
        steps.add("organisation", named.unwrap_or("not named"), picked.as_ref().map(drop).map_err(|error| *error));
        let (_, rules) = picked?;
        steps.add("header", &format!("alg {}, kid {}", token.algorithm, token.kid), judge::check_header(&token, rules));
        match rules.jwks.find(&token.kid, false) {
            Found::Key(key, _) => {
                let checked = key.verify(token.algorithm, &rules.algorithms, token.signed(text), &token.signature);
                steps.add("signature", &format!("of the key {}", token.kid), checked);
            }
            Found::NoSet => steps.add("signature", "no key set", Err(JwtError::NoKeySet)),
            Found::Unknown | Found::Waiting(_) => steps.add("signature", "no such key", Err(JwtError::UnknownKey)),
        }
        self.look_at(&claims, rules, steps);
        let principal = judge::judge(&claims, rules, self.now())?.principal;
        Ok(principal.with_claims(context::Claims::verified(payload)))
    }

    fn look_at(&self, claims: &Claims<'_>, rules: &JwtOrganisation, steps: &mut Steps) {
        let time = |time: Option<f64>| time.map_or("not there".to_owned(), |time| time.to_string());
        let lifetime = judge::lifetime(claims, rules.leeway, self.now()).map(drop);
        steps.add("exp, nbf", &format!("{}, {}", time(claims.exp), time(claims.nbf)), lifetime);
        steps.add("iss", &shown(&claims.iss), judge::check_issuer(claims, rules));
        steps.add("aud", &shown(&claims.aud), judge::check_audience(claims, rules));
        steps.add("sub", &shown(&claims.sub), judge::check_subject(claims, rules));
        steps.add("user", judge::identity(claims).unwrap_or("not there"), Ok(()));
        let workspace = judge::workspace(claims, rules);
        let named = or(claims.portkey_workspace.text(), claims.workspace_slug.text());
        steps.add("workspace", workspace.or(named.ok_or(())).unwrap_or("not there"), workspace.map(drop));
        let scopes = judge::scopes(claims, rules);
        let list = scopes.as_ref().map(|scopes| scopes.join(" ")).unwrap_or_default();
        steps.add("scopes", &list, scopes.map(drop));
        let limits = judge::limits(claims);
        let count = limits.as_ref().map_or(0, |(usage, rate)| usage.len() + rate.len());
        steps.add("limits", &count.to_string(), limits.map(drop));
        let revoked = if self.is_revoked(rules, claims) { Err(JwtError::Revoked) } else { Ok(()) };
        steps.add("jti", &shown(&claims.jti), revoked);
    }
}

struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, what: &'static str, found: &str, checked: Result<(), JwtError>) {
        let found = found.chars().filter(|letter| !letter.is_control()).take(256).collect();
        self.0.push(Step { what, found, fault: checked.err() });
    }
}

fn or<'a>(first: Option<&'a str>, second: Option<&'a str>) -> Option<&'a str> {
    first.or(second)
}

fn shown(claim: &Claim<'_>) -> String {
    match claim {
        Claim::Absent => "not there".to_owned(),
        Claim::Text(text) => text.to_string(),
        Claim::List(list) => list.join(" "),
        Claim::Other => "neither a text nor a list of texts".to_owned(),
    }
}

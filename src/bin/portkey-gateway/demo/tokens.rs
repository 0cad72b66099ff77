//! The requests of the demo in which callers show a JSON Web Token instead of a key.

use std::error::Error;

use serde_json::json;
use tower_portkey::Secret;

use super::{issuer::Issuer, requests::Request};

/// The requests, and the tokens in them. `issuer` is the one whose keys the gateway reads.
pub(crate) fn token_requests(issuer: &Issuer) -> Result<(Vec<Request>, Vec<Secret>), Box<dyn Error>> {
    let scope = json!({"scope": "completions.write"});
    let spent = json!({"scope": "completions.write", "usage_limits": {"type": "cost", "credit_limit": 0}});
    let good = issuer.token(300, &scope)?;
    let expired = issuer.token(-300, &scope)?;
    let weak = issuer.token(300, &json!({"scope": "logs.read"}))?;
    // The same name of a key, and another key.
    let forged = Issuer::new()?.token(300, &scope)?;
    let exhausted = issuer.token(300, &spent)?;
    let entry = ("x-portkey-provider", "@openai-prod".to_owned());
    let shown = |title, token: &Secret, expected| {
        Request::chat(title, vec![("x-portkey-api-key", token.expose().to_owned()), entry.clone()], expected)
    };
    let bearer = ("authorization", format!("Bearer {}", good.expose()));
    let requests = vec![
        shown("a token instead of a key, checked here with the issuer's public key", &good, 200),
        Request::chat("the same as bearer token: it goes no further", vec![bearer, entry.clone()], 200),
        shown("a token whose time is over", &expired, 401),
        shown("a token without the scope of the route", &weak, 403),
        shown("a token that somebody else signed", &forged, 401),
        shown("a token whose budget is used up", &exhausted, 412),
    ];
    Ok((requests, vec![good, expired, weak, forged, exhausted]))
}

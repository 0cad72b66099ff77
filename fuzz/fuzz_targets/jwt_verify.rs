//! Tokens: whatever stands in the header, and claims of every kind behind a good signature.

#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use tower_portkey::{
    auth::{
        Validate,
        jwt::{Algorithm, Jwks, JwtOrganisation, JwtValidator, Profile},
    },
    context::{Credential, Principal},
    guard::Decision,
    rejection::Rejection,
};

struct Known {
    issuer: Ed25519KeyPair,
    validator: JwtValidator,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let issuer = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let x = URL_SAFE_NO_PAD.encode(issuer.public_key());
    let set = format!(r#"{{"keys":[{{"kid":"k","kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
    let open = JwtOrganisation::new("org-1", Jwks::from_json(&set).unwrap()).algorithms([Algorithm::EdDSA]);
    let strict = JwtOrganisation::new("org-2", Jwks::from_json(&set).unwrap()).algorithms([Algorithm::EdDSA]);
    let strict = strict.profile(Profile::Strict).audience("a").issuer("i").allowed_workspaces(["w"]);
    Known { issuer, validator: JwtValidator::of([open, strict]) }
});

fn ask(token: &str) -> Option<Result<Principal, Rejection>> {
    let credential = HeaderValue::from_str(token).ok().as_ref().and_then(Credential::from_raw)?;
    let _ = KNOWN.validator.explain(token);
    match KNOWN.validator.validate(&credential) {
        Decision::Now(answer) => Some(answer),
        Decision::Later(_) => panic!("nothing to wait for"),
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // Nobody but the issuer can sign, and the corpus has no token of it.
    if let Some(answer) = ask(&text) {
        assert!(answer.is_err());
    }
    let (header, payload) = match data.split_first() {
        Some((0, rest)) => rest.split_at(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len())),
        _ => (&br#"{"alg":"EdDSA","kid":"k","typ":"JWT"}"#[..], data),
    };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = KNOWN.issuer.sign(signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    let (Some(first), Some(second)) = (ask(&token), ask(&token)) else { return };
    // What is remembered of a token is what was found.
    assert_eq!(first.is_ok(), second.is_ok());
    let Ok(who) = first else { return };
    // Whoever comes in has claims that another reader understands likewise.
    let claims: serde_json::Value = serde_json::from_slice(payload).unwrap();
    assert!(claims.is_object() && claims["exp"].is_number());
    assert!(who.organisation() == "org-1" || who.organisation() == "org-2" && claims["aud"] != "x");
    // One bit of the signature, and nobody comes in.
    let at = token.len() - 10;
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    assert!(ask(&forged).is_some_and(|answer| answer.is_err()));
});

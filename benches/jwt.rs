//! Tokens: one that is known, one that is not, beside a gateway key, jsonwebtoken called directly, and the bare signature
//! check.

mod shared;

use std::{error::Error, hint::black_box};

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_portkey::{
    auth::{
        Validate,
        jwt::{AnyOf, Jwks, JwtValidator},
    },
    context::{Credential, Principal},
    guard::Decision,
    rejection::Rejection,
};

/// The claims that both readers look at.
#[derive(Deserialize)]
#[allow(dead_code, reason = "read, and then dropped")]
struct Claims {
    sub: String,
    exp: u64,
    portkey_oid: String,
    portkey_workspace: String,
    scope: Vec<String>,
}

fn ask(validator: &impl Validate, credential: &Credential) -> Result<Principal, Rejection> {
    match validator.validate(credential) {
        Decision::Now(answer) => answer,
        Decision::Later(_) => Err(Rejection::unavailable("nothing to wait for")),
    }
}

fn credential(text: &str) -> Result<Credential, Box<dyn Error>> {
    Ok(Credential::from_raw(&HeaderValue::from_str(text)?).ok_or("no credential")?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let public = pair.public_key();
    let (n, e) =
        (public.modulus().big_endian_without_leading_zero(), public.exponent().big_endian_without_leading_zero());
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let set = json!({"keys": [{"kid": "k-2026-11", "kty": "RSA", "alg": "RS256", "n": encode(n), "e": encode(e)}]});
    let pkcs8 = pair.as_der()?;
    // PKCS #8 version 1 of an RSA key: jsonwebtoken wants the PKCS #1 key, which stands behind a head of 26 bytes.
    let signing = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
    let mut header = Header::new(jsonwebtoken::Algorithm::RS256);
    header.kid = Some("k-2026-11".to_owned());
    let claims: Value = json!({
        "iss": "https://idp.test/", "aud": "gateway", "sub": "user-4711", "iat": 1_780_000_000, "exp": 4_102_444_800_u64,
        "portkey_oid": "6f1f6a8c-5d0e-4a43-9c1d-0d7f6a1d2b3c", "portkey_workspace": "ws-shared-8622d1",
        "scope": ["completions.write", "logs.read"], "email_id": "somebody@example.test",
    });
    let token = jsonwebtoken::encode(&header, &claims, &signing)?;
    let text = credential(&token)?;
    let jwks = Jwks::from_json(&set.to_string())?;
    let organisation = "6f1f6a8c-5d0e-4a43-9c1d-0d7f6a1d2b3c";
    let validator = JwtValidator::new(organisation, jwks).issuer("https://idp.test/").audience("gateway");
    ask(&validator, &text)?;
    let (keys, key) = shared::keys()?;
    let key = credential(&key)?;
    let both = AnyOf::new(keys.clone(), validator.clone());

    let mut criterion = shared::criterion();
    criterion.bench_function("key", |bencher| bencher.iter(|| ask(&keys, black_box(&key)).is_ok()));
    criterion.bench_function("any_of/key", |bencher| bencher.iter(|| ask(&both, black_box(&key)).is_ok()));
    criterion.bench_function("token/known", |bencher| bencher.iter(|| ask(&validator, black_box(&text)).is_ok()));
    criterion.bench_function("any_of/token/known", |bencher| bencher.iter(|| ask(&both, black_box(&text)).is_ok()));
    // A revoked token is never noted as known, and everything before that is done: all of a first check but the noting.
    let unknown = validator.clone().revoke(Everything);
    criterion.bench_function("token/first", |bencher| bencher.iter(|| ask(&unknown, black_box(&text)).is_err()));

    let decoding = DecodingKey::from_rsa_components(&encode(n), &encode(e))?;
    let mut rules = Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&["gateway"]);
    rules.set_issuer(&["https://idp.test/"]);
    jsonwebtoken::decode::<Claims>(&token, &decoding, &rules)?;
    criterion.bench_function("jsonwebtoken", |bencher| {
        bencher.iter(|| jsonwebtoken::decode::<Claims>(black_box(&token), &decoding, &rules).is_ok());
    });

    let (signed, signature) = token.rsplit_once('.').ok_or("no token")?;
    let signature_bytes = URL_SAFE_NO_PAD.decode(signature)?;
    let parsed = RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?;
    criterion.bench_function("aws-lc-rs/signature", |bencher| {
        bencher.iter(|| parsed.verify_sig(black_box(signed.as_bytes()), &signature_bytes).is_ok());
    });
    criterion.bench_function("aws-lc-rs/signature and parsing", |bencher| {
        bencher.iter(|| {
            let mut parts = black_box(&*token).splitn(3, '.');
            let mut part = || URL_SAFE_NO_PAD.decode(parts.next().unwrap_or_default()).unwrap_or_default();
            let (header, payload, signature) = (part(), part(), part());
            let header: Option<Header> = serde_json::from_slice(&header).ok();
            let claims: Option<Claims> = serde_json::from_slice(&payload).ok();
            header.is_some() && claims.is_some() && parsed.verify_sig(signed.as_bytes(), &signature).is_ok()
        });
    });
    criterion.final_summary();
    Ok(())
}

/// Takes every token back.
struct Everything;

impl tower_portkey::auth::jwt::Revoke for Everything {
    fn is_revoked(&self, _: &tower_portkey::auth::jwt::TokenIdentity<'_>) -> bool {
        true
    }
}

//! The signed statement of a service account (RFC 7523, section 3; pure).

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{context::ServiceAccount, secret::Secret};

/// Who the statement is for: Google's own endpoint, wherever it is sent.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
/// How long it holds, in seconds: the longest that Google takes.
const LASTS: u64 = 3600;

/// Why nothing could be signed. Names no value.
pub(super) type Unsigned = &'static str;

/// A JWT of this account for a token of this scope.
pub(super) fn assertion(account: &ServiceAccount, scope: &str, now: SystemTime) -> Result<Secret, Unsigned> {
    let (email, key, key_id) = account.parts().map_err(|_| "its key file can't be read")?;
    let key = key_pair(&key)?;
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| "the clock is before 1970")?.as_secs();
    let header = match key_id {
        Some(id) => json!({"alg": "RS256", "typ": "JWT", "kid": id}),
        None => json!({"alg": "RS256", "typ": "JWT"}),
    };
    let claims = json!({
        "iss": email, "sub": email, "aud": AUDIENCE, "scope": scope, "iat": now, "exp": now + LASTS,
    });
    let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut token = format!("{}.{}", encoded(header), encoded(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
        .map_err(|_| "its private_key signs nothing")?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(token))
}

/// PKCS#8 as Google writes it, or PKCS#1.
fn key_pair(pem: &Secret) -> Result<RsaKeyPair, Unsigned> {
    const BAD: Unsigned = "its private_key is no RSA key in PEM";
    let body = |label: &str| {
        let (_, rest) = pem.expose().split_once(&format!("-----BEGIN {label}-----"))?;
        rest.split_once(&format!("-----END {label}-----")).map(|(body, _)| body)
    };
    let der = |body: &str| {
        let text: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
        STANDARD.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| BAD)
    };
    match (body("PRIVATE KEY"), body("RSA PRIVATE KEY")) {
        (Some(body), _) => RsaKeyPair::from_pkcs8(&der(body)?).map_err(|_| BAD),
        (None, Some(body)) => RsaKeyPair::from_der(&der(body)?).map_err(|_| BAD),
        (None, None) => Err(BAD),
    }
}

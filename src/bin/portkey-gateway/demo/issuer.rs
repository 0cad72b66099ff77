//! An issuer of tokens: a key made at start, and what it signs. Its public half is served by the demo's provider.

use std::{
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_portkey::Secret;

/// What its tokens say in `iss`.
pub(crate) const NAME: &str = "https://issuer.demo/";
const KEY_ID: &str = "demo-key";

/// Signs tokens; the key is of this process and never written down.
pub(crate) struct Issuer(Ed25519KeyPair);

impl Issuer {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?;
        Ok(Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())?))
    }

    /// The key set.
    pub(crate) fn set(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({"keys": [{"kid": KEY_ID, "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": x}]}).to_string()
    }

    /// A token for `ada`, good for `seconds`, or over since then; `more` is added to its claims.
    pub(crate) fn token(&self, seconds: i64, more: &Value) -> Result<Secret, Box<dyn Error>> {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let mut claims = json!({"iss": NAME, "aud": "gateway", "sub": "ada", "exp": now + seconds});
        for (name, claim) in more.as_object().into_iter().flatten() {
            claims[name] = claim.clone();
        }
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = json!({"alg": "EdDSA", "kid": KEY_ID, "typ": "JWT"});
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        Ok(Secret::new(format!("{signed}.{signature}")))
    }
}

//! An axum app that lets callers in by their tokens, beside an issuer that changes its key while both run.
//!
//! `/whoami` is for everybody with a token. The issuer, on a port of its own, shows its public keys at `/keys` and hands
//! out tokens at `/token?NAME`; every minute it signs with a new key and keeps showing the last one. A token of the new
//! key is good at once: the app fetches the keys when it first sees a name that it doesn't know.
//!
//! ```sh
//! cargo run --example jwt_axum --features axum      # `-- 8080` for another port, `-- 0` for any that is free
//!
//! token=$(curl -s 'localhost:3001/token?ada')
//! curl -i localhost:3000/whoami                     # 401
//! curl -i localhost:3000/whoami -H "authorization: Bearer $token"
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{
    collections::VecDeque,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use axum::{
    Json, Router,
    extract::{RawQuery, State},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_portkey::{
    JwksClient, PortkeyAuthLayer,
    auth::jwt::{Algorithm, JwtValidator, RemoteJwks},
    context::Principal,
    forward::Client,
    host::TrustedHosts,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let issuer = TcpListener::bind(("127.0.0.1", if port == 0 { 0 } else { port + 1 })).await?;
    let keys = Keys::default();
    keys.rotate()?;
    let (app, url) = (issuing(keys.clone()), format!("http://{}", issuer.local_addr()?));
    tokio::spawn(async move { axum::serve(issuer, app).await });
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            if keys.rotate().is_ok() {
                println!("the issuer has a new key");
            }
        }
    });

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}, tokens at {url}/token?NAME", listener.local_addr()?);
    axum::serve(listener, app_of(&url)?).await?;
    Ok(())
}

/// The app. An issuer on plain http has to be trusted; one on https need not be.
fn app_of(issuer: &str) -> Result<Router, Box<dyn Error>> {
    let jwks = RemoteJwks::new(&format!("{issuer}/keys"), &TrustedHosts::parse([issuer])?)?;
    let jwks = JwksClient::new(Client::builder().build()?)?.start(jwks);
    let validator = JwtValidator::new("example", jwks)
        .algorithms([Algorithm::EdDSA])
        .issuer("https://issuer.example/")
        .audience("whoami");
    Ok(Router::new().route("/whoami", get(whoami)).route_layer(PortkeyAuthLayer::jwt(validator)))
}

async fn whoami(who: Principal) -> String {
    // A claim of the issuer's own: one that is no text is not taken for one that isn't there.
    let team = match who.claim::<String>("team") {
        Some(Ok(team)) => team,
        Some(Err(error)) => error.to_string(),
        None => "no team".to_owned(),
    };
    format!("{} of {}, {team}\n", who.subject(), who.organisation())
}

/// The issuer's keys, newest last.
#[derive(Clone, Default)]
struct Keys(Arc<Mutex<VecDeque<(String, Ed25519KeyPair)>>>);

impl Keys {
    fn rotate(&self) -> Result<(), Box<dyn Error>> {
        let pair = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?.as_ref())?;
        let kid = URL_SAFE_NO_PAD.encode(&pair.public_key().as_ref()[..8]);
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push_back((kid, pair));
        if keys.len() > 2 {
            keys.pop_front();
        }
        Ok(())
    }

    fn set(&self) -> Value {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let public = |(kid, pair): &(String, Ed25519KeyPair)| json!({"kid": kid, "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": URL_SAFE_NO_PAD.encode(pair.public_key())});
        json!({"keys": keys.iter().map(public).collect::<Vec<_>>()})
    }

    fn token(&self, name: &str) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kid, pair) = keys.back()?;
        let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = encode(json!({"alg": "EdDSA", "kid": kid, "typ": "JWT"}));
        let claims = json!({"iss": "https://issuer.example/", "aud": "whoami", "sub": name, "exp": now + 300, "team": "engines"});
        let signed = format!("{header}.{}", encode(claims));
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()))))
    }
}

fn issuing(keys: Keys) -> Router {
    let set = async |State(keys): State<Keys>| Json(keys.set());
    let token = async |State(keys): State<Keys>, RawQuery(name): RawQuery| {
        keys.token(&name.unwrap_or_default()).unwrap_or_default()
    };
    Router::new().route("/keys", get(set)).route("/token", get(token)).with_state(keys)
}

//! An issuer with keys, and a server that shows them, or something else.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::{Value, json};
use tower_portkey::{
    JwksClient,
    auth::{
        Validate,
        jwt::{Algorithm, Jwks, JwtOrganisation, JwtValidator, RemoteJwks},
    },
    context::{Credential, Principal},
    forward::Client,
    guard::Decision,
    host::TrustedHosts,
    rejection::Rejection,
};

use crate::net::{Upstream, locked};

/// One key of an issuer.
pub(crate) struct Issuer {
    pub(crate) kid: String,
    key: Ed25519KeyPair,
}

impl Issuer {
    pub(crate) fn new(kid: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self { kid: kid.to_owned(), key: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key") }
    }

    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        json!({"kid": self.kid, "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x})
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_of(&self.kid, claims)
    }

    /// A token that names another key.
    pub(crate) fn token_of(&self, kid: &str, claims: &Value) -> String {
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = json!({"alg": "EdDSA", "kid": kid, "typ": "JWT"});
        let signed = format!("{}.{}", encode(&header), encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes())))
    }
}

/// A key set as it is served.
pub(crate) fn set(issuers: &[&Issuer]) -> String {
    json!({"keys": issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Claims of a caller with the scope of most routes, good for ten minutes; `over` on top.
pub(crate) fn claims(over: &Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut claims = json!({"exp": now + 600, "iat": now, "sub": "user-1", "scope": ["completions.write"]});
    for (name, value) in over.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// 200 with this body and these header lines.
    Answer(String, &'static str),
    /// This status, with these header lines and body.
    Status(&'static str, String),
    /// 304 to who asks with `"v1"`, the answer to others.
    Conditional(String),
    /// 50 MB, announced or not.
    Huge { announced: bool },
    /// Says nothing for half a minute.
    Stall,
    /// Begins, and says nothing more.
    Trickle,
    /// Hangs up.
    Close,
}

impl Act {
    pub(crate) fn set(issuers: &[&Issuer]) -> Self {
        Self::Answer(set(issuers), "")
    }
}

/// A server whose ways can be changed.
pub(crate) struct Server {
    pub(crate) upstream: Upstream,
    act: Arc<Mutex<Act>>,
}

impl Server {
    pub(crate) async fn start(act: Act) -> Self {
        let act = Arc::new(Mutex::new(act));
        let shared = Arc::clone(&act);
        let upstream = Upstream::start(move |mut connection| {
            let act = Arc::clone(&shared);
            async move {
                while let Some(request) = connection.request().await {
                    let act = locked(&act).clone();
                    let answer = |status: &str, lines: &str, body: &str| {
                        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{lines}\r\n{body}", body.len())
                    };
                    match act {
                        Act::Answer(body, lines) => connection.send(answer("200 OK", lines, &body)).await,
                        Act::Status(status, lines) => connection.send(answer(status, &lines, "")).await,
                        Act::Conditional(_) if request.header("if-none-match") == Some("\"v1\"") => {
                            connection.send("HTTP/1.1 304 Not Modified\r\netag: \"v1\"\r\n\r\n").await;
                        }
                        Act::Conditional(body) => {
                            connection.send(answer("200 OK", "etag: \"v1\"\r\n", &body)).await;
                        }
                        Act::Huge { announced } => {
                            let head = if announced { "content-length: 50000000" } else { "connection: close" };
                            connection.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{{\"keys\":[")).await;
                            for _ in 0..50 {
                                connection.send(" ".repeat(1_000_000)).await;
                            }
                            return;
                        }
                        Act::Stall => tokio::time::sleep(Duration::from_secs(30)).await,
                        Act::Trickle => {
                            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
                            tokio::time::sleep(Duration::from_secs(30)).await;
                        }
                        Act::Close => return,
                    }
                }
            }
        })
        .await;
        Self { upstream, act }
    }

    pub(crate) fn now(&self, act: Act) {
        *locked(&self.act) = act;
    }

    /// How many requests came.
    pub(crate) fn fetches(&self) -> usize {
        self.upstream.requests().len()
    }

    pub(crate) fn trusted(&self) -> TrustedHosts {
        TrustedHosts::parse([self.upstream.address.to_string()]).expect("a host")
    }

    /// Its key set, every time limit short unless `times` says otherwise.
    pub(crate) fn jwks(&self, times: impl FnOnce(RemoteJwks) -> RemoteJwks) -> Jwks {
        let remote = RemoteJwks::new(&self.upstream.url("/keys"), &self.trusted()).expect("a URL");
        start(times(short(remote)))
    }
}

pub(crate) fn short(remote: RemoteJwks) -> RemoteJwks {
    let milliseconds = Duration::from_millis;
    remote.refresh(milliseconds(200)).unknown_kid_interval(milliseconds(100)).timeout(milliseconds(300))
}

pub(crate) fn start(remote: RemoteJwks) -> Jwks {
    JwksClient::new(Client::builder().build().expect("a client")).expect("a runtime").start(remote)
}

pub(crate) fn organisation(jwks: Jwks) -> JwtOrganisation {
    JwtOrganisation::new("org-1", jwks).algorithms([Algorithm::EdDSA])
}

/// What a validator says of a token, waited for.
pub(crate) async fn ask(validator: &JwtValidator, token: &str) -> Result<Principal, Rejection> {
    let value = HeaderValue::from_str(token).expect("a header value");
    match validator.validate(&Credential::from_raw(&value).expect("a credential")) {
        Decision::Now(answer) => answer,
        Decision::Later(future) => future.await,
    }
}

pub(crate) async fn status(validator: &JwtValidator, token: &str) -> u16 {
    ask(validator, token).await.map_or_else(|refused| refused.kind().status().as_u16(), |_| 200)
}

/// How long it takes until a token is answered like this.
pub(crate) async fn until(validator: &JwtValidator, token: &str, expected: u16) -> Duration {
    let began = std::time::Instant::now();
    while status(validator, token).await != expected {
        assert!(began.elapsed() < Duration::from_secs(5), "no {expected} in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

//! Facts about tokens, by a key of our own.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Algorithm, Jwks, JwtOrganisation, JwtValidator, token::Token};
use crate::{
    auth::Validate,
    context::{Credential, Principal},
    guard::Decision,
    rejection::{Kind, Rejection},
};

pub(super) fn ask(validator: &JwtValidator, token: &str) -> Result<Principal, Rejection> {
    let Some(credential) = HeaderValue::from_str(token).ok().as_ref().and_then(Credential::from_raw) else {
        return Err(Rejection::new(Kind::MissingKey));
    };
    match validator.validate(&credential) {
        Decision::Now(answer) => answer,
        Decision::Later(_) => panic!("nothing to wait for"),
    }
}

/// What a chat route says.
pub(super) fn status(validator: &JwtValidator, token: &str) -> u16 {
    match ask(validator, token) {
        Ok(who) if who.has_scope("completions.write") => 200,
        Ok(_) => 403,
        Err(refused) => refused.kind().status().as_u16(),
    }
}

/// A key of our own.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key"))
    }

    fn jwks(&self) -> Jwks {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        let key = json!({"kid": "k", "kty": "OKP", "crv": "Ed25519", "x": x});
        Jwks::from_json(&json!({ "keys": [key] }).to_string()).expect("a set")
    }

    fn token(&self, claims: &Value) -> String {
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "EdDSA", "kid": "k", "typ": "JWT"})), encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes())))
    }

    fn organisation(&self, name: &str) -> JwtOrganisation {
        JwtOrganisation::new(name, self.jwks()).algorithms([Algorithm::EdDSA])
    }
}

const NOW: u64 = 1_780_000_000;

fn at(seconds: u64) -> impl Fn() -> std::time::SystemTime + Send + Sync {
    move || UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Claims that are good, with others on top.
fn claims(over: &Value) -> Value {
    let mut claims = json!({"exp": NOW + 600, "sub": "user-1", "scope": "completions.write"});
    for (name, value) in over.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn the_caller_is_who_the_token_says() {
    let issuer = Issuer::new();
    let validator = JwtValidator::from(issuer.organisation("org-1").default_scopes(["logs.read"])).clock(at(NOW));
    let who = ask(
        &validator,
        &issuer.token(&json!({
            "exp": NOW + 600, "nbf": NOW + 5, "sub": "user-1", "email_id": "a@b.test", "uid": "7",
            "portkey_oid": "org-1", "organisation_id": "org-2", "portkey_workspace": "ws-1", "workspace_slug": "ws-2",
            "scope": "portkey.completions.write  mcp.invoke", "scopes": ["logs.write"],
            "defaults": {"config_id": "pc-1", "metadata": {"team": "a", "a\r\nX": "b", "n": 1}},
            "usage_limits": {"type": "tokens", "credit_limit": 5}, "rate_limits": [{"unit": "rpm", "value": 6}],
        })),
    )
    .expect("a caller");
    assert_eq!((who.subject(), who.user()), ("a@b.test", Some("a@b.test")));
    assert_eq!((who.organisation(), who.workspace()), ("org-1", "ws-1"));
    assert_eq!(who.scopes().collect::<Vec<_>>(), ["completions.write", "mcp.invoke", "logs.write"]);
    let config = who.default_config().expect("a config");
    assert_eq!((config.id(), config.is_required()), ("pc-1", false));
    assert_eq!(who.metadata().iter().collect::<Vec<_>>(), [("_user", "a@b.test"), ("team", "a")]);
    assert_eq!((who.usage_limits().len(), who.rate_limits()[0].value()), (1, 6));
    assert!(who.may_lapse());
    assert_eq!(who.claim::<Vec<String>>("scopes"), Some(Ok(vec!["logs.write".to_owned()])));
    assert_eq!(who.claim::<u8>("uid").map(|read| read.is_err()), Some(true));
    assert_eq!(who.claim::<u8>("level"), None);
    assert!(!format!("{who:?}").contains("mcp.invoke ") && Principal::new("key").claims().is_none());

    let who = ask(&validator, &issuer.token(&json!({"exp": NOW + 1, "uid": "7"}))).expect("a caller");
    assert_eq!((who.subject(), who.workspace()), ("7", "default"));
    assert_eq!(who.scopes().collect::<Vec<_>>(), ["logs.read"]);
    let who = ask(&validator, &issuer.token(&json!({"exp": NOW + 1, "scope": []}))).expect("a caller");
    assert_eq!((who.scopes().count(), who.subject(), who.user()), (0, "jwt", None));
}

#[test]
fn every_claim_is_judged() {
    let issuer = Issuer::new();
    let open = issuer.organisation("org-1");
    let bound = open.clone().issuer("https://a/").issuer("https://b/").audience("gateway");
    let listed = open.clone().allowed_workspaces(["ws-1", "ws-2"]).default_workspace("ws-3");
    let known = open.clone().allowed_subjects(["user-1"]);
    let good = json!({"iss": "https://b/", "aud": ["x", "gateway"]});
    for (rules, over, expected) in [
        (&open, json!({}), 200),
        (&open, json!({"exp": NOW - 4}), 200),
        (&open, json!({"exp": NOW - 5}), 401),
        (&open, json!({"exp": null}), 401),
        (&open, json!({"nbf": NOW + 5}), 200),
        (&open, json!({"nbf": NOW + 6}), 401),
        (&open, json!({"nbf": -1, "iat": NOW + 999}), 200),
        (&open, json!({"iss": 7, "aud": {}, "sub": []}), 200),
        (&open, json!({"portkey_oid": "org-1"}), 200),
        (&open, json!({"organisation_id": "org-1"}), 200),
        (&open, json!({"portkey_oid": "org-2", "organisation_id": "org-1"}), 401),
        (&open, json!({"portkey_oid": ["org-1"]}), 401),
        (&open, json!({"organisation_id": ""}), 401),
        (&open, json!({"portkey_workspace": ""}), 401),
        (&open, json!({"workspace_slug": 7}), 401),
        (&open, json!({"scope": null}), 401),
        (&open, json!({"scope": ["a", 7]}), 401),
        (&open, json!({"scopes": {"a": 1}}), 401),
        (&open, json!({"scope": "other"}), 403),
        (&open, json!({"scope": format!("{}completions.write", "a ".repeat(127))}), 200),
        (&open, json!({"scope": format!("{}completions.write", "a ".repeat(128))}), 401),
        (&open, json!({"scope": ["completions.write"], "scopes": vec!["a"; 128]}), 401),
        (&open, json!({"scope": ["completions.write x"]}), 403),
        (&open, json!({"usage_limits": [{"credit_limit": 5, "status": "exhausted"}]}), 412),
        (&open, json!({"usage_limits": [{"credit_limit": 0}]}), 412),
        (&open, json!({"usage_limits": [{"credit_limit": -1}]}), 401),
        (&open, json!({"usage_limits": "none"}), 401),
        (&open, json!({"usage_limits": vec![json!({}); 16]}), 200),
        (&open, json!({"usage_limits": vec![json!({}); 17]}), 401),
        (&open, json!({"rate_limits": [{"unit": "rpm", "value": 0}]}), 401),
        (&bound, good, 200),
        (&bound, json!({"iss": "https://a/", "aud": "gateway"}), 200),
        (&bound, json!({"iss": "https://c/", "aud": "gateway"}), 401),
        (&bound, json!({"iss": ["https://a/"], "aud": "gateway"}), 401),
        (&bound, json!({"aud": "gateway"}), 401),
        (&bound, json!({"iss": "https://a/"}), 401),
        (&bound, json!({"iss": "https://a/", "aud": "gateway "}), 401),
        (&bound, json!({"iss": "https://a/", "aud": ["gateway", 7]}), 401),
        (&bound, json!({"iss": "https://a/", "aud": "gateway", "sub": ""}), 401),
        (&listed, json!({}), 200),
        (&listed, json!({"portkey_workspace": "ws-2"}), 200),
        (&listed, json!({"portkey_workspace": "ws-3"}), 403),
        (&listed, json!({"workspace_slug": "ws-3"}), 403),
        (&known, json!({}), 200),
        (&known, json!({"sub": "user-2", "email_id": "user-1"}), 403),
        (&known, json!({"sub": null}), 403),
    ] {
        let validator = JwtValidator::from(rules.clone()).clock(at(NOW));
        let token = issuer.token(&claims(&over));
        assert_eq!([status(&validator, &token), status(&validator, &token)], [expected; 2], "{over}");
    }
    let validator = JwtValidator::from(listed).clock(at(NOW));
    let who = ask(&validator, &issuer.token(&claims(&json!({})))).expect("a caller");
    assert_eq!(who.workspace(), "ws-1", "the first that is allowed");
}

#[test]
fn the_organisation_that_is_named_is_the_one_whose_keys_count() {
    let (one, two) = (Issuer::new(), Issuer::new());
    let both = JwtValidator::of([one.organisation("org-1"), two.organisation("org-2")]).clock(at(NOW));
    for (issuer, named, expected) in [
        (&one, json!({"portkey_oid": "org-1"}), 200),
        (&two, json!({"organisation_id": "org-2"}), 200),
        (&one, json!({"portkey_oid": "org-2"}), 401),
        (&two, json!({"portkey_oid": "org-1", "organisation_id": "org-2"}), 401),
        (&one, json!({"portkey_oid": "org-3"}), 401),
        (&one, json!({}), 401),
    ] {
        assert_eq!(status(&both, &issuer.token(&claims(&named))), expected, "{named}");
    }
    let nobody = JwtValidator::of([]).clock(at(NOW));
    assert_eq!(status(&nobody, &one.token(&claims(&json!({})))), 401);
}

#[test]
fn what_is_known_of_a_token_ends_with_it() {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    let issuer = Issuer::new();
    let time = Arc::new(AtomicU64::new(NOW));
    let revoked = super::RevokedTokens::default();
    let clock = Arc::clone(&time);
    let validator = JwtValidator::from(issuer.organisation("org-1"))
        .revoke(revoked.clone())
        .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
    let token = issuer.token(&claims(&json!({"jti": "t-1"})));
    assert_eq!([status(&validator, &token), status(&validator, &token)], [200, 200]);
    revoked.revoke_id("org-2", "t-1");
    assert_eq!(status(&validator, &token), 200, "another organisation's");
    revoked.revoke_id("org-1", "t-1");
    assert_eq!(status(&validator, &token), 401);
    revoked.restore_id("org-1", "t-1");
    revoked.revoke_subject("org-1", "user-1");
    assert_eq!(status(&validator, &token), 401);
    revoked.restore_subject("org-1", "user-1");
    time.store(NOW + 604, Ordering::Relaxed);
    assert_eq!(status(&validator, &token), 200, "within the leeway");
    time.store(NOW + 605, Ordering::Relaxed);
    assert_eq!([status(&validator, &token), status(&validator, &token)], [401, 401]);
    // Other rules begin anew.
    time.store(NOW, Ordering::Relaxed);
    assert_eq!(status(&validator, &token), 200);
    assert_eq!(status(&validator.clone().issuer("https://a/"), &token), 401);
    assert_eq!(status(&validator, &token), 200);
}

#[test]
fn every_bit_counts() {
    let issuer = Issuer::new();
    let validator = JwtValidator::from(issuer.organisation("org-1")).clock(at(NOW));
    let token = issuer.token(&claims(&json!({})));
    assert_eq!(status(&validator, &token), 200);
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert_eq!(status(&validator, &changed), 401, "{at} {bit}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[A-Za-z0-9_.-]{0,60}") {
        let text = [text, String::from_utf8_lossy(&bytes).into_owned()];
        for text in &text {
            let _ = Token::open(text);
            let encoded = URL_SAFE_NO_PAD.encode(text);
            let _ = Token::open(&format!("{encoded}.{encoded}.{encoded}"));
            let _ = super::claims::Claims::read(text);
            let _ = Jwks::from_json(text);
        }
    }

    #[test]
    fn no_claims_make_it_panic(json in r#"\{("(exp|nbf|aud|sub|scope|defaults|usage_limits)":(-?[0-9]{1,20}|"[a-z]{0,3}"|null|\[\]|\{\})){0,1}(,"(exp|iss|aud|scopes|uid)":(-?[0-9]{1,3}e[0-9]{1,3}|\["a"\])){0,3}\}"#) {
        let issuer = JwtOrganisation::new("org-1", Jwks::from_json(r#"{"keys":[{"kid":"k","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#).expect("a set"));
        if let Ok(claims) = super::claims::Claims::read(&json) {
            let _ = super::judge::judge(&claims, &issuer, UNIX_EPOCH + Duration::from_secs(NOW));
        }
    }
}

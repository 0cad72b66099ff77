//! `PortkeyAuthLayer` over tokens: who is let in, what stays of the headers, how the others are told, what logs see.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tower_portkey::{
    GatewayKey, PortkeyAuthLayer, PortkeyLayer,
    auth::{
        KeySet,
        jwt::{AnyOf, Jwks, JwtValidator},
    },
    context::Principal,
    rejection::Kind,
};

use crate::{
    harness::{Issuer, claims, organisation, set},
    net::locked,
    support::{CHAT, KEY, SK, caller, chat, send},
};

fn validator(issuer: &Issuer) -> JwtValidator {
    organisation(Jwks::from_json(&set(&[issuer])).expect("a set")).allowed_workspaces(["ws-1"]).into()
}

#[test]
fn where_a_token_is_found_and_what_stays() {
    let issuer = Issuer::new("k");
    let layer = PortkeyAuthLayer::jwt(validator(&issuer));
    let token = issuer.token(&claims(&json!({})));
    let bearer = format!("Bearer {token}");
    let lower = format!("bearer {token}");
    for (key, authorization, known, after) in [
        (Some(&*token), None, true, None),
        (Some(&*token), Some("Bearer sk"), true, Some("Bearer sk")),
        (Some(&*token), Some(&*bearer), true, None),
        (None, Some(&*bearer), true, None),
        (None, Some(&*lower), true, None),
        (None, Some(&*token), true, None),
        (Some(""), Some(&*bearer), true, None),
        // The header takes it raw.
        (Some(&*bearer), None, false, None),
        (Some("a.b.c"), Some(&*bearer), false, None),
        (Some(KEY), None, false, None),
    ] {
        let lines: Vec<_> = [("x-portkey-api-key", key), ("authorization", authorization)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let answer = send(&layer, chat(&lines));
        assert_eq!(answer.status(), if known { 200 } else { 401 }, "{lines:?}");
        if known {
            assert_eq!(answer.leaf().header("authorization"), after, "{lines:?}");
            assert_eq!(answer.leaf().header("x-portkey-api-key"), None, "{lines:?}");
            let who = answer.leaf().head.extensions.get::<Principal>().expect("a principal");
            assert_eq!((who.organisation(), who.workspace(), who.subject()), ("org-1", "ws-1", "user-1"));
        }
    }
}

/// The whole stack: the provider's credential is the caller's own, the token is the gateway's, whichever stands where.
#[test]
fn a_token_never_goes_upstream() {
    let issuer = Issuer::new("k");
    let stack = PortkeyLayer::builder().auth(PortkeyAuthLayer::jwt(validator(&issuer))).build();
    let token = issuer.token(&claims(&json!({})));
    let bearer = format!("Bearer {token}");
    let config = json!({"provider": "openai", "api_key": SK}).to_string();
    let sk = format!("Bearer {SK}");
    let openai = ("x-portkey-provider", "openai");
    for (lines, sent) in [
        (vec![("authorization", &*bearer), ("x-portkey-config", &*config)], Some(&*sk)),
        (vec![("x-portkey-api-key", &*token), ("authorization", &*sk), openai], Some(&*sk)),
        (vec![("x-portkey-api-key", &*token), ("authorization", &*bearer), ("x-portkey-config", &*config)], Some(&*sk)),
        (vec![("authorization", &*bearer), ("x-api-key", &*token), ("x-portkey-config", &*config)], Some(&*sk)),
        (vec![("authorization", &*bearer), openai], None),
    ] {
        let answer = send(&stack, chat(&lines));
        let Some(seen) = &answer.seen else {
            assert_eq!((sent, answer.status()), (None, 400), "{lines:?}");
            continue;
        };
        assert_eq!(seen.header("authorization"), sent, "{lines:?}");
        for (name, value) in &seen.head.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            assert!(!value.contains(&token), "{name}: {lines:?}");
        }
    }
}

#[test]
fn keys_and_tokens_stand_side_by_side() {
    let issuer = Issuer::new("k");
    let keys = KeySet::new([GatewayKey::new(KEY, caller()).expect("a key")]).expect("a set");
    let layer = PortkeyAuthLayer::new(AnyOf::new(keys, validator(&issuer)));
    let token = issuer.token(&claims(&json!({})));
    for (shown, who) in [
        (KEY, Some("ci")),
        (&*token, Some("user-1")),
        ("a.b.c", None),
        ("unknown-key-0123456789", None),
        ("a.b", None),
        ("....", None),
    ] {
        let answer = send(&layer, chat(&[("x-portkey-api-key", shown)]));
        let found = answer.seen.as_ref().and_then(|seen| seen.head.extensions.get()).map(Principal::subject);
        assert_eq!(found, who, "{shown}");
        assert_eq!(answer.status(), if who.is_some() { 200 } else { 401 });
    }
}

/// The whole stack, with scopes.
#[test]
fn refusals_read_like_portkeys() {
    let issuer = Issuer::new("k");
    let stack = PortkeyLayer::builder().auth(PortkeyAuthLayer::jwt(validator(&issuer))).build();
    let exhausted = json!({"usage_limits": {"credit_limit": 5, "status": "exhausted"}});
    for (over, status, code, text) in [
        (json!({"exp": 1}), 401, "03", "Invalid API Key"),
        (json!({"portkey_oid": "org-2"}), 401, "03", "Invalid API Key"),
        (json!({"portkey_workspace": "ws-2"}), 403, "033", "Forbidden!"),
        (json!({"scope": []}), 403, "033", "Forbidden!"),
        (json!({"scope": "logs.write"}), 403, "033", "Forbidden!"),
        (exhausted, 412, "04", "Portkey API Key Usage Limit Exceeded"),
    ] {
        let token = issuer.token(&claims(&over));
        let answer = send(&stack, chat(&[("x-portkey-api-key", &token), ("x-portkey-provider", "openai")]));
        let message = format!("Portkey Error: {text}. Error Code: {code}");
        let body = json!({"status": "failure", "message": message, "error": {"message": message, "code": code}});
        assert_eq!((answer.status(), answer.json()), (status, body), "{over}");
        assert!(answer.seen.is_none(), "{over}");
    }
    let answer = send(&stack, chat(&[("x-portkey-api-key", &issuer.token(&claims(&json!({}))))]));
    assert_ne!(answer.kind(), Some(Kind::InvalidKey), "{CHAT}: who is let in is told what else is missing");
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_audit_knows_why_and_nobody_sees_the_token() {
    let issuer = Issuer::new("k");
    let layer = PortkeyAuthLayer::jwt(validator(&issuer));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let other = Issuer::new("k");
    let cases = [
        (issuer.token(&claims(&json!({"exp": 1}))), "expired"),
        (issuer.token_of("canary-kid", &claims(&json!({}))), "signing key was not found"),
        (other.token(&claims(&json!({"sub": "canary-sub"}))), "signature is wrong"),
        (issuer.token(&claims(&json!({"portkey_workspace": "canary-ws"}))), "workspace is not allowed"),
    ];
    tracing::subscriber::with_default(subscriber, || {
        for (token, _) in &cases {
            let answer = send(&layer, chat(&[("x-portkey-api-key", token)]));
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!body.contains("signature") && !body.contains("canary"), "{body}");
        }
    });
    let text = String::from_utf8(locked(&log.0).clone()).expect("text");
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|event: &Value| event["target"] == "tower_portkey::audit")
        .collect();
    assert_eq!(events.len(), cases.len(), "{text}");
    for (event, (token, why)) in events.iter().zip(&cases) {
        let masked = format!("{}****{}", &token[..2], &token[token.len() - 2..]);
        assert_eq!(event["fields"]["token"], masked, "{event}");
        assert!(event["fields"]["error"].as_str().is_some_and(|error| error.contains(why)), "{event}");
    }
    assert!(!text.contains("canary"));
    for (token, _) in &cases {
        assert!(!token.split('.').any(|part| text.contains(part)));
    }
}

//! Tokens that name keys that nobody has, by the thousand.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;
use tower_portkey::{
    auth::{Validate, jwt::JwtValidator},
    context::Credential,
    guard::Decision,
};

use crate::harness::{Act, Issuer, Server, claims, organisation, status, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_unknown_keys_make_one_fetch() {
    let (good, evil) = (Issuer::new("good"), Issuer::new("evil"));
    let server = Server::start(Act::set(&[&good])).await;
    let jwks =
        server.jwks(|times| times.refresh(Duration::from_secs(60)).unknown_kid_interval(Duration::from_secs(30)));
    let validator = Arc::new(JwtValidator::from(organisation(jwks)));
    let claims = claims(&json!({}));
    let token = good.token(&claims);
    assert_eq!(status(&validator, &token).await, 200);

    let honest = tokio::spawn({
        let (validator, token) = (Arc::clone(&validator), token.clone());
        async move {
            let mut slowest = Duration::ZERO;
            for _ in 0..200 {
                let began = Instant::now();
                assert_eq!(status(&validator, &token).await, 200);
                slowest = slowest.max(began.elapsed());
                sleep(Duration::from_millis(5)).await;
            }
            slowest
        }
    });
    let mut storm = tokio::task::JoinSet::new();
    let template = evil.token(&claims);
    let rest = template.split_once('.').expect("parts").1.to_owned();
    for lane in 0..20 {
        let (validator, rest) = (Arc::clone(&validator), rest.clone());
        storm.spawn(async move {
            use base64::Engine as _;
            for index in 0..1000 {
                let header = json!({"alg": "EdDSA", "kid": format!("{lane}-{index}"), "typ": "JWT"}).to_string();
                let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
                assert_eq!(status(&validator, &format!("{header}.{rest}")).await, 401);
                if index % 50 == 0 {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    while let Some(lane) = storm.join_next().await {
        lane.expect("a lane");
    }
    let slowest = honest.await.expect("the honest caller");
    assert!(slowest < Duration::from_millis(250), "{slowest:?}");
    assert_eq!(server.fetches(), 2, "the first one, and one for an unknown key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_seen_in_a_storm() {
    let (old, new, evil) = (Issuer::new("old"), Issuer::new("new"), Issuer::new("evil"));
    let server = Server::start(Act::set(&[&old])).await;
    // Nothing but the refresh can bring the new key: the storm has used up what unknown keys may ask for.
    let jwks =
        server.jwks(|times| times.refresh(Duration::from_millis(500)).unknown_kid_interval(Duration::from_secs(30)));
    let validator = Arc::new(JwtValidator::from(organisation(jwks)));
    let claims = claims(&json!({}));
    let storm = tokio::spawn({
        let (validator, claims) = (Arc::clone(&validator), claims.clone());
        async move {
            for index in 0_u32.. {
                status(&validator, &evil.token_of(&index.to_string(), &claims)).await;
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(status(&validator, &old.token(&claims)).await, 200);
    sleep(Duration::from_millis(200)).await;
    server.now(Act::set(&[&old, &new]));
    let seen = until(&validator, &new.token(&claims), 200).await;
    assert!(seen < Duration::from_millis(900), "{seen:?}");
    storm.abort();
    assert!(server.fetches() < 8, "{}", server.fetches());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_holds_nobody_up_but_who_needs_the_new_keys() {
    let (good, other) = (Issuer::new("good"), Issuer::new("other"));
    let server = Server::start(Act::set(&[&good])).await;
    let jwks = server.jwks(|times| times.refresh(Duration::from_secs(60)));
    let validator = Arc::new(JwtValidator::from(organisation(jwks)));
    let claims = claims(&json!({}));
    assert_eq!(status(&validator, &good.token(&claims)).await, 200);
    server.now(Act::Stall);
    let began = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3000 {
        let (validator, token) = (Arc::clone(&validator), other.token(&claims));
        waiting.spawn(async move { status(&validator, &token).await });
    }
    for index in 0..50 {
        // Each of them new, so that none is known already.
        let began = Instant::now();
        let token = good.token(&crate::harness::claims(&json!({"jti": index.to_string()})));
        assert_eq!(status(&validator, &token).await, 200);
        assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
    }
    while let Some(answer) = waiting.join_next().await {
        // Who finds no place to wait is told that nobody knows.
        assert!(matches!(answer.expect("an answer"), 401 | 503));
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(server.fetches() <= 3, "{}", server.fetches());
}

/// How many wait for a fetch is bounded; who finds no place is told that nobody knows yet, not that the key is bad.
#[tokio::test]
async fn who_finds_no_place_to_wait_is_not_told_that_the_key_is_bad() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let server = Server::start(Act::set(&[&old])).await;
    let jwks = server.jwks(|times| times.refresh(Duration::from_secs(60)).timeout(Duration::from_secs(2)));
    let validator = JwtValidator::from(organisation(jwks));
    assert_eq!(status(&validator, &old.token(&claims(&json!({})))).await, 200);
    sleep(Duration::from_millis(150)).await;
    server.now(Act::Stall);
    let ask = |token: String| {
        let value = http::HeaderValue::from_str(&token).expect("a header value");
        validator.validate(&Credential::from_raw(&value).expect("a credential"))
    };
    let waiting = (0..1024).map(|index| ask(old.token_of(&format!("x-{index}"), &claims(&json!({})))));
    let waiting: Vec<_> = waiting.collect();
    assert!(waiting.iter().all(|answer| matches!(answer, Decision::Later(_))));
    assert_eq!(status(&validator, &new.token(&claims(&json!({})))).await, 503);
}

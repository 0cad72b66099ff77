//! Keys that come and go.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use tower_portkey::{
    auth::jwt::{JwksErrorKind, JwtValidator, RemoteJwks},
    host::TrustedHosts,
};

use crate::harness::{Act, Issuer, Server, ask, claims, organisation, set, short, start, status, until};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_new_key_is_fetched_when_it_is_first_seen() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let server = Server::start(Act::set(&[&old])).await;
    let jwks = server.jwks(|times| times.refresh(LONG).unknown_kid_interval(LONG));
    let validator = JwtValidator::from(organisation(jwks.clone()));
    let (before, after) = (old.token(&claims(&json!({}))), new.token(&claims(&json!({}))));
    assert_eq!(status(&validator, &before).await, 200);
    assert_eq!(server.fetches(), 1);
    // With overlap.
    server.now(Act::set(&[&old, &new]));
    assert_eq!(status(&validator, &after).await, 200, "the first request with it waits for the fetch");
    assert_eq!((status(&validator, &before).await, server.fetches()), (200, 2));
    assert_eq!(jwks.key_ids(), ["new", "old"].map(Box::<str>::from));
    // The interval holds for the next one.
    let third = Issuer::new("third");
    server.now(Act::set(&[&third]));
    assert_eq!((status(&validator, &third.token(&claims(&json!({})))).await, server.fetches()), (401, 2));
}

#[tokio::test]
async fn a_key_that_is_gone_takes_its_tokens_with_it() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let server = Server::start(Act::set(&[&old])).await;
    let validator = JwtValidator::from(organisation(server.jwks(|times| times)));
    let (before, after) = (old.token(&claims(&json!({}))), new.token(&claims(&json!({}))));
    assert_eq!([status(&validator, &before).await, status(&validator, &before).await], [200, 200]);
    server.now(Act::set(&[&new]));
    let seen = until(&validator, &before, 401).await;
    assert!(seen < Duration::from_secs(1), "{seen:?}");
    assert_eq!(status(&validator, &after).await, 200);
    // One name, another key: what was signed with the first is good no more.
    let same = Issuer::new("new");
    server.now(Act::set(&[&same]));
    until(&validator, &after, 401).await;
    assert_eq!(status(&validator, &same.token(&claims(&json!({})))).await, 200);
}

#[tokio::test]
async fn a_set_that_has_not_changed_is_not_sent_again() {
    let issuer = Issuer::new("k");
    let server = Server::start(Act::Conditional(set(&[&issuer]))).await;
    let jwks = server.jwks(|times| times);
    let validator = JwtValidator::from(organisation(jwks.clone()));
    assert_eq!(status(&validator, &issuer.token(&claims(&json!({})))).await, 200);
    sleep(Duration::from_millis(700)).await;
    let asked: Vec<_> =
        server.upstream.requests().iter().map(|request| request.header("if-none-match").map(str::to_owned)).collect();
    assert!(asked.len() > 2, "{asked:?}");
    assert_eq!(asked[0], None);
    assert!(asked[1..].iter().all(|tag| tag.as_deref() == Some("\"v1\"")), "{asked:?}");
    let state = jwks.status().expect("fetched");
    assert_eq!((state.failures, state.keys), (0, 1));
    assert!(state.age < Some(Duration::from_millis(400)), "{state:?}");
}

#[tokio::test]
async fn an_answer_says_how_long_it_is_good() {
    let issuer = Issuer::new("k");
    let server = Server::start(Act::Answer(set(&[&issuer]), "cache-control: max-age=60\r\n")).await;
    let jwks = server.jwks(|times| times);
    sleep(Duration::from_millis(700)).await;
    assert_eq!((jwks.key_ids().len(), server.fetches()), (1, 1), "fresh for a minute");
    let server = Server::start(Act::Answer(set(&[&issuer]), "cache-control: max-age=0\r\n")).await;
    let _jwks = server.jwks(|times| times.refresh(LONG));
    sleep(Duration::from_millis(300)).await;
    assert_eq!(server.fetches(), 1, "never more often than it is told to");
}

#[tokio::test]
async fn whoever_drops_the_set_stops_the_fetching() {
    let issuer = Issuer::new("k");
    let server = Server::start(Act::set(&[&issuer])).await;
    let jwks = server.jwks(|times| times);
    sleep(Duration::from_millis(300)).await;
    drop(jwks);
    sleep(Duration::from_millis(50)).await;
    let fetches = server.fetches();
    assert!(fetches > 0);
    sleep(Duration::from_millis(600)).await;
    assert_eq!(server.fetches(), fetches);
}

#[tokio::test]
async fn an_issuer_says_where_its_keys_are() {
    let issuer = Issuer::new("k");
    let token = issuer.token(&claims(&json!({})));
    let keys = Server::start(Act::set(&[&issuer])).await;
    let document = |named: &str, uri: &str| Act::Answer(json!({"issuer": named, "jwks_uri": uri}).to_string(), "");
    let server = Server::start(Act::Close).await;
    let own = server.upstream.url("");
    let both = [server.upstream.address.to_string(), keys.upstream.address.to_string()];
    let only_issuer = [server.upstream.address.to_string()];
    let place = keys.upstream.url("/keys");
    let unsafe_scheme = format!("ftp://{}/keys", keys.upstream.address);
    for (trusted, named, uri, good) in [
        (&both[..], &*own, &*place, true),
        (&both[..], "http://another", &*place, false),
        (&only_issuer[..], &*own, &*place, false),
        (&both[..], &*own, &*unsafe_scheme, false),
        // A public host by its scheme, a private one by its address: the document can't name it.
        (&both[..], &*own, "https://127.0.0.1:9/keys", false),
    ] {
        server.now(document(named, uri));
        let trusted = TrustedHosts::parse(trusted).expect("hosts");
        let jwks = start(short(RemoteJwks::discover(&own, &trusted).expect("an issuer")));
        let validator = JwtValidator::from(organisation(jwks));
        assert_eq!(status(&validator, &token).await, if good { 200 } else { 503 }, "{named} {uri}");
    }
    let asked = server.upstream.requests();
    assert!(asked.iter().all(|request| request.target() == "/.well-known/openid-configuration"));
}

#[tokio::test]
async fn plain_http_is_for_trusted_hosts() {
    let server = Server::start(Act::Close).await;
    let error = RemoteJwks::new(&server.upstream.url("/keys"), &TrustedHosts::default()).expect_err("an error");
    assert_eq!(error.kind(), JwksErrorKind::Scheme);
    assert_eq!(server.upstream.connections(), 0);
}

#[tokio::test]
async fn embedded_keys_are_never_asked_for() {
    let issuer = Issuer::new("k");
    let trap = Server::start(Act::set(&[&issuer])).await;
    let server = Server::start(Act::set(&[&Issuer::new("other")])).await;
    let validator = JwtValidator::from(organisation(server.jwks(|times| times)));
    let encode = |json: &serde_json::Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
    };
    let url = trap.upstream.url("/keys");
    for member in ["jku", "x5u", "jwk"] {
        let value = if member == "jwk" { issuer.jwk() } else { json!(url) };
        let header = json!({"alg": "EdDSA", "kid": "k", "typ": "JWT", member: value});
        let good = issuer.token(&claims(&json!({})));
        let parts: Vec<_> = good.split('.').collect();
        let token = format!("{}.{}.{}", encode(&header), parts[1], parts[2]);
        assert!(ask(&validator, &token).await.is_err(), "{member}");
    }
    assert_eq!(trap.upstream.connections(), 0);
}

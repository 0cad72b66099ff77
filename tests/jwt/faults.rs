//! Key sets that can't be had.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tokio::time::sleep;
use tower_portkey::{
    auth::jwt::{BoxFuture, FetchJwks, JwksRequest, JwtValidator, RemoteJwks},
    host::TrustedHosts,
};

use crate::{
    harness::{Act, Issuer, Server, ask, claims, organisation, set, short, start, status, until},
    net::{Upstream, nobody},
};

/// Everything that may come instead of a key set.
fn faults(sink: &Upstream, good: &str) -> Vec<(&'static str, Act)> {
    let many = json!({"keys": vec![json!({"kty": "FUTURE"}); 10_000]}).to_string();
    let to_sink = |status| Act::Status(status, format!("location: {}\r\n", sink.url("/keys")));
    vec![
        ("html", Act::Answer("<html>Login</html>".to_owned(), "content-type: text/html\r\n")),
        ("nothing", Act::Answer(String::new(), "")),
        ("no keys", Act::Answer(r#"{"keys":[]}"#.to_owned(), "")),
        ("10,000 keys", Act::Answer(many, "")),
        ("a symmetric key", Act::Answer(r#"{"keys":[{"kid":"k","kty":"oct","k":"AAAA"}]}"#.to_owned(), "")),
        ("a cut set", Act::Answer(good[..good.len() - 2].to_owned(), "")),
        ("a coding", Act::Answer(good.to_owned(), "content-encoding: gzip\r\n")),
        ("50 MB", Act::Huge { announced: true }),
        ("50 MB without a length", Act::Huge { announced: false }),
        ("301", to_sink("301 Moved Permanently")),
        ("302", to_sink("302 Found")),
        ("307", to_sink("307 Temporary Redirect")),
        ("308", to_sink("308 Permanent Redirect")),
        ("304 unasked", Act::Status("304 Not Modified", String::new())),
        ("404", Act::Status("404 Not Found", String::new())),
        ("500", Act::Status("500 Internal Server Error", String::new())),
        ("stall", Act::Stall),
        ("trickle", Act::Trickle),
        ("hang up", Act::Close),
    ]
}

/// For each: what a good token is told, how many fetches that made, and how soon all is well again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_at_start() {
    let issuer = Issuer::new("k");
    let token = issuer.token(&claims(&json!({})));
    let sink = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut table = Vec::new();
    for (name, act) in faults(&sink, &set(&[&issuer])) {
        let server = Server::start(act).await;
        let validator = JwtValidator::from(organisation(server.jwks(|times| times)));
        let began = Instant::now();
        let refused = ask(&validator, &token).await.err().map(|refused| refused.kind().status().as_u16());
        let told_in = began.elapsed();
        assert_eq!(refused, Some(503), "{name}: not 401, and not a pass");
        assert!(told_in < Duration::from_millis(900), "{name}: {told_in:?}");
        // Who asks meanwhile is told at once and makes no fetch of his own.
        for _ in 0..100 {
            status(&validator, &token).await;
        }
        let fetches = server.fetches();
        assert!(fetches <= 12, "{name}: {fetches}");
        server.now(Act::set(&[&issuer]));
        let recovery = until(&validator, &token, 200).await;
        assert!(recovery < Duration::from_secs(2), "{name}: {recovery:?}");
        table.push(format!(
            "{name:24} 503 in {:4} ms, {fetches} fetches, well after {:4} ms",
            told_in.as_millis(),
            recovery.as_millis()
        ));
    }
    assert_eq!(sink.connections(), 0, "no redirect is followed");
    println!("{}", table.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_after_a_good_set() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let (token, next) = (old.token(&claims(&json!({}))), new.token(&claims(&json!({}))));
    let sink = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut runs = tokio::task::JoinSet::new();
    for (name, act) in faults(&sink, &set(&[&old])) {
        let (server, good, rotated) = (Server::start(Act::set(&[&old])).await, token.clone(), next.clone());
        let both = Act::set(&[&old, &new]);
        runs.spawn(async move {
            let jwks = server.jwks(|times| times);
            let validator = JwtValidator::from(organisation(jwks.clone()));
            until(&validator, &good, 200).await;
            server.now(act);
            for _ in 0..40 {
                sleep(Duration::from_millis(20)).await;
                assert_eq!(status(&validator, &good).await, 200, "{name}: the last good set stays");
            }
            // A token that is not cached, checked with the set that was kept; and a key that nobody can fetch now.
            let state = jwks.status().expect("fetched");
            assert!(state.failures > 0 && state.keys == 1, "{name}: {state:?}");
            assert_eq!(status(&validator, &rotated).await, 401, "{name}");
            server.now(both);
            let recovery = until(&validator, &rotated, 200).await;
            assert!(recovery < Duration::from_secs(2), "{name}: {recovery:?}");
            assert_eq!(status(&validator, &good).await, 200, "{name}");
        });
    }
    while let Some(run) = runs.join_next().await {
        run.expect("a run");
    }
    assert_eq!(sink.connections(), 0, "no redirect is followed");
}

#[tokio::test]
async fn nobody_listens() {
    let address = nobody().expect("an address");
    let trusted = tower_portkey::host::TrustedHosts::parse([address.to_string()]).expect("a host");
    let jwks = start(short(RemoteJwks::new(&format!("http://{address}/keys"), &trusted).expect("a URL")));
    let validator = JwtValidator::from(organisation(jwks));
    let refused = ask(&validator, &Issuer::new("k").token(&claims(&json!({})))).await.expect_err("a refusal");
    assert_eq!(refused.kind().status().as_u16(), 503);
    assert!(refused.retry_after().is_some());
    // What is wrong with the token itself needs no key set.
    assert_eq!(status(&validator, "e30.e30.AAAA").await, 401);
}

#[tokio::test]
async fn the_last_good_set_is_not_kept_for_ever() {
    let issuer = Issuer::new("k");
    let token = issuer.token(&claims(&json!({})));
    let server = Server::start(Act::set(&[&issuer])).await;
    let validator = JwtValidator::from(organisation(server.jwks(|times| times.keep_stale(Duration::from_millis(600)))));
    assert_eq!(status(&validator, &token).await, 200);
    server.now(Act::Close);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(status(&validator, &token).await, 200);
    until(&validator, &token, 503).await;
    server.now(Act::set(&[&issuer]));
    until(&validator, &token, 200).await;
}

/// Fetches once, and panics from then on.
struct Breaks {
    set: String,
    fetched: AtomicBool,
    began: Instant,
}

impl FetchJwks for Breaks {
    fn fetch(&self, _: JwksRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>> {
        assert!(!self.fetched.swap(true, Ordering::SeqCst), "the second fetch panics");
        let answer = Response::new(Bytes::from(self.set.clone()));
        Box::pin(async { Ok(answer) })
    }

    fn sleep(&self, time: Duration) -> BoxFuture<()> {
        Box::pin(sleep(time))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

#[tokio::test]
async fn no_key_outlives_its_fetching() {
    let issuer = Issuer::new("k");
    let remote = short(RemoteJwks::new("https://idp.test/keys", &TrustedHosts::default()).expect("a URL"));
    let io = Breaks { set: set(&[&issuer]), fetched: AtomicBool::new(false), began: Instant::now() };
    let validator = JwtValidator::from(organisation(remote.start(io)));
    let token = issuer.token(&claims(&json!({})));
    assert_eq!(status(&validator, &token).await, 200);
    until(&validator, &token, 503).await;
    assert_eq!(status(&validator, &issuer.token(&claims(&json!({"sub": "other"})))).await, 503);
}

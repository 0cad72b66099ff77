//! Assumed roles, at an STS that counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_portkey::{
    Secret, SignLayer,
    body::FullOr,
    context::{AwsIdentity, AwsKeys, AwsRole},
    host::CustomHost,
    rejection::{Kind, Rejection},
};

use crate::{
    net::{Message, Upstream, soon},
    verify::{SECRET, verify},
    wire::{client, keys, post, target},
};

/// 2025-01-02T03:04:05Z.
const NOW: u64 = 1_735_787_045;
const ARN: &str = "arn:aws:iam::123456789012:role/portkey";

/// An STS whose sessions last an hour by the test's clock.
struct Sts {
    upstream: Upstream,
    fails: Arc<AtomicBool>,
    now: Arc<AtomicU64>,
}

impl Sts {
    async fn start(delay: Duration) -> Self {
        let (fails, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let now = Arc::new(AtomicU64::new(NOW));
        let (broken, clock) = (Arc::clone(&fails), Arc::clone(&now));
        let upstream = Upstream::start(move |mut connection| {
            let (broken, calls, clock) = (Arc::clone(&broken), Arc::clone(&calls), Arc::clone(&clock));
            async move {
                while connection.request().await.is_some() {
                    let call = calls.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(delay).await;
                    let answer = if broken.load(Ordering::SeqCst) {
                        "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>".to_owned()
                    } else {
                        session(call, clock.load(Ordering::SeqCst) + 3600)
                    };
                    let status = if answer.contains("Error") { "403 Forbidden" } else { "200 OK" };
                    connection
                        .send(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()))
                        .await;
                }
            }
        })
        .await;
        Self { upstream, fails, now }
    }

    fn layer(&self) -> SignLayer {
        let now = Arc::clone(&self.now);
        SignLayer::new()
            .sts(client())
            .sts_endpoint(CustomHost::operator(&self.upstream.url("")).expect("a URL"))
            .clock(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::SeqCst)))
    }

    fn calls(&self) -> usize {
        self.upstream.requests().len()
    }
}

fn session(call: u64, ends: u64) -> String {
    let clock = ends % 86_400;
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    // The tests stay within three days.
    let day = 2 + ends / 86_400 - NOW / 86_400;
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA{call}</AccessKeyId>\
         <SecretAccessKey>secret{call}</SecretAccessKey><SessionToken>token{call}</SessionToken>\
         <Expiration>2025-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z</Expiration></Credentials></AssumeRoleResult>\
         </AssumeRoleResponse>"
    )
}

fn role(tenant: &str) -> AwsRole {
    AwsRole::new(ARN).expect("a role").with_base(keys(None)).with_tenant(tenant)
}

/// The session token that a request went out with, or how it was refused.
async fn token(layer: &SignLayer, role: AwsRole) -> Result<String, Kind> {
    let leaf = service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
        let mut response = Response::new(Full::new(Bytes::new()));
        response.headers_mut().insert("x-seen", request.headers()["x-amz-security-token"].clone());
        Ok::<_, std::convert::Infallible>(response)
    });
    let mut request = post("http://127.0.0.1:1/model/m/converse", "{}");
    let uri = request.uri().clone();
    request.extensions_mut().insert(target(&uri, AwsIdentity::Role(role)).build().expect("a target"));
    let Ok(response) = soon(layer.layer(leaf).oneshot(request)).await;
    match response.extensions().get::<Rejection>() {
        Some(refused) => Err(refused.kind()),
        None => Ok(response.headers()["x-seen"].to_str().expect("text").to_owned()),
    }
}

fn form(message: &Message) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&message.body).into_owned().collect()
}

#[tokio::test]
async fn the_call_is_signed_and_encoded() {
    let sts = Sts::start(Duration::ZERO).await;
    let role =
        role("t").with_external_id("a:b+c/d=e").expect("an id").with_tag("team", "a b+c").with_tag("env", "x&y=z");
    assert_eq!(token(&sts.layer(), role).await, Ok("token0".to_owned()));
    let call = sts.upstream.only_request();
    let shown = verify(&call, SECRET);
    assert_eq!((shown.service.as_str(), shown.region.as_str(), call.method()), ("sts", "us-east-1", "POST"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        form(&call),
        [
            pair("Action", "AssumeRole"),
            pair("Version", "2011-06-15"),
            pair("RoleArn", ARN),
            pair("RoleSessionName", "portkey-gateway"),
            pair("DurationSeconds", "3600"),
            pair("ExternalId", "a:b+c/d=e"),
            pair("Tags.member.1.Key", "team"),
            pair("Tags.member.1.Value", "a b+c"),
            pair("Tags.member.2.Key", "env"),
            pair("Tags.member.2.Value", "x_y=z"),
        ]
    );
}

#[tokio::test]
async fn a_thousand_requests_make_one_call() {
    let sts = Sts::start(Duration::from_millis(50)).await;
    let layer = sts.layer();
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let layer = layer.clone();
            tokio::spawn(async move { token(&layer, role("t")).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), Ok("token0".to_owned()));
    }
    assert_eq!(sts.calls(), 1);
}

#[tokio::test]
async fn no_two_identities_share_a_session() {
    let sts = Sts::start(Duration::ZERO).await;
    let layer = sts.layer();
    let other = AwsKeys::new("AKIDEXAMPLE", Secret::from("another-secret"), None).expect("keys");
    let identities = [
        role("one"),
        role("two"),
        role("one").with_external_id("id").expect("an id"),
        role("one").with_external_id("ie").expect("an id"),
        role("one").with_base(other),
        role("one").with_base(keys(Some("token"))),
        role("one").with_tag("a", "1"),
        role("one").with_tag("a", "2"),
        role("one").with_tag("a1", ""),
        AwsRole::new("arn:aws:iam::123456789012:role/portkey2")
            .expect("a role")
            .with_base(keys(None))
            .with_tenant("one"),
    ];
    let mut seen = Vec::new();
    for _ in 0..2 {
        for role in &identities {
            seen.push(token(&layer, role.clone()).await.expect("a session"));
        }
    }
    assert_eq!(sts.calls(), identities.len());
    let (first, second) = seen.split_at(identities.len());
    assert_eq!(first, second, "each its own, kept");
    let mut different = first.to_vec();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), identities.len());
}

#[tokio::test]
async fn a_session_is_got_anew_five_minutes_before_its_end_and_kept_where_that_fails() {
    let sts = Sts::start(Duration::ZERO).await;
    let layer = sts.layer();
    let at = |seconds: u64| sts.now.store(NOW + seconds, Ordering::SeqCst);
    for (seconds, fails, expected) in [
        (0, false, Ok("token0")),
        (3299, false, Ok("token0")),
        (3300, true, Ok("token0")),
        (3301, false, Ok("token0")),
        (3305, false, Ok("token2")),
        (3305 + 3599, true, Ok("token2")),
        (3305 + 3600, true, Err(Kind::Unavailable)),
        (3305 + 3600, false, Ok("token5")),
    ] {
        at(seconds);
        sts.fails.store(fails, Ordering::SeqCst);
        assert_eq!(token(&layer, role("t")).await, expected.map(str::to_owned), "{seconds}");
    }
}

#[tokio::test]
async fn a_failing_sts_is_503_and_the_next_request_tries_again() {
    let sts = Sts::start(Duration::ZERO).await;
    let layer = sts.layer();
    sts.fails.store(true, Ordering::SeqCst);
    assert_eq!(token(&layer, role("t")).await, Err(Kind::Unavailable));
    sts.fails.store(false, Ordering::SeqCst);
    assert_eq!(token(&layer, role("t")).await, Ok("token1".to_owned()));

    let nobody = CustomHost::operator(&format!("http://{}", crate::net::nobody().expect("a port"))).expect("a URL");
    assert_eq!(token(&sts.layer().sts_endpoint(nobody), role("t")).await, Err(Kind::Unavailable));
}

#[tokio::test]
async fn a_slow_sts_is_503_within_its_time() {
    let sts = Sts::start(Duration::from_millis(600)).await;
    let layer = sts.layer().sts_timeout(Duration::from_millis(200));
    let began = Instant::now();
    assert_eq!(token(&layer, role("t")).await, Err(Kind::Unavailable));
    assert!(began.elapsed() < Duration::from_millis(550), "{:?}", began.elapsed());
    assert_eq!(token(&layer, role("t")).await, Err(Kind::Unavailable));
    assert_eq!(sts.calls(), 2, "the next request tried again");
}

#[tokio::test]
async fn a_caller_who_leaves_takes_nobody_else_along() {
    let sts = Sts::start(Duration::from_millis(100)).await;
    let layer = sts.layer();
    let leaving = tokio::time::timeout(Duration::from_millis(30), token(&layer, role("t"))).await;
    assert!(leaving.is_err());
    // Nobody waited any more, so that call is over; this one is new, and it is not late.
    assert!(token(&layer, role("t")).await.is_ok());

    let (first, second) = (layer.clone(), layer.clone());
    let staying = tokio::spawn(async move { token(&second, role("u")).await });
    let leaving = tokio::time::timeout(Duration::from_millis(30), token(&first, role("u"))).await;
    assert!(leaving.is_err() && staying.await.expect("no panic").is_ok());
}

#[tokio::test]
async fn what_the_gateway_was_not_given_it_does_not_have() {
    let sts = Sts::start(Duration::ZERO).await;
    let bare = AwsRole::new(ARN).expect("a role");
    assert_eq!(token(&sts.layer(), bare.clone()).await, Err(Kind::NotImplemented), "no identity of its own");
    assert_eq!(token(&SignLayer::new(), role("t")).await, Err(Kind::NotImplemented), "nobody to call STS");
    assert_eq!(sts.calls(), 0);
    assert_eq!(token(&sts.layer().ambient(keys(None)), bare).await, Ok("token0".to_owned()));
    verify(&sts.upstream.only_request(), SECRET);
}

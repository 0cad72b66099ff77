//! `PortkeyAuthLayer`: who is let in, and how the others are told.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::json;
use tower_portkey::{
    GatewayKey, PortkeyAuthLayer,
    auth::{KeySet, Validate, validate_fn},
    context::{Credential, Principal},
    guard::Decision,
    rejection::{Asked, Kind, Rejection, RenderRejection},
};

use crate::support::{CHAT, KEY, Lines, SK, auth, by, caller, chat, request, send};

const BEARER_KEY: &str = "Bearer pk-7Qm2vX9tRb4Ls8Kd1Wn6Zc3Yh5";

/// The rows of Portkey's extraction table: both headers, whether the caller is known, and what the service below sees as
/// `authorization`.
#[test]
fn where_the_key_is_found_and_what_stays() {
    let lower = BEARER_KEY.replace("Bearer", "bearer");
    let basic = "Basic dTpw";
    for (key, authorization, known, after) in [
        (Some(KEY), None, true, None),
        (Some(KEY), Some("Bearer sk"), true, Some("Bearer sk")),
        (Some(KEY), Some(BEARER_KEY), true, None),
        (Some(KEY), Some(&*lower), true, None),
        (Some(KEY), Some(KEY), true, None),
        (Some(KEY), Some(basic), true, Some(basic)),
        (None, Some(BEARER_KEY), true, None),
        (Some(""), Some(BEARER_KEY), true, None),
        (None, Some(KEY), true, None),
        // Portkey takes the scheme by its case; RFC 9110 doesn't.
        (None, Some(&*lower), true, None),
        (None, None, false, None),
        (Some(""), None, false, None),
        (None, Some("Bearer "), false, None),
        (Some("unknown-key-0123456789"), None, false, None),
        // The header is asked first; what it holds counts, whatever else is there.
        (Some("unknown-key-0123456789"), Some(BEARER_KEY), false, None),
        (Some(BEARER_KEY), None, false, None),
        (None, Some(basic), false, None),
    ] {
        let lines: Vec<_> = [("x-portkey-api-key", key), ("authorization", authorization)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let answer = send(&auth(caller()), chat(&lines));
        assert_eq!(answer.status(), if known { 200 } else { 401 }, "{lines:?}");
        assert_eq!(answer.seen.is_some(), known, "{lines:?}");
        if let Some(seen) = &answer.seen {
            assert_eq!(seen.head.extensions.get::<Principal>().map(Principal::subject), Some("ci"), "{lines:?}");
            assert_eq!((seen.header("authorization"), seen.header("x-portkey-api-key")), (after, None), "{lines:?}");
        }
    }
}

#[test]
fn a_providers_header_is_no_place_for_a_gateway_key() {
    for name in ["x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"] {
        assert_eq!(send(&auth(caller()), chat(&[(name, KEY)])).status(), 401, "{name}");
    }
    let twice: Lines<'_> = &[("x-portkey-api-key", KEY), ("x-api-key", KEY), ("api-key", SK), ("x-goog-api-key", KEY)];
    let answer = send(&auth(caller()), chat(twice));
    let left: Vec<_> = answer.leaf().head.headers.keys().collect();
    assert_eq!(left, ["api-key"], "the caller's key is repeated nowhere, another one stays");
}

/// This layer stands alone in most applications; nobody before it has looked for lines that stand twice.
#[test]
fn two_lines_are_no_credential() {
    let other = "unknown-key-0123456789";
    for (lines, name) in [
        (&[("x-portkey-api-key", KEY), ("x-portkey-api-key", other)][..], "x-portkey-api-key"),
        (&[("x-portkey-api-key", other), ("x-portkey-api-key", KEY)], "x-portkey-api-key"),
        (&[("x-portkey-api-key", KEY), ("X-Portkey-Api-Key", KEY)], "x-portkey-api-key"),
        (&[("authorization", BEARER_KEY), ("authorization", "Bearer other")], "authorization"),
        (&[("x-portkey-api-key", KEY), ("authorization", "Bearer p"), ("authorization", BEARER_KEY)], "authorization"),
    ] {
        let answer = send(&auth(caller()), chat(lines));
        let message = format!("Invalid header: {name} is given more than once");
        assert_eq!((answer.status(), answer.message()), (400, Some(&*message)), "{lines:?}");
        assert!(answer.seen.is_none(), "{lines:?}");
    }
    let answer = send(&auth(caller()), chat(&[("x-portkey-api-key", KEY), ("x-api-key", "a"), ("x-api-key", KEY)]));
    assert_eq!(answer.leaf().header("x-api-key"), None, "one of the lines repeats the key");
}

#[test]
fn refusals_read_like_portkeys() {
    const SHOWN: &str = r#"Bearer realm="portkey", error="invalid_token""#;
    for (lines, kind, challenge) in [
        (&[][..], Kind::MissingKey, r#"Bearer realm="portkey""#),
        (&[("x-portkey-api-key", "")], Kind::MissingKey, r#"Bearer realm="portkey""#),
        (&[("x-portkey-api-key", "nope")], Kind::InvalidKey, SHOWN),
        (&[("authorization", "Bearer a.b.c")], Kind::InvalidKey, SHOWN),
        (&[("x-portkey-api-key", "unknown-key-0123456789"), ("origin", "https://app.test")], Kind::InvalidKey, SHOWN),
        (&[("origin", "null")], Kind::MissingKey, r#"Bearer realm="portkey""#),
    ] {
        let answer = send(&auth(caller()), chat(lines));
        let message = "Portkey Error: Invalid API Key. Error Code: 03";
        let body = json!({"status": "failure", "message": message, "error": {"message": message, "code": "03"}});
        assert_eq!((answer.status(), answer.kind(), answer.json()), (401, Some(kind), body), "{lines:?}");
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"), "{lines:?}");
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{lines:?}");
        assert_eq!(answer.header("x-portkey-gateway-exception"), None, "{lines:?}");
        let origin = lines.iter().find(|(name, _)| *name == "origin").map(|(_, origin)| *origin);
        assert_eq!(answer.header("access-control-allow-origin"), origin, "{lines:?}");
        let exposed = origin.map(|_| "x-portkey-cache-status");
        assert_eq!(answer.header("access-control-expose-headers"), exposed, "{lines:?}");
        assert_eq!(answer.header("vary"), origin.map(|_| "origin"), "{lines:?}");
    }
}

#[test]
fn grpc_gets_trailers_only() {
    for content_type in
        ["application/grpc", "application/grpc+proto", "application/grpc-web", "Application/GRPC-Web+proto"]
    {
        let answer = send(&auth(caller()), chat(&[("content-type", content_type)]));
        assert_eq!((answer.status(), answer.body.len()), (200, 0), "{content_type}");
        assert_eq!(answer.header("content-type"), Some("application/grpc"), "{content_type}");
        assert_eq!(answer.header("grpc-status"), Some("16"), "{content_type}");
        assert_eq!(answer.header("grpc-message"), Some("Invalid API Key"), "{content_type}");
        assert_eq!(answer.header("www-authenticate"), None, "{content_type}");
    }
    for content_type in ["application/json", "text/application/grpc", ""] {
        let answer = send(&auth(caller()), chat(&[("content-type", content_type)]));
        assert_eq!((answer.status(), answer.header("grpc-status")), (401, None), "{content_type}");
    }
}

#[test]
fn a_store_that_is_down_is_no_unknown_key_and_no_pass() {
    /// Says so at once.
    struct Down;

    impl Validate for Down {
        type Future = std::future::Ready<Result<Principal, Rejection>>;

        fn validate(&self, _: &Credential) -> Decision<Principal, Self::Future> {
            Decision::refuse(Rejection::unavailable("canary of the database"))
        }
    }

    let later = validate_fn(async |_: Credential| Err(Rejection::unavailable("canary of the database")));
    let request = || chat(&[("x-portkey-api-key", KEY)]);
    for (name, answer) in [
        ("at once", send(&PortkeyAuthLayer::new(Arc::new(Down)), request())),
        ("later", send(&PortkeyAuthLayer::new(later), request())),
    ] {
        let message = "Service temporarily unavailable";
        let body = json!({"status": "failure", "message": message, "error": {"message": message, "code": "503"}});
        assert_eq!((answer.status(), answer.json()), (503, body), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{name}");
        assert_eq!(answer.header("x-portkey-gateway-exception"), Some("true"), "{name}");
        assert!(answer.seen.is_none(), "{name}");
        let grpc = send(
            &PortkeyAuthLayer::new(Down),
            chat(&[("x-portkey-api-key", KEY), ("content-type", "application/grpc")]),
        );
        assert_eq!(
            (grpc.status(), grpc.header("grpc-status"), grpc.header("retry-after")),
            (200, Some("14"), Some("1"))
        );
    }
}

#[test]
fn an_answer_that_comes_later_is_judged_like_one_that_is_there() {
    let layer = |who: Principal| {
        PortkeyAuthLayer::new(validate_fn(move |credential: Credential| {
            let who = who.clone();
            async move {
                tokio::task::yield_now().await;
                if credential.expose() == KEY { Ok(who) } else { Err(Rejection::new(Kind::InvalidKey)) }
            }
        }))
    };
    let answer = send(&layer(caller()), chat(&[("authorization", BEARER_KEY), ("x-own", "1")]));
    assert_eq!(answer.leaf().header("authorization"), None);
    assert_eq!(answer.leaf().header("x-own"), Some("1"));
    assert_eq!(answer.leaf().head.extensions.get::<Principal>().map(Principal::subject), Some("ci"));
    assert_eq!(send(&layer(caller()), chat(&[("authorization", "Bearer other")])).kind(), Some(Kind::InvalidKey));
    let over = caller().with_expiry(std::time::UNIX_EPOCH);
    assert_eq!(send(&layer(over), chat(&[("authorization", BEARER_KEY)])).kind(), Some(Kind::KeyExpired));
}

#[test]
fn how_a_refusal_looks_can_be_replaced_and_whether_it_happens_can_not() {
    /// A look that claims success.
    #[derive(Clone)]
    struct Teapot;

    impl RenderRejection for Teapot {
        fn render(&self, rejection: &Rejection, asked: &Asked) -> Response<Bytes> {
            let mut response = Response::new(Bytes::from(format!("{:?} {}", rejection.kind(), asked.grpc)));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response
        }
    }

    let layer = auth(caller()).render(Teapot);
    let answer = send(&layer, chat(&[]));
    assert_eq!((answer.status(), &answer.body[..]), (418, &b"MissingKey false"[..]));
    assert_eq!((answer.kind(), answer.seen.is_none()), (Some(Kind::MissingKey), true));
    assert_eq!(send(&layer, chat(&[("content-type", "application/grpc")])).body, "MissingKey true");
    assert_eq!(send(&layer, chat(&[("x-portkey-api-key", KEY)])).body, "leaf");
}

#[test]
fn the_requests_facts_are_in_the_answers_extensions() {
    let refuse = validate_fn(async |_: Credential| {
        let name = HeaderName::from_static("x-why");
        let rejection = Rejection::new(Kind::InvalidKey).with_header(name, HeaderValue::from_static("a"));
        Err(rejection.with_retry_after(Duration::from_millis(1500)).with_source("canary"))
    });
    // A fact that somebody above has left.
    let answer = send(&PortkeyAuthLayer::new(refuse), by(Principal::new("above"), chat(&[("x-portkey-api-key", KEY)])));
    assert_eq!(answer.head.extensions.get::<Principal>().map(Principal::subject), Some("above"));
    assert_eq!((answer.header("x-why"), answer.header("retry-after")), (Some("a"), Some("2")));
    let rejection = answer.head.extensions.get::<Rejection>().expect("a rejection");
    assert_eq!(std::error::Error::source(rejection).map(ToString::to_string).as_deref(), Some("canary"));
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
}

#[test]
fn no_key_lets_nobody_in_and_a_digest_is_a_key() {
    let nobody = PortkeyAuthLayer::new(KeySet::new([]).expect("a set"));
    let shown = || request(&Method::POST, CHAT, &[("x-portkey-api-key", KEY)]);
    assert_eq!(send(&nobody, shown()).status(), 401);
    // The SHA-256 of `KEY`.
    let digest = "cad2ec7933dd77a9bfd60a31761c2c8781de2e91c935485a41aed8172029936f";
    let layer = PortkeyAuthLayer::keys([GatewayKey::from_sha256(digest, caller()).expect("a key")]).expect("a set");
    for name in ["first", "again, by the quick way"] {
        assert_eq!(send(&layer, shown()).status(), 200, "{name}");
    }
}

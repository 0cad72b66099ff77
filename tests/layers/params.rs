//! What a config's changes make of a body: read by `ModelLayer`, changed by `StrategyLayer`.

use bytes::Bytes;
use http::{Method, Request};
use http_body::Body;
use http_body_util::Full;
use serde_json::json;
use tower_portkey::{ConfigLayer, ExtractLayer, ModelLayer, StrategyLayer, model::NoEntries, rejection::Kind};

use crate::support::{Answer, CHAT, Chunks, request_with, send};

fn asked(config: &str, content_type: Option<&str>, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let config = format!(r#"{{"provider":"openai","api_key":"k"{config}}}"#);
    let lines: Vec<_> =
        content_type.map(|kind| ("content-type", kind)).into_iter().chain([("x-portkey-config", &*config)]).collect();
    request_with(&Method::POST, CHAT, &lines, body)
}

fn model() -> ModelLayer {
    ModelLayer::new(NoEntries)
}

fn sent<B>(layer: ModelLayer, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + Unpin + 'static,
{
    send(&(ExtractLayer::new(), ConfigLayer::new(), layer, StrategyLayer::new()), request)
}

#[test]
fn defaults_then_overrides_then_drops() {
    for (config, body, expected) in [
        (r#","override_params":{"a":1}"#, "{}", r#"{"a":1}"#),
        (r#","override_params":{"a":1}"#, r#"{"a":0,"b":2}"#, r#"{"a":1,"b":2}"#),
        (r#","default_params":{"a":1}"#, r#"{"b":2}"#, r#"{"b":2,"a":1}"#),
        (r#","default_params":{"a":1}"#, r#"{"a":null}"#, r#"{"a":null}"#),
        (r#","drop_params":["a"]"#, r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        // The last word is the drop's, the one before it the override's.
        (r#","default_params":{"a":1},"override_params":{"a":2}"#, "{}", r#"{"a":2}"#),
        (r#","drop_params":["a"],"default_params":{"a":1},"override_params":{"a":2}"#, r#"{"b":3}"#, r#"{"b":3}"#),
        (r#","override_params":{"a":{"x":1}}"#, r#"{"a":{"y":2}}"#, r#"{"a":{"x":1}}"#),
        // What is not changed keeps its text.
        (
            r#","override_params":{"t":0.70}"#,
            "{ \"n\" : 1.10, \"big\":12345678901234567890123 }",
            r#"{"n":1.10,"big":12345678901234567890123,"t":0.70}"#,
        ),
    ] {
        for name in ["application/json", "application/json; charset=utf-8"] {
            let answer = sent(model(), asked(config, Some(name), body));
            let seen = answer.leaf();
            assert_eq!(seen.body(), expected, "{config} {body}");
            assert_eq!(seen.header("content-length"), Some(&*expected.len().to_string()), "{config} {body}");
            assert_eq!(seen.hint.exact(), Some(expected.len() as u64), "{config} {body}");
        }
    }
}

#[test]
fn a_length_that_the_caller_wrote_is_replaced() {
    let mut request = asked(r#","override_params":{"a":1}"#, Some("application/json"), "{}");
    request.headers_mut().insert("content-length", "2".parse().expect("a value"));
    assert_eq!(sent(model(), request).leaf().header("content-length"), Some("7"));
}

#[test]
fn other_bodies_pass_byte_for_byte() {
    const CHANGE: &str = r#","override_params":{"a":1}"#;
    for (config, content_type) in [
        ("", Some("application/json")),
        (r#","override_params":{},"default_params":{},"drop_params":[]"#, Some("application/json")),
        (r#","cache":{"mode":"simple"}"#, Some("application/json")),
        (CHANGE, Some("multipart/form-data; boundary=x")),
        (CHANGE, Some("multipart/form-data;Boundary=x")),
    ] {
        for body in ["", "{\n  \"a\" :1.0 }\n", "not JSON", "\u{feff}{}", r#"{"a":1,"a":2}"#] {
            let chunks: Vec<Bytes> = body.as_bytes().chunks(3).map(Bytes::copy_from_slice).collect();
            let mut request = asked(config, content_type, "").map(|_| Chunks::new(chunks.clone()));
            if config == CHANGE {
                *request.uri_mut() = "/v1/audio/transcriptions".parse().expect("a path");
            }
            // A limit counts for what is read only.
            let answer = sent(model().limit(1), request);
            assert_eq!(answer.leaf().chunks, chunks, "{config} {content_type:?} {body:?}: not merged, not held");
            assert_eq!(answer.leaf().hint.exact(), None, "{config} {content_type:?} {body:?}");
            assert_eq!(answer.leaf().header("content-length"), None, "{config} {content_type:?} {body:?}");
        }
    }
}

/// A pinned model is not avoided by calling the question a form.
#[test]
fn a_question_in_json_is_no_form() {
    let change = r#","override_params":{"model":"pinned"}"#;
    let form = Some("multipart/form-data; boundary=x");
    let answer = sent(model(), asked(change, form, r#"{"model":"other"}"#));
    assert_eq!(answer.leaf().body(), r#"{"model":"pinned"}"#);
    assert_eq!(sent(model(), asked(change, form, "--x")).kind(), Some(Kind::InvalidRequest));
}

/// Names that come by the thousand, from caller and config, cost what they weigh.
#[test]
fn many_members_are_refused_before_they_cost_much() {
    let names = |count: usize| (0..count).map(|index| format!("\"m{index}\":1")).collect::<Vec<_>>().join(",");
    let drops: Vec<_> = (0..2000).map(|index| format!("\"{index}\"")).collect();
    let change = format!(r#","drop_params":[{}]"#, drops.join(","));
    let began = std::time::Instant::now();
    let many = format!("{{{}}}", names(4096));
    assert_eq!(sent(model(), asked(&change, None, many.clone())).leaf().body(), many);
    let more = format!("{{{}}}", names(300_000));
    assert_eq!(sent(model(), asked(&change, None, more)).kind(), Some(Kind::InvalidRequest));
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

/// Bodies that are held have a budget together, and it comes back.
#[test]
fn what_all_bodies_may_hold_is_bounded() {
    let change = r#","override_params":{"a":1}"#;
    let layer = model().budget(8);
    let request = |body: &'static str| asked(change, None, body).map(|_| Chunks::new([body]));
    let over = sent(layer.clone(), request(r#"{"b":1234567}"#));
    assert_eq!((over.status(), over.kind()), (503, Some(Kind::Unavailable)));
    assert_eq!(over.header("retry-after"), Some("1"));
    for _ in 0..3 {
        assert_eq!(sent(layer.clone(), request("{}")).leaf().body(), r#"{"a":1}"#);
    }
}

/// Portkey's Node client says `application/json` on every request; a job is cancelled by a POST without a body.
#[test]
fn a_request_that_has_no_body_has_none_to_change() {
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::POST, Method::PUT] {
        for in_chunks in [false, true] {
            let mut request = asked(r#","override_params":{"a":1}"#, Some("application/json"), "");
            *request.method_mut() = method.clone();
            *request.uri_mut() = "/v1/batches/b-1/cancel".parse().expect("a path");
            let answer = match in_chunks {
                false => sent(model(), request),
                true => sent(model(), request.map(|_| Chunks::new([""; 0]))),
            };
            assert_eq!(answer.leaf().body(), "", "{method} in chunks: {in_chunks}");
        }
    }
}

/// To call it something else, or nothing, is no way around a config.
#[test]
fn a_body_is_read_whatever_it_is_called() {
    for content_type in [None, Some(""), Some("audio/wav"), Some("application/json"), Some("multipart/form-data")] {
        for (body, status, expected) in [(r#"{"a":0}"#, 200, r#"{"a":1}"#), ("RIFF", 400, "")] {
            let answer = sent(model(), asked(r#","override_params":{"a":1}"#, content_type, body));
            assert_eq!(answer.status(), status, "{content_type:?} {body}");
            assert!(answer.seen.is_none_or(|seen| seen.body() == expected), "{content_type:?} {body}");
        }
    }
}

#[test]
fn what_is_read_has_a_limit() {
    const CHANGE: &str = r#","override_params":{"a":1}"#;
    const MIB: usize = 1024 * 1024;
    let body = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    for (length, fits) in [(MIB, true), (MIB + 1, false), (2 * MIB, false)] {
        let whole = asked(CHANGE, Some("application/json"), body(length));
        let in_chunks = asked(CHANGE, Some("application/json"), "").map(|_| {
            let body = Bytes::from(body(length));
            Chunks::new((0..length).step_by(100_000).map(|start| body.slice(start..length.min(start + 100_000))))
        });
        let layer = model().limit(MIB);
        for (way, answer) in [("hint", sent(layer.clone(), whole)), ("chunks", sent(layer, in_chunks))] {
            if fits {
                assert_eq!(answer.leaf().body(), r#"{"a":1}"#, "{way} {length}");
                continue;
            }
            let message = "Payload size exceeds the limit of 1MB";
            let body = json!({"status": "failure", "message": message});
            assert_eq!((answer.status(), answer.json()), (413, body), "{way} {length}");
            assert_eq!((answer.kind(), answer.seen.is_none()), (Some(Kind::PayloadTooLarge), true), "{way} {length}");
        }
    }
}

/// A body that says it is too long is refused before it is read.
#[test]
fn the_hint_is_asked_first() {
    struct Never;

    impl Body for Never {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            panic!("the body was read")
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(11)
        }
    }

    let request = asked(r#","override_params":{"a":1}"#, Some("application/json"), "").map(|_| Never);
    assert_eq!(sent(model().limit(10), request).status(), 413);
}

#[test]
fn a_body_that_can_not_be_changed_is_refused_and_not_repeated() {
    const OBJECT: &str = "The body must be a JSON object, because its config changes members of it";
    const TWICE: &str = "The body must not have a member twice, because its config changes members of it";
    for (body, message) in [
        (" ", OBJECT),
        ("[]", OBJECT),
        ("null", OBJECT),
        ("{\"a\":canary}", OBJECT),
        ("{}{}", OBJECT),
        ("{\"a\":1", OBJECT),
        (r#"{"a":"canary","a":1}"#, TWICE),
        (r#"{"a":"canary","\u0061":1}"#, TWICE),
    ] {
        let answer = sent(model(), asked(r#","drop_params":["a"]"#, Some("application/json"), body));
        let expected = json!({"status": "failure", "message": message});
        assert_eq!((answer.status(), answer.json()), (400, expected), "{body}");
        assert!(answer.seen.is_none(), "{body}");
    }
}

/// A body that breaks off is the caller's failure, and what was read goes nowhere.
#[test]
fn a_body_that_breaks_off_is_refused() {
    struct Broken(bool);

    impl Body for Broken {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            let first = !std::mem::replace(&mut self.0, true);
            std::task::Poll::Ready(Some(if first {
                Ok(http_body::Frame::data(Bytes::from("{}")))
            } else {
                Err(std::io::Error::other("canary"))
            }))
        }
    }

    let request = asked(r#","drop_params":["a"]"#, Some("application/json"), "").map(|_| Broken(false));
    let answer = send(&(ExtractLayer::new(), ConfigLayer::new(), model(), StrategyLayer::new()), request);
    let expected = json!({"status": "failure", "message": "The body could not be read to its end"});
    assert_eq!((answer.status(), answer.json()), (400, expected));
    assert!(answer.seen.is_none());
}

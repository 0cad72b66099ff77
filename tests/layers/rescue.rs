//! `RescueLayer`: what a failure below is told as.

use std::{
    convert::Infallible,
    error::Error,
    fmt::Debug,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_portkey::{
    RescueLayer,
    context::Principal,
    rejection::{Asked, Kind, Rejection, RenderRejection},
};

use crate::support::{Answer, Lines, block_on, caller, chat};

fn answer<S, E>(leaf: S, lines: Lines<'_>) -> Answer
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = E>,
    E: Into<Box<dyn Error + Send + Sync>> + Debug,
{
    answer_of(&RescueLayer::new(), leaf, lines)
}

fn answer_of<L, S, B>(layer: &L, leaf: S, lines: Lines<'_>) -> Answer
where
    L: Layer<S, Service: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>>,
    B: http_body::Body<Data = Bytes, Error: Debug>,
{
    let service = layer.layer(leaf);
    block_on(async {
        let Ok(response) = service.oneshot(chat(lines)).await;
        let (head, body) = response.into_parts();
        Answer { head, body: body.collect().await.expect("a body").to_bytes(), seen: None }
    })
}

type Answered = Result<Response<Full<Bytes>>, Rejection>;

#[test]
fn an_error_is_told_by_its_kind_and_never_by_its_text() {
    for (kind, status, grpc, exception) in [
        (Kind::BadGateway, 502, "14", true),
        (Kind::GatewayTimeout, 504, "4", true),
        (Kind::Unavailable, 503, "14", true),
        (Kind::Internal, 500, "13", true),
        (Kind::Misassembled, 500, "13", true),
        (Kind::InvalidRequest, 400, "3", false),
        (Kind::NotImplemented, 501, "12", true),
        (Kind::PayloadTooLarge, 413, "8", false),
    ] {
        let leaf = || service_fn(move |_| ready(Answered::Err(Rejection::new(kind).with_source("canary"))));
        let http = answer(leaf(), &[]);
        assert_eq!((http.status(), http.kind()), (status, Some(kind)), "{kind:?}");
        assert_eq!(http.json()["message"], kind.text(), "{kind:?}");
        let expected = exception.then_some("true");
        assert_eq!(http.header("x-portkey-gateway-exception"), expected, "{kind:?}");
        assert!(!String::from_utf8_lossy(&http.body).contains("canary"), "{kind:?}");

        let trailers = answer(leaf(), &[("content-type", "application/grpc+proto")]);
        assert_eq!((trailers.status(), trailers.body.len()), (200, 0), "{kind:?}");
        assert_eq!(trailers.header("grpc-status"), Some(grpc), "{kind:?}");
        assert_eq!(trailers.header("grpc-message"), Some(kind.text()), "{kind:?}");
        assert_eq!(trailers.header("x-portkey-gateway-exception"), expected, "{kind:?}");
    }
}

#[test]
fn another_error_is_a_bad_gateway() {
    let leaf = service_fn(|_| ready(Err::<Response<Full<Bytes>>, _>(std::io::Error::other("canary 10.0.0.1:443"))));
    let answer = answer(leaf, &[("origin", "https://app.test")]);
    let body = json!({"status": "failure", "message": "The provider could not be reached"});
    assert_eq!((answer.status(), answer.json()), (502, body));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.test"));
    let rejection = answer.head.extensions.get::<Rejection>().expect("a rejection");
    assert_eq!(rejection.source().map(ToString::to_string).as_deref(), Some("canary 10.0.0.1:443"), "for logs");
}

#[test]
fn a_timeout_of_the_requests_own_reads_like_openais() {
    let message = "Request exceeded the timeout sent in the request: 300ms";
    let leaf = service_fn(move |_| ready(Answered::Err(Rejection::new(Kind::Timeout).with_message(message))));
    let answer = answer(leaf, &[]);
    let body = json!({"error": {"message": message, "type": "timeout_error", "param": null, "code": null}});
    assert_eq!((answer.status(), answer.json()), (408, body));
}

#[test]
fn messages_are_percent_encoded_for_grpc() {
    let leaf = service_fn(|_| {
        ready(Answered::Err(Rejection::new(Kind::InvalidRequest).with_message("100% \u{e9}\r\ngrpc-status: 0")))
    });
    let answer = answer(leaf, &[("content-type", "application/grpc")]);
    assert_eq!(answer.header("grpc-message"), Some("100%25 %C3%A9%0D%0Agrpc-status: 0"));
    assert_eq!(answer.header("grpc-status"), Some("3"));
}

/// What travels as an error has no request any more; it brings the request's facts along.
#[test]
fn an_error_keeps_the_facts() {
    let leaf = service_fn(|_| {
        let mut facts = Extensions::new();
        facts.insert(caller());
        ready(Answered::Err(Rejection::new(Kind::BadGateway).with_facts(facts)))
    });
    let answer = answer(leaf, &[]);
    assert_eq!(answer.head.extensions.get::<Principal>().map(Principal::subject), Some("ci"));
}

#[test]
fn a_panic_is_an_answer_without_its_text() {
    let in_future = service_fn(async |_| -> Answered { panic!("canary") });
    let in_call = service_fn(|_| -> Ready<Answered> { panic!("canary") });
    let body = json!({"status": "failure", "message": "Something went wrong"});
    for (name, answer) in [("future", answer(in_future, &[])), ("call", answer(in_call, &[]))] {
        assert_eq!(
            (answer.status(), answer.kind(), answer.json()),
            (500, Some(Kind::Internal), body.clone()),
            "{name}"
        );
        assert_eq!(answer.header("x-portkey-gateway-exception"), Some("true"), "{name}");
    }
}

#[test]
fn an_answer_passes_untouched() {
    let leaf = service_fn(|_| {
        let mut response = Response::new(Full::from("teapot"));
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response.headers_mut().insert("x-own", "1".parse().expect("a value"));
        ready(Answered::Ok(response))
    });
    let answer = answer(leaf, &[("origin", "https://app.test")]);
    assert_eq!((answer.status(), &answer.body[..], answer.kind()), (418, &b"teapot"[..], None));
    assert_eq!(answer.head.headers.keys().collect::<Vec<_>>(), ["x-own"]);
}

#[test]
fn a_service_that_never_gets_ready_is_answered_for() {
    #[derive(Clone)]
    struct Dead;

    impl Service<Request<Full<Bytes>>> for Dead {
        type Response = Response<Full<Bytes>>;
        type Error = Rejection;
        type Future = Ready<Answered>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
            Poll::Ready(Err(Rejection::new(Kind::GatewayTimeout)))
        }

        fn call(&mut self, _: Request<Full<Bytes>>) -> Ready<Answered> {
            panic!("called although it was not ready")
        }
    }

    assert_eq!(answer(Dead, &[]).status(), 504);
    assert_eq!(answer(Dead, &[("content-type", "application/grpc")]).header("grpc-status"), Some("4"));
}

#[test]
fn the_look_can_be_replaced() {
    #[derive(Clone)]
    struct Short;

    impl RenderRejection for Short {
        fn render(&self, rejection: &Rejection, _: &Asked) -> Response<Bytes> {
            Response::new(Bytes::from(format!("{:?}", rejection.kind())))
        }
    }

    let leaf = service_fn(|_| ready(Answered::Err(Rejection::new(Kind::GatewayTimeout))));
    let answer = answer_of(&RescueLayer::new().render(Short), leaf, &[]);
    assert_eq!((&answer.body[..], answer.kind()), (&b"GatewayTimeout"[..], Some(Kind::GatewayTimeout)));
}

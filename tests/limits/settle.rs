//! What is counted in the end: by answers, streams, failures and cancellations.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};
use tower_portkey::{
    LimitLayer,
    body::FullOr,
    context::Principal,
    limit::{Price, PriceTable},
    rejection::{Asked, Kind, PortkeyJson, Rejection, refuse},
};

use crate::{
    harness::{Answer, Counters, Piece, Provider, counters, limited, used},
    support::{block_on, by, chat, request},
};

const BUDGET: &str = r#"{"type":"tokens","credit_limit":10000}"#;

/// A request whose answer may have 100 tokens; its prompt is guessed to have 5.
fn asked(who: &Principal) -> Request<FullOr<Full<Bytes>>> {
    let mut request = by(who.clone(), chat(&[("content-type", "application/json"), ("accept-encoding", "gzip")]));
    request.headers_mut().insert("content-length", 18.into());
    request.map(|_| FullOr::full(r#"{"max_tokens":100}"#))
}

fn service(
    counters: &Counters,
    provider: &Provider,
) -> impl Service<
    Request<FullOr<Full<Bytes>>>,
    Response = Response<impl Body<Data = Bytes, Error = &'static str> + use<>>,
    Error = std::convert::Infallible,
> + use<> {
    LimitLayer::callers(counters.clone()).read_bodies().layer(provider.clone())
}

/// What one budget counts and holds.
fn counted(counters: &Counters) -> (u64, u64) {
    used(counters).first().map_or((0, 0), |(_, used, held)| (*used, *held))
}

/// Sends a request and reads so many frames of the answer; all where nobody says.
fn run(answer: Option<Answer>, frames: Option<usize>) -> (u64, u64) {
    let (_, counters) = counters();
    let provider = Provider::new(answer);
    let who = limited(BUDGET, "[]");
    block_on(async {
        let mut call = Box::pin(service(&counters, &provider).oneshot(asked(&who)));
        let answer =
            std::future::poll_fn(|cx| std::task::Poll::Ready(std::future::Future::poll(call.as_mut(), cx))).await;
        let failed = matches!(&answer, std::task::Poll::Ready(Ok(response)) if !response.status().is_success());
        assert_eq!(counted(&counters), (0, if failed { 0 } else { 105 }), "taken in advance");
        let std::task::Poll::Ready(Ok(response)) = answer else { return };
        let mut body = Box::pin(response.into_body());
        let mut read = 0;
        while frames.is_none_or(|frames| read < frames) {
            match body.frame().await {
                Some(Ok(_)) => read += 1,
                Some(Err(_)) | None => break,
            }
        }
    });
    counted(&counters)
}

const CHUNK: &str = r#"{"choices":[{"delta":{"content":"a"}}],"usage":null}"#;
const LAST: &str = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;
const START: &str = r#"{"type":"message_start","message":{"usage":{"input_tokens":40,"output_tokens":1}}}"#;

#[test]
fn what_was_used_takes_the_place_of_what_was_taken() {
    let usage = r#"{"usage":{"prompt_tokens":7,"completion_tokens":300,"total_tokens":307}}"#;
    for (name, answer, frames, expected) in [
        ("an answer", Answer::json(200, usage), None, 307),
        (
            "an answer in bytes",
            Answer {
                body: usage.bytes().map(|byte| Piece::Data(Bytes::from(vec![byte]))).collect(),
                ..Answer::json(200, "")
            },
            None,
            307,
        ),
        ("an answer without usage", Answer::json(200, "{}"), None, 105),
        ("an answer that nobody reads to its end", Answer::json(200, usage), Some(1), 307),
        ("an answer that nobody reads", Answer::json(200, usage), Some(0), 105),
        ("a stream", Answer::events(&[CHUNK, CHUNK, LAST, "[DONE]"]), None, 10),
        ("a stream that is dropped at its end", Answer::events(&[CHUNK, LAST, "[DONE]"]), Some(2), 10),
        ("a stream without usage", Answer::events(&[CHUNK, CHUNK, "[DONE]"]), None, 105),
        ("a long stream without usage", Answer::events(&[CHUNK; 200]), None, 205),
        ("a stream that is dropped", Answer::events(&[CHUNK; 9]), Some(4), 9),
        ("a stream that breaks", Answer::events(&[CHUNK; 9]).and(Piece::Broken), None, 14),
        (
            "a stream that is silent and dropped",
            Answer::events(&[START, CHUNK, CHUNK, CHUNK, CHUNK]).and(Piece::Silence),
            Some(5),
            45,
        ),
        ("a failure", Answer::json(500, usage), None, 0),
        ("a refusal", Answer::json(400, "{}"), None, 0),
        ("a redirect", Answer::json(302, "{}"), None, 0),
        ("a compressed answer", Answer::json(200, "\u{1f}\u{8b}").header("content-encoding", "gzip"), None, 105),
    ] {
        assert_eq!(run(Some(answer), frames), (expected, 0), "{name}");
    }
    // The prompt was sent; the rest goes back.
    assert_eq!(run(None, None), (5, 0), "cancelled before it was answered");
}

/// Posts a body to a path and reads so many frames of the answer; all where nobody says.
fn posted(path: &str, body: &'static str, answer: Answer, frames: Option<usize>) -> u64 {
    let (_, counters) = counters();
    let who = limited(BUDGET, "[]");
    let request = request(&Method::POST, path, &[("content-type", "application/json")]);
    let request = by(who, request).map(|_| FullOr::full(body));
    block_on(async {
        let response = service(&counters, &Provider::new([answer])).oneshot(request).await.expect("an answer");
        let (mut body, mut read) = (Box::pin(response.into_body()), 0);
        while frames.is_none_or(|frames| read < frames) && matches!(body.frame().await, Some(Ok(_))) {
            read += 1;
        }
    });
    let (used, held) = counted(&counters);
    assert_eq!(held, 0, "{path}");
    used
}

#[test]
fn every_spelling_of_a_question_counts() {
    let stream = || Answer::events(&[CHUNK; 500]).and(Piece::Data(Bytes::from_static(b"data: [DONE]\n\n")));
    for path in [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/proxy/chat/completions",
        "/v1/proxy/completions",
        "/v1/messages/",
        "/v1/chat",
        "/v1/openai/v1/chat/completions",
    ] {
        assert_eq!(posted(path, r#"{"max_tokens":100}"#, stream(), None), 506, "{path}");
    }
    let aws = "application/vnd.amazon.eventstream";
    let binary = Answer { headers: vec![("content-type", aws)], ..Answer::json(200, "\0\0\0\x10") };
    for path in ["/v1/model/m/converse-stream", "/v1/model/m/invoke-with-response-stream"] {
        assert_eq!(posted(path, r#"{"inferenceConfig":{"maxTokens":100}}"#, binary.clone(), None), 110, "{path}");
    }
    for (path, used) in [
        ("/v1/models/g:embedContent", 1025),
        ("/v1/rerank", 1025),
        ("/v1/files", 0),
        ("/v1/batches", 0),
        ("/v1/moderations", 0),
        ("/v1/messages/count_tokens", 0),
    ] {
        assert_eq!(posted(path, "{}", Answer::json(200, "{}"), None), used, "{path}");
    }
}

#[test]
fn an_answer_that_is_cut_before_its_usage_counts_as_its_text() {
    let text = "a long text. ".repeat(300);
    let front = format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"#);
    let rest = r#""}]}}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5000,"totalTokenCount":5010}}"#;
    let answer = Answer::json(200, front).and(Piece::Data(Bytes::from(rest)));
    let body = r#"{"max_tokens":100}"#;
    for path in ["/v1/chat/completions", "/v1/models/g:generateContent"] {
        let text = 5 + 3900_u64.div_ceil(4);
        for (frames, expected) in [(Some(0), 105..=105), (Some(1), text..=text + 10), (None, 5010..=5010)] {
            let used = posted(path, body, answer.clone(), frames);
            assert!(expected.contains(&used), "{path}, {frames:?}: {used} {expected:?}");
        }
    }
}

#[test]
fn an_answer_that_is_fetched_again_is_free() {
    let (_, counters) = counters();
    let answer = Answer::json(200, r#"{"usage":{"input_tokens":1000,"output_tokens":1000,"total_tokens":2000}}"#);
    let request = by(limited(BUDGET, "[]"), request(&Method::GET, "/v1/responses/r-1", &[]));
    let request = request.map(|_| FullOr::<Full<Bytes>>::full(""));
    let fetched = block_on(async {
        service(&counters, &Provider::new([answer]))
            .oneshot(request)
            .await
            .expect("an answer")
            .into_body()
            .collect()
            .await
    });
    assert!(fetched.is_ok());
    assert_eq!(counted(&counters), (0, 0));
}

#[test]
fn who_waits_no_longer_pays_for_the_prompt() {
    for (kind, used) in
        [(Kind::Timeout, 5), (Kind::GatewayTimeout, 5), (Kind::BadGateway, 0), (Kind::NotImplemented, 0)]
    {
        let (_, counters) = counters();
        let leaf = tower::service_fn(move |_: Request<FullOr<Full<Bytes>>>| async move {
            let refused = refuse(&PortkeyJson, Rejection::new(kind), &Asked::default(), http::Extensions::new());
            Ok::<_, std::convert::Infallible>(refused.map(Full::new))
        });
        let layer = LimitLayer::callers(counters.clone()).read_bodies();
        assert!(block_on(layer.layer(leaf).oneshot(asked(&limited(BUDGET, "[]")))).is_ok());
        assert_eq!(counted(&counters), (used, 0), "{kind:?}");
    }
}

#[test]
fn as_many_answers_as_are_asked_for_are_taken_in_advance() {
    let (_, counters) = counters();
    let who = limited(r#"{"type":"tokens","credit_limit":1000000}"#, "[]");
    for (body, held) in [(r#"{"n":8}"#, 8 * 1024), (r#"{"n":9e18}"#, 128 * 1024), (r#"{"prompt":["",""]}"#, 2 * 1024)] {
        let request = by(who.clone(), chat(&[])).map(|_| FullOr::full(body));
        block_on(async {
            let mut call = Box::pin(service(&counters, &Provider::new([])).oneshot(request));
            std::future::poll_fn(|cx| {
                std::task::Poll::Ready(std::future::Future::poll(call.as_mut(), cx).is_pending())
            })
            .await;
            assert_eq!(counted(&counters).1, held + (body.len() as u64).div_ceil(4), "{body}");
        });
    }
}

#[test]
fn usage_that_can_be_read_is_asked_for() {
    let provider = Provider::new([Answer::json(200, "{}")]);
    for (who, encoding) in [(limited(BUDGET, "[]"), "identity"), (limited("[]", r#"{"unit":"rpm","value":1}"#), "gzip")]
    {
        let (_, counters) = counters();
        block_on(service(&counters, &provider).oneshot(asked(&who))).expect("an answer");
        assert_eq!(
            provider.seen().last().map(|headers| headers["accept-encoding"].clone()),
            Some(encoding.parse().unwrap())
        );
    }
}

#[test]
fn what_the_caller_may_use_has_to_be_left() {
    let (_, counters) = counters();
    let provider = Provider::new([]);
    let who = limited(r#"{"type":"tokens","credit_limit":250}"#, "[]");
    block_on(async {
        let mut calls = Vec::new();
        for passes in [true, true, false] {
            let mut call = Box::pin(service(&counters, &provider).oneshot(asked(&who)));
            let answer =
                std::future::poll_fn(|cx| std::task::Poll::Ready(std::future::Future::poll(call.as_mut(), cx)));
            let denied = matches!(answer.await, std::task::Poll::Ready(Ok(response)) if response.status() == 412);
            assert_eq!(denied, !passes);
            calls.push(call);
        }
        assert_eq!(counted(&counters), (0, 210));
        drop(calls);
    });
    assert_eq!(counted(&counters), (10, 0));
}

#[test]
fn cost_is_tokens_by_their_price() {
    let price = Price { provider: "*".into(), model: "gpt-*".into(), input: 2.0, output: 10.0, cached: Some(1.0) };
    let prices = PriceTable::new([price]).expect("prices");
    let answer = |model: &str| {
        let usage = r#"{"prompt_tokens":100,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":50}}"#;
        Answer::json(200, format!(r#"{{"model":"{model}","usage":{usage}}}"#))
    };
    for (model, cost) in [("gpt-4o", 50 * 2000 + 50 * 1000 + 10 * 10_000), ("own", 0)] {
        let (_, counters) = counters();
        let who = limited(r#"{"type":"cost","credit_limit":0.001}"#, "[]");
        let layer = LimitLayer::callers(counters.clone()).prices(prices.clone());
        let mut request = by(who, chat(&[])).map(|_| Full::new(Bytes::new()));
        let config = tower_portkey::context::RequestConfig::none();
        request.extensions_mut().insert(config);
        request.extensions_mut().insert(target());
        let service = layer.layer(Provider::new([answer(model)]));
        let collected =
            block_on(async { service.oneshot(request).await.expect("an answer").into_body().collect().await });
        assert!(collected.is_ok());
        assert_eq!(counted(&counters), (cost, 0), "{model}");
    }
}

/// What a call costs, in billionths of a USD.
fn cost(path: &str, body: &str, answer: Answer) -> u64 {
    let price =
        |model: &str, output| Price { provider: "*".into(), model: model.into(), input: 0.0, output, cached: None };
    let prices = PriceTable::new([price("cheap", 1.0), price("dear*", 50.0)]).expect("prices");
    let (_, counters) = counters();
    let layer = LimitLayer::callers(counters.clone()).read_bodies().prices(prices);
    let request = by(limited(r#"{"type":"cost","credit_limit":1000}"#, "[]"), request(&Method::POST, path, &[]));
    let mut request = request.map(|_| FullOr::<Full<Bytes>>::full(body.to_owned()));
    request.extensions_mut().insert(target());
    let service = layer.layer(Provider::new([answer]));
    let read = block_on(async { service.oneshot(request).await.expect("an answer").into_body().collect().await });
    assert!(read.is_ok());
    counted(&counters).0
}

#[test]
fn the_model_of_the_path_is_the_one_that_is_paid_for() {
    let answer = || Answer::json(200, r#"{"usage":{"inputTokens":0,"outputTokens":10}}"#);
    let long = format!(r#"{{"model":"dear{}"}}"#, "x".repeat(129));
    for (path, body, expected) in [
        ("/v1/model/dear-1/converse", r#"{"model":"cheap"}"#, 500_000),
        ("/v1/model/dear-1/converse", "{}", 500_000),
        ("/v1/chat/completions", r#"{"model":"cheap"}"#, 10_000),
        ("/v1/chat/completions?model=cheap", r#"{"model":"dear"}"#, 500_000),
        ("/v1/own?model=cheap", "{}", 10_000),
        ("/v1/chat/completions", &long, 0),
    ] {
        assert_eq!(cost(path, body, answer()), expected, "{path} {body}");
    }
}

#[test]
fn a_stream_without_usage_costs_what_its_events_cost() {
    let body = r#"{"model":"cheap","stream":true}"#;
    assert_eq!(cost("/v1/chat/completions", body, Answer::events(&[CHUNK; 2000])), 2_000_000);
    assert_eq!(cost("/v1/chat/completions", body, Answer::events(&[CHUNK; 20])), 1_024_000);
}

fn target() -> tower_portkey::context::Target {
    use tower_portkey::context::{HostOrigin, ProviderId, Target};
    let openai = ProviderId::parse("openai").expect("a provider");
    Target::builder(openai, "https".parse().unwrap(), "h.example".parse().unwrap(), HostOrigin::Catalog)
        .build()
        .unwrap()
}

#[test]
fn bytes_pass_as_they_are() {
    let (_, counters) = counters();
    let who = limited(BUDGET, "[]");
    let text = format!("data: {CHUNK}\r\n\r\ndata: {LAST}\n\n\u{0}\u{7f}");
    let pieces: Vec<_> = text.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
    let answer = Answer { body: pieces.iter().cloned().map(Piece::Data).collect(), ..Answer::events(&[]) };
    let frames = block_on(async {
        let response = service(&counters, &Provider::new([answer])).oneshot(asked(&who)).await.expect("an answer");
        let (mut body, mut frames) = (Box::pin(response.into_body()), Vec::new());
        while let Some(frame) = body.frame().await {
            frames.push(frame.expect("a frame").into_data().expect("data"));
        }
        frames
    });
    assert_eq!(frames, pieces);
}

#[test]
fn native_answers_of_bedrock_are_counted() {
    for (path, kind, body, expected) in [
        // What can't be read costs what was taken for it.
        ("/v1/model/claude/converse-stream", "application/vnd.amazon.eventstream", vec![0; 5000], 105),
        ("/v1/model/llama/invoke", "application/json", b"{}".to_vec(), 105),
        ("/v1/model/llama/count-tokens", "application/json", b"{}".to_vec(), 0),
    ] {
        let (_, counters) = counters();
        let body = vec![Piece::Data(Bytes::from(body))];
        let provider = Provider::new([Answer { status: 200, headers: vec![("content-type", kind)], body }]);
        let who = limited(BUDGET, "[]");
        block_on(async {
            let mut request = asked(&who);
            *request.uri_mut() = path.parse().expect("a path");
            let Ok(response) = service(&counters, &provider).oneshot(request).await;
            let _ = response.into_body().collect().await;
        });
        assert_eq!(counted(&counters), (expected, 0), "{path}");
    }
}

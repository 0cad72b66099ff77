//! Readiness: the service below panics when it is called without having been polled ready.

use http::Response;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_portkey::{TranslateLayer, context::Translation};
use tower_test::mock::pair;

use super::{Asked, HELLO, INVOKE, Pieces, ask, block_on, chat};

#[test]
fn every_call_is_of_a_service_that_is_ready() {
    let body = json!({"model": "amazon.titan-embed-text-v2:0", "input": ["a", "b", "c"]}).to_string();
    let asked = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (request, calls, answer) in [
        (chat(&asked), 1, HELLO),
        (ask(INVOKE, Some(Translation::BedrockEmbeddings), body), 3, r#"{"embedding":[1],"inputTextTokenCount":1}"#),
        (ask(INVOKE, None, "anything"), 1, "anything"),
    ] {
        let (mock, mut handle) = pair::<Asked, Response<Pieces>>();
        handle.allow(0);
        let mut service = TranslateLayer::new().layer(mock);
        block_on(async move {
            let answers = tokio::spawn(async move {
                for _ in 0..calls {
                    // Late enough for a caller that doesn't wait.
                    for _ in 0..8 {
                        tokio::task::yield_now().await;
                    }
                    handle.allow(1);
                    let (_, send) = handle.next_request().await.expect("a request");
                    handle.allow(0);
                    send.send_response(Response::new(Pieces::from(answer)));
                }
                handle
            });
            let future = tower::Service::call(service.ready().await.expect("readiness"), request);
            assert_eq!(future.await.expect("an answer").status(), 200);
            drop(answers.await.expect("a handle"));
        });
    }
}

#[test]
fn failures_pass_through() {
    let asked = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let (mock, mut handle) = pair::<Asked, Response<Pieces>>();
    block_on(async move {
        let failing = tokio::spawn(async move {
            let (_, send) = handle.next_request().await.expect("a request");
            send.send_error("no");
        });
        let error = TranslateLayer::new().layer(mock).oneshot(chat(&asked)).await.expect_err("a failure");
        assert_eq!(error.to_string(), "no");
        failing.await.expect("a handle");
    });
}

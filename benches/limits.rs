//! What limits cost: the counter alone, the layers against the bare leaf, and reading usage from an answer.

mod shared;

use std::{error::Error, hint::black_box};

use bytes::Bytes;
use criterion::Throughput;
use http::Response;
use http_body_util::{BodyExt, Full};
use shared::{Leaf, ask, bench, minimal};
use tower::{Layer, service_fn};
use tower_portkey::{
    LimitGateLayer, LimitLayer,
    context::{LimitError, Principal, RateLimit, UsageLimit},
    limit::{Counter, LocalCounters, Want},
};

/// Limits that nobody reaches.
fn who(subject: &str, usage: &str, rates: &str) -> Result<Principal, LimitError> {
    Ok(Principal::new(subject).with_limits(UsageLimit::from_json(usage)?, RateLimit::from_json(rates)?))
}

const REQUESTS: &str = r#"{"unit":"rpd","value":1000000000000}"#;
const TOKENS: &str = r#"{"type":"tokens","unit":"rpd","value":1000000000000}"#;
const FOUR: &str = r#"[{"unit":"rps","value":1000000000},{"unit":"rpm","value":1000000000},
    {"unit":"rph","value":1000000000},{"unit":"rpd","value":1000000000}]"#;

/// An answer of 32 events of OpenAI's, usage at the end.
fn stream() -> Bytes {
    let event = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    let end = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":32,\"total_tokens\":41}}\n\ndata: [DONE]\n\n";
    Bytes::from(event.repeat(32) + end)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = shared::criterion();
    let c = &mut criterion;
    let counters = LocalCounters::new();
    for index in 0..10_000 {
        drop(counters.take(who(&index.to_string(), "[]", REQUESTS)?.rules(), &Want::ONE));
    }
    for (name, rates) in [("requests", REQUESTS), ("tokens", TOKENS), ("four rates", FOUR)] {
        let who = who("counted", "[]", rates)?;
        c.bench_function(&format!("take/{name}"), |bencher| {
            bencher.iter(|| counters.take(black_box(who.rules()), &Want::ONE));
        });
        c.bench_function(&format!("peek/{name}"), |bencher| {
            bencher.iter(|| counters.peek(black_box(who.rules())));
        });
    }

    let asked = |who: Principal| -> Result<_, Box<dyn Error>> {
        let mut request = minimal("pk-unused")?;
        request.extensions_mut().insert(who);
        Ok(request)
    };
    let (none, one) = (asked(Principal::new("none"))?, asked(who("layer", "[]", REQUESTS)?)?);
    let tokens = asked(who("layer", "[]", TOKENS)?)?;
    let layer = LimitLayer::callers(counters.clone());
    bench(c, "leaf", Leaf, &none);
    bench(c, "layer/no limits", layer.layer(Leaf), &none);
    bench(c, "layer/requests", layer.layer(Leaf), &one);
    bench(c, "layer/tokens", layer.layer(Leaf), &tokens);
    bench(c, "gate/requests", LimitGateLayer::new(counters.clone()).layer(Leaf), &one);

    let body = stream();
    let answer = body.clone();
    let leaf = service_fn(move |_: shared::Call| {
        let response = Response::builder().header("content-type", "text/event-stream").body(Full::new(answer.clone()));
        std::future::ready(Ok::<_, std::convert::Infallible>(response.unwrap_or_default()))
    });
    let mut service = layer.layer(leaf);
    let mut group = c.benchmark_group("stream");
    group.throughput(Throughput::Bytes(body.len() as u64));
    for (name, request) in [("passed", &one), ("read", &tokens)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || request.clone(),
                |request| {
                    let Ok(response) = ask(&mut service, request);
                    let mut body = Box::pin(response.into_body().collect());
                    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                    std::future::Future::poll(body.as_mut(), &mut cx).is_ready()
                },
                criterion::BatchSize::NumIterations(64),
            );
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

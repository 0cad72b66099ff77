//! What the benches share: requests as clients send them, a leaf, and how a service is asked without a runtime.

#![allow(dead_code, reason = "no bench needs all of it")]

use std::{
    convert::Infallible,
    error::Error,
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, Service};
use tower_portkey::{
    GatewayKey,
    auth::{KeyError, KeySet},
    context::{Entry, Principal, ProviderId, Visibility},
    model::EntrySet,
};

pub(crate) type Call = Request<Full<Bytes>>;

/// A request's body. Nothing here reads it.
const CHAT: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello"}],"stream":true}"#;

/// What the OpenAI client inside both SDKs sends.
const OPENAI: &[(&str, &str)] = &[
    ("host", "127.0.0.1:8787"),
    ("connection", "keep-alive"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate"),
    ("content-type", "application/json"),
    ("content-length", "90"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-retry-count", "0"),
];
const PYTHON: &[(&str, &str)] = &[
    ("user-agent", "OpenAI/Python 2.7.1"),
    ("x-stainless-lang", "python"),
    ("x-stainless-package-version", "2.7.1"),
    ("x-stainless-runtime", "CPython"),
    ("x-stainless-runtime-version", "3.12.11"),
    ("x-stainless-async", "false"),
    ("x-stainless-read-timeout", "600"),
    ("x-portkey-package-version", "portkey-2.3.1"),
    ("x-portkey-runtime", "CPython"),
    ("x-portkey-runtime-version", "3.12.11"),
    ("x-portkey-strict-open-ai-compliance", "false"),
];
const NODE: &[(&str, &str)] = &[
    ("user-agent", "OpenAI/JS 5.23.2"),
    ("accept-language", "*"),
    ("sec-fetch-mode", "cors"),
    ("x-stainless-lang", "js"),
    ("x-stainless-package-version", "5.23.2"),
    ("x-stainless-runtime", "node"),
    ("x-stainless-runtime-version", "v22.20.0"),
    ("x-stainless-timeout", "600"),
    ("x-portkey-package-version", "portkey-3.0.1"),
    ("x-portkey-runtime", "node"),
    ("x-portkey-runtime-version", "v22.20.0"),
    ("x-portkey-strict-open-ai-compliance", "false"),
    ("x-portkey-trace-id", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"),
    ("x-portkey-metadata", METADATA),
    ("x-portkey-forward-headers", "X-Request-Source,X-Tenant"),
];
const PROVIDER: &[(&str, &str)] = &[("x-portkey-provider", "openai"), ("authorization", "Bearer of-the-provider")];

pub(crate) const METADATA: &str = r#"{"_user":"u-4711","team":"search","environment":"staging"}"#;
/// As Python writes it, with a space behind each colon and comma.
const CONFIG: &str = r#"{"provider": "openai", "api_key": "of-the-provider", "request_timeout": 30000, "strict_open_ai_compliance": false, "custom_host": "https://llm.example.com/v1", "cache": {"mode": "simple", "max_age": 60}}"#;

/// The shortest settings that say something.
pub(crate) fn criterion() -> Criterion {
    let short = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    short.nresamples(10_000).configure_from_args()
}

/// A thousand keys, and the text of one of them.
pub(crate) fn keys() -> Result<(KeySet, String), KeyError> {
    let mint = |index: u32| GatewayKey::mint(Principal::new(index.to_string()).with_scopes(["completions.write"]));
    let (key, text) = mint(0)?;
    let others = (1..1000).map(|index| mint(index).map(|(key, _)| key)).collect::<Result<Vec<_>, _>>()?;
    Ok((KeySet::new(others.into_iter().chain([key]))?, text.expose().to_owned()))
}

fn call(key: &str, headers: &[&[(&'static str, &'static str)]]) -> Result<Call, Box<dyn Error>> {
    let mut request = Request::post("/v1/chat/completions").body(Full::from(CHAT))?;
    request.headers_mut().insert("x-portkey-api-key", key.parse()?);
    for (name, value) in headers.concat() {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(request)
}

/// A key, a provider and its credential.
pub(crate) fn minimal(key: &str) -> Result<Call, Box<dyn Error>> {
    call(key, &[PROVIDER])
}

/// As Portkey's Python SDK sends it.
pub(crate) fn python(key: &str) -> Result<Call, Box<dyn Error>> {
    call(key, &[OPENAI, PYTHON, PROVIDER])
}

/// As the Python SDK sends it with a config; the credential it knows itself is a placeholder.
pub(crate) fn python_config(key: &str) -> Result<Call, Box<dyn Error>> {
    let config = [("x-portkey-config", CONFIG), ("authorization", "Bearer OPENAI_API_KEY")];
    call(key, &[OPENAI, PYTHON, &config])
}

/// As the Python SDK sends it, for a provider entry that is named in the header, or before the model in the body.
pub(crate) fn python_entry(key: &str, in_body: bool) -> Result<Call, Box<dyn Error>> {
    let entry = [("x-portkey-provider", "@openai-prod"), ("authorization", "Bearer OPENAI_API_KEY")];
    let mut request = if in_body { call(key, &[OPENAI, PYTHON])? } else { call(key, &[OPENAI, PYTHON, &entry])? };
    if in_body {
        *request.body_mut() = Full::from(CHAT.replace("gpt-4o-mini", "@openai-prod/gpt-4o-mini"));
    }
    Ok(request)
}

/// The entry of [`python_entry`].
pub(crate) fn entries() -> Result<EntrySet, Box<dyn Error>> {
    let openai = ProviderId::parse("openai").ok_or("no such provider")?;
    let entry = Entry::new("openai-prod", openai)?.with_api_key("of-the-provider")?;
    Ok(EntrySet::new().with(entry, Visibility::everybody()))
}

/// As Portkey's Node SDK sends it, with trace id, metadata and headers to forward.
pub(crate) fn node(key: &str) -> Result<Call, Box<dyn Error>> {
    call(key, &[OPENAI, NODE, PROVIDER])
}

/// Drops the request and answers at once.
#[derive(Clone)]
pub(crate) struct Leaf;

impl<B> Service<Request<B>> for Leaf {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(request);
        ready(Ok(Response::new(Empty::new())))
    }
}

/// Keeps the request it was asked with.
#[derive(Clone)]
pub(crate) struct Keep;

impl Service<Call> for Keep {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Call) -> Self::Future {
        let mut response = Response::new(());
        response.extensions_mut().insert(request);
        ready(Ok(response))
    }
}

/// The service's answer, polled for until it is there.
pub(crate) fn ask<S: Service<R>, R>(service: &mut S, request: R) -> Result<S::Response, S::Error> {
    let mut cx = Context::from_waker(Waker::noop());
    while service.poll_ready(&mut cx)?.is_pending() {}
    let mut future = pin!(service.call(request));
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
            return answer;
        }
    }
}

/// The request as `layer` hands it on.
pub(crate) fn behind<L, B>(layer: &L, request: &Call) -> Result<Call, Box<dyn Error>>
where
    L: Layer<Keep>,
    L::Service: Service<Call, Response = Response<B>, Error = Infallible>,
{
    let Ok(mut response) = ask(&mut layer.layer(Keep), request.clone());
    Ok(response.extensions_mut().remove().ok_or("the layer refused")?)
}

/// Measures the answer to a request that was cloned beforehand. Few at a time, so that they are in the cache as a request
/// is that was just read.
pub(crate) fn bench<S, B>(criterion: &mut Criterion, name: &str, mut service: S, request: &Call)
where
    S: Service<Call, Response = Response<B>, Error = Infallible>,
{
    let Ok(answer) = ask(&mut service, request.clone());
    assert!(answer.status().is_success(), "{name} is refused: {}", answer.status());
    criterion.bench_function(name, |bencher| {
        let ask = |request| ask(&mut service, request);
        bencher.iter_batched(|| request.clone(), ask, BatchSize::NumIterations(64));
    });
}

//! `TranslateLayer` over a service that answers as AWS Bedrock does.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers are tests, too.

mod chat;
mod embeddings;
mod errors;
mod files;
mod messages;
mod readiness;
mod streams;

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    Request, Response,
    header::CONTENT_TYPE,
    response,
    uri::{Authority, Scheme},
};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    TranslateLayer,
    body::FullOr,
    context::{HostOrigin, ProviderId, RequestConfig, Target, Translation},
    rejection::Rejection,
    translate::TranslateError,
};

pub(crate) const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";
pub(crate) const CONVERSE: &str = "/model/m%3A0/converse";
pub(crate) const INVOKE: &str = "/model/e%3A0/invoke";
pub(crate) const HELLO: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hello"}]}},
    "stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}"#;

pub(crate) type Asked = Request<FullOr<Empty<Bytes>>>;

pub(crate) fn target(translation: Option<Translation>) -> Target {
    let bedrock = ProviderId::parse("bedrock").expect("an id");
    let builder = Target::builder(bedrock, Scheme::HTTPS, Authority::from_static(HOST), HostOrigin::Catalog);
    builder.unified(true).translation(translation).build().expect("a target")
}

/// A request as it comes out of `ResolveLayer`.
pub(crate) fn ask(path: &str, translation: Option<Translation>, body: impl Into<Bytes>) -> Asked {
    Request::post(format!("https://{HOST}{path}"))
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header("accept-encoding", "gzip, br")
        .header("accept", "*/*")
        .extension(target(translation))
        .extension(RequestConfig::none())
        .body(FullOr::full(body))
        .expect("a request")
}

pub(crate) fn chat(body: &Value) -> Asked {
    ask(CONVERSE, Some(Translation::Converse), body.to_string())
}

/// A body of these pieces, which counts how often it was asked.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    left: VecDeque<Result<Bytes, io::Error>>,
    polls: Arc<AtomicUsize>,
}

impl Pieces {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Result<Bytes, io::Error>>) -> Self {
        Self { left: pieces.into_iter().collect(), polls: Arc::default() }
    }

    pub(crate) fn polls(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.polls)
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new([Ok(bytes.into())])
    }
}

impl From<&str> for Pieces {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(self.left.pop_front().map(|piece| piece.map(Frame::data)))
    }
}

/// What came back, how its body ended, and what the service below was asked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) body: Bytes,
    pub(crate) end: Result<(), TranslateError>,
    pub(crate) seen: Vec<(http::request::Parts, Bytes)>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-length"), Some(&*self.body.len().to_string()));
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn refusal(&self) -> &str {
        self.head.extensions.get::<Rejection>().expect("a refusal").message()
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Sends a request to a service that gives these answers in their order.
pub(crate) fn send(
    layer: &TranslateLayer,
    request: Asked,
    answers: impl IntoIterator<Item = Response<Pieces>>,
) -> Answer {
    let answers: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let leaf = service_fn(move |request: Asked| {
        let (answers, noted) = (Arc::clone(&answers), Arc::clone(&noted));
        async move {
            let (head, body) = request.into_parts();
            noted.lock().expect("a list").push((head, body.as_full().expect("a full body")));
            let answer = answers.lock().expect("answers").pop_front().expect("no more calls than answers");
            Ok::<_, Infallible>(answer)
        }
    });
    block_on(async {
        let Ok(response) = layer.layer(leaf).oneshot(request).await;
        let (head, mut body) = response.into_parts();
        let (mut read, mut end) = (Vec::new(), Ok(()));
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => read.extend(frame.into_data().expect("data")),
                Err(error) => end = Err(error),
            }
        }
        let seen = std::mem::take(&mut *seen.lock().expect("a list"));
        Answer { head, body: read.into(), end, seen }
    })
}

/// An answer of AWS's.
pub(crate) fn aws(status: u16, headers: &[(&str, &str)], body: impl Into<Pieces>) -> Response<Pieces> {
    let response = headers
        .iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
    response.body(body.into()).expect("a response")
}

/// An event of ConverseStream.
pub(crate) fn event(kind: &str, payload: &Value) -> Vec<u8> {
    frame(&[(":event-type", kind), (":message-type", "event")], payload.to_string().as_bytes())
}

pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).expect("a short name"));
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).expect("a short value").to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let number = |length: usize| u32::try_from(length).expect("a length").to_be_bytes();
    let mut out = [number(16 + block.len() + payload.len()), number(block.len())].concat();
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&block);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

//! Streams of events that become server-sent events: frames of any kind, rubbish between them, split anywhere.

#![no_main]

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::{
    Request, Response,
    uri::{Authority, Scheme},
};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    TranslateLayer,
    body::FullOr,
    context::{HostOrigin, ProviderId, Target, Translation},
};

#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Start,
    Text(u8, &'a str),
    Tool(u8, &'a str),
    Arguments(u8, &'a str),
    Reasoning(u8, &'a str),
    BlockStop(u8),
    MessageStop(&'a str),
    Metadata(u32),
    Event(&'a str, &'a [u8]),
    Exception(&'a str, &'a [u8]),
    Error(&'a str, &'a str),
    /// Headers and payload as they are.
    Frame(&'a [u8], &'a [u8]),
    /// No frame at all.
    Bytes(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct Stream<'a> {
    pieces: Vec<Piece<'a>>,
    splits: Vec<u16>,
    include_usage: bool,
}

fn sealed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut all = [length(headers.len() + payload.len() + 16), length(headers.len())].concat();
    all.extend(crc32fast::hash(&all).to_be_bytes());
    all.extend_from_slice(headers);
    all.extend_from_slice(payload);
    all.extend(crc32fast::hash(&all).to_be_bytes());
    all
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        let value = &value.as_bytes()[..value.len().min(usize::from(u16::MAX))];
        block.push(u8::try_from(name.len()).unwrap());
        block.extend(name.bytes());
        block.push(7);
        block.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend_from_slice(value);
    }
    sealed(&block, payload)
}

fn event(kind: &str, payload: &[u8]) -> Vec<u8> {
    frame(&[(":event-type", kind), (":message-type", "event")], payload)
}

impl Piece<'_> {
    fn bytes(&self) -> Vec<u8> {
        let delta = |index: &u8, delta: Value| {
            event("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}).to_string().as_bytes())
        };
        match self {
            Self::Start => event("messageStart", br#"{"role":"assistant"}"#),
            Self::Text(index, text) => delta(index, json!({"text": text})),
            Self::Tool(index, name) => {
                let start = json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": name, "name": name}}});
                event("contentBlockStart", start.to_string().as_bytes())
            }
            Self::Arguments(index, text) => delta(index, json!({"toolUse": {"input": text}})),
            Self::Reasoning(index, text) => delta(index, json!({"reasoningContent": {"text": text}})),
            Self::BlockStop(index) => {
                event("contentBlockStop", json!({"contentBlockIndex": index}).to_string().as_bytes())
            }
            Self::MessageStop(reason) => event("messageStop", json!({"stopReason": reason}).to_string().as_bytes()),
            Self::Metadata(tokens) => {
                let usage = json!({"usage": {"inputTokens": tokens, "outputTokens": 1, "totalTokens": tokens}});
                event("metadata", usage.to_string().as_bytes())
            }
            Self::Event(kind, payload) => event(kind, payload),
            Self::Exception(kind, payload) => {
                frame(&[(":exception-type", kind), (":message-type", "exception")], payload)
            }
            Self::Error(code, message) => {
                let headers = [(":message-type", "error"), (":error-code", code), (":error-message", message)];
                frame(&headers, b"")
            }
            Self::Frame(headers, payload) => sealed(headers, payload),
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

#[derive(Debug)]
struct Chunks(VecDeque<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// What a caller reads of a stream that comes in these chunks, and whether it ended well.
fn read(chunks: Vec<Bytes>, include_usage: bool) -> (Vec<u8>, bool) {
    let leaf = service_fn(move |_: Request<FullOr<Empty<Bytes>>>| {
        let body = Chunks(chunks.clone().into());
        let response = Response::builder().header("content-type", "application/vnd.amazon.eventstream");
        // Two requests have one name each, so that what they read is the same.
        async move { Ok::<_, Infallible>(response.header("x-amzn-requestid", "1").body(body).unwrap()) }
    });
    let host = Authority::from_static("bedrock-runtime.us-east-1.amazonaws.com");
    let target = Target::builder(ProviderId::parse("bedrock").unwrap(), Scheme::HTTPS, host, HostOrigin::Catalog);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": true,
        "stream_options": {"include_usage": include_usage}});
    let request = Request::post("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream")
        .extension(target.translation(Some(Translation::Converse)).build().unwrap())
        .body(FullOr::full(body.to_string()))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut body = TranslateLayer::new().layer(leaf).oneshot(request).await.unwrap().into_body();
        let (mut out, mut good) = (Vec::new(), true);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => out.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => good = false,
            }
        }
        (out, good)
    })
}

/// The events, without the second that they were made in.
fn events(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text}");
    let event = |event: &str| match event.strip_prefix("data: ").unwrap() {
        "[DONE]" => Value::from("[DONE]"),
        event => {
            let mut event: Value = serde_json::from_str(event).unwrap();
            event.as_object_mut().unwrap().remove("created");
            event
        }
    };
    text.split_terminator("\n\n").map(event).collect()
}

fuzz_target!(|stream: Stream<'_>| {
    let bytes: Vec<u8> = stream.pieces.iter().flat_map(Piece::bytes).collect();
    let mut rest = Bytes::from(bytes);
    let whole = read(vec![rest.clone()], stream.include_usage);
    let mut chunks = Vec::new();
    for split in stream.splits {
        chunks.push(rest.split_to(usize::from(split).min(rest.len())));
    }
    chunks.push(rest);
    let split = read(chunks, stream.include_usage);
    let (first, second) = (events(&whole.0), events(&split.0));
    assert_eq!((&first, whole.1), (&second, split.1));

    let done = first.iter().filter(|event| **event == "[DONE]").count();
    let failed = first.iter().any(|event| event.get("error").is_some());
    // One end, and it is the last thing that is said: whole, or an error.
    assert_eq!(done + usize::from(failed), 1, "{first:?}");
    let last = first.last().unwrap();
    assert!(*last == "[DONE]" || last.get("error").is_some(), "{last}");
    assert!(whole.1 || failed);
    let has_usage = first.iter().any(|event| event.get("usage").is_some_and(|usage| !usage.is_null()));
    assert!(!has_usage || stream.include_usage);
    assert!(done == 0 || !stream.include_usage || has_usage);
});

//! Files, which become objects of S3: their forms are read here, because nobody above does.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, interval};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    TranslateLayer,
    body::FullOr,
    context::{RequestConfig, Translation},
    rejection::{Kind, Rejection},
};

use super::{CONVERSE, HOST, Pieces, ask, aws, block_on, send, target};

const OBJECT: &str = "s3://b/k.jsonl";
const LINES: &str = "{\"a\":1}\r\n\n{}";

fn form() -> String {
    format!(
        "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: text/x\r\n\r\n{LINES}\r\n--x--\r\n"
    )
}

/// What is sent of a form that comes in these pieces, and what comes back.
fn uploaded(
    layer: &TranslateLayer,
    pieces: Vec<Result<Bytes, io::Error>>,
) -> Result<(Method, String, Bytes, Value), Kind> {
    let leaf = service_fn(async |request: Request<FullOr<Pieces>>| {
        let (head, body) = request.into_parts();
        let mut response = Response::new(Pieces::default());
        let kind = head.headers["content-type"].to_str().expect("text").to_owned();
        response.extensions_mut().insert((head.method, kind, body.as_full().expect("a full body")));
        Ok::<_, Infallible>(response)
    });
    let translation = Translation::S3Upload { object: OBJECT.into() };
    let request = Request::post("https://b.s3.us-east-1.amazonaws.com/k.jsonl")
        .header("content-type", "multipart/form-data; boundary=x")
        .extension(target(Some(translation)))
        .body(FullOr::inner(Pieces::new(pieces)))
        .expect("a request");
    block_on(async {
        let Ok(response) = layer.layer(leaf).oneshot(request).await;
        let (head, body) = response.into_parts();
        if let Some(refused) = head.extensions.get::<Rejection>() {
            return Err(refused.kind());
        }
        let (method, kind, sent) = head.extensions.get::<(Method, String, Bytes)>().cloned().expect("a request");
        let told = body.collect().await.expect("a body").to_bytes();
        Ok((method, kind, sent, serde_json::from_slice(&told).expect("JSON")))
    })
}

fn pieces(size: usize) -> Vec<Result<Bytes, io::Error>> {
    form().as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
}

#[test]
fn a_form_becomes_an_object_however_it_comes() {
    for size in [1, 7, 10_000] {
        let (method, kind, sent, told) = uploaded(&TranslateLayer::new(), pieces(size)).expect("an object");
        assert_eq!((method, kind.as_str(), sent), (Method::PUT, "text/x", Bytes::from(LINES)), "{size}");
        assert_eq!((&told["id"], &told["filename"]), (&json!("s3%3A%2F%2Fb%2Fk.jsonl"), &json!(OBJECT)));
        assert_eq!((&told["bytes"], &told["purpose"]), (&json!(LINES.len()), &json!("batch")));
    }
}

#[test]
fn limits_hold_for_one_and_for_all_and_what_breaks_off_is_not_sent() {
    let length = form().len();
    let layer = TranslateLayer::new;
    assert!(uploaded(&layer().body_limit(length), pieces(9)).is_ok());
    assert_eq!(uploaded(&layer().body_limit(length - 1), pieces(9)).err(), Some(Kind::PayloadTooLarge));
    // Room for what comes in pieces is made twice as large each time.
    let tight = layer().body_budget(2 * length);
    assert!(uploaded(&tight, pieces(9)).is_ok());
    assert!(uploaded(&tight, pieces(9)).is_ok(), "what was taken came back");
    assert_eq!(uploaded(&layer().body_budget(length - 1), pieces(9)).err(), Some(Kind::Unavailable));
    let mut broken = pieces(9);
    broken.push(Err(io::ErrorKind::ConnectionReset.into()));
    assert_eq!(uploaded(&layer(), broken).err(), Some(Kind::InvalidRequest));
    assert_eq!(uploaded(&layer(), vec![Ok(Bytes::from("{}"))]).err(), Some(Kind::InvalidRequest));
}

/// The pieces of a body, one a tick.
struct Slow {
    ticks: Interval,
    pieces: Pieces,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        ready!(self.ticks.poll_tick(cx));
        Pin::new(&mut self.pieces).poll_frame(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn what_trickles_in_is_waited_for_so_long_only() {
    let leaf = service_fn(async |_: Request<FullOr<Slow>>| Ok::<_, Infallible>(Response::new(Pieces::default())));
    let length = form().len();
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    // What is taken of the budget for one of them is there for the next.
    let layer = TranslateLayer::new().body_budget(2 * length);
    let short = layer.clone().read_timeout(Duration::from_secs(30));
    for (layer, translation, text, pieces, period, expected) in [
        // The whole form comes, were somebody to wait; the limit is for all of it, not for each of its pieces.
        (&layer, Translation::S3Upload { object: OBJECT.into() }, form(), 14, 10, (408, 120)),
        (&layer, Translation::S3Upload { object: OBJECT.into() }, form(), 11, 10, (200, 110)),
        (&layer, Translation::Converse, chat.clone(), 3, 100, (408, 120)),
        (&short, Translation::S3Upload { object: OBJECT.into() }, form(), 4, 10, (408, 30)),
        (&short, Translation::Converse, chat, 2, 10, (502, 20)),
    ] {
        let size = text.len().div_ceil(pieces);
        let chunks = text.as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece)));
        let body = Slow { ticks: interval(Duration::from_secs(period)), pieces: Pieces::new(chunks) };
        let path = if translation == Translation::Converse { CONVERSE } else { "/k.jsonl" };
        let request = Request::post(format!("https://{HOST}{path}"))
            .header("content-type", "multipart/form-data; boundary=x")
            .extension(target(Some(translation)))
            .extension(RequestConfig::none())
            .body(FullOr::inner(body))
            .expect("a request");
        let began = Instant::now();
        let Ok(response) = layer.layer(leaf).oneshot(request).await;
        assert_eq!((response.status().as_u16(), began.elapsed().as_secs()), expected);
        let slow = response.extensions().get::<Rejection>().is_some_and(|refused| refused.kind() == Kind::Timeout);
        assert_eq!(slow, expected.0 == 408);
    }
}

#[test]
fn an_object_is_described_and_what_s3_refuses_is_told() {
    let file = || ask("/k.jsonl?attributes", Some(Translation::S3File { object: OBJECT.into() }), "");
    let dated = [("content-type", "application/xml"), ("last-modified", "Thu, 02 Jan 2025 03:04:05 GMT")];
    let xml = "<GetObjectAttributesOutput><ObjectSize>12</ObjectSize></GetObjectAttributesOutput>";
    let told = send(&TranslateLayer::new(), file(), [aws(200, &dated, xml)]);
    assert_eq!((told.status(), told.header("last-modified")), (200, None));
    assert_eq!((&told.json()["bytes"], &told.json()["created_at"]), (&json!(12), &json!(1_735_787_045)));
    assert_eq!(send(&TranslateLayer::new(), file(), [aws(200, &dated, "<x/>")]).status(), 502);

    let content = || ask("/k.jsonl", Some(Translation::S3Content), "");
    let plain = [("content-type", "binary/octet-stream"), ("content-encoding", "gzip")];
    let answer = send(&TranslateLayer::new(), content(), [aws(200, &plain, "any bytes")]);
    assert_eq!((&answer.body[..], answer.header("content-encoding")), (&b"any bytes"[..], Some("gzip")));
    let gone = "<Error><Code>NoSuchKey</Code><Message>Gone.</Message></Error>";
    for request in [content(), file()] {
        let answer = send(&TranslateLayer::new(), request, [aws(404, &dated[..1], gone)]);
        assert_eq!((answer.status(), &answer.json()["error"]["type"]), (404, &json!("NoSuchKey")));
    }
}

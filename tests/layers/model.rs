//! `ModelLayer`: which entry a request names, and what becomes of its body.

use std::{
    convert::Infallible,
    future::{Pending, Ready, pending, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_portkey::{
    ConfigLayer, ExtractLayer, ModelLayer, ResolveLayer, Secret,
    body::FullOr,
    context::{Entry, Principal, ProviderId, ProviderRef, RequestConfig, Status, Visibility, Workspace},
    guard::Decision,
    model::{EntrySet, NoEntries, ResolveProvider, resolve_provider_fn},
    rejection::{Kind, Rejection},
};
use tower_test::mock::{Spawn, pair};

use crate::support::{Answer, CHAT, Chunks, below, block_on, by, request, request_with, send};

const FORM: &str = "multipart/form-data; boundary=x";
const AUDIO: &str = "/v1/audio/transcriptions";

fn entry(slug: &str) -> Entry {
    let openai = ProviderId::parse("openai").expect("a provider");
    Entry::new(slug, openai).expect(slug).with_api_key(Secret::from("sk-stored")).expect("a key")
}

/// `a`, `b`, `c` are everybody's; `limited` may be used for `m` only; `theirs` is another workspace's.
fn entries() -> EntrySet {
    ["a", "b", "c"]
        .into_iter()
        .fold(EntrySet::new(), |set, slug| set.with(entry(slug), Visibility::everybody()))
        .with(entry("limited").with_models(["m"]), Visibility::everybody())
        .with(entry("gone").with_status(Status::Archived), Visibility::everybody())
        .with(entry("theirs"), Visibility::workspaces("default", ["another"]))
        .with(entry("theirs"), Visibility::organisation("another"))
}

fn layer() -> ModelLayer<EntrySet> {
    ModelLayer::new(entries())
}

fn sent<B, E>(layer: &ModelLayer<E>, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    E: ResolveProvider + 'static,
{
    send(&(ExtractLayer::new(), ConfigLayer::new(), layer.clone()), request)
}

/// The same, down to the target.
fn resolved<B>(request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    send(&(ExtractLayer::new(), ConfigLayer::new(), layer(), ResolveLayer::new()), request)
}

fn hosted(uri: &str, lines: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    by(Principal::new("ci"), request_with(&Method::POST, uri, lines, body))
}

fn chat(lines: &[(&str, &str)], body: &'static str) -> Request<Full<Bytes>> {
    hosted(CHAT, lines, body)
}

fn named(answer: &Answer) -> Option<ProviderRef> {
    answer.leaf().head.extensions.get::<RequestConfig>().expect("a config").provider().cloned()
}

fn slug(text: &str) -> Option<ProviderRef> {
    Some(ProviderRef::Slug(text.into()))
}

fn field(name: &str, value: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

const PROVIDER: &str = "x-portkey-provider";
const VIRTUAL_KEY: &str = "x-portkey-virtual-key";

#[test]
fn header_then_virtual_key_then_body_then_query_then_built_in() {
    let (openai, a, b, c) = ((PROVIDER, "openai"), (PROVIDER, "@a"), (VIRTUAL_KEY, "b"), r#"{"model":"@c/m"}"#);
    let plain = r#"{"model":"m"}"#;
    let id = ProviderId::parse("openai").map(ProviderRef::Id);
    let long = (PROVIDER, "@a/ignored/too");
    for (lines, query, body, expected) in [
        (&[a, b][..], "?model=@b/m", c, slug("a")),
        (&[long], "", plain, slug("a")),
        (&[b], "?model=@a/m", c, slug("b")),
        (&[openai, b], "?model=@a/m", c, slug("b")),
        (&[], "?model=@a/m", c, slug("c")),
        (&[openai], "?model=@a/m", c, slug("c")),
        (&[openai], "?model=@a/m", plain, slug("a")),
        (&[], "?model=%40a%2Fm", plain, slug("a")),
        (&[], "?model=@a", "", slug("a")),
        (&[openai], "?model=m", plain, id.clone()),
        (&[openai], "", "", id),
        (&[], "", plain, None),
        (&[], "", "", None),
    ] {
        let answer = sent(&layer(), hosted(&format!("{CHAT}{query}"), lines, body));
        assert_eq!(named(&answer), expected, "{lines:?} {query} {body}");
        let entry = answer.leaf().head.extensions.get::<RequestConfig>().and_then(RequestConfig::entry);
        let of = expected.and_then(|named| if let ProviderRef::Slug(slug) = named { Some(slug) } else { None });
        assert_eq!(entry.map(Entry::slug), of.as_deref(), "{lines:?} {query} {body}");
        // The slug goes, whoever wins.
        assert_eq!(answer.leaf().body(), body.replace("@c/", ""), "{lines:?} {query} {body}");
        let left = query.replace("@a/", "").replace("@b/", "").replace("%40a%2F", "");
        assert_eq!(answer.leaf().head.uri.to_string(), format!("{CHAT}{left}"), "{lines:?} {query} {body}");
    }
}

#[test]
fn a_config_that_names_its_provider_is_not_overruled() {
    let config = ("x-portkey-config", r#"{"provider":"@a"}"#);
    for lines in [&[config][..], &[config, (PROVIDER, "@b")], &[config, (VIRTUAL_KEY, "nobodys")]] {
        let answer = sent(&layer(), chat(lines, r#"{"model":"@c/m"}"#));
        assert_eq!((named(&answer), &*answer.leaf().body()), (slug("a"), &br#"{"model":"m"}"#[..]), "{lines:?}");
    }
    let open = ("x-portkey-config", r#"{"request_timeout":1000}"#);
    assert_eq!(named(&sent(&layer(), chat(&[open, (VIRTUAL_KEY, "b")], ""))), slug("b"));
}

/// Nobody learns whether somebody else has it.
#[test]
fn unknown_is_what_others_have_and_what_was_put_away() {
    let refused = |answer: &Answer, slugs: &str| {
        let message = format!("Following keys are not valid: {slugs}");
        assert_eq!(answer.json(), json!({"status": "failure", "message": message}), "{slugs}");
        assert_eq!((answer.status(), answer.kind()), (400, Some(Kind::InvalidRequest)), "{slugs}");
        assert!(answer.seen.is_none(), "{slugs}");
    };
    for name in ["nobodys", "theirs", "gone"] {
        let (header, config) = (format!("@{name}"), format!(r#"{{"provider":"@{name}"}}"#));
        let body = format!(r#"{{"model":"@{name}/m"}}"#);
        refused(&sent(&layer(), chat(&[(PROVIDER, &header)], "")), name);
        refused(&sent(&layer(), chat(&[(VIRTUAL_KEY, name)], "")), name);
        refused(&sent(&layer(), chat(&[("x-portkey-config", &config)], "")), name);
        refused(&sent(&layer(), hosted(CHAT, &[], body)), name);
        refused(&sent(&layer(), request_by_get(&format!("/v1/models?model=@{name}/m"))), name);
    }
    let targets =
        r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@x"},{"provider":"@a"},{"provider":"@theirs"}]}"#;
    refused(&sent(&layer(), chat(&[("x-portkey-config", targets)], "")), "x, theirs");
    // Who belongs there has it.
    let request = request_with(&Method::POST, CHAT, &[(PROVIDER, "@theirs")], "");
    let answer = sent(&layer(), by(Principal::new("ci").with_workspace("another"), request));
    assert_eq!(named(&answer), slug("theirs"));
}

fn request_by_get(uri: &str) -> Request<Full<Bytes>> {
    by(Principal::new("ci"), request(&Method::GET, uri, &[]))
}

/// Resolvers may make URLs of slugs.
#[test]
fn what_no_entry_can_be_called_is_not_asked_for() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let layer = ModelLayer::new(resolve_provider_fn(move |_, _, slug: String| {
        seen.lock().expect("a list").push(slug);
        ready(Ok(None))
    }));
    let long = "a".repeat(256);
    for name in ["..", "a/../b", "a?b", "a b", "", "a%2fb", &long] {
        let message = sent(&layer, chat(&[(VIRTUAL_KEY, name)], "")).message().map(str::to_owned);
        let shown: String = name.chars().take(255).collect();
        let expected = (!name.is_empty()).then(|| format!("Following keys are not valid: {shown}"));
        assert_eq!(message, expected, "{name}");
        let body = format!(r#"{{"model":"@{name}"}}"#);
        assert!(sent(&layer, hosted(CHAT, &[], body)).seen.is_none(), "{name}");
    }
    let asked = asked.lock().expect("a list");
    assert_eq!(*asked, ["a"], "what stands before a slash in a body is a slug of its own");
}

/// A store that answers in another way than it was asked gives nothing away.
#[test]
fn an_entry_of_another_name_is_none() {
    let layer = ModelLayer::new(resolve_provider_fn(|_, _, _| ready(Ok(Some(entry("other"))))));
    assert_eq!(sent(&layer, chat(&[(PROVIDER, "@a")], "")).status(), 400);
}

/// Knows one entry of one workspace, as soon as it is asked a second time.
#[derive(Clone, Default)]
struct Slow(Arc<AtomicUsize>);

struct Answering(bool, Option<Entry>);

impl Future for Answering {
    type Output = Result<Option<Entry>, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(Ok(self.1.take()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl ResolveProvider for Slow {
    type Future = Answering;

    fn resolve(&self, who: Workspace<'_>, slug: &str) -> Decision<Option<Entry>, Answering> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let known = who == Workspace { organisation: "default", workspace: "default" } && slug.len() == 1;
        Decision::Later(Answering(false, known.then(|| entry(slug))))
    }
}

#[test]
fn a_resolver_may_take_its_time() {
    let targets = r#"{"strategy":{"mode":"single"},"targets":[{"provider":"@a"},{"provider":"@b"},{"provider":"@a"}]}"#;
    for (lines, body, times, expected) in [
        (&[(PROVIDER, "@a")][..], r#"{"model":"@b/m"}"#, 1, slug("a")),
        (&[], r#"{"model":"@b/m"}"#, 1, slug("b")),
        (&[("x-portkey-config", targets)], r#"{"model":"@b/m"}"#, 2, None),
        (&[(PROVIDER, "openai")], r#"{"model":"m"}"#, 0, ProviderId::parse("openai").map(ProviderRef::Id)),
    ] {
        let slow = Slow::default();
        let chunks = Chunks::new(body.as_bytes().chunks(3).map(Bytes::copy_from_slice));
        let answer = sent(&ModelLayer::new(slow.clone()), chat(lines, "").map(|_| chunks));
        assert_eq!((named(&answer), slow.0.load(Ordering::Relaxed)), (expected, times), "{lines:?} {body}");
        assert_eq!(answer.leaf().body(), r#"{"model":"m"}"#, "{lines:?} {body}");
    }
    let unknown = sent(&ModelLayer::new(Slow::default()), chat(&[(PROVIDER, "@unknown")], ""));
    assert_eq!((unknown.status(), unknown.seen.is_none()), (400, true));
}

#[test]
fn a_store_that_is_down_is_never_unknown() {
    let down = || ModelLayer::new(resolve_provider_fn(|_, _, _| ready(Err(Rejection::unavailable("down")))));
    for (lines, body) in [
        (&[(PROVIDER, "@a")][..], ""),
        (&[], r#"{"model":"@a/m"}"#),
        (&[("x-portkey-config", r#"{"provider":"@a"}"#)], ""),
    ] {
        let answer = sent(&down(), chat(lines, body));
        assert_eq!((answer.status(), answer.kind()), (503, Some(Kind::Unavailable)), "{lines:?} {body}");
        assert!(answer.seen.is_none(), "{lines:?} {body}");
    }
    assert_eq!(sent(&down(), chat(&[(PROVIDER, "openai")], r#"{"model":"m"}"#)).status(), 200);
}

/// Without a caller there are no entries; nothing is looked at, and nothing is changed.
#[test]
fn without_a_caller_nothing_is_looked_at() {
    let body = r#"{"model":"@a/m","model":1}"#;
    let chunks: Vec<Bytes> = body.as_bytes().chunks(3).map(Bytes::copy_from_slice).collect();
    let lines = &[(PROVIDER, "openai"), (VIRTUAL_KEY, "a")];
    let open = request(&Method::POST, "/v1/chat/completions?model=@a/m", lines).map(|_| Chunks::new(chunks.clone()));
    let answer = sent(&layer(), open);
    assert_eq!(answer.leaf().chunks, chunks);
    assert_eq!(answer.leaf().head.uri, "/v1/chat/completions?model=@a/m");
    assert_eq!(named(&answer), ProviderId::parse("openai").map(ProviderRef::Id));
    // Nor where there are none.
    let none = by(Principal::new("ci"), request(&Method::POST, CHAT, &lines[..1]).map(|_| Chunks::new(chunks.clone())));
    assert_eq!(sent(&ModelLayer::new(NoEntries), none).leaf().chunks, chunks);
    assert_eq!(sent(&ModelLayer::default(), chat(lines, "")).status(), 400);
}

#[test]
fn only_the_slug_is_taken_out() {
    for (body, expected) in [
        (r#"{"model":"@a/m"}"#, r#"{"model":"m"}"#),
        (r#"{ "model" : "@a/x/y" , "n":1.10 }"#, r#"{ "model" : "x/y" , "n":1.10 }"#),
        (r#"{"model":"@a\/m\u0041"}"#, r#"{"model":"m\u0041"}"#),
        (r#"{"mod\u0065l":"\u0040a\u002Fm"}"#, r#"{"mod\u0065l":"m"}"#),
        (r#"{"x":{"model":"@b/m"},"model":"@a/@b/m"}"#, r#"{"x":{"model":"@b/m"},"model":"@b/m"}"#),
        (r#"{"model":"@a"}"#, r#"{"model":"@a"}"#),
        (r#"{"model":"@a/"}"#, r#"{"model":""}"#),
    ] {
        for size in [1, 5, 1000] {
            let mut request = chat(&[("content-length", "999")], "")
                .map(|_| Chunks::new(body.as_bytes().chunks(size).map(Bytes::copy_from_slice)));
            request.headers_mut().insert("transfer-encoding", "chunked".parse().expect("a value"));
            let answer = sent(&layer(), request);
            let seen = answer.leaf();
            assert_eq!((named(&answer), &*seen.body()), (slug("a"), expected.as_bytes()), "{body} by {size}");
            assert_eq!(seen.header("content-length"), Some(&*expected.len().to_string()), "{body} by {size}");
            assert_eq!(seen.header("transfer-encoding"), None, "{body} by {size}");
            assert_eq!((seen.chunks.len(), seen.hint.exact()), (1, Some(expected.len() as u64)), "{body} by {size}");
        }
    }
}

#[test]
fn names_of_workers_ai_are_no_slugs() {
    for body in [r#"{"model":"@cf/meta/llama"}"#, r#"{"model":"@hf/x"}"#] {
        let answer = sent(&layer(), chat(&[(PROVIDER, "openai")], body));
        assert_eq!(answer.leaf().body(), body);
    }
}

proptest! {
    #[test]
    fn any_json_comes_out_byte_for_byte(
        before in "( |\n)?(\"[a-c\\\\]{0,0}\":(null|[1-9]{1,3}|\\[\\{\"model\":\"@b/z\"\\}\\]|\"@b/\\\\\"z\") ?, ?)?",
        model in "[a-z/@é😀 .:-]{0,9}",
        after in "(, ?\"n\": ?(1\\.50|\"\\\\ud83d\\\\ude00\"|\\{\"model\":\\[\\]\\}))?( |\r\n)?",
        size in 1_usize..40,
    ) {
        let text = |model: &str| format!("{{{before}\"model\":\"{model}\"{after}}}");
        let body = text(&format!("@a/{model}"));
        let chunks = Chunks::new(body.as_bytes().chunks(size).map(Bytes::copy_from_slice));
        let answer = sent(&layer(), chat(&[], "").map(|_| chunks));
        prop_assert_eq!(answer.leaf().body(), text(&model));
        prop_assert_eq!(named(&answer), slug("a"));
    }
}

#[test]
fn a_body_that_names_two_models_is_refused() {
    let message = "The body must not name its model twice";
    for (lines, body) in [
        (&[][..], r#"{"model":"@a/m","model":"m"}"#),
        (&[], r#"{"model":"@a/m","mod\u0065l":"@b/m"}"#),
        (&[(PROVIDER, "@limited")], r#"{"model":"m","model":"other"}"#),
        (&[("x-portkey-config", r#"{"provider":"@a","retry":{"attempts":1}}"#)], r#"{"model":"m","model":"other"}"#),
    ] {
        let answer = sent(&layer(), chat(lines, body));
        assert_eq!((answer.status(), answer.message()), (400, Some(message)), "{lines:?} {body}");
        assert!(answer.seen.is_none(), "{lines:?} {body}");
    }
    let answer = sent(&layer(), hosted("/v1/models?model=@a/m&model=m", &[], ""));
    assert_eq!((answer.status(), answer.message()), (400, Some("The query must not name its model twice")));
}

/// Gives one chunk, and the next one when the leaf has seen the first.
struct Stepwise {
    chunks: Vec<Bytes>,
    seen: Arc<AtomicUsize>,
    given: usize,
}

impl Body for Stepwise {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(self.given <= self.seen.load(Ordering::Relaxed), "read ahead");
        self.given += 1;
        Poll::Ready(if self.chunks.is_empty() { None } else { Some(Ok(Frame::data(self.chunks.remove(0)))) })
    }
}

#[test]
fn a_model_without_a_slug_lets_the_rest_stream() {
    let seen = Arc::new(AtomicUsize::new(0));
    let chunks = vec![Bytes::from(r#"{"model":"m","#), Bytes::from(r#""n":"#), Bytes::from("1}")];
    let body = Stepwise { chunks: chunks.clone(), seen: Arc::clone(&seen), given: 0 };
    let leaf = service_fn(move |request: Request<FullOr<Stepwise>>| {
        let (seen, chunks) = (Arc::clone(&seen), chunks.clone());
        async move {
            assert_eq!(request.headers()["content-length"], "18");
            let mut body = request.into_body();
            for chunk in chunks {
                let frame = body.frame().await.expect("a frame").expect("a frame");
                assert_eq!(frame.into_data().expect("data"), chunk);
                seen.fetch_add(1, Ordering::Relaxed);
            }
            assert!(body.frame().await.is_none());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let service = (ExtractLayer::new(), ConfigLayer::new(), layer()).layer(leaf);
    let request = chat(&[(PROVIDER, "openai"), ("content-length", "18")], "").map(|_| body);
    assert_eq!(block_on(service.oneshot(request)).expect("an answer").status(), 200);
}

/// What can't name a model is not touched at all.
#[test]
fn other_bodies_are_not_read() {
    let (json, wav, form) = ("application/json", "audio/wav", FORM);
    for (method, path, kind) in [
        (Method::POST, "/v1/files", json),
        (Method::POST, "/v1/files", form),
        (Method::POST, AUDIO, wav),
        (Method::POST, "/v1/uploads/x", form),
        (Method::POST, "/v1/uploads/x", "text/plain"),
        (Method::DELETE, "/v1/anything", json),
        (Method::GET, "/v1/anything", json),
    ] {
        let body = Stepwise { chunks: vec![Bytes::from("{}")], seen: Arc::default(), given: 1 };
        let request = by(Principal::new("ci"), request(&method, path, &[(PROVIDER, "@a"), ("content-type", kind)]));
        let leaf = service_fn(async |_: Request<FullOr<Stepwise>>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        });
        let service = (ExtractLayer::new(), ConfigLayer::new(), layer()).layer(leaf);
        let answer = block_on(service.oneshot(request.map(|_| body))).expect("an answer");
        assert_eq!(answer.status(), 200, "{method} {path} {kind}");
    }
}

#[test]
fn what_must_be_read_has_a_limit_and_the_rest_has_none() {
    let text = "x".repeat(100);
    let (late, slugged) = (format!(r#"{{"t":"{text}","model":"m"}}"#), format!(r#"{{"model":"@a/m","t":"{text}"}}"#));
    let retry = ("x-portkey-config", r#"{"provider":"openai","api_key":"k","retry":{"attempts":1}}"#);
    for (lines, body, status) in [
        (&[(PROVIDER, "openai")][..], &late, 200),
        (&[(PROVIDER, "@a")], &late, 200),
        (&[(PROVIDER, "openai")], &slugged, 413),
        (&[], &late, 413),
        (&[(PROVIDER, "@limited")], &late, 413),
        (&[retry], &late, 413),
    ] {
        for size in [7, 1000] {
            let chunks = Chunks::new(body.as_bytes().chunks(size).map(Bytes::copy_from_slice));
            let answer = sent(&layer().limit(64), hosted(CHAT, lines, "").map(|_| chunks));
            assert_eq!(answer.status(), status, "{lines:?} {body} by {size}");
            if status == 200 {
                assert_eq!(answer.leaf().body(), *body, "{lines:?} {body} by {size}");
            } else {
                assert_eq!(answer.message(), Some("Payload size exceeds the limit of 64 bytes"));
                assert!(answer.seen.is_none());
            }
        }
    }
    let whole = sent(&layer().limit(1 << 20), hosted(CHAT, &[retry], vec![b' '; (1 << 20) + 1]));
    assert_eq!((whole.status(), whole.message()), (413, Some("Payload size exceeds the limit of 1MB")));
}

#[test]
fn all_bodies_together_have_a_budget_that_comes_back() {
    let layer = layer().budget(20);
    let request = |lines, body: &'static str| chat(lines, "").map(|_| Chunks::new([body]));
    let over = sent(&layer, request(&[], r#"{"model":"@a/mmmmmmmmmm"}"#));
    assert_eq!((over.status(), over.kind(), over.header("retry-after")), (503, Some(Kind::Unavailable), Some("1")));
    // What only would have been looked at passes.
    let late = || Chunks::new([r#"{"n":12345678901234567"#, r#","model":"@a/m"}"#]);
    let passed = sent(&layer, chat(&[(PROVIDER, "openai")], "").map(|_| late()));
    assert_eq!(passed.leaf().body(), r#"{"n":12345678901234567,"model":"@a/m"}"#);
    for _ in 0..3 {
        assert_eq!(sent(&layer, request(&[], r#"{"model":"@a/m"}"#)).leaf().body(), r#"{"model":"m"}"#);
    }
}

#[test]
fn a_body_that_breaks_off_is_refused() {
    struct Broken(bool);

    impl Body for Broken {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let first = !std::mem::replace(&mut self.0, true);
            Poll::Ready(Some(if first { Ok(Frame::data("{}".into())) } else { Err(std::io::Error::other("canary")) }))
        }
    }

    let layers = (ExtractLayer::new(), ConfigLayer::new(), layer());
    let answer = send(&layers, chat(&[(PROVIDER, "@limited")], "").map(|_| Broken(false)));
    let expected = json!({"status": "failure", "message": "The body could not be read to its end"});
    assert_eq!((answer.status(), answer.json(), answer.seen.is_none()), (400, expected, true));
}

#[test]
fn forms_name_entries_too() {
    let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRI\0FF\r\n";
    let form = |model: &str| format!("{file}{}--x--\r\n", field("model", model));
    let lines = &[("content-type", FORM)];
    let answer = sent(&layer(), hosted(AUDIO, lines, form("@a/whisper/1")));
    assert_eq!((named(&answer), &*answer.leaf().body()), (slug("a"), form("whisper/1").as_bytes()));
    assert_eq!(answer.leaf().header("content-length"), Some(&*form("whisper/1").len().to_string()));

    let plain = &[("content-type", FORM), (PROVIDER, "openai")];
    for body in [form("whisper-1"), "no form".to_owned(), file.to_owned()] {
        assert_eq!(sent(&layer(), hosted(AUDIO, plain, body.clone())).leaf().body(), body);
    }
    for (body, message) in [
        ("no form".to_owned(), "The body must be a form of one reading, with the boundary of its content type"),
        (format!("{}{}", field("model", "m"), form("m")), "The body must not name its model twice"),
    ] {
        for lines in [&lines[..], &[("content-type", FORM), (PROVIDER, "@limited")]] {
            let answer = sent(&layer(), hosted(AUDIO, lines, body.clone()));
            assert_eq!((answer.status(), answer.message()), (400, Some(message)), "{lines:?} {body}");
            assert!(answer.seen.is_none(), "{lines:?} {body}");
        }
    }
}

/// No way around the list of models: what can't be read for certain goes nowhere.
#[test]
fn a_limited_entry_is_used_for_its_models_only() {
    let (limited, json, wav) =
        ((PROVIDER, "@limited"), ("content-type", "application/json"), ("content-type", "audio/wav"));
    let form = ("content-type", FORM);
    let other = format!("{}--x--\r\n", field("model", "other"));
    let mine = format!("{}--x--\r\n", field("model", "m"));
    for (path, lines, body, passes) in [
        (CHAT, &[limited, json][..], r#"{"model":"m"}"#, true),
        (CHAT, &[limited], r#"{"model":"@a/m"}"#, true),
        (CHAT, &[], r#"{"model":"@limited/m"}"#, true),
        (CHAT, &[limited], "", true),
        (CHAT, &[limited, json], r#"{"model":"other"}"#, false),
        (CHAT, &[limited], r#"{"model":"@a/other"}"#, false),
        (CHAT, &[], r#"{"model":"@limited/other"}"#, false),
        (CHAT, &[], r#"{"model":"@limited/m","MODEL":"other"}"#, false),
        (CHAT, &[limited], r#"{"mod\u0065l":"other"}"#, false),
        (CHAT, &[limited], r#"{"Model":"other"}"#, false),
        (CHAT, &[limited], r#"{"model":["other"]}"#, false),
        (CHAT, &[limited], "\u{feff}{\"model\":\"other\"}", false),
        (CHAT, &[limited], "{\"model\":\"other\"} x", false),
        (CHAT, &[limited, ("content-encoding", "gzip")], r#"{"model":"m"}"#, false),
        (CHAT, &[limited, form], &mine, false),
        (AUDIO, &[limited, form], &mine, true),
        (AUDIO, &[limited, form], &other, false),
        ("/v1/anything", &[limited, form], &other, false),
        ("/v1/anything", &[limited, ("content-type", "text/plain")], &other, false),
        (AUDIO, &[limited, wav], "RIFF", true),
        (AUDIO, &[limited, wav], r#" {"model":"other"}"#, false),
        (AUDIO, &[limited, wav], r#" {"model":"m"}"#, true),
        ("/v1/anything?model=other", &[limited], "", false),
        ("/v1/anything?model=m", &[limited], "", true),
        ("/v1/anything?model=@limited/other", &[], "", false),
        ("/v1/anything?model=@limited/m", &[], r#"{"model":"m"}"#, true),
        ("/v1/anything?model=@limited/m", &[], r#"{"model":"other"}"#, false),
        ("/v1/anything?model=@limited/m", &[], "no JSON", false),
        ("/v1/models/other", &[limited], "", false),
        ("/v1/models/m", &[limited], "", true),
        ("/v1/deployments/other/chat/completions", &[limited], r#"{"model":"m"}"#, false),
    ] {
        let answer = resolved(hosted(path, lines, body.to_owned()));
        assert_eq!(answer.seen.is_some(), passes, "{path} {lines:?} {body}: {:?}", answer.message());
        assert!(passes || answer.status() / 100 == 4, "{path} {lines:?} {body}: {}", answer.status());
    }
    // A method is no way around it either.
    let mut request = hosted("/v1/anything", &[limited], r#"{"model":"other"}"#);
    *request.method_mut() = Method::DELETE;
    assert!(resolved(request).seen.is_none());
}

/// What may be sent again is there as one piece, even if it is nothing.
#[test]
fn what_may_be_sent_again_is_whole() {
    let retry = ("x-portkey-config", r#"{"provider":"openai","api_key":"k","retry":{"attempts":1}}"#);
    for (method, body) in [(Method::POST, r#"{"model":"m"}"#), (Method::GET, ""), (Method::DELETE, "{}")] {
        let chunks = Chunks::new(body.as_bytes().chunks(2).map(Bytes::copy_from_slice));
        let answer = sent(&layer(), request(&method, "/v1/anything", &[retry]).map(|_| chunks));
        assert_eq!(
            (answer.leaf().body(), answer.leaf().hint.exact()),
            (body.into(), Some(body.len() as u64)),
            "{method}"
        );
        assert_eq!(answer.leaf().header("content-length").is_some(), !body.is_empty(), "{method}");
    }
}

#[test]
fn a_layer_that_is_missing_is_named() {
    for (layers, message) in
        [(false, "The request did not pass ExtractLayer"), (true, "The request did not pass ConfigLayer")]
    {
        let request = chat(&[], r#"{"model":"@a/m"}"#);
        let answer = if layers { send(&(ExtractLayer::new(), layer()), request) } else { send(&layer(), request) };
        assert_eq!((answer.status(), answer.message(), answer.seen.is_none()), (500, Some(message), true));
    }
}

/// Who leaves while an entry is waited for leaves nothing behind.
#[test]
fn the_inner_service_is_not_called_before_the_entry_is_there() {
    #[derive(Clone)]
    struct Never;

    impl ResolveProvider for Never {
        type Future = Pending<Result<Option<Entry>, Rejection>>;

        fn resolve(&self, _: Workspace<'_>, _: &str) -> Decision<Option<Entry>, Self::Future> {
            Decision::Later(pending())
        }
    }

    let leaf = service_fn(|_: Request<FullOr<Full<Bytes>>>| -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
        panic!("called")
    });
    let mut service = (ExtractLayer::new(), ConfigLayer::new(), ModelLayer::new(Never)).layer(leaf);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let mut answer = Box::pin(service.call(chat(&[(PROVIDER, "@a")], "")));
    assert!(answer.as_mut().poll(&mut cx).is_pending());
}

/// The mock's clones are not ready, and panic when they are called.
#[test]
fn the_ready_service_is_the_one_that_is_called() {
    let facts = (ExtractLayer::new(), ConfigLayer::new());
    let (inner, mut handle) = pair::<Request<FullOr<Chunks>>, Response<Full<Bytes>>>();
    let mut service = Spawn::new(ModelLayer::new(Slow::default()).layer(inner));
    let requests = [
        (&[(PROVIDER, "openai")][..], r#"{"model":"m"}"#),
        (&[(PROVIDER, "@a")], r#"{"model":"@b/m"}"#),
        (&[], r#"{"model":"@b/m"}"#),
        (&[(PROVIDER, "@a")], ""),
    ]
    .map(|(lines, body)| {
        let chunks = Chunks::new(body.as_bytes().chunks(4).map(Bytes::copy_from_slice));
        (below(&facts, chat(lines, "")).map(|_| chunks), body)
    });
    block_on(async {
        for (request, body) in requests {
            handle.allow(1);
            assert!(matches!(service.poll_ready::<Request<Chunks>>(), Poll::Ready(Ok(()))), "{body}");
            let answer = service.call(request);
            let inner = async {
                let (request, respond) = handle.next_request().await.expect("a request");
                let body = request.into_body().collect().await.expect("a body").to_bytes();
                respond.send_response(Response::new(Full::new(body)));
            };
            let (answer, ()) = tokio::join!(answer, inner);
            let echoed = answer.expect("an answer").into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(echoed, body.replace("@b/", ""), "{body}");
            assert!(service.poll_ready::<Request<Chunks>>().is_pending(), "{body}");
        }
    });
}

/// Who leaves while the body is read gives back what was held for it.
#[test]
fn what_is_held_comes_back_when_the_caller_leaves() {
    struct Stuck(bool);

    impl Body for Stuck {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(Frame::data(r#"{"model":"@a/m","#.into()))))
        }
    }

    let layer = layer().budget(20);
    let leaf =
        service_fn(async |_: Request<FullOr<Stuck>>| Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))));
    let service = (ExtractLayer::new(), ConfigLayer::new(), layer.clone()).layer(leaf);
    for _ in 0..3 {
        let mut answer = Box::pin(service.clone().oneshot(chat(&[], "").map(|_| Stuck(false))));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let time_runs = runtime.enter();
        assert!(answer.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        drop(time_runs);
        assert_eq!(sent(&layer, chat(&[], r#"{"model":"@a/m"}"#)).status(), 503);
    }
    assert_eq!(sent(&layer, chat(&[], r#"{"model":"@a/m"}"#)).status(), 200);
}

/// A body that says it is too long is refused before it is read.
#[test]
fn the_hint_is_asked_first() {
    struct Unread;

    impl Body for Unread {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("the body was read")
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(11)
        }
    }

    let answer = sent(&layer().limit(10), chat(&[(PROVIDER, "@limited")], "").map(|_| Unread));
    assert_eq!(answer.status(), 413);
}

/// Whoever sends slowly does not hold what there is for everybody.
#[test]
fn a_body_that_does_not_come_gives_its_budget_back() {
    struct Stalls(bool);

    impl http_body::Body for Stalls {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            match std::mem::replace(&mut self.0, true) {
                false => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from("{\"a\":1,"))))),
                true => std::task::Poll::Pending,
            }
        }
    }

    let config = r#"{"provider":"openai","api_key":"k","override_params":{"b":1}}"#;
    let lines = [("x-portkey-config", config), ("content-type", "application/json")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let leaf = tower::service_fn(async |_: Request<FullOr<Stalls>>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        });
        let layer = ModelLayer::new(EntrySet::new()).budget(8).read_timeout(std::time::Duration::from_secs(5));
        let service = tower::Layer::layer(&(ExtractLayer::new(), ConfigLayer::new(), layer), leaf);
        for _ in 0..3 {
            let request = request_with(&Method::POST, CHAT, &lines, "").map(|_| Stalls(false));
            let answer = tower::ServiceExt::oneshot(service.clone(), request).await.expect("an answer");
            assert_eq!(answer.status(), 408);
        }
    });
}

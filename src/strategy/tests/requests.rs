//! What the targets get.

use http_body_util::Empty;

use super::*;

#[tokio::test(start_paused = true)]
async fn every_attempt_gets_the_same_bytes_or_its_own_changes() {
    let root = || {
        let params = params(r#"{"model":"n","a":1}"#);
        let one = ConfigObject { retry: retry(1, None), ..object("config.targets[0]") };
        fallback(vec![one, ConfigObject { params: params.into(), ..object("config.targets[1]") }])
    };
    let leaf = Leaf::new(&[Answer(500); 2]);
    let request = chat(root());
    let body = request.body().as_full().expect("a body");
    send(&leaf, request).await.expect("an answer");
    let seen = leaf.seen.lock().expect("seen");
    for seen in &seen[..2] {
        assert_eq!((seen.body.as_ptr(), &seen.body, &seen.length), (body.as_ptr(), &body, &None));
        assert_eq!(seen.model.as_deref(), Some("m"));
    }
    assert_eq!(seen[2].body, r#"{"model":"n","a":1}"#);
    assert_eq!(seen[2].length.as_ref().map(HeaderValue::as_bytes), Some(&b"19"[..]));
    assert_eq!(seen[2].model.as_deref(), Some("n"));
}

#[tokio::test]
async fn a_single_target_changes_the_body_and_says_what_model_it_asks_for() {
    let name = || vec![Box::from("model")];
    let default = |text| Params { default: params(text).set, ..Params::default() };
    for (params, body, expected, model) in [
        (params(r#"{"a":1}"#), r#"{"model":"m"}"#, r#"{"model":"m","a":1}"#, Some("m")),
        (params(r#"{"model":"n"}"#), r#"{"model":"m"}"#, r#"{"model":"n"}"#, Some("n")),
        (params(r#"{"model":1}"#), r#"{"model":"m"}"#, r#"{"model":1}"#, None),
        (default(r#"{"model":"n"}"#), r#"{"model":"m"}"#, r#"{"model":"m"}"#, Some("m")),
        (default(r#"{"model":"n"}"#), "{}", r#"{"model":"n"}"#, Some("n")),
        (Params { drop: name(), ..Params::default() }, r#"{"model":"m"}"#, "{}", None),
        (params(r#"{"a":1}"#), "", "", Some("m")),
    ] {
        let leaf = Leaf::new(&[]);
        let root = ConfigObject { params: params.into(), ..object("config") };
        let answer = send(&leaf, ask(named(root), "/v1/chat/completions", body)).await.expect("an answer");
        let seen = leaf.seen.lock().expect("seen");
        assert_eq!((&*seen[0].body, seen[0].model.as_deref()), (expected.as_bytes(), model), "{body}");
        // Whoever answers a single target marks it.
        assert_eq!(header(&answer, "x-portkey-retry-attempt-count"), "theirs");
    }
    let root = || ConfigObject { params: params(r#"{"a":1}"#).into(), ..object("config") };
    let answer = send(&Leaf::new(&[]), ask(named(root()), "/v1/chat/completions", "no JSON")).await.expect("an answer");
    assert_eq!(kind(&answer), Some(Kind::InvalidRequest));
    // On the way to a later target, too.
    let root = fallback(vec![object("config.targets[0]"), root()]);
    let leaf = Leaf::new(&[Answer(500)]);
    let answer = send(&leaf, ask(named(root), "/v1/chat/completions", "no JSON")).await.expect("an answer");
    assert_eq!((kind(&answer), leaf.paths().as_str()), (Some(Kind::InvalidRequest), "config.targets[0]+0"));
}

#[tokio::test]
async fn forms_and_bodies_that_nobody_needs_stream_through() {
    let changing = || ConfigObject { params: params(r#"{"a":1}"#).into(), ..object("config") };
    let streamed = |root, path: &str, content_type: &'static str| {
        let mut request = ask(named(root), path, "").map(|_| FullOr::inner(Full::new(Bytes::from_static(b"--x"))));
        request.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        request
    };
    let form = "multipart/form-data; boundary=x";
    for (root, path, content_type, expected) in [
        (changing(), "/v1/audio/transcriptions", form, None),
        (changing(), "/v1/audio/transcriptions", "application/json", Some(Kind::Misassembled)),
        (changing(), "/v1/chat/completions", form, Some(Kind::Misassembled)),
        (group("config", Mode::Single, two()), "/v1/audio/transcriptions", form, None),
        (group("config", Mode::LoadBalance { sticky: None }, two()), "/v1/audio/transcriptions", form, None),
        (fallback(two()), "/v1/audio/transcriptions", form, Some(Kind::Misassembled)),
    ] {
        let answer = send(&Leaf::new(&[]), streamed(root, path, content_type)).await.expect("an answer");
        assert_eq!(kind(&answer), expected, "{path} {content_type}");
    }
    let empty = ask(named(fallback(two())), "/v1/models", "").map(|_| FullOr::inner(Empty::<Bytes>::new()));
    let leaf = Leaf::new(&[Answer(500)]);
    assert_eq!(send(&leaf, empty).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_missing_layer_is_a_loud_500() {
    let mut read = named(object("config"));
    read.stage = Stage::Read;
    let mut again = named(object("config"));
    again.stage = Stage::Chosen;
    let mut nobody = chat(fallback(two()));
    nobody.extensions_mut().remove::<PortkeyHeaders>();
    let mut nothing = chat(object("config"));
    nothing.extensions_mut().remove::<RequestConfig>();
    for (request, layer) in [
        (ask(read, "/v1/chat/completions", "{}"), "ModelLayer"),
        (ask(again, "/v1/chat/completions", "{}"), "ModelLayer"),
        (nothing, "ModelLayer"),
        (nobody, "ExtractLayer"),
    ] {
        let answer = send(&Leaf::new(&[]), request).await.expect("an answer");
        let rejection = answer.extensions().get::<Rejection>().expect("a refusal");
        assert_eq!(rejection.kind(), Kind::Misassembled);
        assert!(rejection.message().ends_with(layer), "{rejection}");
    }
}

//! What is no JSON is no config: the JSONTestSuite (nst/JSONTestSuite) through the header.

use std::{fs, path::Path};

use http::{HeaderValue, Method};
use tower_portkey::{ConfigLayer, ExtractLayer, rejection::Kind};

use crate::support::{Answer, CHAT, by, caller, request, send};

fn ask(config: &[u8], hosted: bool) -> Option<Answer> {
    let mut request =
        request(&Method::POST, CHAT, &[("x-portkey-provider", "openai"), ("authorization", "Bearer sk-1")]);
    // What no header can carry never gets here.
    request.headers_mut().insert("x-portkey-config", HeaderValue::from_bytes(config).ok()?);
    let request = if hosted { by(caller(), request) } else { request };
    Some(send(&(ExtractLayer::new(), ConfigLayer::new()), request))
}

fn is_refused(text: &[u8]) -> bool {
    [false, true].into_iter().all(|hosted| {
        // Below a member that nobody checks, too: what is invalid there is invalid as a whole.
        let below = [br#"{"provider":"openai","api_key":"k","metadata":"#, text, b"}"].concat();
        let over = [br#"{"provider":"openai","api_key":"k","override_params":{"a":"#, text, b"}}"].concat();
        [text, &below, &over].into_iter().filter_map(|config| ask(config, hosted)).all(|answer| {
            assert!(answer.kind().is_none_or(|kind| kind == Kind::InvalidRequest), "{:?}", answer.kind());
            answer.status() == 400 && answer.seen.is_none()
        })
    })
}

#[test]
fn some_texts_that_are_no_json() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "+1",
        "NaN",
        "'a'",
        "{a:1}",
        "\"\\x\"",
        "[1 2]",
        "{\"a\" 1}",
        "tru",
        "\u{feff}{}",
    ] {
        // An empty header is none; below a member it is nothing at all.
        assert!(text.is_empty() || is_refused(text.as_bytes()), "{text:?}");
    }
}

#[test]
fn the_suite() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/jsontestsuite/test_parsing");
    let Ok(files) = fs::read_dir(Path::new(folder)) else { return };
    let (mut invalid, mut all) = (0, 0);
    for file in files {
        let path = file.expect("a file").path();
        let (name, text) =
            (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read(&path).expect("a file"));
        all += 1;
        if name.starts_with("n_") && !text.is_empty() {
            // Where the text closes what it stands in, it can be a part of something valid.
            let whole = [false, true].into_iter().filter_map(|hosted| ask(&text, hosted));
            for answer in whole {
                assert_eq!((answer.status(), answer.seen.is_none()), (400, true), "{name}");
            }
            invalid += 1;
        } else {
            let _ = ask(&text, true);
        }
    }
    assert_eq!((all, invalid > 180), (318, true), "{invalid}");
}

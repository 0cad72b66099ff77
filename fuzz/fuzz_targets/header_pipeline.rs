//! The whole stack: a path, header lines, a body. No key of the gateway and no stored credential goes where it must not.

#![no_main]

use std::{convert::Infallible, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    GatewayKey, PortkeyAuthLayer, PortkeyLayer, Secret,
    auth::KeySet,
    body::FullOr,
    config::{ConfigSet, SavedConfig},
    context::{Entry, Principal, ProviderId, Visibility},
    host::TrustedHosts,
    model::EntrySet,
};

const KEY: &str = "pk-7Qm2vX9tRb4Ls8Kd1Wn6Zc3Yh5";
const STORED: &str = "sk-stored-0123456789";

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let who = Principal::new("ci").with_scopes(["completions.write", "logs.read", "logs.write", "prompts.render"]);
    KeySet::new([GatewayKey::new(KEY, who).unwrap()]).unwrap()
});

static STORES: LazyLock<(EntrySet, ConfigSet)> = LazyLock::new(|| {
    let entry = |slug: &str| {
        let openai = ProviderId::parse("openai").unwrap();
        Entry::new(slug, openai).unwrap().with_api_key(Secret::from(STORED)).unwrap()
    };
    let entries = EntrySet::new()
        .with(entry("prod"), Visibility::everybody())
        .with(entry("limited").with_models(["m"]), Visibility::everybody());
    let fallback = r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@limited"},{"provider":"@prod"}]}"#;
    let saved = SavedConfig::parse("pc-1", fallback, &TrustedHosts::default()).unwrap();
    (entries, ConfigSet::new().with(saved, Visibility::everybody()))
});

/// The first line is method and path, the lines up to an empty one are headers, the rest is the body.
fn read(data: &[u8]) -> Option<Request<Full<Bytes>>> {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, path) = first.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(path).body(Full::from(body.to_vec())).ok()?;
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?);
    }
    request.headers_mut().entry("x-portkey-api-key").or_insert(HeaderValue::from_static(KEY));
    Some(request)
}

fuzz_target!(|data: &[u8]| {
    let Some(request) = read(data) else { return };
    let (entries, configs) = STORES.clone();
    let layer = PortkeyLayer::builder().auth(PortkeyAuthLayer::new(KEYS.clone())).entries(entries).configs(configs);
    let leaf = service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
        let uri = request.uri().to_string();
        let stored = |text: &[u8]| text.windows(STORED.len()).any(|part| part == STORED.as_bytes());
        for (name, value) in request.headers() {
            assert!(!name.as_str().starts_with("x-portkey-"), "{name}");
            assert!(!value.as_bytes().windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{name}");
            assert!(!stored(value.as_bytes()) || uri.starts_with("https://api.openai.com/"), "{uri}");
        }
        assert!(!uri.contains(KEY), "{uri}");
        assert!(request.headers().get_all("authorization").iter().count() <= 1);
        let _ = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let answer = runtime.block_on(layer.build().layer(leaf).oneshot(request)).unwrap();
    assert!(answer.status() != 500, "{answer:?}");
});

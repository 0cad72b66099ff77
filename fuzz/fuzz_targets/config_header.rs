//! `x-portkey-config`, and the same text as a saved config.

#![no_main]

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    PortkeyLayer,
    body::FullOr,
    config::SavedConfig,
    context::{RequestConfig, Target},
    host::TrustedHosts,
};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(saved) = SavedConfig::parse("pc-1", text, &TrustedHosts::default()) {
            assert!(saved.slugs().count() <= 4096);
            let _ = format!("{saved:?}");
        }
    }
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let leaf = service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
        let (config, target) = (request.extensions().get::<RequestConfig>(), request.extensions().get::<Target>());
        let _ = format!("{config:?} {target:?}");
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let request = Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("x-portkey-config", value)
        .header("authorization", "Bearer sk-caller")
        .body(Full::from(r#"{"model":"m"}"#))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let layer = PortkeyLayer::builder().anonymous().build();
    let answer = runtime.block_on(layer.layer(leaf).oneshot(request)).unwrap();
    assert!(answer.status() != 500, "{answer:?}");
});

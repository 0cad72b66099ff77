//! Bodies: which model they name, for entries that are limited to some, and what goes on.

#![no_main]

use std::convert::Infallible;

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_portkey::{
    ConfigLayer, ExtractLayer, ModelLayer, ResolveLayer, Secret, StrategyLayer,
    body::FullOr,
    context::{Entry, Principal, ProviderId, Visibility},
    model::EntrySet,
};

#[derive(Arbitrary, Debug)]
struct Asked<'a> {
    form: bool,
    /// By header, or in the body's model.
    named: bool,
    limited: bool,
    transcription: bool,
    body: &'a [u8],
}

fn entry(slug: &str) -> Entry {
    let openai = ProviderId::parse("openai").unwrap();
    Entry::new(slug, openai).unwrap().with_api_key(Secret::from("sk-stored")).unwrap()
}

fuzz_target!(|asked: Asked<'_>| {
    let limited = asked.named && asked.limited;
    let (form, transcription) = (asked.form, asked.transcription);
    let leaf = service_fn(move |request: Request<FullOr<Full<Bytes>>>| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        // What another reader sees is the model of the list, too, or none. A chat route takes no form for one.
        if limited && !(form && transcription) && !body.trim_ascii().is_empty() {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(body.get("model").is_none_or(|model| model == "m"), "{body}");
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let entries = EntrySet::new()
        .with(entry("a"), Visibility::everybody())
        .with(entry("limited").with_models(["m"]), Visibility::everybody());
    let layers = ServiceBuilder::new()
        .layer(ExtractLayer::new())
        .layer(ConfigLayer::new())
        .layer(ModelLayer::new(entries))
        .layer(StrategyLayer::new())
        .layer(ResolveLayer::new());
    let path = if transcription { "/v1/audio/transcriptions" } else { "/v1/chat/completions" };
    let kind = if form { "multipart/form-data; boundary=x" } else { "application/json" };
    let mut request = Request::post(path).header("content-type", kind);
    if asked.named {
        request = request.header("x-portkey-provider", if asked.limited { "@limited" } else { "@a" });
    }
    let mut request = request.body(Full::from(asked.body.to_vec())).unwrap();
    request.extensions_mut().insert(Principal::new("ci"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let answer = runtime.block_on(layers.service(leaf).oneshot(request)).unwrap();
    assert!(answer.status() != 500, "{answer:?}");
});

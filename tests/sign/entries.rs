//! What callers may do with a stored credential of AWS's, through the layers in front.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_portkey::{
    ConfigLayer, ExtractLayer, GatewayKey, InjectLayer, ModelLayer, PortkeyAuthLayer, ResolveLayer, Secret, SignLayer,
    StrategyLayer,
    body::FullOr,
    context::{Entry, Principal, ProviderId, Visibility},
    model::EntrySet,
    rejection::Rejection,
};

const GATEWAY_KEY: &str = "pk-7Qm2vX9tRb4Ls8Kd1Wn6";

fn entry(provider: &str) -> Entry {
    let field = |entry: Entry, (name, value)| entry.with_field(name, &Secret::from(value)).expect("a field");
    let entry = Entry::new("aws", ProviderId::parse(provider).expect("an id")).expect("an entry");
    [("aws_access_key_id", "AKIDENTRY"), ("aws_secret_access_key", "entry-secret"), ("aws_region", "eu-west-1")]
        .into_iter()
        .fold(entry, field)
}

/// The status, and why it isn't 200.
async fn asked(entry: Entry, method: &str, path: &str, body: &'static str) -> (u16, String) {
    let leaf = service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
        assert!(request.headers()["authorization"].to_str().expect("text").starts_with("AWS4-HMAC-SHA256 "));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let who = Principal::new("ci").with_organisation("o").with_workspace("w");
    let layers = (
        ExtractLayer::new(),
        PortkeyAuthLayer::keys([GatewayKey::new(GATEWAY_KEY, who).expect("a key")]).expect("keys"),
        ConfigLayer::new(),
        ModelLayer::new(EntrySet::new().with(entry, Visibility::everybody())),
        StrategyLayer::new(),
        ResolveLayer::new(),
        InjectLayer::new(),
        SignLayer::new(),
    );
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
    *request.uri_mut() = path.parse().expect("a path");
    for (name, value) in
        [("content-type", "application/json"), ("x-portkey-api-key", GATEWAY_KEY), ("x-portkey-provider", "@aws")]
    {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let Ok(response) = layers.layer(leaf).oneshot(request).await;
    let why = response.extensions().get::<Rejection>().map(|refused| refused.message().to_owned());
    (response.status().as_u16(), why.unwrap_or_default())
}

#[tokio::test]
async fn the_list_of_models_holds_on_every_path() {
    let bedrock = || entry("bedrock").with_models(["amazon.nova-micro-v1:0"]);
    for (path, body) in [
        ("/v1/chat/completions", r#"{"model":"amazon.nova-micro-v1:0","messages":[]}"#),
        ("/v1/model/amazon.nova-micro-v1%3A0/invoke", "{}"),
        ("/v1/proxy/model/amazon.nova-micro-v1:0/converse-stream", "{}"),
    ] {
        assert_eq!(asked(bedrock(), "POST", path, body).await, (200, String::new()), "{path}");
    }
    for (path, body) in [
        ("/v1/chat/completions", r#"{"model":"anthropic.claude-opus-4-6-v1","messages":[]}"#),
        ("/v1/model/anthropic.claude-opus-4-6-v1/invoke", "{}"),
        ("/v1/model/amazon.nova-micro-v1:0/invoke", r#"{"model":"anthropic.claude-opus-4-6-v1"}"#),
        ("/v1/batches", r#"{"jobName":"j","roleArn":"r","modelId":"anthropic.claude-opus-4-6-v1"}"#),
        ("/v1/model-invocation-job", r#"{"modelId":"anthropic.claude-opus-4-6-v1"}"#),
        ("/v1/async-invoke", r#"{"modelId":"anthropic.claude-opus-4-6-v1"}"#),
        ("/v1/provisioned-model-throughput", r#"{"modelId":"anthropic.claude-opus-4-6-v1","modelUnits":10}"#),
        ("/v1/fine_tuning/jobs", r#"{"baseModelIdentifier":"anthropic.claude-opus-4-6-v1"}"#),
        ("/v1/rerank", r#"{"rerankingConfiguration":{"modelArn":"arn:aws:bedrock:us-east-1::foundation-model/x"}}"#),
        ("/v1/proxy/rerank", r#"{"model":"amazon.nova-micro-v1:0"}"#),
        ("/v1/retrieveAndGenerate", r#"{"retrieveAndGenerateConfiguration":{"modelArn":"anthropic.claude"}}"#),
        ("/v1/optimize-prompt", r#"{"targetModelId":"anthropic.claude-opus-4-6-v1","input":{}}"#),
        ("/v1/inference-profiles", r#"{"modelSource":{"copyFrom":"anthropic.claude-opus-4-6-v1"}}"#),
        ("/v1/proxy/model/anthropic.claude-opus-4-6-v1/invoke", "{}"),
        ("/v1/Model/amazon.nova-micro-v1:0/invoke", "{}"),
        ("/v1/model/amazon.nova-micro-v1:0/invoke/", "{}"),
    ] {
        assert_eq!(asked(bedrock(), "POST", path, body).await.0, 412, "{path}");
    }
    let sagemaker = || entry("sagemaker").with_models(["mine"]);
    assert_eq!(asked(sagemaker(), "POST", "/v1/endpoints/mine/invocations", "{}").await, (200, String::new()));
    for path in ["/v1/endpoints/other/invocations", "/v1/endpoints/mine", "/v1/x"] {
        assert_eq!(asked(sagemaker(), "POST", path, "{}").await.0, 412, "{path}");
    }
}

#[tokio::test]
async fn the_control_plane_is_closed_unless_the_entry_opens_it() {
    for (method, path) in [
        ("PUT", "/v1/logging/modelinvocations"),
        ("DELETE", "/v1/guardrails/g-1"),
        ("POST", "/v1/proxy/custom-models/create-custom-model"),
        ("GET", "/v1/foundation-models"),
    ] {
        let (status, why) = asked(entry("bedrock"), method, path, "{}").await;
        assert_eq!((status, &*why), (400, "The provider entry aws doesn't open AWS's control plane"), "{path}");
        let open = entry("bedrock").with_aws_control_plane();
        assert_eq!(asked(open, method, path, "{}").await, (200, String::new()), "{path}");
    }
    assert_eq!(asked(entry("bedrock"), "GET", "/v1/batches", "").await, (200, String::new()));
    assert_eq!(asked(entry("bedrock"), "POST", "/v1/model/m/converse", "{}").await, (200, String::new()));
}

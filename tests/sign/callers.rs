//! What callers may say about credentials, regions and hosts, through the layers in front.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_portkey::{
    ConfigLayer, ExtractLayer, InjectLayer, ModelLayer, ResolveLayer, SignLayer, StrategyLayer, body::FullOr,
    context::Target, model::NoEntries, rejection::Rejection,
};

use crate::verify::{ID, SECRET};

/// Where the request would have gone, or why it doesn't.
struct Outcome {
    status: u16,
    message: String,
    uri: Uri,
    authorization: Option<String>,
    token: Option<String>,
    target: Option<Target>,
}

const NATIVE: &str = "/v1/model/anthropic.claude-v2%3A1/converse";
const BEDROCK: (&str, &str) = ("x-portkey-provider", "bedrock");
const KEY_ID: (&str, &str) = ("x-portkey-aws-access-key-id", ID);
const KEY: (&str, &str) = ("x-portkey-aws-secret-access-key", SECRET);

async fn sent_by(resolve: ResolveLayer, path: &str, lines: &[(&str, &str)]) -> Outcome {
    let leaf = service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
        let (head, _) = request.into_parts();
        let mut response = Response::new(Full::new(Bytes::new()));
        response.extensions_mut().insert(std::sync::Arc::new(head));
        Ok::<_, Infallible>(response)
    });
    let layers = (ExtractLayer::new(), ConfigLayer::new(), resolve, InjectLayer::new(), SignLayer::new());
    let mut request = Request::post(path).body(FullOr::inner(Full::new(Bytes::from("{}")))).expect("a request");
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect(name);
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).expect(value));
    }
    let Ok(response) = layers.layer(leaf).oneshot(request).await;
    outcome(&response)
}

fn outcome<B>(response: &Response<B>) -> Outcome {
    let head = response.extensions().get::<std::sync::Arc<http::request::Parts>>().cloned();
    let text = |name| head.as_ref().and_then(|head| head.headers.get(name)?.to_str().ok().map(str::to_owned));
    Outcome {
        status: response.status().as_u16(),
        message: response
            .extensions()
            .get::<Rejection>()
            .map(|refused| refused.message().to_owned())
            .unwrap_or_default(),
        uri: head.as_ref().map(|head| head.uri.clone()).unwrap_or_default(),
        authorization: text("authorization"),
        token: text("x-amz-security-token"),
        target: head.as_ref().and_then(|head| head.extensions.get::<Target>().cloned()),
    }
}

async fn sent(path: &str, lines: &[(&str, &str)]) -> Outcome {
    sent_by(ResolveLayer::new(), path, lines).await
}

#[tokio::test]
async fn keys_come_from_headers_or_the_config() {
    let config = format!(
        r#"{{"provider":"bedrock","aws_access_key_id":"AKIDCONFIG","aws_secret_access_key":"{SECRET}","aws_region":"eu-west-1"}}"#
    );
    let region = ("x-portkey-aws-region", "us-west-2");
    let token = ("x-portkey-aws-session-token", "caller-token-0123456789");
    for (lines, host, credential, session) in [
        (&[BEDROCK, KEY_ID, KEY][..], "us-east-1", "AKIDEXAMPLE/", None),
        (&[BEDROCK, KEY_ID, KEY, region, token], "us-west-2", "AKIDEXAMPLE/", Some("caller-token-0123456789")),
        // A config with a provider stands alone: no token of the headers goes with its keys.
        (&[("x-portkey-config", &*config), KEY_ID, KEY, region, token], "eu-west-1", "AKIDCONFIG/", None),
        // A foreign signature and a foreign token are not looked at.
        (
            &[
                BEDROCK,
                KEY_ID,
                KEY,
                ("authorization", "AWS4-HMAC-SHA256 Credential=X"),
                ("x-amz-security-token", "forged"),
            ],
            "us-east-1",
            "AKIDEXAMPLE/",
            None,
        ),
    ] {
        let outcome = sent(NATIVE, lines).await;
        assert_eq!(outcome.status, 200, "{}", outcome.message);
        let expected = format!("https://bedrock-runtime.{host}.amazonaws.com/model/anthropic.claude-v2%3A1/converse");
        assert_eq!(outcome.uri, expected.as_str());
        let line = outcome.authorization.expect("a signature");
        assert!(line.starts_with(&format!("AWS4-HMAC-SHA256 Credential={credential}")), "{line}");
        assert!(line.contains(&format!("/{host}/bedrock/aws4_request")), "{line}");
        assert_eq!(outcome.token.as_deref(), session);
        let target = outcome.target.expect("a target");
        assert!(!target.is_unsigned());
        let debug = format!("{target:?}");
        assert!(!debug.contains(SECRET) && !debug.contains("caller-token"));
    }
}

#[tokio::test]
async fn a_key_of_bedrocks_goes_as_it_is() {
    let kind = ("x-portkey-aws-auth-type", "apiKey");
    let key = ("authorization", "Bearer ABSKexample0123");
    let config = r#"{"provider":"bedrock","api_key":"ABSKconfig0123"}"#;
    for (lines, expected) in [
        (&[BEDROCK, kind, key][..], "Bearer ABSKexample0123"),
        // The keys are there, too, and the word decides.
        (&[BEDROCK, kind, key, KEY_ID, KEY], "Bearer ABSKexample0123"),
        (&[("x-portkey-config", config), key], "Bearer ABSKconfig0123"),
    ] {
        let outcome = sent(NATIVE, lines).await;
        assert_eq!(outcome.authorization.as_deref(), Some(expected), "{}", outcome.message);
        assert!(outcome.target.expect("a target").signing().is_none());
    }
}

#[tokio::test]
async fn what_is_missing_half_given_or_not_for_callers_is_refused_and_nothing_is_sent() {
    let both = r#"{"provider":"bedrock","aws_access_key_id":"a","aws_secret_access_key":"b","#;
    let role = format!(r#"{both}"aws_auth_type":"assumedRole","aws_role_arn":"arn:aws:iam::123456789012:role/x"}}"#);
    let service = format!(r#"{both}"aws_auth_type":"serviceRole"}}"#);
    let own = "x-portkey-aws-auth-type may be assumedRole or serviceRole in a provider entry only";
    for (lines, message) in [
        (&[BEDROCK][..], "x-portkey-aws-access-key-id is required"),
        (&[BEDROCK, ("authorization", "Bearer sk-1")], "x-portkey-aws-access-key-id is required"),
        (&[BEDROCK, KEY_ID], "x-portkey-aws-secret-access-key is required"),
        (&[BEDROCK, KEY], "x-portkey-aws-access-key-id is required"),
        (&[BEDROCK, KEY_ID, ("x-portkey-aws-secret-access-key", "")], "x-portkey-aws-secret-access-key is required"),
        (&[BEDROCK, ("x-portkey-aws-session-token", "t")], "x-portkey-aws-access-key-id is required"),
        (
            &[BEDROCK, KEY, ("x-portkey-aws-access-key-id", "AKID, SignedHeaders=")],
            "Invalid credential: the AWS access key id is made of 1 to 128 letters, digits and `_`",
        ),
        (&[BEDROCK, KEY_ID, KEY, ("x-portkey-aws-auth-type", "assumedRole")], own),
        (
            &[
                BEDROCK,
                KEY_ID,
                KEY,
                ("x-portkey-aws-auth-type", "assumedRole"),
                ("x-portkey-aws-role-arn", "arn:aws:iam::123456789012:role/x"),
            ],
            own,
        ),
        (&[BEDROCK, KEY_ID, KEY, ("x-portkey-aws-auth-type", "serviceRole")], own),
        (&[("x-portkey-config", &*role)], own),
        (&[("x-portkey-config", &*service)], own),
        (
            &[BEDROCK, KEY_ID, KEY, ("x-portkey-aws-service", "a/b")],
            "x-portkey-aws-service may hold letters, digits and inner hyphens only",
        ),
        (&[("x-portkey-provider", "sagemaker"), KEY_ID, KEY], "x-portkey-aws-region is required"),
    ] {
        let outcome = sent(NATIVE, lines).await;
        assert_eq!((outcome.status, outcome.message.as_str()), (400, message), "{lines:?}");
        assert!(outcome.target.is_none());
    }
    let kind = ("x-portkey-aws-auth-type", "apiKey");
    assert_eq!(sent(NATIVE, &[BEDROCK, kind]).await.status, 400);
}

#[tokio::test]
async fn a_region_is_a_label_or_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/templating.json");
    let mut values = vec![("us-gov-west-1".to_owned(), true), ("us-east-1.evil.com#".to_owned(), false)];
    if let Ok(text) = std::fs::read_to_string(path) {
        let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for case in vectors["cases"].as_array().expect("cases").iter().filter(|case| case["field"] == "aws_region") {
            values.push((case["value"].as_str().expect("a value").to_owned(), case["expect"] == "accept"));
        }
    }
    for (value, good) in values {
        // What no header can carry never comes this far, and an empty one is none.
        let Ok(line) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        if line.is_empty() {
            continue;
        }
        let outcome = sent(NATIVE, &[BEDROCK, KEY_ID, KEY, ("x-portkey-aws-region", &value)]).await;
        assert_eq!(outcome.status, if good { 200 } else { 400 }, "{value:?}");
        if good {
            let domain = tower_portkey::context::aws_domain(&value);
            assert_eq!(outcome.uri.host(), Some(&*format!("bedrock-runtime.{value}.{domain}")));
        }
    }
}

#[tokio::test]
async fn other_partitions_and_other_domains() {
    let cn = ("x-portkey-aws-region", "cn-north-1");
    assert_eq!(
        sent(NATIVE, &[BEDROCK, KEY_ID, KEY, cn]).await.uri.host(),
        Some("bedrock-runtime.cn-north-1.amazonaws.com.cn")
    );
    let own = || ResolveLayer::new().aws_endpoint_domain("Aws.Internal.Example").expect("a domain");
    let outcome = sent_by(own(), "/v1/foundation-models", &[BEDROCK, KEY_ID, KEY]).await;
    assert_eq!(outcome.uri.host(), Some("bedrock.us-east-1.aws.internal.example"));
    let region = ("x-portkey-aws-region", "eu-west-1");
    let sagemaker = ("x-portkey-provider", "sagemaker");
    let variant = ("x-portkey-amzn-sagemaker-target-variant", "blue");
    let outcome = sent("/v1/endpoints/e/invocations", &[sagemaker, KEY_ID, KEY, region, variant]).await;
    assert_eq!(outcome.uri, "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/e/invocations");
    assert!(outcome.authorization.expect("a signature").contains("/eu-west-1/sagemaker/aws4_request"));
    for bad in ["a..b", "", "a/b", "evil.com#"] {
        assert!(
            ResolveLayer::new().aws_endpoint_domain(bad).is_err() && SignLayer::new().endpoint_domain(bad).is_err()
        );
    }
}

#[tokio::test]
async fn an_arn_is_one_segment_from_the_caller_to_aws() {
    let path = "/v1/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse-stream";
    let outcome = sent(path, &[BEDROCK, KEY_ID, KEY]).await;
    assert_eq!(outcome.status, 200, "{}", outcome.message);
    assert_eq!(outcome.uri.path(), path.strip_prefix("/v1").expect("a path"));
    // The model is part of the path, so somebody has to have read it.
    let outcome = sent("/v1/chat/completions", &[BEDROCK, KEY_ID, KEY]).await;
    assert_eq!((outcome.status, outcome.message.as_str()), (500, "The request did not pass ModelLayer"));
}

/// With the layers that read the body.
async fn asked(lines: &[(&str, &str)], body: &'static str) -> Outcome {
    let leaf = service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
        let (head, _) = request.into_parts();
        let mut response = Response::new(Full::new(Bytes::new()));
        response.extensions_mut().insert(std::sync::Arc::new(head));
        Ok::<_, Infallible>(response)
    });
    let layers = (
        ExtractLayer::new(),
        ConfigLayer::new(),
        ModelLayer::new(NoEntries),
        StrategyLayer::new(),
        ResolveLayer::new(),
        InjectLayer::new(),
        SignLayer::new(),
    );
    let mut request = Request::post("/v1/chat/completions").body(Full::new(Bytes::from(body))).expect("a request");
    for (name, value) in lines.iter().chain(&[("content-type", "application/json")]) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect(name);
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).expect(value));
    }
    let Ok(response) = layers.layer(leaf).oneshot(request).await;
    outcome(&response)
}

#[tokio::test]
async fn the_model_of_the_body_is_in_the_path() {
    const PLAIN: &str = r#"{"model":"us.anthropic.claude-x:0","messages":[]}"#;
    const STREAM: &str = r#"{"messages":[],"stream":true,"model":"us.anthropic.claude-x:0"}"#;
    let keys = r#""provider":"bedrock","aws_access_key_id":"AKID","aws_secret_access_key":"s""#;
    let alone = format!("{{{keys}}}");
    let second = format!(
        r#"{{"strategy":{{"mode":"fallback"}},"targets":[{{{keys},"override_params":{{"model":"m:1","stream":true}}}}]}}"#
    );
    for (lines, body, expected) in [
        (&[BEDROCK, KEY_ID, KEY][..], PLAIN, "/model/us.anthropic.claude-x%3A0/converse"),
        (&[BEDROCK, KEY_ID, KEY], STREAM, "/model/us.anthropic.claude-x%3A0/converse-stream"),
        (&[("x-portkey-config", &*alone)], STREAM, "/model/us.anthropic.claude-x%3A0/converse-stream"),
        (&[("x-portkey-config", &*second)], PLAIN, "/model/m%3A1/converse-stream"),
    ] {
        let outcome = asked(lines, body).await;
        assert_eq!((outcome.status, outcome.uri.path()), (200, expected), "{} {lines:?}", outcome.message);
        assert!(outcome.authorization.expect("a signature").starts_with("AWS4-HMAC-SHA256 "));
    }
    for body in ["{}", r#"{"model":""}"#, r#"{"model":1}"#, r#"{"model":"a","model":"b"}"#, "[]", ""] {
        assert_eq!(asked(&[BEDROCK, KEY_ID, KEY], body).await.status, 400, "{body}");
    }
}

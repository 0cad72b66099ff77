//! Every operation's way, and what is refused.

use http::uri::PathAndQuery;

use super::*;

fn found(method: &Method, path: &str, model: Option<&str>, stream: bool) -> Result<(String, String), Rejection> {
    let caller: PathAndQuery = path.parse().expect("a path");
    let route = crate::context::Route::of(method, caller.path());
    let (rest, unified) = (route.rest().expect("below /v1"), route.is_unified());
    let field = |name| (name == PortkeyHeader::AwsS3Bucket).then_some("my-bucket");
    let way = way(&AwsAsked { method, rest, caller: &caller, unified, model, stream }, "us-east-1", field)?;
    let endpoint = match way.endpoint {
        Endpoint::Named(name) | Endpoint::Api(name) => name.to_owned(),
        Endpoint::Bucket(bucket) => format!("s3 {bucket}"),
    };
    let query = way.query.filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
    Ok((endpoint, format!("{}{}", way.path, query.unwrap_or_default())))
}

#[test]
fn every_operation_has_its_way() {
    let claude = Some("anthropic.claude-3-5-sonnet-20241022-v2:0");
    let profile = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x";
    for (method, path, model, stream, endpoint, expected) in [
        (
            "POST",
            "/v1/chat/completions",
            claude,
            false,
            "bedrock-runtime",
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse",
        ),
        (
            "POST",
            "/v1/chat/completions",
            claude,
            true,
            "bedrock-runtime",
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream",
        ),
        (
            "POST",
            "/v1/chat/completions",
            Some("ai21.j2-mid-v1"),
            true,
            "bedrock-runtime",
            "/model/ai21.j2-mid-v1/invoke-with-response-stream",
        ),
        (
            "POST",
            "/v1/chat/completions",
            Some(profile),
            false,
            "bedrock-runtime",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-x/converse",
        ),
        ("POST", "/v1/chat/completions", Some("a%3Ab%2Fc"), false, "bedrock-runtime", "/model/a%3Ab%2Fc/converse"),
        (
            "POST",
            "/v1/messages",
            claude,
            false,
            "bedrock-runtime",
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/invoke",
        ),
        (
            "POST",
            "/v1/messages",
            Some(profile),
            true,
            "bedrock-runtime",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-x/invoke-with-response-stream",
        ),
        ("POST", "/v1/messages", Some("meta.llama3"), true, "bedrock-runtime", "/model/meta.llama3/converse-stream"),
        (
            "POST",
            "/v1/messages/count_tokens",
            Some("us.anthropic.x-v1:0"),
            false,
            "bedrock-runtime",
            "/model/anthropic.x-v1%3A0/count-tokens",
        ),
        ("POST", "/v1/completions", Some("m"), true, "bedrock-runtime", "/model/m/invoke-with-response-stream"),
        (
            "POST",
            "/v1/embeddings",
            Some("amazon.titan-embed-text-v2:0"),
            false,
            "bedrock-runtime",
            "/model/amazon.titan-embed-text-v2%3A0/invoke",
        ),
        ("POST", "/v1/images/generations", Some("m"), false, "bedrock-runtime", "/model/m/invoke"),
        ("POST", "/v1/rerank", None, false, "bedrock-agent-runtime", "/rerank"),
        ("POST", "/v1/batches", None, false, "bedrock", "/model-invocation-job"),
        (
            "GET",
            "/v1/batches?limit=2&after=a%2Bb&x=1",
            None,
            false,
            "bedrock",
            "/model-invocation-jobs?maxResults=2&nextToken=a%2Bb&x=1",
        ),
        ("GET", "/v1/batches/arn%3Aaws%3Ax%2Fy", None, false, "bedrock", "/model-invocation-job/arn%3Aaws%3Ax%2Fy"),
        ("POST", "/v1/batches/b:1/cancel", None, false, "bedrock", "/model-invocation-job/b%3A1/stop"),
        ("POST", "/v1/fine_tuning/jobs", None, false, "bedrock", "/model-customization-jobs"),
        ("GET", "/v1/fine_tuning/jobs", None, false, "bedrock", "/model-customization-jobs"),
        ("GET", "/v1/fine_tuning/jobs/j", None, false, "bedrock", "/model-customization-jobs/j"),
        ("POST", "/v1/fine_tuning/jobs/j/cancel", None, false, "bedrock", "/model-customization-jobs/j/stop"),
        (
            "GET",
            "/v1/files/s3%3A%2F%2Fmy-bucket%2Fa%20b%2Fc.jsonl/content",
            None,
            false,
            "s3 my-bucket",
            "/a%20b/c.jsonl",
        ),
        ("GET", "/v1/files/s3%3A%2F%2Fmy-bucket%2Fc", None, false, "s3 my-bucket", "/c?attributes"),
        (
            "POST",
            "/v1/model/anthropic.claude-v2:1/converse",
            None,
            false,
            "bedrock-runtime",
            "/model/anthropic.claude-v2:1/converse",
        ),
        (
            "POST",
            "/v1/model/arn%3Ax%2Fy/invoke-with-response-stream",
            None,
            false,
            "bedrock-runtime",
            "/model/arn%3Ax%2Fy/invoke-with-response-stream",
        ),
        ("GET", "/v1/foundation-models", None, false, "bedrock", "/foundation-models"),
        ("POST", "/v1/guardrail/g/version/1/apply", None, false, "bedrock-runtime", "/guardrail/g/version/1/apply"),
        ("POST", "/v1/knowledgebases/k/retrieve", None, false, "bedrock-agent-runtime", "/knowledgebases/k/retrieve"),
        ("POST", "/v1/proxy/model/m/invoke", None, false, "bedrock-runtime", "/model/m/invoke"),
    ] {
        let method: Method = method.parse().expect("a method");
        let found = found(&method, path, model, stream).expect(path);
        assert_eq!((found.0.as_str(), found.1.as_str()), (endpoint, expected), "{path}");
    }
}

#[test]
fn models_and_ids_that_could_be_more_than_one_segment_are_refused() {
    let refusal = |path, model| found(&Method::POST, path, model, false).map_err(|error| error.kind());
    for model in [
        ".",
        "..",
        "a/../b",
        "..%2f..%2fadmin",
        "a//b",
        "a\\b",
        "a%5cb",
        "a%252fb",
        "%zz",
        "a%00",
        "a%0d%0aX: y",
        "%ff",
        "/",
    ] {
        assert_eq!(refusal("/v1/chat/completions", Some(model)), Err(Kind::InvalidRequest), "{model}");
    }
    let long = "a".repeat(LONGEST + 1);
    for model in [None, Some(""), Some(long.as_str())] {
        assert_eq!(refusal("/v1/chat/completions", model), Err(Kind::InvalidRequest));
    }
    for path in ["/v1/responses", "/v1/audio/speech", "/v1/images/edits"] {
        assert_eq!(refusal(path, Some("m")), Err(Kind::NotImplemented), "{path}");
    }
    for id in [
        "f-1",
        "s3%3A%2F%2Fb",
        "s3%3A%2F%2Fa.b%2Fc",
        "s3%3A%2F%2Fb%2F..%2Fc",
        "s3%3A%2F%2Fb%40evil.com%2Fc",
        "s3%3A%2F%2Fb%2F%2525",
    ] {
        let path = format!("/v1/files/{id}/content");
        let refused = found(&Method::GET, &path, None, false).map_err(|error| error.kind());
        assert_eq!(refused, Err(Kind::InvalidRequest), "{id}");
    }
}

#[test]
fn attack_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/attacks/templating.json");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut seen = 0;
    for case in vectors["cases"].as_array().expect("cases") {
        let value = case["value"].as_str().expect("a value");
        let found = match case["field"].as_str() {
            Some("bedrock_model_id") => found(&Method::POST, "/v1/chat/completions", Some(value), false),
            Some("batch_id") => segment(value).map(|id| ("bedrock".to_owned(), format!("/model/{id}/converse"))),
            Some("s3_bucket" | "aws_region" | "sts_region") => {
                let label = label(PortkeyHeader::AwsRegion, value);
                assert_eq!(label.is_ok(), case["expect"] == "accept", "{value:?}");
                seen += 1;
                continue;
            }
            _ => continue,
        };
        seen += 1;
        let Ok((_, path)) = found else { continue };
        assert_eq!(path.split('/').count(), 4, "{value:?} {path}");
        assert!(!path.contains(['?', '#', '\\']) && path.parse::<PathAndQuery>().is_ok(), "{value:?} {path}");
        assert!(!path.contains("/./") && !path.contains("/../"), "{value:?} {path}");
    }
    assert_eq!(seen, 22 + 20 + 32 + 36 + 27);
}

#[test]
fn files_and_unknown_models_find_their_way() {
    let asked = |method: &Method, path: &str, model: Option<&str>, fields: &[(PortkeyHeader, &'static str)]| {
        let caller: PathAndQuery = path.parse().expect("a path");
        let route = crate::context::Route::of(method, caller.path());
        let (rest, unified) = (route.rest().expect("below /v1"), route.is_unified());
        let field = |name| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let asked = AwsAsked { method, rest, caller: &caller, unified, model, stream: false };
        way(&asked, "eu-west-1", field).map(|way| (way.path.into_owned(), way.headers, way.translation))
    };
    let upload = |fields: &[_]| asked(&Method::POST, "/v1/files", None, fields);
    let bucket = (PortkeyHeader::AwsS3Bucket, "b");
    let (path, headers, translation) = upload(&[bucket]).expect("a way");
    assert!(path.len() == "/.jsonl".len() + 36 && path.ends_with(".jsonl") && headers.is_empty());
    let Some(Translation::S3Upload { object }) = translation else { panic!("an upload") };
    assert_eq!(*object, *format!("s3://b{path}"));
    assert_ne!(upload(&[bucket]).expect("a way").0, path, "nobody else's");
    let key = (PortkeyHeader::AwsS3ObjectKey, "a b/c+.jsonl");
    let kms = (PortkeyHeader::AmzServerSideEncryptionKmsKeyId, "k");
    let (path, headers, _) = upload(&[bucket, key, kms]).expect("a way");
    assert_eq!((path.as_str(), headers.len()), ("/a%20b/c%2B.jsonl", 2));
    assert!(upload(&[]).is_err() && upload(&[(PortkeyHeader::AwsS3Bucket, "b.evil.example")]).is_err());
    for bad in ["../x", "a//b", "a%2fb", "", "a\u{7f}"] {
        assert!(upload(&[bucket, (PortkeyHeader::AwsS3ObjectKey, bad)]).is_err(), "{bad:?}");
    }
    // Encoded once, as it was handed out, and once more by the client.
    for id in ["s3%3A%2F%2Fb%2Fk%20x", "s3%253A%252F%252Fb%252Fk%2520x"] {
        let (path, _, translation) = asked(&Method::GET, &format!("/v1/files/{id}"), None, &[]).expect("a way");
        assert_eq!((path.as_str(), translation), ("/k%20x", Some(Translation::S3File { object: "s3://b/k x".into() })));
    }
    for (model, expected) in [
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2", Translation::BedrockMessages),
        ("eu.anthropic.claude-x", Translation::BedrockMessages),
        ("amazon.nova-lite-v1:0", Translation::BedrockInvoke),
        ("arn:aws:bedrock:us-east-1::foundation-model/meta.llama3", Translation::BedrockInvoke),
    ] {
        let found = asked(&Method::POST, "/v1/messages", Some(model), &[]).expect("a way");
        assert_eq!(found.2, Some(expected), "{model}");
    }
}

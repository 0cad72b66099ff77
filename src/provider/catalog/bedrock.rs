//! Bedrock's operations: which endpoint answers them, and on which path (pure).
//!
//! | operation | path |
//! | --- | --- |
//! | chat/completions | `/model/{id}/converse`, or `…/converse-stream` |
//! | messages | an Anthropic model's is invoked; any other one converses |
//! | completions, embeddings, images | `/model/{id}/invoke`, or `…/invoke-with-response-stream` |
//! | messages/count_tokens | `/model/{id without its region}/count-tokens` |
//! | rerank | `/rerank`, at the agents' endpoint |
//! | batches, fine-tuning | jobs, at the control plane |
//! | files | objects of a bucket, named `s3://bucket/key` |
//! | any other | as it is, at the endpoint that has such paths |
//!
//! A model's id or ARN is one segment of the path, percent-encoded once.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::form_urlencoded;

use super::{
    aws::{AwsAsked, Endpoint, Way, label},
    plan::not_offered,
};
use crate::{
    context::{ProviderHeader, Translation},
    header::PortkeyHeader,
    rejection::{Kind, Rejection},
};

const RUNTIME: Endpoint = Endpoint::Named("bedrock-runtime");
pub(super) const CONTROL: Endpoint = Endpoint::Named("bedrock");
const AGENTS: Endpoint = Endpoint::Named("bedrock-agent-runtime");

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest id, in bytes: AWS's limit for ARNs of models.
const LONGEST: usize = 2048;

/// Models that only invoke.
const INVOKED: [&str; 4] =
    ["cohere.command-text-v14", "cohere.command-light-text-v14", "ai21.j2-mid-v1", "ai21.j2-ultra-v1"];
/// What stands before the id of a model that several regions serve.
const REGIONS: [&str; 7] = ["us.", "eu.", "apac.", "au.", "ca.", "jp.", "global."];

/// First segments of the control plane's own paths.
const CONTROLLED: [&str; 20] = [
    "automated-reasoning-policies",
    "custom-models",
    "create-foundation-model-agreement",
    "delete-foundation-model-agreement",
    "evaluation-jobs",
    "foundation-model-availability",
    "foundation-models",
    "guardrails",
    "imported-models",
    "inference-profiles",
    "list-foundation-model-agreement-offers",
    "logging",
    "marketplace-model",
    "model-copy-jobs",
    "model-customization-jobs",
    "model-import-jobs",
    "model-invocation-job",
    "model-invocation-jobs",
    "prompt-routers",
    "provisioned-model-throughput",
];
/// Those of the agents' endpoint.
const OF_AGENTS: [&str; 8] = [
    "agents",
    "flows",
    "generateQuery",
    "knowledgebases",
    "optimize-prompt",
    "rerank",
    "retrieveAndGenerate",
    "retrieveAndGenerateStream",
];

pub(super) fn way<'a>(asked: &AwsAsked<'a>) -> Result<Way<'a>, Rejection> {
    if !asked.unified {
        return Ok(native(asked.rest));
    }
    let parts: Vec<&str> = asked.rest.split('/').skip(1).collect();
    let post = *asked.method == Method::POST;
    match parts[..] {
        ["chat", "completions"] => of_model(asked, converses, Some(Translation::Converse)),
        ["messages"] => of_model(asked, |model| converses(model) && !is_anthropic(model), None),
        ["embeddings"] => {
            let way = of_model(asked, |_| false, None)?;
            Ok(Way { translation: Some(Translation::BedrockEmbeddings), ..way })
        }
        ["completions"] | ["images", "generations"] => of_model(asked, |_| false, None),
        ["messages", "count_tokens"] => {
            let model = model(asked)?;
            let bare = REGIONS.iter().find_map(|region| model.strip_prefix(region)).unwrap_or(&model);
            Ok(at(RUNTIME, format!("/model/{}/count-tokens", encoded(bare))))
        }
        ["rerank"] => Ok(at(AGENTS, "/rerank")),
        ["batches"] if post => Ok(at(CONTROL, "/model-invocation-job")),
        ["batches"] => Ok(listed("/model-invocation-jobs", asked)),
        ["batches", id] => Ok(at(CONTROL, format!("/model-invocation-job/{}", segment(id)?))),
        ["batches", id, "cancel"] => Ok(at(CONTROL, format!("/model-invocation-job/{}/stop", segment(id)?))),
        ["fine_tuning", "jobs"] if post => Ok(at(CONTROL, "/model-customization-jobs")),
        ["fine_tuning", "jobs"] => Ok(listed("/model-customization-jobs", asked)),
        ["fine_tuning", "jobs", id] => Ok(at(CONTROL, format!("/model-customization-jobs/{}", segment(id)?))),
        ["fine_tuning", "jobs", id, "cancel"] => {
            Ok(at(CONTROL, format!("/model-customization-jobs/{}/stop", segment(id)?)))
        }
        ["files", id] if *asked.method != Method::DELETE => {
            let name = HeaderName::from_static("x-amz-object-attributes");
            let value = HeaderValue::from_static("ObjectSize");
            let header = Some(ProviderHeader { name, value, replaces: true });
            Ok(Way { query: Some("attributes".to_owned()), header, ..object(id)? })
        }
        ["files", id, "content"] => object(id),
        ["files", ..] => Err(not_offered("bedrock", "this operation on files", "")),
        _ => Err(not_offered("bedrock", asked.rest, "/model/{id}/converse")),
    }
}

/// A path that is AWS's already.
fn native(rest: &str) -> Way<'_> {
    let first = rest.split('/').nth(1).unwrap_or_default();
    let endpoint = match first {
        first if CONTROLLED.contains(&first) => CONTROL,
        first if OF_AGENTS.contains(&first) => AGENTS,
        _ => RUNTIME,
    };
    Way { query: None, ..at(endpoint, rest) }
}

fn at<'a>(endpoint: Endpoint, path: impl Into<Cow<'a, str>>) -> Way<'a> {
    Way { endpoint, path: path.into(), query: Some(String::new()), header: None, translation: None }
}

/// A list, with the two parameters of OpenAI's that AWS has too.
fn listed<'a>(path: &'static str, asked: &AwsAsked<'a>) -> Way<'a> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(asked.caller.query().unwrap_or_default().as_bytes()) {
        let name = match &*name {
            "limit" => "maxResults",
            "after" => "nextToken",
            other => other,
        };
        query.append_pair(name, &value);
    }
    Way { query: Some(query.finish()), ..at(CONTROL, path) }
}

/// A question to a model. `translation` is for those that converse.
fn of_model<'a>(
    asked: &AwsAsked<'a>,
    converses: impl Fn(&str) -> bool,
    translation: Option<Translation>,
) -> Result<Way<'a>, Rejection> {
    let model = model(asked)?;
    let translation = translation.filter(|_| converses(&model));
    let action = match (converses(&model), asked.stream) {
        (true, false) => "converse",
        (true, true) => "converse-stream",
        (false, false) => "invoke",
        (false, true) => "invoke-with-response-stream",
    };
    Ok(Way { translation, ..at(RUNTIME, format!("/model/{}/{action}", encoded(&model))) })
}

fn converses(model: &str) -> bool {
    !INVOKED.contains(&model)
}

/// By its id, a profile's included; an ARN that doesn't say whose model it stands for is none.
fn is_anthropic(model: &str) -> bool {
    model.rsplit('/').next().is_some_and(|id| id.split('.').any(|part| part == "anthropic"))
}

/// The model of the body, as it is meant: it may stand there encoded.
fn model<'a>(asked: &AwsAsked<'a>) -> Result<Cow<'a, str>, Rejection> {
    let refused = |message| Rejection::new(Kind::InvalidRequest).with_message(message);
    let model = asked.model.filter(|model| !model.is_empty()).ok_or_else(|| refused("Model is required"))?;
    decoded(model).ok_or_else(|| refused("The model is no id or ARN of a model"))
}

/// One segment's text. `None` where it could be more than that to anybody: dot segments, what is encoded twice, control
/// characters, backslashes.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    let plain = |letter: char| !letter.is_control() && !matches!(letter, '%' | '\\');
    let whole = |part: &str| !matches!(part.trim(), "" | "." | "..");
    let fits = (1..=LONGEST).contains(&decoded.len()) && decoded.chars().all(plain) && decoded.split('/').all(whole);
    fits.then_some(decoded)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A segment of the caller's path, encoded as AWS's own clients do.
fn segment(id: &str) -> Result<String, Rejection> {
    let decoded = decoded(id).ok_or_else(|| {
        Rejection::new(Kind::InvalidRequest).with_message("The id in the path is no id or ARN of AWS's")
    })?;
    Ok(encoded(&decoded))
}

/// An object that `s3://bucket/key` names.
fn object<'a>(id: &str) -> Result<Way<'a>, Rejection> {
    let refused = || {
        Rejection::new(Kind::InvalidRequest).with_message("A file of bedrock is named s3://bucket/key, percent-encoded")
    };
    let name = percent_decode_str(id).decode_utf8().map_err(|_| refused())?;
    let (bucket, key) = name.strip_prefix("s3://").and_then(|name| name.split_once('/')).ok_or_else(refused)?;
    let key = decoded(key).filter(|plain| plain.len() == key.len()).ok_or_else(refused)?;
    let endpoint = Endpoint::Bucket(label(PortkeyHeader::AwsS3Bucket, bucket).map_err(|_| refused())?);
    let path = key.split('/').fold(String::new(), |path, part| path + "/" + &encoded(part));
    Ok(Way { endpoint, path: path.into(), query: Some(String::new()), header: None, translation: None })
}

#[cfg(test)]
mod tests;

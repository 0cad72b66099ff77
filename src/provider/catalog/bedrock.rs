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
    provider::template::refuse,
    rejection::{Kind, Rejection},
};

const RUNTIME: Endpoint = Endpoint::Named("bedrock-runtime");
pub(super) const CONTROL: Endpoint = Endpoint::Named("bedrock");
const AGENTS: Endpoint = Endpoint::Named("bedrock-agent-runtime");

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest id, in bytes: AWS's limit for ARNs of models.
const LONGEST: usize = 2048;
/// The longest key of an object, in bytes: S3's limit.
const LONGEST_KEY: usize = 1024;

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

pub(super) fn way<'a, 'f>(
    asked: &AwsAsked<'a>,
    region: &str,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<Way<'a>, Rejection> {
    if !asked.unified {
        return Ok(native(asked.rest));
    }
    let parts: Vec<&str> = asked.rest.split('/').skip(1).collect();
    let post = *asked.method == Method::POST;
    match parts[..] {
        ["chat", "completions"] => of_model(asked, |model| {
            if converses(model) {
                (Action::Converse, Translation::Converse)
            } else {
                (Action::Invoke, Translation::BedrockInvoke)
            }
        }),
        ["messages"] => of_model(asked, |model| {
            if may_be_anthropics(model) {
                (Action::Invoke, Translation::BedrockMessages)
            } else {
                (if converses(model) { Action::Converse } else { Action::Invoke }, Translation::BedrockInvoke)
            }
        }),
        ["embeddings"] => of_model(asked, |_| (Action::Invoke, Translation::BedrockEmbeddings)),
        ["completions"] | ["images", "generations"] => {
            of_model(asked, |_| (Action::Invoke, Translation::BedrockInvoke))
        }
        ["messages", "count_tokens"] => {
            let model = model(asked)?;
            let bare = REGIONS.iter().find_map(|region| model.strip_prefix(region)).unwrap_or(&model);
            let way = at(RUNTIME, format!("/model/{}/count-tokens", encoded(bare)));
            let anthropics = may_be_anthropics(bare);
            let translation = if anthropics { Translation::BedrockCountTokens } else { Translation::BedrockInvoke };
            Ok(Way { translation: Some(translation), ..way })
        }
        ["rerank"] => {
            let translation = Some(Translation::BedrockRerank { region: region.into() });
            Ok(Way { translation, ..at(AGENTS, "/rerank") })
        }
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
            let (object, way) = object(id)?;
            let headers = vec![ProviderHeader { name, value, replaces: true }];
            let translation = Some(Translation::S3File { object });
            Ok(Way { query: Some("attributes".to_owned()), headers, translation, ..way })
        }
        ["files", id, "content"] => Ok(Way { translation: Some(Translation::S3Content), ..object(id)?.1 }),
        ["files"] if post => upload(field),
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
    Way { endpoint, path: path.into(), query: Some(String::new()), headers: Vec::new(), translation: None }
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

/// What is done with a model.
#[derive(Clone, Copy)]
enum Action {
    Converse,
    Invoke,
}

/// A question to a model.
fn of_model<'a>(asked: &AwsAsked<'a>, how: impl FnOnce(&str) -> (Action, Translation)) -> Result<Way<'a>, Rejection> {
    let model = model(asked)?;
    let (action, translation) = how(&model);
    let action = match (action, asked.stream) {
        (Action::Converse, false) => "converse",
        (Action::Converse, true) => "converse-stream",
        (Action::Invoke, false) => "invoke",
        (Action::Invoke, true) => "invoke-with-response-stream",
    };
    let way = at(RUNTIME, format!("/model/{}/{action}", encoded(&model)));
    Ok(Way { translation: Some(translation), ..way })
}

fn converses(model: &str) -> bool {
    !INVOKED.contains(&model)
}

/// By its id, a profile's included. An ARN that doesn't say whose model it stands for is taken at the caller's word, who
/// writes as Anthropic's models are asked.
fn may_be_anthropics(model: &str) -> bool {
    let id = model.rsplit('/').next().unwrap_or_default();
    id.split('.').any(|part| part == "anthropic") || (model.starts_with("arn:") && !id.contains('.'))
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

/// An object that `s3://bucket/key` names, and its name.
fn object<'a>(id: &str) -> Result<(Box<str>, Way<'a>), Rejection> {
    let refused = || {
        Rejection::new(Kind::InvalidRequest).with_message("A file of bedrock is named s3://bucket/key, percent-encoded")
    };
    let name = percent_decode_str(id).decode_utf8().map_err(|_| refused())?;
    // Ids are handed out encoded, and OpenAI's clients encode them once more.
    let again = if name.contains('/') { None } else { Some(percent_decode_str(&name).decode_utf8()) };
    let name = again.transpose().map_err(|_| refused())?.unwrap_or(Cow::Borrowed(&*name));
    let (bucket, key) = name.strip_prefix("s3://").and_then(|name| name.split_once('/')).ok_or_else(refused)?;
    let key = decoded(key).filter(|plain| plain.len() == key.len()).ok_or_else(refused)?;
    let bucket = label(PortkeyHeader::AwsS3Bucket, bucket).map_err(|_| refused())?;
    Ok((format!("s3://{bucket}/{key}").into(), in_bucket(bucket, &key)))
}

fn in_bucket<'a>(bucket: String, key: &str) -> Way<'a> {
    let path = key.split('/').fold(String::new(), |path, part| path + "/" + &encoded(part));
    at(Endpoint::Bucket(bucket), path)
}

/// A file that becomes an object: of the name that the fields give it, or of a new one that nobody can guess.
fn upload<'a, 'f>(field: impl Fn(PortkeyHeader) -> Option<&'f str>) -> Result<Way<'a>, Rejection> {
    use PortkeyHeader::{
        AmzServerSideEncryption, AmzServerSideEncryptionKmsKeyId, AwsS3Bucket, AwsS3ObjectKey, ProviderFileName,
    };

    let bucket = label(AwsS3Bucket, field(AwsS3Bucket).ok_or_else(|| refuse(AwsS3Bucket, "is required"))?)?;
    let named = [AwsS3ObjectKey, ProviderFileName].into_iter().find_map(|name| Some((name, field(name)?)));
    let key = match named {
        Some((header, key)) => {
            let plain = decoded(key).filter(|plain| plain.len() == key.len() && key.len() <= LONGEST_KEY);
            plain.ok_or_else(|| refuse(header, "is no key of an object"))?.into_owned()
        }
        None => format!("{}.jsonl", uuid::Uuid::new_v4()),
    };
    let header = |name, value: &str| {
        let value = HeaderValue::from_str(value).map_err(|error| Rejection::new(Kind::Internal).with_source(error))?;
        Ok::<_, Rejection>(ProviderHeader { name: HeaderName::from_static(name), value, replaces: true })
    };
    let (kms_key, mut headers) = (field(AmzServerSideEncryptionKmsKeyId), Vec::new());
    if let Some(encryption) = field(AmzServerSideEncryption).or(kms_key.map(|_| "aws:kms")) {
        headers.push(header("x-amz-server-side-encryption", encryption)?);
    }
    if let Some(key) = kms_key {
        headers.push(header("x-amz-server-side-encryption-aws-kms-key-id", key)?);
    }
    let translation = Some(Translation::S3Upload { object: format!("s3://{bucket}/{key}").into() });
    Ok(Way { headers, translation, ..in_bucket(bucket, &key) })
}

#[cfg(test)]
mod tests;

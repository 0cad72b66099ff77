//! What a credential of AWS's opens (pure).

use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;

use super::{
    super::{
        bound::Bound,
        catalog::{AwsPlan, Row},
    },
    Shown,
};
use crate::{
    context::{CredentialSource, Route, models_in},
    header::PortkeyHeader,
    rejection::{Kind, Rejection},
};

/// What is asked of the model in Bedrock's path.
const ASKED: [&str; 5] = ["converse", "converse-stream", "count-tokens", "invoke", "invoke-with-response-stream"];
/// What is asked of the endpoint in SageMaker's path.
const INVOKED: [&str; 3] = ["async-invocations", "invocations", "invocations-response-stream"];

/// Refuses what a credential is not for: objects by a key of Bedrock's; by a stored credential objects of any other bucket than
/// the one that stands beside it, and the control plane unless its entry opens that. Whoever holds a gateway key could do all
/// that the identity may.
pub(in crate::provider) fn may_reach<'f>(
    bound: &Bound<'_>,
    planned: &AwsPlan,
    shown: &Shown,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<(), Rejection> {
    let (Shown::Signature(_, source) | Shown::Key(_, source)) = shown;
    let is_stored = *source == CredentialSource::Stored;
    let is_open = matches!(bound, Bound::Entry(entry) if entry.opens_aws_control_plane());
    if planned.controls && is_stored && !is_open {
        let message = format!("{} doesn't open AWS's control plane", name(bound));
        return Err(Rejection::new(Kind::InvalidRequest).with_message(message));
    }
    let Some(bucket) = &planned.bucket else { return Ok(()) };
    if matches!(shown, Shown::Key(..)) {
        // It is worth nothing at S3, whose buckets can be anybody's.
        let message = "Files of bedrock need an AWS access key: a Bedrock API key opens no bucket";
        return Err(Rejection::new(Kind::InvalidRequest).with_message(message));
    }
    if !is_stored {
        return Ok(());
    }
    match field(PortkeyHeader::AwsS3Bucket).filter(|own| !own.is_empty()) {
        Some(own) if own.eq_ignore_ascii_case(bucket) => Ok(()),
        Some(_) => {
            let message = format!("{} is for the files of its own aws_s3_bucket", name(bound));
            Err(Rejection::new(Kind::InvalidRequest).with_message(message))
        }
        None => {
            let message = format!("{} has no aws_s3_bucket, so it serves no files", name(bound));
            Err(Rejection::new(Kind::NotImplemented).with_message(message))
        }
    }
}

/// The models that the path and the query of a request name, where nothing else could name one but `model` of the body.
/// `None` elsewhere: AWS's other operations take models under many names (`modelId`, `modelArn`, `baseModelIdentifier`,
/// `modelSource.copyFrom`, …), at any depth.
pub(in crate::provider) fn models(row: &Row, head: &Parts) -> Option<Vec<Box<str>>> {
    let route = Route::of(&head.method, head.uri.path());
    let mut found = models_in(head.uri.path(), head.uri.query());
    let parts: Vec<&str> = route.rest().unwrap_or_default().split('/').skip(1).collect();
    let known = match (row.id(), &parts[..]) {
        ("bedrock", ["rerank"]) => false,
        ("bedrock" | "bedrock-mantle" | "claude-platform-aws", _) if route.is_unified() => route.asks_a_model(),
        ("bedrock", ["model", _, action]) => ASKED.contains(action) && head.method == Method::POST,
        // An endpoint is what answers.
        ("sagemaker", ["endpoints", name, action]) if INVOKED.contains(action) => {
            found.push(percent_decode_str(name).decode_utf8_lossy().into());
            true
        }
        _ => false,
    };
    known.then_some(found)
}

fn name(bound: &Bound<'_>) -> String {
    match bound {
        Bound::Entry(entry) => format!("The provider entry {}", entry.slug()),
        Bound::Config { .. } | Bound::Headers { .. } => "The config".to_owned(),
    }
}

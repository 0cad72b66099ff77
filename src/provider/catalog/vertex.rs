//! Google's Vertex AI: its row, and from a request to a URL of its (pure).
//!
//! | operation | goes to |
//! | --- | --- |
//! | chat/completions | `…/endpoints/openapi/chat/completions`, the model as `publisher/model`; `endpoints.{id}` to that endpoint; Mistral's to `:rawPredict` |
//! | messages, messages/count_tokens | Anthropic's `:rawPredict`, or `:streamRawPredict` |
//! | batches, fine-tuning | `…/batchPredictionJobs`, `…/tuningJobs`, with the bodies that Google documents there |
//! | the content of files | the object that `gs://bucket/object` names |
//! | `/publishers/…`, `/endpoints/…`, … | below the project and the region |
//! | `/projects/…`, `/v1beta1/…` | as it is |
//!
//! `…` is `/v1/projects/{project}/locations/{region}`. A model's prefix picks the publisher, as in Portkey: `google.` (or
//! none), `anthropic.`, `meta.`, `mistralai.`, `endpoints.`.

use std::borrow::Cow;

use http::{
    Method,
    uri::{Authority, PathAndQuery, Scheme},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    Row,
    plan::{Plan, headers, join, not_offered},
    spec::{Spec, bearer, from},
};
use crate::{
    context::{Amendment, is_project},
    header::PortkeyHeader::{self, AnthropicBeta, VertexProjectId, VertexRegion},
    host::{CustomHost, is_host_label},
    provider::template::refuse,
    rejection::{Kind, Rejection},
};

/// The row. Its base is said for the reader: [`plan`] makes the host.
pub(super) const SPECS: &[Spec] = &[Spec {
    headers: &[from("anthropic-beta", AnthropicBeta)],
    ..bearer("vertex-ai", "https://{vertex_region}-aiplatform.googleapis.com", "")
}];

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest name of a model, a job or an object, in bytes.
const LONGEST: usize = 1024;
/// First segments of paths that Google has below a project's region.
const REGIONAL: [&str; 8] = [
    "publishers",
    "endpoints",
    "batchPredictionJobs",
    "tuningJobs",
    "cachedContents",
    "models",
    "operations",
    "reasoningEngines",
];

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VertexAsked<'a> {
    pub(crate) method: &'a Method,
    /// The path below `/v1`.
    pub(crate) rest: &'a str,
    /// Path and query as they go on.
    pub(crate) caller: &'a PathAndQuery,
    /// Whether it is a unified operation.
    pub(crate) unified: bool,
    /// The model that the body names.
    pub(crate) model: Option<&'a str>,
    /// Whether the body asks for a stream.
    pub(crate) stream: bool,
    /// The project of the credential, which counts before the field.
    pub(crate) project: Option<&'a str>,
}

/// Where the request goes.
#[derive(Debug)]
pub(crate) struct VertexPlan {
    pub(crate) plan: Plan,
    pub(crate) amendment: Option<Amendment>,
}

/// A path of Google's.
enum Way<'a> {
    /// Below the project and the region.
    Regional(Cow<'a, str>),
    /// The same of the version before the last.
    Beta(&'static str),
    /// As it is.
    Whole(Cow<'a, str>),
    /// At the storage.
    Stored(String),
}

/// Plans a request for Vertex AI.
///
/// # Errors
///
/// A field is missing or bad, or the model: [`Kind::InvalidRequest`]. Google offers the operation in its own way only:
/// [`Kind::NotImplemented`].
pub(crate) fn plan<'f>(
    row: &Row,
    asked: &VertexAsked<'_>,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    base: Option<&CustomHost>,
) -> Result<VertexPlan, Rejection> {
    let field = |name| field(name).filter(|value| !value.is_empty());
    let region = field(VertexRegion).ok_or_else(|| refuse(VertexRegion, "is required"))?.to_ascii_lowercase();
    if !is_host_label(&region) {
        return Err(refuse(VertexRegion, "may hold letters, digits and inner hyphens only"));
    }
    let (way, amendment) = way(asked)?;
    let below = |version: &str, tail: &str| {
        let project = asked.project.or_else(|| field(VertexProjectId));
        let project = project.ok_or_else(|| refuse(VertexProjectId, "is required"))?;
        if !is_project(project) {
            return Err(refuse(VertexProjectId, "is no project's id"));
        }
        Ok(format!("/{version}/projects/{project}/locations/{region}{tail}"))
    };
    let mut host = host(&region);
    let path: Cow<'_, str> = match way {
        Way::Regional(tail) => below("v1", &tail)?.into(),
        Way::Beta(tail) => below("v1beta1", tail)?.into(),
        Way::Whole(path) => path,
        Way::Stored(path) => {
            host = Ok(Authority::from_static("storage.googleapis.com"));
            path.into()
        }
    };
    let (scheme, authority, front) = match base {
        Some(base) => (base.scheme().clone(), base.authority().clone(), base.path()),
        None => (Scheme::HTTPS, host?, ""),
    };
    let path_and_query = join(asked.caller, [front, &path, ""], base.and_then(CustomHost::query))?;
    let headers = headers(row, asked.method, field)?;
    let plan = Plan { scheme, authority, path_and_query, placement: row.placement.clone(), headers };
    Ok(VertexPlan { plan, amendment })
}

/// The region is a label.
fn host(region: &str) -> Result<Authority, Rejection> {
    let host = match region {
        "global" => "aiplatform.googleapis.com".to_owned(),
        // Regions of several countries have names of another form.
        "us" | "eu" => format!("aiplatform.{region}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    };
    if !host.split('.').all(is_host_label) {
        return Err(refuse(VertexRegion, "is too long"));
    }
    Authority::try_from(host).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
}

type Ways<'a> = Result<(Way<'a>, Option<Amendment>), Rejection>;

fn way<'a>(asked: &VertexAsked<'a>) -> Ways<'a> {
    let plain = |tail: String| Ok((Way::Regional(tail.into()), None));
    let parts: Vec<&str> = asked.rest.split('/').skip(1).collect();
    let post = *asked.method == Method::POST;
    match parts[..] {
        ["chat", "completions"] if post => chat(asked),
        ["messages"] if post => {
            let (publisher, model) = published(asked)?;
            // A model without a publisher can only be Anthropic's here.
            let bare = asked.model == Some(model);
            if publisher != "anthropic" && !bare {
                return Err(not_offered(
                    "vertex-ai",
                    "/messages of other models than Anthropic's",
                    "/chat/completions",
                ));
            }
            let amendment = Amendment::without_model().with_default("anthropic_version", "\"vertex-2023-10-16\"");
            Ok((Way::Regional(predicted("anthropic", model, asked.stream).into()), Some(amendment)))
        }
        ["messages", "count_tokens"] if post => {
            let (_, model) = published(asked)?;
            let way = Way::Regional("/publishers/anthropic/models/count-tokens:rawPredict".into());
            Ok((way, Some(Amendment::of_model(model))))
        }
        ["embeddings"] | ["images", "generations"] if post => {
            Err(not_offered("vertex-ai", asked.rest, "/publishers/google/models/{model}:predict"))
        }
        ["models"] => Err(not_offered("vertex-ai", asked.rest, "/v1beta1/publishers/google/models")),
        ["batches"] => plain("/batchPredictionJobs".to_owned()),
        ["batches", id] => plain(format!("/batchPredictionJobs/{}", job(id)?)),
        ["batches", id, "cancel"] if post => plain(format!("/batchPredictionJobs/{}:cancel", job(id)?)),
        ["fine_tuning", "jobs"] => plain("/tuningJobs".to_owned()),
        ["fine_tuning", "jobs", id] => plain(format!("/tuningJobs/{}", job(id)?)),
        ["fine_tuning", "jobs", id, "cancel"] if post => plain(format!("/tuningJobs/{}:cancel", job(id)?)),
        ["files", id, "content"] if !post => Ok((Way::Stored(object(id)?), None)),
        ["files", ..] => Err(not_offered("vertex-ai", "this operation on files", "")),
        _ if asked.unified => Err(not_offered("vertex-ai", asked.rest, "")),
        ["projects", ..] => Ok((Way::Whole(format!("/v1{}", asked.rest).into()), None)),
        [first, ..] if REGIONAL.contains(&first) => Ok((Way::Regional(asked.rest.into()), None)),
        _ => Ok((Way::Whole(asked.rest.into()), None)),
    }
}

/// A chat in OpenAI's language.
fn chat<'a>(asked: &VertexAsked<'a>) -> Ways<'a> {
    const OPENAPI: &str = "/endpoints/openapi/chat/completions";
    let (publisher, model) = published(asked)?;
    match publisher {
        "endpoints" => Ok((Way::Regional(format!("/endpoints/{}/chat/completions", segment(model)?).into()), None)),
        "anthropic" => Err(not_offered("vertex-ai", "/chat/completions of Anthropic's models", "/messages")),
        // It takes what Mistral's own API takes, which is OpenAI's language, with the model in both places.
        "mistralai" => {
            let way = Way::Regional(predicted(publisher, model, asked.stream).into());
            Ok((way, Some(Amendment::of_model(model))))
        }
        publisher => {
            let way = if publisher == "meta" { Way::Beta(OPENAPI) } else { Way::Regional(OPENAPI.into()) };
            Ok((way, Some(Amendment::of_model(format!("{publisher}/{model}")))))
        }
    }
}

/// Publisher and model: `google.gemini-2.5-pro`, `google/gemini-2.5-pro`, `gemini-2.5-pro`. Only the five prefixes of
/// Portkey's are cut at a dot.
fn published<'a>(asked: &VertexAsked<'a>) -> Result<(&'a str, &'a str), Rejection> {
    let refused = |why: &str| Rejection::new(Kind::InvalidRequest).with_message(format!("The model in the body {why}"));
    let model = asked.model.filter(|model| !model.is_empty()).ok_or_else(|| refused("is required"))?;
    let known = |front: &&str| ["google", "anthropic", "meta", "mistralai", "endpoints"].contains(front);
    let (publisher, name) = match (model.split_once('.').filter(|(front, _)| known(front)), model.split_once('/')) {
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => ("google", model),
    };
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte))
    };
    if !is_host_label(publisher) || !plain(name) || name.contains("..") || name.len() > LONGEST || name == "." {
        return Err(refused("is made of letters, digits and -_.@ behind its publisher"));
    }
    Ok((publisher, name))
}

/// `/publishers/{publisher}/models/{model}:rawPredict`.
fn predicted(publisher: &str, model: &str, stream: bool) -> String {
    let action = if stream { "streamRawPredict" } else { "rawPredict" };
    // What Google writes plain stays so: `claude-sonnet-4@20250514`.
    format!("/publishers/{publisher}/models/{model}:{action}")
}

/// A job's id, or the whole of its name at Google, percent-encoded.
fn job(id: &str) -> Result<String, Rejection> {
    let decoded = percent_decode_str(id).decode_utf8().map_err(|_| bad_id())?;
    segment(decoded.rsplit('/').next().unwrap_or_default())
}

fn segment(text: &str) -> Result<String, Rejection> {
    if text.is_empty() || text.len() > LONGEST || text.contains("..") || text == "." || text.contains(['/', '\\', '%'])
    {
        return Err(bad_id());
    }
    Ok(utf8_percent_encode(text, SEGMENT).to_string())
}

fn bad_id() -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message("The id in the path is none of vertex-ai")
}

/// An object that `gs://bucket/object` names, percent-encoded.
fn object(id: &str) -> Result<String, Rejection> {
    let refused = || {
        Rejection::new(Kind::InvalidRequest)
            .with_message("A file of vertex-ai is named gs://bucket/object, percent-encoded")
    };
    let name = percent_decode_str(id).decode_utf8().map_err(|_| refused())?;
    let (bucket, object) = name.strip_prefix("gs://").and_then(|name| name.split_once('/')).ok_or_else(refused)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let bad = |part: &str| part.is_empty() || part == "." || part == "..";
    if !(3..=222).contains(&bucket.len())
        || !bucket.bytes().all(plain)
        || bucket.contains("..")
        || object.len() > LONGEST
        || object.split('/').any(bad)
        || object.contains(['\\', '\r', '\n'])
    {
        return Err(refused());
    }
    let parts: Vec<String> = object.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
    Ok(format!("/{bucket}/{}", parts.join("/")))
}

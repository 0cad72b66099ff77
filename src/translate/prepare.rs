//! The request as the provider gets it, and what its answer will have to become.

use std::{error::Error, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING},
    uri::PathAndQuery,
};
use http_body::Body;

use super::{
    bedrock::{self, About, Bodies, Chat, Embed, Embeddings, Messages, Rerank, Shape},
    s3,
};
use crate::{
    body::FullOr,
    context::{PortkeyHeaders, RequestConfig, Translation},
    header::PortkeyHeader,
    rejection::{Kind, Rejection},
};

const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");

/// What has to be done with the answer.
#[derive(Debug)]
pub(super) enum Answer {
    Chat {
        about: About,
        stream: bool,
        include_usage: bool,
    },
    Embeddings {
        model: Box<str>,
        shape: Shape,
        so_far: Embeddings,
    },
    /// In Anthropic's words, but for the frames of a stream.
    Messages {
        stream: bool,
    },
    TokenCount,
    Rerank {
        model: Box<str>,
    },
    /// As it comes.
    Plain {
        of_s3: bool,
    },
    Upload {
        object: Box<str>,
        purpose: String,
        bytes: usize,
    },
    File {
        object: Box<str>,
    },
}

/// A request that was changed.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) answer: Answer,
    /// The bodies of further requests with the same head.
    pub(super) rest: Option<Bodies>,
}

impl From<Answer> for Prepared {
    fn from(answer: Answer) -> Self {
        Self { answer, rest: None }
    }
}

/// Puts the request into the provider's language, or leaves it as it is and says why not.
pub(super) fn prepare<B: Body<Data = Bytes>>(
    request: &mut Request<FullOr<B>>,
    translation: &Translation,
) -> Result<Prepared, Rejection> {
    let body = match request.body().as_full() {
        Some(body) => body,
        None if request.body().is_end_stream() => Bytes::new(),
        None => return Err(Rejection::misassembled("ModelLayer")),
    };
    if request
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Rejection::new(Kind::InvalidRequest).with_message("A body that is compressed can't be translated"));
    }
    match translation {
        Translation::Converse => {
            let beta = beta(request);
            let Chat { body, stream, include_usage, model } = bedrock::chat(&body, beta.as_deref())?;
            let uri = operation(request.uri(), ["/converse", "/converse-stream"], stream)?;
            let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let about = About { id: String::new(), created, model, strict: is_strict(request) };
            *request.uri_mut() = uri;
            set(request, body, if stream { EVENT_STREAM } else { JSON });
            Ok(Answer::Chat { about, stream, include_usage }.into())
        }
        Translation::BedrockMessages => {
            let Messages { body, stream } = bedrock::messages(&body, beta(request).as_deref())?;
            *request.uri_mut() = operation(request.uri(), ["/invoke", "/invoke-with-response-stream"], stream)?;
            set(request, body, if stream { EVENT_STREAM } else { JSON });
            Ok(Answer::Messages { stream }.into())
        }
        Translation::BedrockCountTokens => {
            let body = bedrock::count_tokens(&body, beta(request).as_deref())?;
            set(request, body, JSON);
            Ok(Answer::TokenCount.into())
        }
        Translation::BedrockInvoke => {
            let streams = request.uri().path().ends_with("stream");
            set(request, bedrock::invoke(&body)?, if streams { EVENT_STREAM } else { JSON });
            Ok(Answer::Plain { of_s3: false }.into())
        }
        Translation::BedrockRerank { region } => Ok(match bedrock::rerank(&body, region)? {
            Some(Rerank { body, model }) => {
                set(request, body, JSON);
                Answer::Rerank { model }.into()
            }
            None => Answer::Plain { of_s3: false }.into(),
        }),
        Translation::S3Upload { object } => {
            let s3::File { content, content_type, purpose } = s3::file(text(request.headers(), &CONTENT_TYPE), &body)?;
            let portkey = request.extensions().get::<PortkeyHeaders>();
            let by_header = || portkey?.text(PortkeyHeader::FilePurpose).map(str::to_owned);
            let purpose = purpose.or_else(by_header).unwrap_or_else(|| "batch".to_owned());
            let answer = Answer::Upload { object: object.clone(), purpose, bytes: content.len() };
            *request.method_mut() = Method::PUT;
            set(request, content, ANYTHING);
            let kind = content_type.and_then(|kind| HeaderValue::try_from(kind).ok());
            request.headers_mut().insert(CONTENT_TYPE, kind.unwrap_or(BYTES));
            Ok(answer.into())
        }
        Translation::S3File { object } => Ok(Answer::File { object: object.clone() }.into()),
        Translation::S3Content => Ok(Answer::Plain { of_s3: true }.into()),
        Translation::BedrockEmbeddings => {
            let Embed { mut bodies, shape, model } = bedrock::embed(&body)?;
            set(request, bodies.next().unwrap_or_default(), JSON);
            let answer = Answer::Embeddings { model, shape, so_far: Embeddings::default() };
            Ok(Prepared { answer, rest: Some(bodies).filter(|rest| !rest.is_empty()) })
        }
    }
}

/// The same request with another body.
pub(super) fn again<B>(head: &http::request::Parts, body: Vec<u8>) -> Request<FullOr<B>> {
    let mut request = Request::from_parts(head.clone(), FullOr::full(Bytes::new()));
    set(&mut request, body, JSON);
    request
}

fn set<B>(request: &mut Request<FullOr<B>>, body: impl Into<Bytes>, accept: HeaderValue) {
    let body = body.into();
    let headers = request.headers_mut();
    for name in [TRANSFER_ENCODING, CONTENT_ENCODING, TRAILER, ACCEPT_ENCODING] {
        // The answer has to be read here, so it must not come compressed either.
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(ACCEPT, accept);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *request.body_mut() = FullOr::full(body);
}

/// The URI whose last segment is the operation that the body asks for.
fn operation(uri: &Uri, [plain, streaming]: [&str; 2], stream: bool) -> Result<Uri, Rejection> {
    let path = uri.path();
    let front = path.strip_suffix(plain).or_else(|| path.strip_suffix(streaming));
    let front = front.ok_or_else(|| Rejection::misassembled("ResolveLayer"))?;
    let operation = if stream { streaming } else { plain };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let internal = |error: Box<dyn Error + Send + Sync>| Rejection::new(Kind::Internal).with_source(error);
    let target =
        PathAndQuery::try_from(format!("{front}{operation}{query}")).map_err(|error| internal(error.into()))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|error| internal(error.into()))
}

/// Whether the answer has to be OpenAI's to the letter: unless the caller, or else the config, says it needn't.
fn is_strict<B>(request: &Request<B>) -> bool {
    let facts = request.extensions();
    let asked = facts.get::<PortkeyHeaders>().and_then(PortkeyHeaders::strict_open_ai_compliance);
    let config = || facts.get::<RequestConfig>()?.object()?.strict_open_ai_compliance;
    asked.or_else(config).unwrap_or(true)
}

/// The betas of Anthropic's that a header asks for.
fn beta<B>(request: &Request<B>) -> Option<String> {
    let portkey = request.extensions().get::<PortkeyHeaders>();
    let own = portkey.and_then(|headers| headers.text(PortkeyHeader::AnthropicBeta));
    let own = own.or_else(|| text(request.headers(), &ANTHROPIC_BETA));
    own.map(str::to_owned)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

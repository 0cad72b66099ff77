//! One request that has been sent, and what its answers become.

use std::{borrow::Cow, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
        TRAILER,
    },
    request, response,
};

use super::{
    bedrock::{self, Bodies, Rewrite},
    body::TranslateBody,
    prepare::Answer,
    s3,
};
use crate::{
    budget::Share,
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const INPUT_TOKENS: HeaderName = HeaderName::from_static("x-amzn-bedrock-input-token-count");

/// What is done with an answer.
#[derive(Debug)]
pub(super) struct Job<S, R> {
    pub(super) answer: Answer,
    pub(super) rest: Option<Rest<S>>,
    pub(super) room: Room<R>,
}

/// Requests that follow when the one before is answered.
#[derive(Debug)]
pub(super) struct Rest<S> {
    pub(super) service: S,
    pub(super) head: request::Parts,
    pub(super) bodies: Bodies,
}

/// What the layer was told.
#[derive(Debug)]
pub(super) struct Room<R> {
    pub(super) asked: Asked,
    pub(super) render: R,
    /// How long answers may be that are still to come.
    pub(super) limit: usize,
    /// What is held of the budget for requests, until the answer is there: by then the request has been sent.
    pub(super) request: Option<Share>,
    /// What is held of all answers' budget.
    pub(super) answers: Share,
}

/// How an answer's body becomes the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As it comes.
    Plain,
    /// While it comes.
    Stream,
    Whole,
}

impl<R: RenderRejection> Room<R> {
    /// The refusal of an answer, with the headers and facts that it came with.
    pub(super) fn refuse<B>(&self, rejection: Rejection, head: response::Parts) -> Response<TranslateBody<B>> {
        let mut response = refuse(&self.render, rejection, &self.asked, head.extensions);
        for (name, value) in &head.headers {
            if name.as_str().starts_with(crate::header::PREFIX) && !response.headers().contains_key(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response.map(TranslateBody::full)
    }
}

impl<S, R> Job<S, R> {
    /// What has to be done with an answer.
    ///
    /// # Errors
    ///
    /// Nothing can be: another thing was asked for.
    pub(super) fn way(&self, head: &response::Parts) -> Result<Way, Rejection> {
        let good = head.status.is_success();
        if good && matches!(self.answer, Answer::Plain { .. } | Answer::Messages { stream: false }) {
            return Ok(Way::Plain);
        }
        let coding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            return Err(unreadable());
        }
        let streams =
            good && matches!(self.answer, Answer::Chat { stream: true, .. } | Answer::Messages { stream: true });
        let is_json = text(&head.headers, &CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        match (streams, is_json) {
            (true, true) => Err(unreadable()),
            (true, false) => Ok(Way::Stream),
            (false, _) => Ok(Way::Whole),
        }
    }

    /// The answer whose body is translated while it comes.
    pub(super) fn stream<B>(self, mut head: response::Parts, body: B) -> Response<TranslateBody<B>> {
        let rewrite = match self.answer {
            Answer::Chat { mut about, include_usage, .. } => {
                about.id = id(&head.headers);
                Rewrite::chat(about, include_usage)
            }
            Answer::Messages { .. } => Rewrite::claude(),
            _ => return Response::from_parts(head, TranslateBody::inner(body)),
        };
        strip(&mut head.headers);
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Response::from_parts(head, TranslateBody::stream(body, rewrite, self.room.answers))
    }

    /// Takes a whole answer. `None`, where there are more to come.
    ///
    /// # Errors
    ///
    /// It is nothing that the provider would answer.
    pub(super) fn take(&mut self, head: &response::Parts, body: &[u8]) -> Result<Option<Vec<u8>>, Rejection> {
        if !head.status.is_success() {
            let reason = head.status.canonical_reason().unwrap_or("the request failed");
            return Ok(Some(match self.answer {
                Answer::Messages { .. } | Answer::TokenCount => {
                    bedrock::claude_error(body, head.status.as_u16(), reason)
                }
                Answer::Plain { of_s3: true } | Answer::Upload { .. } | Answer::File { .. } => s3::error(body, reason),
                _ => bedrock::error(body, text(&head.headers, &ERROR_TYPE), reason),
            }));
        }
        match &mut self.answer {
            Answer::Chat { about, .. } => {
                about.id = id(&head.headers);
                bedrock::answer(body, about).map(Some).ok_or_else(unreadable)
            }
            Answer::Embeddings { model, shape, so_far } => {
                let counted = text(&head.headers, &INPUT_TOKENS).and_then(|count| count.parse().ok());
                so_far.add(body, counted, shape).ok_or_else(unreadable)?;
                self.room.limit = self.room.limit.saturating_sub(body.len());
                let more = self.rest.as_ref().is_some_and(|rest| !rest.bodies.is_empty());
                Ok((!more).then(|| std::mem::take(so_far).into_body(model)))
            }
            Answer::TokenCount => bedrock::token_count(body).map(Some).ok_or_else(unreadable),
            Answer::Rerank { model } => {
                bedrock::reranked(body, &name(&head.headers), model).map(Some).ok_or_else(unreadable)
            }
            Answer::Upload { object, purpose, bytes } => {
                Ok(Some(s3::described(object, purpose, *bytes as u64, Some(SystemTime::now()))))
            }
            Answer::File { object } => {
                let bytes = s3::size(body).ok_or_else(unreadable)?;
                let created = text(&head.headers, &LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
                Ok(Some(s3::described(object, "", bytes, created)))
            }
            Answer::Messages { .. } | Answer::Plain { .. } => Err(unreadable()),
        }
    }
}

/// The answer with a body that was translated as a whole.
pub(super) fn whole<B>(mut head: response::Parts, body: Vec<u8>) -> Response<TranslateBody<B>> {
    strip(&mut head.headers);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(head, TranslateBody::full(Bytes::from(body)))
}

/// What described the provider's own body, and where else it would be.
fn strip(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, ETAG, TRAILER, LOCATION, LAST_MODIFIED, ACCEPT_RANGES] {
        headers.remove(name);
    }
    headers.remove("content-md5");
    headers.remove("digest");
}

pub(super) fn unreadable() -> Rejection {
    Rejection::new(Kind::BadGateway).with_message("The provider's answer can't be read")
}

fn id(headers: &HeaderMap) -> String {
    format!("chatcmpl-{}", name(headers))
}

/// AWS's name of the request, so that it can be found there, or one that nobody else has.
fn name(headers: &HeaderMap) -> Cow<'_, str> {
    let plain = |id: &&str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=64).contains(&id.len()) && id.bytes().all(known)
    };
    let id = text(headers, &REQUEST_ID).filter(plain).map(Cow::Borrowed);
    id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string().into())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

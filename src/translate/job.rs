//! One request that has been sent, and what its answers become.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION, TRAILER},
    request, response,
};

use super::{
    bedrock::{self, Bodies, ChatStream},
    body::TranslateBody,
    prepare::Answer,
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
    /// What is held of all answers' budget.
    pub(super) share: Share,
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
    /// Whether the body of this answer is translated while it comes.
    ///
    /// # Errors
    ///
    /// It can't be: another thing was asked for.
    pub(super) fn streams(&self, head: &response::Parts) -> Result<bool, Rejection> {
        let coding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            return Err(unreadable());
        }
        let streams = matches!(self.answer, Answer::Chat { stream: true, .. }) && head.status.is_success();
        let is_json = text(&head.headers, &CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        if streams && is_json { Err(unreadable()) } else { Ok(streams) }
    }

    /// The answer whose body is translated while it comes.
    pub(super) fn stream<B>(self, mut head: response::Parts, body: B) -> Response<TranslateBody<B>> {
        let Answer::Chat { mut about, include_usage, .. } = self.answer else {
            return Response::from_parts(head, TranslateBody::inner(body));
        };
        about.id = id(&head.headers);
        strip(&mut head.headers);
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Response::from_parts(head, TranslateBody::stream(body, ChatStream::new(about, include_usage), self.room.share))
    }

    /// Takes a whole answer. `None`, where there are more to come.
    ///
    /// # Errors
    ///
    /// It is nothing that the provider would answer.
    pub(super) fn take(&mut self, head: &response::Parts, body: &[u8]) -> Result<Option<Vec<u8>>, Rejection> {
        if !head.status.is_success() {
            let reason = head.status.canonical_reason().unwrap_or("the request failed");
            return Ok(Some(bedrock::error(body, text(&head.headers, &ERROR_TYPE), reason)));
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
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, ETAG, TRAILER, LOCATION] {
        headers.remove(name);
    }
    headers.remove("content-md5");
    headers.remove("digest");
}

pub(super) fn unreadable() -> Rejection {
    Rejection::new(Kind::BadGateway).with_message("The provider's answer can't be read")
}

/// AWS's name of the request, so that it can be found there, or one that nobody else has.
fn id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=64).contains(&id.len()) && id.bytes().all(known)
    };
    let id = text(headers, &REQUEST_ID).filter(plain).map(Cow::Borrowed);
    let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string().into());
    format!("chatcmpl-{id}")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

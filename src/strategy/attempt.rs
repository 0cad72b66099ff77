//! One attempt: the request as the chosen target gets it.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body;

use super::held::Held;
use crate::{
    body::FullOr,
    context::{AfterChanges, Attempt, ConfigObject, Params, RequestConfig, Route, Stage},
    rejection::Rejection,
};

/// Notes which target is asked and the how-manieth time, and changes the body as the target wants it. `held` is the body
/// as it came, where it was looked at.
pub(super) fn prepare<B: Body<Data = Bytes>>(
    request: &mut Request<FullOr<B>>,
    leaf: &Arc<ConfigObject>,
    retries: u32,
    held: &mut Option<Held>,
) -> Result<(), Rejection> {
    let attempt = Attempt { object: Some(Arc::clone(leaf)), retries };
    let config = request.extensions_mut().get_mut::<RequestConfig>();
    let config = config.ok_or_else(|| Rejection::misassembled("ModelLayer"))?;
    (config.attempt, config.stage) = (attempt, Stage::Chosen);
    if leaf.params.is_empty() { Ok(()) } else { change(request, &leaf.params, held) }
}

/// A form, an empty body, and what a `GET` carries have no members: they pass as they are.
fn change<B: Body<Data = Bytes>>(
    request: &mut Request<FullOr<B>>,
    params: &Arc<Params>,
    held: &mut Option<Held>,
) -> Result<(), Rejection> {
    let held = match held {
        Some(held) => held,
        None => held.insert(Held::of(request)?),
    };
    let Some(changed) = held.changed(params)? else { return Ok(()) };
    if let Some(config) = request.extensions_mut().get_mut::<RequestConfig>() {
        (config.model.unclear, config.model.stream) = (changed.unclear, changed.stream);
        if let Some(model) = &changed.model {
            config.model.body.clone_from(model);
        }
    }
    let mut body = changed.body.clone();
    if let Some(AfterChanges(see)) = request.extensions().get() {
        body = see(request.method(), request.uri().path(), &body)?.map_or(body, Bytes::from);
    }
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *request.body_mut() = FullOr::full(body);
    Ok(())
}

/// The body, where it has members that a config may read or change.
pub(super) fn members<B: Body<Data = Bytes>>(request: &Request<FullOr<B>>) -> Result<Option<Bytes>, Rejection> {
    let without_body = matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE);
    if without_body || request.body().is_end_stream() || is_form(request) && !is_object(request.body()) {
        return Ok(None);
    }
    whole(request.body()).map(Some)
}

/// The body, which `ModelLayer` has read because the config needs it.
pub(super) fn whole<B: Body<Data = Bytes>>(body: &FullOr<B>) -> Result<Bytes, Rejection> {
    match body.as_full() {
        None if body.is_end_stream() => Ok(Bytes::new()),
        whole => whole.ok_or_else(|| Rejection::misassembled("ModelLayer")),
    }
}

/// Whether the body is a form, which has no members that a config could change. Every other body has, whatever it says
/// it is, and so has every body where a model is asked in JSON: a change that is left out without a word could be what
/// keeps a caller to a model.
fn is_form<B>(request: &Request<B>) -> bool {
    let mut kinds = request.headers().get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let Ok(kind) = kind.to_str() else { return false };
    let mut parts = kind.split(';').map(str::trim);
    let form = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"));
    let bounded = |part: &str| part.get(..9).is_some_and(|name| name.eq_ignore_ascii_case("boundary="));
    form && parts.any(bounded) && !Route::of(request.method(), request.uri().path()).asks_in_json()
}

/// Whether the body begins like a JSON object, which no form does.
fn is_object<B: Body<Data = Bytes>>(body: &FullOr<B>) -> bool {
    body.as_full().is_some_and(|whole| whole.trim_ascii_start().starts_with(b"{"))
}

//! `GET /v1/models` without a provider: the models that the caller's entries allow, told by the gateway itself.

use std::{borrow::Cow, time::SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE, request::Parts};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{named::passes, places::in_query, rewrite::split};
use crate::{
    context::{Entry, PortkeyHeaders, Principal, ProviderRef, RequestConfig, Route, Status},
    header::{PortkeyHeader, TRACE_ID},
    rejection::{Asked, Kind, Rejection, RenderRejection, refuse},
};

/// What is asked of the gateway, and not of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    List,
    /// About the one in the path.
    One,
}

impl Question {
    /// Whether the request asks it: it names no provider, or says that it means the entries all the same
    /// (`x-portkey-fetch-integrated-models: true`). There are no entries without a caller.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let rest = Route::of(request.method(), request.uri().path()).rest()?.strip_prefix("/models")?;
        let question = match rest {
            "" => Self::List,
            id if named(id).is_some() => Self::One,
            _ => return None,
        };
        let facts = request.extensions();
        let (config, portkey) = (facts.get::<RequestConfig>()?, facts.get::<PortkeyHeaders>()?);
        facts.get::<Principal>()?;
        let of_entries = portkey.flag(PortkeyHeader::FetchIntegratedModels) == Some(true);
        (of_entries || !names_a_provider(config, request.uri().query())).then_some(question)
    }

    /// The answer, or what keeps from it.
    pub(super) fn answer<R: RenderRejection>(
        self,
        found: Result<Option<Vec<Entry>>, Rejection>,
        head: Parts,
        render: &R,
    ) -> Response<Bytes> {
        match found.and_then(|entries| self.text(entries, &head)) {
            Ok(text) => {
                let mut response = Response::new(text);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                if let Some(portkey) = head.extensions.get::<PortkeyHeaders>() {
                    response.headers_mut().insert(TRACE_ID, portkey.trace_id().header_value());
                }
                *response.extensions_mut() = head.extensions;
                response
            }
            Err(rejection) => refuse(render, rejection, &Asked::of(&head.headers), head.extensions),
        }
    }

    fn text(self, entries: Option<Vec<Entry>>, head: &Parts) -> Result<Bytes, Rejection> {
        let not_listed = || {
            let message = "The provider entries can't be listed: name one, as in x-portkey-provider: @slug";
            Rejection::new(Kind::NotImplemented).with_message(message)
        };
        let entries = usable(entries.ok_or_else(not_listed)?, head);
        tracing::debug!(target: "tower_portkey::decision", step = "model", listed = entries.len());
        let text = match self {
            Self::List => serde_json::to_vec(&List { object: "list", data: entries.iter().flat_map(models).collect() }),
            Self::One => {
                let path = head.uri.path();
                let rest = Route::of(&head.method, path).rest().and_then(|rest| rest.strip_prefix("/models"));
                let id = rest.and_then(named).ok_or_else(|| Rejection::new(Kind::NotFound))?;
                let (slug, model) = split(&id).ok_or_else(|| Rejection::new(Kind::NotFound))?;
                let is_listed = |entry: &&Entry| match model {
                    Some(model) => entry.slug() == slug && entry.allows_model(model),
                    None => entry.slug() == slug && entry.models().is_none(),
                };
                let entry = entries.iter().find(is_listed).ok_or_else(|| Rejection::new(Kind::NotFound))?;
                serde_json::to_vec(&Model::new(entry, id.clone()))
            }
        };
        text.map(Bytes::from).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
    }
}

/// `@slug/model` behind `/models`, as it is or as one segment.
fn named(rest: &str) -> Option<Cow<'_, str>> {
    let id = percent_decode_str(rest.strip_prefix('/')?).decode_utf8().ok()?;
    split(&id).is_some().then_some(id)
}

fn names_a_provider(config: &RequestConfig, query: Option<&str>) -> bool {
    config.tree.is_some()
        || config.named.is_some()
        || query.is_some_and(|query| in_query(query).is_ok_and(|found| found.slug.is_some()))
}

/// Those that can be used now. Where the request names providers, of those only. Of several by one slug, the first counts.
fn usable(mut entries: Vec<Entry>, head: &Parts) -> Vec<Entry> {
    entries.sort_by(|a, b| a.slug().cmp(b.slug()));
    entries.dedup_by(|a, b| a.slug() == b.slug());
    let config = head.extensions.get::<RequestConfig>();
    let now = SystemTime::now();
    entries.retain(|entry| entry.status(now) == Status::Active && config.is_none_or(|config| is_meant(entry, config)));
    entries
}

fn is_meant(entry: &Entry, config: &RequestConfig) -> bool {
    match (&config.tree, &config.named) {
        (None, None) => true,
        (Some(tree), _) if passes(&tree.root) => true,
        (tree, named) => {
            let in_tree = tree.as_ref().is_some_and(|tree| tree.slugs.iter().any(|slug| **slug == *entry.slug()));
            in_tree
                || match named {
                    Some(ProviderRef::Slug(slug)) => **slug == *entry.slug(),
                    Some(ProviderRef::Id(id)) => id == entry.provider(),
                    None => false,
                }
        }
    }
}

/// OpenAI's list.
#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

/// OpenAI's model. Nobody here knows when it was made.
#[derive(Serialize)]
struct Model<'a> {
    id: Cow<'a, str>,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

impl<'a> Model<'a> {
    fn new(entry: &'a Entry, id: Cow<'a, str>) -> Self {
        Self { id, object: "model", created: 0, owned_by: entry.provider().as_str() }
    }
}

/// The models of an entry, by the names under which a request may ask for them. One that is for every model is there by
/// its slug: which models those are is for its provider to say.
fn models(entry: &Entry) -> Vec<Model<'_>> {
    let slug = entry.slug();
    match entry.models() {
        Some(models) => models.map(|model| Model::new(entry, format!("@{slug}/{model}").into())).collect(),
        None => vec![Model::new(entry, format!("@{slug}").into())],
    }
}

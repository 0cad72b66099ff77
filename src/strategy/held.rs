//! The body of a request as configs read and change it: taken apart once, whichever targets are asked.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::Request;
use http_body::Body;

use super::{
    apply::{Changed, ParamsError, apply},
    attempt::members,
};
use crate::{body::FullOr, context::Params, json::Members, rejection::Rejection};

/// A body, or none where it has no members that a config could read or change.
#[derive(Default)]
pub(super) struct Held {
    bytes: Bytes,
    /// `None`: it is no JSON object.
    object: OnceLock<Option<Object>>,
    /// What became of it last, and through which changes.
    changed: Option<(Arc<Params>, Changed)>,
}

/// A JSON object.
pub(super) struct Object {
    /// Names and values in their order, the values as they are written.
    pub(super) members: Vec<(Bytes, Bytes)>,
    /// Where each name stands last.
    pub(super) places: HashMap<Bytes, usize>,
    /// The length of its text.
    pub(super) length: usize,
}

impl Held {
    pub(super) fn of<B: Body<Data = Bytes>>(request: &Request<FullOr<B>>) -> Result<Self, Rejection> {
        Ok(Self::new(members(request)?.unwrap_or_default()))
    }

    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// The object that it is.
    pub(super) fn object(&self) -> Option<&Object> {
        self.object.get_or_init(|| Object::parse(&self.bytes)).as_ref()
    }

    /// What these changes make of it. Changes that were made last, or read like those, are not made again. `None` where
    /// there is nothing to change.
    pub(super) fn changed(&mut self, params: &Arc<Params>) -> Result<Option<&Changed>, ParamsError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let same = |last: &Params| std::ptr::eq(last, &**params) || last.reads_like(params);
        if !self.changed.as_ref().is_some_and(|(last, _)| same(last)) {
            let object = self.object().ok_or(ParamsError::NotAnObject)?;
            let changed = apply(object, params)?;
            self.changed = Some((Arc::clone(params), changed));
        }
        Ok(self.changed.as_ref().map(|(_, changed)| changed))
    }
}

impl Object {
    pub(super) fn parse(body: &Bytes) -> Option<Self> {
        let Members(found) = serde_json::from_slice(body).ok()?;
        let name = |name: Cow<'_, str>| match name {
            Cow::Borrowed(name) => body.slice_ref(name.as_bytes()),
            Cow::Owned(name) => Bytes::from(name),
        };
        let members: Vec<_> =
            found.into_iter().map(|(text, value)| (name(text), body.slice_ref(value.get().as_bytes()))).collect();
        let places = members.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        Some(Self { members, places, length: body.len() })
    }

    /// Whether a name stands there twice.
    pub(super) fn has_duplicates(&self) -> bool {
        self.places.len() < self.members.len()
    }

    /// The place of a member. One that stands there twice has its last value, as in JavaScript.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name.as_bytes()).copied()
    }
}

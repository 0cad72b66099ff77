//! One request: who names its provider, what has to be looked up and read, and what is left for the layers below.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::{
    content::Got,
    named::{self, Caller, can_be_a_slug, unknown},
    places,
    read::Reader,
    resolve::ResolveProvider,
};
use crate::{
    budget::{Budget, Share},
    context::{ConfigTree, Entry, PortkeyHeaders, Principal, RequestConfig, Status, Workspace},
    guard::Decision,
    rejection::{Kind, Rejection},
};

/// What the layer was told.
pub(super) struct Room<E> {
    pub(super) entries: Arc<E>,
    pub(super) limit: usize,
    pub(super) budget: Budget,
    pub(super) read_timeout: Duration,
}

impl<E> Clone for Room<E> {
    fn clone(&self) -> Self {
        let Self { entries, limit, budget, read_timeout } = self;
        Self { entries: Arc::clone(entries), limit: *limit, budget: budget.clone(), read_timeout: *read_timeout }
    }
}

/// A request on its way through the layer.
pub(super) struct Job<B> {
    pub(super) head: Parts,
    pub(super) body: B,
    pub(super) place: Place,
    pub(super) tree: Option<Arc<ConfigTree>>,
    pub(super) caller: Caller,
    /// Slugs of the config that nobody knows.
    pub(super) unknown: Vec<Box<str>>,
    pub(super) reader: Option<Reader>,
    pub(super) got: Got,
    /// The model of the body, without its slug, where somebody below may ask.
    pub(super) model: Option<Box<str>>,
    /// Models below the body's first level, for an entry's list of models.
    pub(super) below: Vec<Box<str>>,
    /// Whether the body was looked at as an entry's list of models asks for.
    pub(super) is_checked: bool,
    pub(super) is_rewritten: bool,
    pub(super) share: Option<Share>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Start,
    /// At this slug of the config.
    Config(usize),
    /// At the slug of a header.
    Header,
    Body,
    /// At the slug of body or query.
    Content,
    End,
}

/// What has to happen before it can go on.
#[derive(Debug)]
pub(super) enum Step<F> {
    /// An entry is waited for.
    Ask(F),
    /// The body is to be read.
    Read,
    /// Nothing: the request is ready.
    Done,
}

impl<B: Body<Data = Bytes>> Job<B> {
    pub(super) fn new(head: Parts, body: B) -> Self {
        Self {
            head,
            body,
            place: Place::Start,
            tree: None,
            caller: Caller::default(),
            unknown: Vec::new(),
            reader: None,
            got: Got::Nothing,
            model: None,
            below: Vec::new(),
            is_checked: false,
            is_rewritten: false,
            share: None,
        }
    }

    /// Goes as far as it goes without waiting.
    pub(super) fn advance<E: ResolveProvider>(&mut self, room: &Room<E>) -> Result<Step<E::Future>, Rejection> {
        loop {
            match self.place {
                Place::Start => self.start(room.entries.is_empty())?,
                Place::Config(_) | Place::Header | Place::Content => {
                    let Some(slug) = self.asked() else {
                        self.next()?;
                        continue;
                    };
                    if self.entries().iter().any(|entry| entry.slug() == slug) {
                        self.next()?;
                        continue;
                    }
                    match self.ask(&*room.entries, slug) {
                        Decision::Now(answer) => self.answered(answer)?,
                        Decision::Later(answer) => return Ok(Step::Ask(answer)),
                    }
                }
                Place::Body => {
                    self.place = Place::Content;
                    if let Some(goal) = self.goal(room.limit)? {
                        self.reader = Some(Reader::new(goal, room.limit, room.budget.share()));
                        return Ok(Step::Read);
                    }
                    self.caller.settle(None);
                }
                Place::End => {
                    self.finish()?;
                    return Ok(Step::Done);
                }
            }
        }
    }

    /// Takes the answer to what was asked.
    pub(super) fn answered(&mut self, answer: Result<Option<Entry>, Rejection>) -> Result<(), Rejection> {
        let slug = self.asked().unwrap_or_default();
        // Without a clock: what is archived is archived at any time.
        let known = |entry: &Entry| entry.slug() == slug && entry.status(SystemTime::UNIX_EPOCH) != Status::Archived;
        match answer?.filter(known) {
            Some(entry) => self.config()?.entries.push(entry),
            None if matches!(self.place, Place::Config(_)) => self.unknown.push(slug.into()),
            None => return Err(unknown([slug])),
        }
        self.next()
    }

    /// Reads the body as far as has to be.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>>
    where
        B: Unpin,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Some(reader) = self.reader.as_mut() else { return Poll::Ready(Ok(())) };
        let read = ready!(reader.poll(Pin::new(&mut self.body), cx));
        let slug = reader.has_slug();
        self.share = self.reader.take().map(Reader::into_share);
        Poll::Ready(read.and_then(|read| self.read(read, slug)))
    }

    fn start(&mut self, none: bool) -> Result<(), Rejection> {
        let facts = &self.head.extensions;
        let portkey = facts.get::<PortkeyHeaders>().ok_or_else(|| Rejection::misassembled("ExtractLayer"))?;
        let config = facts.get::<RequestConfig>().ok_or_else(|| Rejection::misassembled("ConfigLayer"))?;
        let hosted = facts.get::<Principal>().is_some();
        self.tree.clone_from(&config.tree);
        self.caller = named::read(config, portkey, hosted, none, self.head.uri.query())?;
        if let Some(cut) = &self.caller.query.cut {
            let uri = places::without(&self.head.uri, cut);
            self.head.uri = uri.ok_or_else(|| Rejection::new(Kind::Internal))?;
        }
        self.place = if hosted { Place::Config(0) } else { Place::Body };
        Ok(())
    }

    /// The slug that is looked up here.
    fn asked(&self) -> Option<&str> {
        match self.place {
            Place::Config(index) => Some(self.tree.as_ref()?.slugs.get(index)?),
            Place::Header | Place::Content => self.caller.slug(),
            Place::Start | Place::Body | Place::End => None,
        }
    }

    fn next(&mut self) -> Result<(), Rejection> {
        self.place = match self.place {
            Place::Config(index) if self.asked().is_some() => Place::Config(index + 1),
            Place::Config(_) if !self.unknown.is_empty() => {
                return Err(unknown(self.unknown.iter().map(|slug| &**slug)));
            }
            Place::Config(_) => Place::Header,
            Place::Header => Place::Body,
            Place::Start | Place::Body | Place::Content | Place::End => Place::End,
        };
        Ok(())
    }

    fn ask<E: ResolveProvider>(&self, entries: &E, slug: &str) -> Decision<Option<Entry>, E::Future> {
        match self.head.extensions.get::<Principal>() {
            // What no entry can be called is not asked for: resolvers may make URLs of slugs.
            Some(who) if can_be_a_slug(slug) => {
                entries.resolve(Workspace { organisation: who.organisation(), workspace: who.workspace() }, slug)
            }
            _ => Decision::pass(None),
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        self.head.extensions.get::<RequestConfig>().map_or(&[], |config| &config.entries)
    }

    pub(super) fn config(&mut self) -> Result<&mut RequestConfig, Rejection> {
        self.head.extensions.get_mut().ok_or_else(|| Rejection::misassembled("ConfigLayer"))
    }
}

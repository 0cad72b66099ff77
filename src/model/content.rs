//! What is done with the body of a request, and what is left for the layers below.

use std::ops::Range;

use bytes::Bytes;
use http::{
    Extensions, HeaderValue, Request,
    header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING},
};
use http_body::Body;

use super::{
    job::Job,
    look::{LookError, Named, Needs, look},
    named::Source,
    nested,
    read::{Goal, Read},
    rewrite::{cut, split},
    rules::{Rules, may_name_a_model},
    scan::Scan,
};
use crate::{
    body::FullOr,
    budget::Share,
    context::{Entry, Model, Principal, Stage},
    rejection::{Kind, Rejection},
};

/// What is held of the body.
#[derive(Debug)]
pub(super) enum Got {
    /// Nothing: it passes.
    Nothing,
    Whole(Bytes),
    Part(Bytes),
}

/// What a whole body says.
#[derive(Debug, Default)]
struct Looked {
    slug: Option<Box<str>>,
    model: Option<Box<str>>,
    /// Where the slug stands, up to the model behind it.
    cut: Option<Range<usize>>,
    below: Vec<Box<str>>,
}

/// Whether the caller's tokens are counted.
pub(super) fn is_measured(facts: &Extensions) -> bool {
    facts.get::<Principal>().is_some_and(|who| who.rules().measured())
}

impl<B: Body<Data = Bytes>> Job<B> {
    /// The request as it goes on, with what it holds of the budget.
    pub(super) fn into_request(mut self) -> (Request<FullOr<B>>, Option<Share>) {
        let body = match self.got {
            Got::Nothing => FullOr::inner(self.body),
            Got::Part(front) => FullOr::begun([front].into(), self.body),
            Got::Whole(bytes) => {
                // The length is ours now, and the framing with it.
                self.head.headers.remove(TRANSFER_ENCODING);
                // Trailers of a body that was read are gone.
                self.head.headers.remove(TRAILER);
                if !bytes.is_empty() || self.head.headers.contains_key(CONTENT_LENGTH) {
                    self.head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                }
                FullOr::full(bytes)
            }
        };
        (Request::from_parts(self.head, body), self.share)
    }

    /// How much of the body has to be read, if any.
    pub(super) fn goal(&mut self, limit: usize) -> Result<Option<Goal>, Rejection> {
        // A form has no members that a config could change.
        let held = self.tree.as_ref().is_some_and(|tree| {
            tree.may_resend || tree.reads_params || tree.changes_body && Rules::of(&self.head).form().is_none()
        });
        if self.body.is_end_stream() {
            if held {
                self.got = Got::Whole(Bytes::new());
            }
            return Ok(None);
        }
        let may_name = || may_name_a_model(&self.head);
        let caller = &self.caller;
        let decides = caller.waits_for_the_body() || caller.needs_the_body() && may_name();
        // One that is too long is not refused for the sake of an estimate.
        let measured = self.is_measured() && may_name() && self.body.size_hint().lower() <= limit as u64;
        if held || self.is_listed() || decides || measured {
            if self.body.size_hint().lower() > limit as u64 {
                return Err(Rejection::too_large(limit));
            }
            return Ok(Some(Goal::Whole));
        }
        Ok((caller.reads && may_name()).then(|| match Rules::of(&self.head).form() {
            Some(_) => Goal::Try,
            None => Goal::Model(Scan::new()),
        }))
    }

    /// Takes what was read.
    pub(super) fn read(&mut self, read: Read, has_slug: bool) -> Result<(), Rejection> {
        let (bytes, looked) = match read {
            Read::Part(front) => {
                self.got = Got::Part(front);
                self.caller.settle(None);
                return Ok(());
            }
            Read::Plain(bytes) => (bytes, Looked::default()),
            Read::Whole(bytes) => {
                let looked = self.look(&bytes, has_slug || self.caller.needs_the_body())?;
                (bytes, looked)
            }
            // Nothing depends on this one, so it isn't refused for what it is.
            Read::Tried(bytes) => {
                let looked = self.look(&bytes, false).unwrap_or_default();
                (bytes, looked)
            }
        };
        self.is_rewritten = looked.cut.is_some();
        self.got = Got::Whole(match looked.cut {
            Some(range) => cut(bytes, range),
            None => bytes,
        });
        (self.model, self.below) = (looked.model, looked.below);
        self.caller.settle(looked.slug);
        Ok(())
    }

    fn look(&mut self, body: &[u8], decides: bool) -> Result<Looked, LookError> {
        let needs = Needs { decides, ..self.needs() };
        let named = look(body, &Rules::of(&self.head), needs)?;
        self.is_checked = needs.listed;
        let below = if needs.listed { self.below(body)? } else { Vec::new() };
        let Some(Named { text, cut }) = named else { return Ok(Looked { below, ..Looked::default() }) };
        let of_slug = split(&text).filter(|_| self.caller.reads);
        let model = of_slug.and_then(|(_, model)| model).unwrap_or(&text);
        Ok(Looked {
            slug: of_slug.map(|(slug, _)| slug.into()),
            model: self.is_asked_for().then(|| model.into()),
            cut: cut.filter(|_| of_slug.is_some()),
            below,
        })
    }

    /// The models below the first level, where a route may take them from there.
    fn below(&self, body: &[u8]) -> Result<Vec<Box<str>>, LookError> {
        let rules = Rules::of(&self.head);
        if rules.in_json || rules.form().is_some() { Ok(Vec::new()) } else { nested::models(body) }
    }

    /// What is left to do once all entries are there.
    pub(super) fn finish(&mut self) -> Result<(), Rejection> {
        if self.is_listed() && !self.is_checked {
            // The entry that the body or the query names is limited to some models: the body is looked at again.
            match &self.got {
                Got::Whole(bytes) => {
                    let named = look(bytes, &Rules::of(&self.head), self.needs())?;
                    self.model = named.map(|named| named.text.into());
                    self.below = self.below(bytes)?;
                }
                Got::Nothing if self.body.is_end_stream() => {}
                // Such a body was read as a whole.
                Got::Nothing | Got::Part(_) => return Err(Rejection::new(Kind::Internal)),
            }
        }
        let (source, named) = self.caller.named();
        let body = match &self.got {
            Got::Nothing => "untouched",
            Got::Part(_) => "begun",
            Got::Whole(_) if self.is_rewritten => "rewritten",
            Got::Whole(_) => "read",
        };
        tracing::debug!(target: "tower_portkey::decision", step = "model", source = source.map(Source::as_str), provider = named.as_ref().map(tracing::field::display), body);
        let (model, below) = (self.model.take(), std::mem::take(&mut self.below));
        let stream = match &self.got {
            Got::Whole(bytes) => self.is_in_path() && Model::asks_for_a_stream(bytes),
            Got::Nothing | Got::Part(_) => false,
        };
        let config = self.config()?;
        config.named = named;
        config.model = Model { body: model, below, stream, unclear: false };
        config.stage = Stage::Named;
        Ok(())
    }

    fn needs(&self) -> Needs {
        let changes = self.tree.as_ref().is_some_and(|tree| tree.changes_body);
        Needs { changes, listed: self.is_listed(), names: self.caller.reads, decides: false }
    }

    /// Whether somebody below may ask for the model of the body.
    fn is_asked_for(&self) -> bool {
        self.is_listed() || self.tree.as_ref().is_some_and(|tree| tree.reads_params)
    }

    /// Whether the caller's tokens are counted, or those of an entry that the request may use: how many the answer may have
    /// stands in the body.
    fn is_measured(&self) -> bool {
        is_measured(&self.head.extensions) || self.entries().iter().any(|entry| entry.rules().measured())
    }

    /// Whether it matters which model it is: an entry that the request may use is limited to some, or it is part of the
    /// URL.
    fn is_listed(&self) -> bool {
        self.entries().iter().any(|entry| entry.models().is_some()) || self.is_in_path()
    }

    /// Whether a provider that the request may go to has the model of the body in its URLs.
    fn is_in_path(&self) -> bool {
        let may_go = self.caller.has_models_in_paths
            || self.tree.as_ref().is_some_and(|tree| tree.models_in_paths)
            || self.entries().iter().any(Entry::has_models_in_paths);
        if !may_go {
            return false;
        }
        let rules = Rules::of(&self.head);
        let has_deployments = || {
            self.tree.as_ref().is_some_and(|tree| tree.has_deployments)
                || self.entries().iter().any(|entry| !entry.deployments().is_empty())
        };
        rules.in_json || rules.in_forms && rules.form().is_some() && has_deployments()
    }
}

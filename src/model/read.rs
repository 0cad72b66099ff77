//! Reads a body, within its limit and everybody's budget.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;

use super::scan::{Scan, Seen};
use crate::{budget::Share, held::Held, rejection::Rejection};

/// How much of a body has to be read.
#[derive(Debug)]
pub(super) enum Goal {
    /// All of it.
    Whole,
    /// All of it, if it isn't too long.
    Try,
    /// Until it names a model without a slug; all of it where the model has one.
    Model(Scan),
}

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    /// All of the body.
    Whole(Bytes),
    /// All of a body that need not have been read.
    Tried(Bytes),
    /// All of a body that names no entry.
    Plain(Bytes),
    /// The beginning of a body of which nothing more has to be known.
    Part(Bytes),
}

/// Reads one body.
#[derive(Debug)]
pub(super) struct Reader {
    held: Held,
    goal: Goal,
    slug: bool,
    limit: usize,
    share: Share,
}

impl Reader {
    pub(super) fn new(goal: Goal, limit: usize, share: Share) -> Self {
        Self { held: Held::new(), goal, slug: false, limit, share }
    }

    /// Whether the scan has found a model that begins with a slug.
    pub(super) fn has_slug(&self) -> bool {
        self.slug
    }

    /// What is held of the budget, until it is dropped.
    pub(super) fn into_share(self) -> Share {
        self.share
    }

    /// Reads as far as has to be. Trailers of a body that is read to its end are dropped with it.
    pub(super) fn poll<B>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Result<Read, Rejection>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
            let Ok(data) = frame.map_err(Rejection::unreadable)?.into_data() else { continue };
            let fits = self.held.len().checked_add(data.len()).is_some_and(|length| length <= self.limit);
            if let Goal::Model(scan) = &mut self.goal {
                match scan.feed(&data) {
                    Seen::Nothing => {}
                    Seen::Plain => return Poll::Ready(Ok(Read::Part(self.take(data)))),
                    Seen::Slug => {
                        self.slug = true;
                        self.goal = Goal::Whole;
                    }
                }
            }
            let must = matches!(self.goal, Goal::Whole);
            if !fits && must {
                return Poll::Ready(Err(Rejection::too_large(self.limit)));
            }
            let granted = fits && self.share.take(self.held.cost(data.len()));
            if !granted && must {
                return Poll::Ready(Err(Rejection::unavailable("the budget for bodies is used up")));
            }
            if !granted {
                return Poll::Ready(Ok(Read::Part(self.take(data))));
            }
            self.held.push(data);
        }
        let held = self.take(Bytes::new());
        Poll::Ready(Ok(match self.goal {
            Goal::Whole => Read::Whole(held),
            Goal::Try => Read::Tried(held),
            Goal::Model(_) => Read::Plain(held),
        }))
    }

    /// What was read, and this.
    fn take(&mut self, last: Bytes) -> Bytes {
        self.held.push(last);
        self.held.take()
    }
}

//! Reads a body whole, within its limit and everybody's budget.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;

use crate::{budget::Share, held::Held, rejection::Rejection};

/// Reads one body to its end. Its trailers, which no signature is over, are dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    held: Held,
    limit: usize,
    share: Share,
}

impl Reader {
    pub(crate) fn new(limit: usize, share: Share) -> Self {
        Self { held: Held::new(), limit, share }
    }

    /// What is held of the budget, until it is dropped.
    pub(crate) fn into_share(self) -> Share {
        self.share
    }

    pub(crate) fn poll<B>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Result<Bytes, Rejection>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        if body.size_hint().lower() > self.limit as u64 {
            return Poll::Ready(Err(Rejection::too_large(self.limit)));
        }
        while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
            let Ok(data) = frame.map_err(Rejection::unreadable)?.into_data() else { continue };
            if self.held.len().checked_add(data.len()).is_none_or(|length| length > self.limit) {
                return Poll::Ready(Err(Rejection::too_large(self.limit)));
            }
            if !self.share.take(self.held.cost(data.len())) {
                return Poll::Ready(Err(Rejection::unavailable("the budget for bodies that are held is used up")));
            }
            self.held.push(data);
        }
        Poll::Ready(Ok(self.held.take()))
    }
}

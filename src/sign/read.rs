//! Reads a body, within its limit and everybody's budget.

use std::{
    error::Error,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::LengthLimitError;

use crate::{
    budget::Share,
    rejection::{Kind, Rejection},
};

/// Reads one body to its end. Its trailers, which no signature is over, are dropped.
#[derive(Debug)]
pub(super) struct Reader {
    held: Held,
    limit: usize,
    share: Share,
}

/// One chunk is kept as it came; several are put together once and for all.
#[derive(Debug)]
enum Held {
    One(Bytes),
    Several(BytesMut),
}

impl Reader {
    pub(super) fn new(limit: usize, share: Share) -> Self {
        Self { held: Held::One(Bytes::new()), limit, share }
    }

    /// What is held of the budget, until it is dropped.
    pub(super) fn into_share(self) -> Share {
        self.share
    }

    pub(super) fn poll<B>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Result<Bytes, Rejection>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        if body.size_hint().lower() > self.limit as u64 {
            return Poll::Ready(Err(too_large(self.limit)));
        }
        while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
            let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
            if self.held.len().checked_add(data.len()).is_none_or(|length| length > self.limit) {
                return Poll::Ready(Err(too_large(self.limit)));
            }
            if !self.share.take(data.len()) {
                return Poll::Ready(Err(Rejection::unavailable("the budget for bodies that are signed is used up")));
            }
            self.held.push(data);
        }
        Poll::Ready(Ok(match mem::replace(&mut self.held, Held::One(Bytes::new())) {
            Held::One(chunk) => chunk,
            Held::Several(chunks) => chunks.freeze(),
        }))
    }
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Self::One(chunk) => chunk.len(),
            Self::Several(chunks) => chunks.len(),
        }
    }

    fn push(&mut self, data: Bytes) {
        match self {
            _ if data.is_empty() => {}
            Self::One(chunk) if chunk.is_empty() => *chunk = data,
            Self::One(chunk) => {
                let mut chunks = BytesMut::with_capacity((chunk.len() + data.len()).next_power_of_two());
                chunks.extend_from_slice(chunk);
                chunks.extend_from_slice(&data);
                *self = Self::Several(chunks);
            }
            Self::Several(chunks) => chunks.extend_from_slice(&data),
        }
    }
}

/// The body is longer than may be held.
pub(super) fn too_large(limit: usize) -> Rejection {
    let limit = if limit < 1 << 20 { format!("{limit} bytes") } else { format!("{}MB", limit >> 20) };
    Rejection::new(Kind::PayloadTooLarge).with_message(format!("Payload size exceeds the limit of {limit}"))
}

fn unreadable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Rejection {
    let error = error.into();
    if error.is::<LengthLimitError>() {
        return Rejection::new(Kind::PayloadTooLarge);
    }
    Rejection::new(Kind::InvalidRequest).with_message("The body could not be read to its end").with_source(error)
}

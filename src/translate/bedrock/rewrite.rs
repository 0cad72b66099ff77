//! A stream of events that is told in the words of whoever asked (pure: bytes go in, bytes come out).

use std::{borrow::Cow, fmt};

use super::{
    error,
    frame::{Frame, Frames, KEPT},
    words,
};

/// Why a stream is no good any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFault {
    /// It ended before it said that it was complete.
    Truncated,
    /// A frame or an event can't be read.
    Unreadable,
}

/// What becomes of the events of a stream.
pub(super) trait Words: fmt::Debug + Send + Sync {
    /// Adds to `out` what an event says. `None` where it is none of this stream's.
    fn event(&mut self, kind: &str, payload: &[u8], out: &mut Vec<u8>) -> Option<()>;

    /// Says what went wrong: the status was sent long ago, so it is an event. Nothing follows.
    fn fail(&mut self, message: &str, kind: Option<&str>, status: u16, out: &mut Vec<u8>);

    /// Whether nothing more is said.
    fn is_over(&self) -> bool;
}

/// One stream on its way. Holds no more of it than the part of one frame that has come.
#[derive(Debug)]
pub(crate) struct Rewrite {
    frames: Frames,
    words: Box<dyn Words>,
}

impl Rewrite {
    pub(super) fn new(words: impl Words + 'static) -> Self {
        Self { frames: Frames::default(), words: Box::new(words) }
    }

    /// Whether nothing more is said.
    pub(crate) fn is_over(&self) -> bool {
        self.words.is_over()
    }

    /// How much memory the stream holds beyond what every stream may, in bytes.
    pub(crate) fn room(&self) -> usize {
        self.frames.room().saturating_sub(KEPT)
    }

    /// Nobody goes on reading. `out` says so.
    pub(crate) fn give_up(&mut self, out: &mut Vec<u8>) -> StreamFault {
        self.words.fail("The stream can't be read", Some("StreamError"), 502, out);
        StreamFault::Unreadable
    }

    /// Adds to `out` what these bytes complete.
    ///
    /// # Errors
    ///
    /// The stream can't be read on. `out` has said so.
    pub(crate) fn push(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), StreamFault> {
        while !self.is_over() {
            let step = match self.frames.next(&mut data) {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => tell(&mut *self.words, &frame, out),
                Err(_) => None,
            };
            if step.is_none() {
                return Err(self.give_up(out));
            }
        }
        Ok(())
    }

    /// The body has ended, by itself or by an error.
    ///
    /// # Errors
    ///
    /// It wasn't complete. `out` has said so.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), StreamFault> {
        if self.is_over() {
            return Ok(());
        }
        tracing::debug!(within = self.frames.is_within(), "a stream of events was cut off");
        self.words.fail("The stream ended before it was complete", Some("StreamError"), 502, out);
        Err(StreamFault::Truncated)
    }
}

/// `None` where the frame is none of the stream's.
fn tell(words: &mut dyn Words, frame: &Frame<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (message, kind) = match frame.message_type? {
        "event" => return words.event(frame.event_type?, frame.payload, out),
        "exception" => {
            let told = error::told(frame.payload);
            (told.message, frame.exception_type.map(Cow::Borrowed).or(told.kind))
        }
        "error" => (frame.error_message.map(Cow::Borrowed), frame.error_code.map(Cow::Borrowed)),
        _ => return None,
    };
    let kind = kind.and_then(|name| words::exception(&name));
    let status = kind.as_deref().and_then(words::status).unwrap_or(500);
    let message = message.as_deref().unwrap_or("The stream failed");
    words.fail(error::speakable(message), kind.as_deref(), status, out);
    Some(())
}

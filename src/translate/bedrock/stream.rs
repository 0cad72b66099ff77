//! ConverseStream's events become OpenAI's chunks (pure: bytes go in, bytes come out).

use std::borrow::Cow;

use super::{
    answer::About,
    chunk::{self, ContentBlock, DONE, Delta, Function, Piece, ToolCall},
    error,
    event::{BlockDelta, BlockStart, BlockStop, MessageStop, Metadata, read},
    frame::{Frame, Frames, KEPT},
    words,
};

/// How many blocks may be open at once. AWS closes one before it opens the next.
const MOST_OPEN: usize = 128;

/// Why a stream is no good any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFault {
    /// It ended before it said that it was complete.
    Truncated,
    /// A frame or an event can't be read.
    Unreadable,
}

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The model speaks.
    Open,
    /// It has stopped; the usage has to come yet.
    Stopped,
    /// It is complete, or AWS has said what went wrong.
    Over,
    Broken,
}

/// One stream on its way. Holds no more of it than the part of one frame that has come.
#[derive(Debug)]
pub(crate) struct ChatStream {
    frames: Frames,
    chunks: Chunks,
}

#[derive(Debug)]
struct Chunks {
    about: About,
    include_usage: bool,
    stage: Stage,
    /// Whether it was said who speaks.
    has_role: bool,
    tools: u32,
    open: Vec<Open>,
}

/// A call whose arguments are coming.
#[derive(Debug)]
struct Open {
    block: u64,
    tool: u32,
    has_arguments: bool,
    /// Whether AWS makes the call itself, so that nobody is told of it.
    is_hidden: bool,
}

impl ChatStream {
    pub(crate) fn new(about: About, include_usage: bool) -> Self {
        let chunks = Chunks { about, include_usage, stage: Stage::Open, has_role: false, tools: 0, open: Vec::new() };
        Self { frames: Frames::default(), chunks }
    }

    /// How much memory the stream holds beyond what every stream may, in bytes.
    pub(crate) fn room(&self) -> usize {
        self.frames.room().saturating_sub(KEPT)
    }

    /// Nobody goes on reading. `out` says so.
    pub(crate) fn give_up(&mut self, out: &mut Vec<u8>) -> StreamFault {
        self.chunks.stage = Stage::Broken;
        chunk::event(out, &error::body("The stream can't be read", Some("StreamError"), Some(502)));
        StreamFault::Unreadable
    }

    /// Whether nothing more is said.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.chunks.stage, Stage::Over | Stage::Broken)
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
                Ok(Some(frame)) => self.chunks.frame(&frame, out),
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
        self.chunks.stage = Stage::Broken;
        chunk::event(out, &error::body("The stream ended before it was complete", Some("StreamError"), Some(502)));
        Err(StreamFault::Truncated)
    }
}

impl Chunks {
    /// `None` where the frame is none of ConverseStream's.
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Option<()> {
        match frame.message_type? {
            "event" => self.event(frame.event_type?, frame.payload, out)?,
            "exception" => self.exception(frame, out),
            "error" => {
                let message = frame.error_message.unwrap_or("The stream failed");
                let kind = frame.error_code.and_then(words::exception);
                self.fail(message, kind.as_deref(), out);
            }
            _ => return None,
        }
        Some(())
    }

    fn exception(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let told = error::told(frame.payload);
        let message = told.message.as_deref().unwrap_or("The stream failed");
        let name = frame.exception_type.map(Cow::Borrowed).or(told.kind);
        self.fail(message, name.and_then(|name| words::exception(&name)).as_deref(), out);
    }

    /// The status was sent long ago, so the failure is an event.
    fn fail(&mut self, message: &str, kind: Option<&str>, out: &mut Vec<u8>) {
        let code = kind.and_then(words::status).or(Some(500));
        chunk::event(out, &error::body(error::speakable(message), kind, code));
        self.stage = Stage::Over;
    }

    fn event(&mut self, kind: &str, payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match (self.stage, kind) {
            (Stage::Open, "messageStart") => self.begin(out),
            (Stage::Open, "contentBlockStart") => self.block_start(&read(payload)?, out)?,
            (Stage::Open, "contentBlockDelta") => self.block_delta(&read(payload)?, out),
            (Stage::Open, "contentBlockStop") => self.block_stop(&read(payload)?, out),
            (Stage::Open, "messageStop") => {
                let stop: MessageStop<'_> = read(payload)?;
                self.begin(out);
                let reason = words::finish_reason(stop.stop_reason.as_deref(), self.about.strict);
                chunk::finish(out, &self.about, reason);
                self.stage = Stage::Stopped;
            }
            (Stage::Stopped, "metadata") => {
                let Metadata { usage } = read(payload)?;
                if self.include_usage {
                    chunk::usage(out, &self.about, usage.into());
                }
                out.extend_from_slice(DONE);
                self.stage = Stage::Over;
            }
            // A usage before the end would be another protocol.
            (_, "metadata" | "messageStop") => return None,
            _ => {}
        }
        Some(())
    }

    /// Says who speaks, once.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_role, true) {
            let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            chunk::delta(out, &self.about, delta);
        }
    }

    fn block_start(&mut self, start: &BlockStart<'_>, out: &mut Vec<u8>) -> Option<()> {
        let Some(tool) = start.start.as_ref().and_then(|start| start.tool_use.as_ref()) else { return Some(()) };
        if self.open.len() >= MOST_OPEN {
            return None;
        }
        let is_hidden = words::runs_at_aws(tool.kind.as_deref());
        let open = Open { block: start.content_block_index, tool: self.tools, has_arguments: false, is_hidden };
        if !is_hidden {
            self.begin(out);
            let function = Function { name: Some(&tool.name), arguments: "" };
            let call = ToolCall { index: open.tool, id: Some(&tool.tool_use_id), kind: Some("function"), function };
            chunk::delta(out, &self.about, Delta { tool_calls: Some([call]), ..Delta::default() });
            self.tools = self.tools.checked_add(1)?;
        }
        self.open.retain(|other| other.block != open.block);
        self.open.push(open);
        Some(())
    }

    fn block_delta(&mut self, event: &BlockDelta<'_>, out: &mut Vec<u8>) {
        let index = event.content_block_index;
        if let Some(text) = event.delta.text.as_deref().filter(|text| !text.is_empty()) {
            self.begin(out);
            let content_blocks = self.content_block(index, Piece::Text(text));
            chunk::delta(out, &self.about, Delta { content: Some(text), content_blocks, ..Delta::default() });
        }
        if let Some(tool) = &event.delta.tool_use {
            let open = self.open.iter_mut().find(|open| open.block == index && !open.is_hidden);
            if let (Some(open), Some(arguments)) = (open, tool.input.as_deref().filter(|input| !input.is_empty())) {
                open.has_arguments = true;
                arguments_of(open.tool, arguments, &self.about, out);
            }
        }
        if let Some(reasoning) = event.delta.reasoning_content.as_ref().filter(|_| !self.about.strict) {
            let pieces = [
                reasoning.text.as_deref().map(Piece::Thinking),
                reasoning.signature.as_deref().map(Piece::Signature),
                reasoning.redacted_content.as_deref().map(Piece::Data),
            ];
            for piece in pieces.into_iter().flatten() {
                self.begin(out);
                let content_blocks = self.content_block(index, piece);
                chunk::delta(out, &self.about, Delta { content_blocks, ..Delta::default() });
            }
        }
    }

    fn content_block<'a>(&self, index: u64, delta: Piece<'a>) -> Option<[ContentBlock<'a>; 1]> {
        (!self.about.strict).then_some([ContentBlock { index, delta }])
    }

    /// A function that was called without a word is called with an empty object: clients parse what they got.
    fn block_stop(&mut self, stop: &BlockStop, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().position(|open| open.block == stop.content_block_index) else { return };
        let open = self.open.swap_remove(at);
        if !open.has_arguments && !open.is_hidden {
            arguments_of(open.tool, "{}", &self.about, out);
        }
    }
}

fn arguments_of(tool: u32, arguments: &str, about: &About, out: &mut Vec<u8>) {
    let call = ToolCall { index: tool, id: None, kind: None, function: Function { name: None, arguments } };
    chunk::delta(out, about, Delta { tool_calls: Some([call]), ..Delta::default() });
}

//! Reads usage from an answer that passes by (pure).

#[cfg(feature = "bedrock")]
mod frames;
mod json;
mod sse;

#[cfg(all(test, feature = "bedrock"))]
mod frame_tests;
#[cfg(test)]
mod tests;

use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

#[cfg(feature = "bedrock")]
use self::frames::FrameScan;
use self::{json::JsonScan, sse::SseScan};
use super::usage::Usage;

/// Reads an answer's body chunk by chunk. The boundaries of chunks mean nothing; what is kept is bounded.
#[derive(Debug)]
pub(super) struct Scan {
    format: Format,
    found: Found,
}

#[derive(Debug)]
enum Format {
    Json(JsonScan),
    Events(SseScan),
    #[cfg(feature = "bedrock")]
    Frames(FrameScan),
    /// Nothing that is understood here.
    Opaque {
        is_text: bool,
    },
    /// Compressed.
    Encoded,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    usage: Option<Usage>,
    model: Option<Box<str>>,
    /// Events with data.
    events: u64,
    /// How many events had ended when usage was told last.
    told_at: u64,
    /// Whether a whole JSON text went by.
    whole: bool,
    /// Bytes of text, escapes aside.
    text: u64,
}

/// What AWS says of a model's answer beside it, whatever the model calls it within.
const AWS: [&str; 2] = ["x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count"];

impl Scan {
    /// Reads as the headers of the answer say.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        let encodings = headers.get_all(CONTENT_ENCODING).into_iter();
        let encoded = encodings.into_iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let format = match &*kind {
            _ if encoded => Format::Encoded,
            b"text/event-stream" => Format::Events(SseScan::default()),
            #[cfg(feature = "bedrock")]
            b"application/vnd.amazon.eventstream" => Format::Frames(FrameScan::new()),
            b"application/json" | b"application/x-ndjson" => Format::Json(JsonScan::default()),
            kind if kind.ends_with(b"+json") => Format::Json(JsonScan::default()),
            kind => Format::Opaque { is_text: kind.starts_with(b"text/") },
        };
        Self { format, found: Found { usage: beside(headers), ..Found::default() } }
    }

    /// Reads on.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        match &mut self.format {
            Format::Json(json) => json.feed(chunk, &mut self.found),
            Format::Events(events) => events.feed(chunk, &mut self.found),
            #[cfg(feature = "bedrock")]
            Format::Frames(frames) => frames.feed(chunk, &mut self.found),
            Format::Opaque { is_text: true } => self.found.read(chunk),
            Format::Opaque { .. } | Format::Encoded => {}
        }
    }

    /// Whether the body can't be read, because it is compressed.
    pub(super) fn is_encoded(&self) -> bool {
        matches!(self.format, Format::Encoded)
    }

    /// What the provider said, the numbers of several events together.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.found.usage
    }

    /// The model that answered, as it names itself.
    pub(super) fn model(&self) -> Option<&str> {
        self.found.model.as_deref()
    }

    /// How many events of a stream had data: about as many tokens as were seen at least.
    pub(super) fn events(&self) -> u64 {
        self.found.events
    }

    /// About how many tokens of an answer that is no stream went by: one for four bytes of its text.
    pub(super) fn text(&self) -> u64 {
        match self.format {
            Format::Json(_) | Format::Opaque { .. } => self.found.text.div_ceil(4),
            // Most of what these say is about their events.
            #[cfg(feature = "bedrock")]
            Format::Frames(_) => 0,
            Format::Events(_) | Format::Encoded => 0,
        }
    }

    /// Whether what the provider said is its last word, although more might have come: usage at the end of a stream, with
    /// at most an event behind it that says no more than that it is the end.
    pub(super) fn is_final(&self) -> bool {
        let Found { usage, events, told_at, whole, .. } = &self.found;
        match self.format {
            Format::Json(_) => *whole && usage.is_some(),
            #[cfg(feature = "bedrock")]
            Format::Frames(_) => usage.is_some() && *told_at > 0 && *events <= told_at + 2,
            Format::Events(_) => usage.is_some() && *told_at > 0 && *events <= told_at + 2,
            Format::Opaque { .. } | Format::Encoded => false,
        }
    }
}

impl Found {
    fn usage(&mut self, member: &[u8]) {
        if let Some(usage) = Usage::from_json(member) {
            self.usage = Some(self.usage.map_or(usage, |known| known.and(usage)));
            self.told_at = self.events;
        }
    }

    fn read(&mut self, text: &[u8]) {
        self.text = self.text.saturating_add(text.len() as u64);
    }

    fn model(&mut self, name: &[u8]) {
        let plain = std::str::from_utf8(name).ok().filter(|name| name.len() <= 128 && !name.contains('\\'));
        if let (None, Some(name)) = (&self.model, plain) {
            self.model = Some(name.into());
        }
    }

    fn text_ended(&mut self) {
        self.whole = true;
    }

    fn event_ended(&mut self) {
        self.events = self.events.saturating_add(1);
    }
}

/// What the head of an answer says of its usage.
fn beside(headers: &HeaderMap) -> Option<Usage> {
    let [input, output] = AWS.map(|name| headers.get(name)?.to_str().ok()?.parse().ok());
    input.or(output)?;
    Usage { input: input.unwrap_or_default(), output: output.unwrap_or_default(), ..Usage::default() }.plausible()
}

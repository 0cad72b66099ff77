//! Event streams: which bytes of them are JSON (pure).

use memchr::memchr;

use super::{Found, json::JsonScan};

/// Reads `text/event-stream` chunk by chunk: what stands in `data` is JSON, one text an event.
#[derive(Debug, Default)]
pub(super) struct SseScan {
    line: Line,
    json: JsonScan,
    /// Whether the event has data that is JSON.
    has_data: bool,
    /// The last byte was a carriage return, so that a line feed ends no further line.
    returned: bool,
}

/// Where in a line we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// So much of `data:` was read.
    Front(usize),
    /// Right behind it: a space may follow.
    Space,
    Data,
    /// Of another field.
    Other,
}

impl Default for Line {
    fn default() -> Self {
        Self::Front(0)
    }
}

const FRONT: &[u8] = b"data:";

impl SseScan {
    /// Reads on.
    pub(super) fn feed(&mut self, mut chunk: &[u8], found: &mut Found) {
        while let Some(&byte) = chunk.first() {
            let skipped_feed = std::mem::take(&mut self.returned) && byte == b'\n';
            if skipped_feed {
                chunk = &chunk[1..];
                continue;
            }
            match (self.line, byte) {
                (line, b'\r' | b'\n') => {
                    self.returned = byte == b'\r';
                    self.end_line(line, found);
                }
                (Line::Front(read), _) if FRONT[read] == byte => {
                    let read = read + 1;
                    self.line = if read == FRONT.len() { Line::Space } else { Line::Front(read) };
                }
                (Line::Front(_), _) => self.line = Line::Other,
                (Line::Space, b' ') => self.line = Line::Data,
                (Line::Space | Line::Data, _) => {
                    let (line, rest) = chunk.split_at(line_length(chunk));
                    (self.line, self.has_data) = (Line::Data, true);
                    self.json.feed(line, found);
                    chunk = rest;
                    continue;
                }
                (Line::Other, _) => {
                    chunk = &chunk[line_length(chunk)..];
                    continue;
                }
            }
            chunk = &chunk[1..];
        }
    }

    fn end_line(&mut self, line: Line, found: &mut Found) {
        match line {
            // An empty line ends the event.
            Line::Front(0) => {
                if std::mem::take(&mut self.has_data) {
                    found.event_ended();
                }
                self.json.reset();
            }
            // Lines of one event are one text, with line feeds between them: white space to JSON.
            Line::Data | Line::Space => self.json.feed(b"\n", found),
            Line::Front(_) | Line::Other => {}
        }
        self.line = Line::default();
    }
}

fn line_length(chunk: &[u8]) -> usize {
    let feed = memchr(b'\n', chunk).unwrap_or(chunk.len());
    memchr(b'\r', &chunk[..feed]).unwrap_or(feed)
}

//! Event streams of AWS's: which frames tell what was used (pure).

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{Found, json::JsonScan};
use crate::frame::{Frame, Frames};

/// The longest frame that is read, in bytes. Frames with usage have a few hundred.
const LONGEST: usize = 1024 * 1024;

/// Reads `application/vnd.amazon.eventstream` chunk by chunk: ConverseStream's `metadata`, and within InvokeModel's `chunk`
/// the vendor's own words.
#[derive(Debug)]
pub(super) struct FrameScan {
    /// `None` once the stream can't be read on.
    frames: Option<Frames>,
    json: JsonScan,
}

impl FrameScan {
    pub(super) fn new() -> Self {
        Self { frames: Some(Frames::up_to(LONGEST)), json: JsonScan::default() }
    }

    /// Reads on.
    pub(super) fn feed(&mut self, mut chunk: &[u8], found: &mut Found) {
        let Some(mut frames) = self.frames.take() else { return };
        while let Ok(read) = frames.next(&mut chunk) {
            let Some(frame) = read else {
                self.frames = Some(frames);
                return;
            };
            self.frame(&frame, found);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, found: &mut Found) {
        match frame.event_type {
            Some("metadata") => self.json.feed(frame.payload, found),
            Some("chunk") => {
                if let Some(inside) = inside(frame.payload) {
                    self.json.feed(&inside, found);
                }
            }
            _ => {}
        }
        self.json.reset();
        found.event_ended();
    }
}

/// What stands in base64 in a chunk.
fn inside(payload: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        bytes: Cow<'a, str>,
    }

    let Chunk { bytes } = serde_json::from_slice(payload).ok()?;
    STANDARD.decode(&*bytes).ok()
}

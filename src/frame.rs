//! Frames of `application/vnd.amazon.eventstream` (Smithy: Amazon Event Stream; pure).
//!
//! All integers are big-endian: `u32` length of the whole, `u32` length of the headers, CRC-32 of these eight bytes,
//! headers, payload, CRC-32 of everything before it. Both sums are checked, the first before a length is believed.

use std::{collections::HashSet, mem};

/// The longest frame, in bytes. AWS allows a payload of 24 MiB and sends a few hundred bytes; an event of ConverseStream
/// with an image in it stays below this.
pub(crate) const LONGEST_FRAME: usize = 16 * 1024 * 1024;
/// The longest headers of a frame, in bytes, as AWS sets it.
const LONGEST_HEADERS: usize = 128 * 1024;
/// Lengths and their sum.
const PRELUDE: usize = 12;
/// Prelude and the sum at the end.
const SHORTEST_FRAME: usize = PRELUDE + 4;
/// What is kept for the next frame, in bytes.
pub(crate) const KEPT: usize = 64 * 1024;

/// A stream that can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// A checksum doesn't fit.
    Checksum,
    /// A length contradicts another one, or is beyond the limit.
    Length,
    /// A header can't be read, or stands there twice.
    Header,
}

/// A message, with those headers that say what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(crate) message_type: Option<&'a str>,
    pub(crate) event_type: Option<&'a str>,
    pub(crate) exception_type: Option<&'a str>,
    pub(crate) error_code: Option<&'a str>,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) payload: &'a [u8],
}

/// Cuts a stream into frames. Holds the part of one frame that has come so far, and never a whole one that came in one
/// piece.
#[derive(Debug)]
pub(crate) struct Frames {
    held: Vec<u8>,
    is_read: bool,
    longest: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self::up_to(LONGEST_FRAME)
    }
}

impl Frames {
    /// Of no more than so many bytes each.
    pub(crate) fn up_to(longest: usize) -> Self {
        Self { held: Vec::new(), is_read: false, longest }
    }

    /// The next frame, out of what is held and `data`, of which it takes away what it used. `None` where all of `data` is
    /// used.
    pub(crate) fn next<'f, 'd: 'f>(&'f mut self, data: &mut &'d [u8]) -> Result<Option<Frame<'f>>, FrameError> {
        if mem::take(&mut self.is_read) {
            self.held.clear();
            if self.held.capacity() > KEPT {
                self.held = Vec::new();
            }
        }
        if self.held.is_empty() {
            if let Some(length) = length(data, self.longest)?.filter(|length| *length <= data.len()) {
                let (frame, rest) = data.split_at(length);
                *data = rest;
                return parse(frame).map(Some);
            }
        }
        loop {
            let wanted = length(&self.held, self.longest)?.unwrap_or(PRELUDE);
            if self.held.len() == wanted && wanted > PRELUDE {
                self.is_read = true;
                return parse(&self.held).map(Some);
            }
            let (more, rest) = data.split_at(data.len().min(wanted - self.held.len()));
            if more.is_empty() {
                return Ok(None);
            }
            self.held.extend_from_slice(more);
            *data = rest;
        }
    }

    /// How much memory is held, in bytes.
    pub(crate) fn room(&self) -> usize {
        self.held.capacity()
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn is_within(&self) -> bool {
        !self.held.is_empty() && !self.is_read
    }
}

/// The length of the frame that begins here, once its prelude is there.
fn length(bytes: &[u8], longest: usize) -> Result<Option<usize>, FrameError> {
    let Some((prelude, _)) = bytes.split_first_chunk::<PRELUDE>() else { return Ok(None) };
    let (total, headers, sum) = (number(&prelude[0..4]), number(&prelude[4..8]), number(&prelude[8..12]));
    if crc32fast::hash(&prelude[..8]) != sum {
        return Err(FrameError::Checksum);
    }
    let (total, headers) = (total as usize, headers as usize);
    let fits = (SHORTEST_FRAME..=longest).contains(&total) && headers <= total - SHORTEST_FRAME;
    if fits && headers <= LONGEST_HEADERS { Ok(Some(total)) } else { Err(FrameError::Length) }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// A whole frame, whose prelude has been checked.
fn parse(frame: &[u8]) -> Result<Frame<'_>, FrameError> {
    let (message, sum) = frame.split_at(frame.len() - 4);
    if crc32fast::hash(message) != number(sum) {
        return Err(FrameError::Checksum);
    }
    let (headers, payload) = message[PRELUDE..].split_at(number(&frame[4..8]) as usize);
    let mut found = Frame { payload, ..Frame::default() };
    let (mut names, mut rest) = (Names::default(), headers);
    while !rest.is_empty() {
        let (name, value) = header(&mut rest).ok_or(FrameError::Header)?;
        if !names.insert(name) {
            return Err(FrameError::Header);
        }
        let place = match name {
            ":message-type" => &mut found.message_type,
            ":event-type" => &mut found.event_type,
            ":exception-type" => &mut found.exception_type,
            ":error-code" => &mut found.error_code,
            ":error-message" => &mut found.error_message,
            _ => continue,
        };
        // What says what a message is has to be text.
        *place = Some(value.ok_or(FrameError::Header)?);
    }
    Ok(found)
}

/// Names that were there: most frames have three.
#[derive(Default)]
struct Names<'a> {
    few: Vec<&'a str>,
    many: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    /// Whether it is a new one.
    fn insert(&mut self, name: &'a str) -> bool {
        const FEW: usize = 16;

        if self.few.len() < FEW {
            let new = !self.few.contains(&name);
            self.few.push(name);
            return new;
        }
        !self.few.contains(&name) && self.many.insert(name)
    }
}

/// Name and, where it is text, value of the header that begins here.
fn header<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Option<&'a str>)> {
    let (length, after) = rest.split_first()?;
    *rest = after;
    let name = std::str::from_utf8(take(rest, usize::from(*length))?).ok().filter(|name| !name.is_empty())?;
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let length = match kind {
        // true, false
        0 | 1 => 0,
        // byte, short, integer, long
        2 => 1,
        3 => 2,
        4 => 4,
        5 => 8,
        // bytes, string
        6 | 7 => number(take(rest, 2)?) as usize,
        // timestamp, UUID
        8 => 8,
        9 => 16,
        _ => return None,
    };
    let value = take(rest, length)?;
    match kind {
        7 => std::str::from_utf8(value).ok().map(|value| (name, Some(value))),
        _ => Some((name, None)),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{fs, path::PathBuf};

    use proptest::prelude::*;

    use super::*;

    /// A frame with these text headers.
    pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in headers {
            block.push(name.len() as u8);
            block.extend_from_slice(name.as_bytes());
            block.push(7);
            block.extend_from_slice(&(value.len() as u16).to_be_bytes());
            block.extend_from_slice(value.as_bytes());
        }
        sealed(&block, payload)
    }

    fn sealed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut out = ((SHORTEST_FRAME + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
        out.extend_from_slice(&(headers.len() as u32).to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(headers);
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out
    }

    type Read = Result<Vec<(Option<String>, Vec<u8>)>, FrameError>;

    /// Types and payloads, as they come in pieces of these lengths.
    fn read(bytes: &[u8], piece: usize) -> Read {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for mut data in bytes.chunks(piece.max(1)) {
            while let Some(frame) = frames.next(&mut data)? {
                found.push((frame.message_type.map(str::to_owned), frame.payload.to_vec()));
            }
            assert!(data.is_empty());
        }
        Ok(found)
    }

    #[test]
    fn a_frame_made_by_hand_is_read_at_every_split() {
        // `valid_empty_payload` of smithy-rs' vectors is this shape; the sums are zlib's.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let one = frame(&[(":message-type", "event"), (":event-type", "x")], b"{}");
        let bytes = [one.as_slice(), &frame(&[], b""), &one].concat();
        let whole = read(&bytes, bytes.len()).expect("frames");
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0], (Some("event".into()), b"{}".to_vec()));
        for piece in 1..bytes.len() {
            assert_eq!(read(&bytes, piece).as_ref(), Ok(&whole), "{piece}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_no_frame() {
        let good = frame(&[(":message-type", "event")], b"{}");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(read(&bad, 7).is_err(), "{at}");
        }
        for (headers, expected) in [
            (&b"\x01a\x00\x01a\x01"[..], FrameError::Header),
            (b"\x00\x00", FrameError::Header),
            (b"\x01a\x0a", FrameError::Header),
            (b"\x01a\x07\x00\x02a", FrameError::Header),
            (b"\x01a\x07\x00\x01\xff", FrameError::Header),
            (b"\x0d:message-type\x06\x00\x01a", FrameError::Header),
            (b"\x05", FrameError::Header),
        ] {
            assert_eq!(read(&sealed(headers, b""), 100), Err(expected), "{headers:?}");
        }
        let prelude = |total: u32, headers: u32| {
            let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
            out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
            out
        };
        for (total, headers) in
            [(15, 0), (16, 1), (u32::MAX, 0), (LONGEST_FRAME as u32 + 1, 0), (0, u32::MAX), (1 << 20, 1 << 18)]
        {
            assert_eq!(read(&prelude(total, headers), 5), Err(FrameError::Length), "{total} {headers}");
        }
        assert_eq!(read(&prelude(LONGEST_FRAME as u32, 0), 5), Ok(vec![]));
    }

    #[test]
    fn many_headers_take_no_longer_each() {
        let plain: Vec<u8> =
            (0..20_000u16).flat_map(|at| [vec![4], format!("{at:04x}").into_bytes(), vec![0]].concat()).collect();
        assert_eq!(read(&sealed(&plain, b"x"), 4096).map(|found| found.len()), Ok(1));
        let twice = [&plain[..], &plain[..6]].concat();
        assert_eq!(read(&sealed(&twice, b"x"), 4096), Err(FrameError::Header));
    }

    #[test]
    fn generic_vectors() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/eventstream-smithy");
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut seen = 0;
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let bytes = fs::read(&path).expect("a file");
            for piece in [1, 3, 4, 12, 13, bytes.len()] {
                let found = read(&bytes, piece);
                if name.starts_with("valid") {
                    assert_eq!(found.map(|found| found.len()), Ok(1), "{name} {piece}");
                } else if name.starts_with("invalid") {
                    assert!(!matches!(found, Ok(found) if !found.is_empty()), "{name} {piece}");
                }
            }
            seen += usize::from(name.contains("valid"));
        }
        assert_eq!(seen, 11);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_read_alike(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1..400usize) {
            prop_assert_eq!(read(&bytes, piece), read(&bytes, 1));
        }

        #[test]
        fn frames_with_any_inside_are_read_alike(
            headers in proptest::collection::vec(any::<u8>(), 0..60),
            payload in proptest::collection::vec(any::<u8>(), 0..60),
            piece in 1..200usize,
        ) {
            let bytes = [sealed(&headers, &payload), frame(&[(":event-type", "x")], &payload)].concat();
            prop_assert_eq!(read(&bytes, piece), read(&bytes, bytes.len()));
        }
    }
}

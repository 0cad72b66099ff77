//! Finds what an answer says about its usage in JSON that is still coming in (pure).
//!
//! It follows the structure of the text, so that nothing a model writes into its answer can pass for the provider's
//! count, and keeps none of it but the member it looks for.

use memchr::memchr2;

use super::Found;

/// The longest usage member that is read, in bytes. A longer one counts as none.
const MOST: usize = 4096;
/// The longest name of a member that is compared, and the longest name of a model, in bytes.
const LONGEST: usize = 128;

/// Reads one JSON text after another, chunk by chunk. The time is linear in the bytes that are fed; what is kept is
/// bounded.
#[derive(Debug, Default)]
pub(super) struct JsonScan {
    state: State,
    /// How many objects and lists are open.
    depth: usize,
    /// Whether the whole text is a list: then its elements are what is looked at.
    listed: bool,
    /// The name that a value belongs to, as far as it is being read.
    name: Vec<u8>,
    /// Whether the object that is open beside the outermost is one that is looked into.
    inside: bool,
    /// The member that is kept.
    kept: Vec<u8>,
    keeps: Keeps,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a value, a name, or behind one.
    #[default]
    Between,
    /// In a text that is a name.
    Name { escaped: bool },
    /// Behind a name.
    Colon,
    /// Before the value of a name.
    Value,
    /// In a text that is a value.
    Text { escaped: bool },
}

/// What is being kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Keeps {
    #[default]
    Nothing,
    /// An object that began at this depth.
    Usage { depth: usize },
    /// The name of the model.
    Model,
}

impl JsonScan {
    /// Reads on.
    pub(super) fn feed(&mut self, chunk: &[u8], found: &mut Found) {
        let mut at = 0;
        while at < chunk.len() {
            if let State::Text { escaped: false } = self.state {
                // Nearly all of an answer is text that is passed over.
                let ahead = memchr2(b'"', b'\\', &chunk[at..]).unwrap_or(chunk.len() - at);
                self.keep(&chunk[at..at + ahead]);
                found.read(&chunk[at..at + ahead]);
                at += ahead;
                if at == chunk.len() {
                    break;
                }
            }
            at += self.pass(&chunk[at..]);
            if let Some(&byte) = chunk.get(at) {
                self.step(byte, found);
                at += 1;
            }
        }
    }

    /// Passes over what lies deeper than anything that is looked for, up to the next text or the end of it. Returns how
    /// many bytes that are.
    fn pass(&mut self, chunk: &[u8]) -> usize {
        let top = self.root() + 1 + usize::from(self.inside);
        if self.keeps != Keeps::Nothing || self.depth < top || !matches!(self.state, State::Between | State::Value) {
            return 0;
        }
        self.state = State::Between;
        let mut depth = self.depth;
        let end = chunk.iter().position(|byte| match byte {
            b'"' => true,
            b'{' | b'[' => {
                depth += 1;
                false
            }
            b'}' | b']' if depth == top => true,
            b'}' | b']' => {
                depth -= 1;
                false
            }
            _ => false,
        });
        self.depth = depth;
        end.unwrap_or(chunk.len())
    }

    /// Begins anew, with another text.
    pub(super) fn reset(&mut self) {
        (self.state, self.depth, self.listed, self.inside) = (State::Between, 0, false, false);
        self.keeps = Keeps::Nothing;
    }

    fn step(&mut self, byte: u8, found: &mut Found) {
        match self.state {
            State::Name { escaped } => self.in_name(byte, escaped),
            State::Text { escaped } => self.in_text(byte, escaped, found),
            State::Colon => {
                if byte == b':' {
                    self.state = State::Value;
                }
            }
            State::Between | State::Value => self.between(byte, found),
        }
    }

    fn in_name(&mut self, byte: u8, escaped: bool) {
        match byte {
            b'"' if !escaped => self.state = State::Colon,
            _ => {
                self.state = State::Name { escaped: byte == b'\\' && !escaped };
                if self.name.len() <= LONGEST {
                    self.name.push(byte);
                }
            }
        }
        self.keep(&[byte]);
    }

    fn in_text(&mut self, byte: u8, escaped: bool, found: &mut Found) {
        if byte == b'"' && !escaped {
            self.state = State::Between;
            if self.keeps == Keeps::Model {
                self.keeps = Keeps::Nothing;
                found.model(&self.kept);
            } else {
                self.keep(&[byte]);
            }
        } else {
            self.keep(&[byte]);
            self.state = State::Text { escaped: byte == b'\\' && !escaped };
        }
    }

    fn between(&mut self, byte: u8, found: &mut Found) {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            return;
        }
        let is_value = self.state == State::Value;
        self.state = State::Between;
        match byte {
            b'"' if is_value => {
                if self.place() == Place::Looked && self.name == b"model" {
                    (self.keeps, self.state) = (Keeps::Model, State::Text { escaped: false });
                    self.kept.clear();
                    return;
                }
                self.state = State::Text { escaped: false };
            }
            // A name where one is looked for; elsewhere any text is passed over, names too.
            b'"' if self.place() == Place::Looked => {
                self.name.clear();
                self.state = State::Name { escaped: false };
            }
            b'"' => self.state = State::Text { escaped: false },
            b'{' | b'[' => self.open(byte, is_value),
            b'}' | b']' => {
                self.keep(&[byte]);
                self.close(found);
                return;
            }
            _ => {}
        }
        self.keep(&[byte]);
    }

    fn open(&mut self, byte: u8, is_value: bool) {
        let looked = self.place() == Place::Looked;
        if self.depth == 0 {
            self.listed = byte == b'[';
        } else if looked && is_value && byte == b'{' && self.keeps == Keeps::Nothing {
            match &*self.name {
                b"usage" | b"usageMetadata" | b"amazon-bedrock-invocationMetrics" => {
                    self.keeps = Keeps::Usage { depth: self.depth };
                    self.kept.clear();
                }
                b"message" | b"response" if self.depth == self.root() => self.inside = true,
                _ => {}
            }
        }
        self.depth += 1;
    }

    fn close(&mut self, found: &mut Found) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth <= self.root() {
            self.inside = false;
        }
        if self.keeps == (Keeps::Usage { depth: self.depth }) {
            self.keeps = Keeps::Nothing;
            if self.kept.len() <= MOST {
                found.usage(&self.kept);
            }
        }
        if self.depth == 0 {
            self.listed = false;
            found.text_ended();
        }
    }

    /// How deep the members of the outermost object lie.
    fn root(&self) -> usize {
        1 + usize::from(self.listed)
    }

    fn place(&self) -> Place {
        let at_root = self.depth == self.root();
        if self.keeps == Keeps::Nothing && (at_root || (self.inside && self.depth == self.root() + 1)) {
            Place::Looked
        } else {
            Place::Passed
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let most = match self.keeps {
            Keeps::Nothing => return,
            Keeps::Usage { .. } => MOST,
            Keeps::Model => LONGEST,
        };
        // One byte more than fits says that it was too long.
        let room = (most + 1).saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Members with the names that are looked for would be the ones.
    Looked,
    Passed,
}

//! What a validation found.

use std::fmt::Display;

use super::path::Path;

/// Lines as Portkey words them. A finding names places and types; no value ever gets in.
#[derive(Default)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    /// Nobody mends more at a time, and the answer stays short.
    const MOST: usize = 64;

    pub(super) fn add(&mut self, at: &Path<'_>, message: impl Display) {
        if self.0.len() < Self::MOST {
            self.0.push(format!("path: {at}, message: {message}"));
        }
    }

    /// An error where there is a finding.
    pub(super) fn none(self) -> Result<(), Vec<String>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

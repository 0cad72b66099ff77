//! What is wrong with a settings file, and where.

use std::{fmt, ops::Range, path::Path};

/// A problem at a place of the file's text.
#[derive(Debug)]
pub(crate) struct Problem {
    span: Option<Range<usize>>,
    key: String,
    why: String,
}

/// A problem, with file and line. Holds no value of the file.
#[derive(Debug)]
pub(crate) struct SettingsError(String);

impl Problem {
    pub(crate) fn new(span: Option<Range<usize>>, key: impl Into<String>, why: impl Into<String>) -> Self {
        Self { span, key: key.into(), why: why.into() }
    }

    /// What the parser found. Its own rendering quotes the line, and serde's texts quote values; there could be a
    /// secret among them.
    pub(crate) fn of_toml(error: &toml::de::Error) -> Self {
        let message = error.message();
        let why = match message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
            Some((found, expected)) => {
                let kind = found.split([' ', '`', '"']).next().unwrap_or_default();
                format!("invalid type: {kind}, expected {expected}")
            }
            None => match message.strip_prefix("invalid value: ").and_then(|rest| rest.split_once(", expected ")) {
                Some((_, expected)) => format!("invalid value, expected {expected}"),
                // `unknown variant `x`, expected …`: what stands in a place for words may be a secret by mistake.
                None => {
                    match message.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected ")) {
                        Some((_, expected)) => format!("unknown value, expected {expected}"),
                        None => message.to_owned(),
                    }
                }
            },
        };
        Self::new(error.span(), "", why)
    }

    pub(crate) fn at(self, path: &Path, text: &str) -> SettingsError {
        let Self { span, key, why } = self;
        let path = path.display();
        let line = span.map(|span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
        let place = line.map_or_else(|| path.to_string(), |line| format!("{path}:{line}"));
        SettingsError(if key.is_empty() { format!("{place}: {why}") } else { format!("{place}: {key}: {why}") })
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

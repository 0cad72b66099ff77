//! Why a key set can't be used at all.

use std::fmt;

use super::set::{SetFault, SkippedKey};

/// Why a key set can't be used at all. Holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksError {
    kind: JwksErrorKind,
    skipped: Vec<SkippedKey>,
}

/// What is wrong with a key set, or with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwksErrorKind {
    /// The set itself.
    Set(SetFault),
    /// No absolute URL with a host, or one with credentials or a fragment.
    Url,
    /// Plain http, or another scheme than https, to a host that is not trusted.
    Scheme,
    /// There is nothing that could fetch in the background.
    NoRuntime,
}

impl JwksError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> JwksErrorKind {
        self.kind
    }

    /// The keys that can't be used, where that is why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    pub(super) fn of_set(fault: SetFault, skipped: Vec<SkippedKey>) -> Self {
        Self { kind: JwksErrorKind::Set(fault), skipped }
    }
}

impl From<JwksErrorKind> for JwksError {
    fn from(kind: JwksErrorKind) -> Self {
        Self { kind, skipped: Vec::new() }
    }
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            JwksErrorKind::Set(fault) => fault.fmt(f)?,
            JwksErrorKind::Url => f.write_str("the URL of a key set has a host, no credentials and no fragment")?,
            JwksErrorKind::Scheme => f.write_str("a key set is fetched by https, or from a trusted host")?,
            JwksErrorKind::NoRuntime => f.write_str("a key set can only be fetched within a tokio runtime")?,
        }
        self.skipped.iter().try_for_each(|key| write!(f, "; {key}"))
    }
}

impl std::error::Error for JwksError {}

use std::{error::Error, fmt};

use super::bedrock::StreamFault;

/// A translated body that broke off. Whoever reads it has been told by an event of the stream; the error keeps the end
/// from looking like a whole one's.
#[derive(Debug)]
pub struct TranslateError(Cause);

#[derive(Debug)]
enum Cause {
    /// The provider's own body failed.
    Body(Box<dyn Error + Send + Sync>),
    Stream(StreamFault),
}

impl TranslateError {
    pub(super) fn body(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Cause::Body(error.into()))
    }

    pub(super) fn stream(fault: StreamFault) -> Self {
        Self(Cause::Stream(fault))
    }

    /// Whether the stream ended before it was complete, although the connection didn't fail.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        matches!(self.0, Cause::Stream(StreamFault::Truncated))
    }
}

impl fmt::Display for TranslateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cause::Body(_) => "the provider's body broke off",
            Cause::Stream(StreamFault::Truncated) => "the provider's stream ended before it was complete",
            Cause::Stream(StreamFault::Unreadable) => "the provider's stream can't be read",
        })
    }
}

impl Error for TranslateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Body(error) => Some(&**error),
            Cause::Stream(_) => None,
        }
    }
}

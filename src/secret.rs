//! A text that is never shown.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A credential: wiped when the last copy is dropped, printed as nothing, compared in constant time.
///
/// A clone is one reference count. There is no `Display`, no `Serialize` and no `==`: whoever needs the text says
/// [`expose`](Secret::expose), and a reviewer can search for that word.
///
/// ```
/// use tower_portkey::Secret;
///
/// let key = Secret::from("sk-live-1234");
/// assert_eq!(format!("{key:?}"), "Secret");
/// assert!(key.matches(b"sk-live-1234"));
/// assert!(!key.matches(b"sk-live-1235"));
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Keeps `text`. The given `String` becomes the secret's own memory; nothing is copied.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself. Never log, format or store what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same text, in a time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(other).into()
    }

    /// Whether there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `prefix` and the text as a header value that is marked sensitive, or `None` where the text holds a byte that
    /// no header may carry (RFC 9110, section 5.5).
    #[must_use]
    pub fn header_value(&self, prefix: &str) -> Option<HeaderValue> {
        let line = Zeroizing::new([prefix, self.expose()].concat());
        let mut value = HeaderValue::from_str(&line).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_and_the_header_is_sensitive() {
        let secret = Secret::from("canary");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("canary").count(), 0);
        let value = secret.header_value("Bearer ").expect("plain text");
        assert!(value.is_sensitive());
        assert_eq!(value.as_bytes(), b"Bearer canary");
    }

    #[test]
    fn a_line_break_is_no_header() {
        assert!(Secret::from("a\r\nx-evil: 1").header_value("").is_none());
        assert!(Secret::from("a\0b").header_value("Bearer ").is_none());
    }
}

//! The name of a request in every log it passes through.

use http::HeaderValue;
use uuid::Uuid;

/// The trace id: the caller's own, the trace id of `traceparent`, or a new UUID (version 4). At most
/// [`MAX_BYTES`](TraceId::MAX_BYTES) bytes of visible ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(HeaderValue);

impl TraceId {
    /// Longest id a caller may send, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// A new random id.
    #[must_use]
    pub fn generate() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
        // Hex digits and hyphens always make a header value.
        Self(HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("")))
    }

    /// The id a caller sent. `None` where it is empty, too long, or holds a byte outside visible ASCII and space.
    #[must_use]
    pub fn from_header(value: &HeaderValue) -> Option<Self> {
        let text = value.as_bytes();
        let printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
        (!text.is_empty() && text.len() <= Self::MAX_BYTES && printable).then(|| Self(value.clone()))
    }

    /// The trace id of a W3C `traceparent` (`00-<32 hex>-<16 hex>-<2 hex>`), where that is well formed and not zero.
    #[must_use]
    pub fn from_traceparent(value: &HeaderValue) -> Option<Self> {
        let mut parts = value.to_str().ok()?.split('-');
        let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let whole = hex(version, 2) && version != "ff" && hex(id, 32) && hex(parent, 16) && hex(flags, 2);
        if !whole || id.bytes().all(|byte| byte == b'0') || (version == "00" && parts.next().is_some()) {
            return None;
        }
        HeaderValue::from_str(id).ok().map(Self)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the value of a header; sharing, not copying.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_is_read_strictly() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (text, expected) in [
            (format!("00-{id}-00f067aa0ba902b7-01"), Some(id)),
            (format!("01-{id}-00f067aa0ba902b7-01-more"), Some(id)),
            (format!("00-{id}-00f067aa0ba902b7-01-more"), None),
            (format!("ff-{id}-00f067aa0ba902b7-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), None),
            ("00-abc".to_owned(), None),
        ] {
            let value = HeaderValue::from_str(&text).expect("a header value");
            assert_eq!(TraceId::from_traceparent(&value).as_ref().map(TraceId::as_str), expected, "{text}");
        }
    }

    #[test]
    fn generated_ids_differ_and_callers_are_bounded() {
        assert_ne!(TraceId::generate(), TraceId::generate());
        assert_eq!(TraceId::generate().as_str().len(), 36);
        assert!(TraceId::from_header(&HeaderValue::from_static("")).is_none());
        let long = HeaderValue::from_str(&"x".repeat(257)).expect("a header value");
        assert!(TraceId::from_header(&long).is_none());
        assert!(TraceId::from_header(&HeaderValue::from_static("a\tb")).is_none());
    }
}

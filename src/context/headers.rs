//! The `x-portkey-*` headers of one request, read once.

use std::{fmt, time::Duration};

use http::HeaderValue;

use crate::{
    context::{Credential, Metadata, ProviderRef, TraceId},
    header::PortkeyHeader,
};

/// Every header of Portkey's that a request carries, with the trace id and the metadata.
///
/// Values are the request's own, shared, not copied. Names that Portkey doesn't know, internal names and the gateway key
/// are not here.
/// Debug shows the names only.
#[derive(Clone)]
pub struct PortkeyHeaders {
    values: Vec<(PortkeyHeader, HeaderValue)>,
    trace_id: TraceId,
    metadata: Metadata,
    consumed: Option<Credential>,
    hops: u8,
}

impl PortkeyHeaders {
    /// The headers as they were found, at most one value each.
    #[must_use]
    pub fn new(values: Vec<(PortkeyHeader, HeaderValue)>, trace_id: TraceId, metadata: Metadata) -> Self {
        Self { values, trace_id, metadata, consumed: None, hops: 0 }
    }

    /// The value of a header, where it is there and not empty. Portkey takes an empty value for an absent one.
    #[must_use]
    pub fn value(&self, header: PortkeyHeader) -> Option<&HeaderValue> {
        self.values.iter().find(|(name, value)| *name == header && !value.is_empty()).map(|(_, value)| value)
    }

    /// The value as text.
    #[must_use]
    pub fn text(&self, header: PortkeyHeader) -> Option<&str> {
        std::str::from_utf8(self.value(header)?.as_bytes()).ok()
    }

    /// The credential that let the caller in, once authentication has taken it off the request: what must not go on
    /// under any other name either.
    #[must_use]
    pub fn consumed(&self) -> Option<&Credential> {
        self.consumed.as_ref()
    }

    /// How many gateways of this kind the request has been through.
    #[must_use]
    pub fn hops(&self) -> u8 {
        self.hops
    }

    pub(crate) fn after(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// Puts labels over those of the request.
    pub(crate) fn label(&mut self, metadata: &Metadata) {
        self.metadata = metadata.clone().over(std::mem::take(&mut self.metadata));
    }

    pub(crate) fn consume(&mut self, credential: Credential) {
        self.consumed = Some(credential);
    }

    /// The request's name.
    #[must_use]
    pub fn trace_id(&self) -> &TraceId {
        &self.trace_id
    }

    /// The request's labels.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// `x-portkey-provider`: a built-in id or the slug of an entry. `None` where the header is absent; an error where
    /// it names neither.
    #[must_use]
    pub fn provider(&self) -> Option<Result<ProviderRef, UnknownProvider>> {
        Some(ProviderRef::parse(self.text(PortkeyHeader::Provider)?).ok_or(UnknownProvider))
    }

    /// `x-portkey-request-timeout`, in whole milliseconds. What is no number, not positive, or longer than a day is
    /// ignored, as Portkey does.
    #[must_use]
    pub fn request_timeout(&self) -> Option<Duration> {
        let milliseconds: f64 = self.text(PortkeyHeader::RequestTimeout)?.trim().parse().ok()?;
        (1.0..=86_400_000.0).contains(&milliseconds).then(|| Duration::from_secs_f64(milliseconds.trunc() / 1000.0))
    }

    /// The names in `x-portkey-forward-headers`, in any of the spellings of [`list`].
    pub fn forward_headers(&self) -> impl Iterator<Item = &str> {
        list(self.text(PortkeyHeader::ForwardHeaders).unwrap_or_default())
    }

    /// The names in `x-portkey-sensitive-headers`: headers that must not be shown in logs.
    pub fn sensitive_headers(&self) -> impl Iterator<Item = &str> {
        list(self.text(PortkeyHeader::SensitiveHeaders).unwrap_or_default())
    }

    /// `x-portkey-strict-open-ai-compliance`: on unless the text is exactly `false`; `None` where it is absent.
    #[must_use]
    pub fn strict_open_ai_compliance(&self) -> Option<bool> {
        self.text(PortkeyHeader::StrictOpenAiCompliance).map(|text| text != "false")
    }

    /// A header whose value is `true` or `false`; anything else counts as absent.
    #[must_use]
    pub fn flag(&self, header: PortkeyHeader) -> Option<bool> {
        self.text(header)?.parse().ok()
    }

    /// A header whose value is a whole number; anything else counts as absent.
    #[must_use]
    pub fn number(&self, header: PortkeyHeader) -> Option<u64> {
        self.text(header)?.parse().ok()
    }
}

impl fmt::Debug for PortkeyHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortkeyHeaders")
            .field("names", &self.values.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("trace_id", &self.trace_id)
            .finish_non_exhaustive()
    }
}

/// The header names a provider that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownProvider;

/// The items of a list header in the four spellings that Portkey's SDKs send: `A,B`, `A, B`, `["A","B"]` and
/// `['A', 'B']`.
///
/// ```
/// use tower_portkey::context::list;
///
/// for text in ["X-A,X-B", "X-A, X-B", r#"["X-A","X-B"]"#, "['X-A', 'X-B']"] {
///     assert_eq!(list(text).collect::<Vec<_>>(), ["X-A", "X-B"]);
/// }
/// ```
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    inside.split(',').map(|item| item.trim().trim_matches(['"', '\'']).trim()).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(PortkeyHeader, &'static str)]) -> PortkeyHeaders {
        let values = values.iter().map(|(name, value)| (*name, HeaderValue::from_static(value))).collect();
        PortkeyHeaders::new(values, TraceId::generate(), Metadata::default())
    }

    #[test]
    fn timeouts_follow_number_and_ignore_the_rest() {
        for (text, expected) in [
            ("300", Some(300)),
            (" 300 ", Some(300)),
            ("1e3", Some(1000)),
            ("2.9", Some(2)),
            ("", None),
            ("0", None),
            ("-5", None),
            ("soon", None),
            ("NaN", None),
            ("inf", None),
            ("1e30", None),
        ] {
            let found = headers(&[(PortkeyHeader::RequestTimeout, text)]).request_timeout();
            assert_eq!(found, expected.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn an_empty_value_is_an_absent_one_and_debug_shows_no_value() {
        let found = headers(&[(PortkeyHeader::Provider, ""), (PortkeyHeader::ApiKey, "canary")]);
        assert!(found.provider().is_none());
        assert!(!format!("{found:?}").contains("canary"));
    }

    #[test]
    fn compliance_is_off_only_by_its_exact_word() {
        for (text, expected) in [("false", false), ("true", true), ("False", true), ("0", true)] {
            let found = headers(&[(PortkeyHeader::StrictOpenAiCompliance, text)]);
            assert_eq!(found.strict_open_ai_compliance(), Some(expected), "{text}");
        }
    }
}

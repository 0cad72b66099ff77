//! Which of the caller's headers reach the provider (pure).

use std::mem;

use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, FORWARDED, TE, TRAILER, USER_AGENT},
};

use crate::{
    context::Credential,
    header::{self, TRACEPARENT},
};

/// Room for what usually passes, the provider's own headers, and those that the client adds.
const HEADERS: usize = 12;

/// The policy for the caller's headers. Below it lies a list that nobody can lift: [`header::never_forwarded`].
#[derive(Clone, Debug)]
pub struct Forwarded {
    unified: Vec<HeaderName>,
    unified_prefixes: Vec<&'static str>,
    denied: Vec<HeaderName>,
    denied_prefixes: Vec<&'static str>,
}

impl Forwarded {
    /// On unified routes: `accept`, `accept-encoding`, `content-type`, `content-encoding`, `user-agent`,
    /// `idempotency-key`, `traceparent`, `tracestate`, `trailer`, `te` (of which only `trailers` is left), and names that begin with `openai-` or `anthropic-`.
    /// On routes that pass through: everything but `forwarded`, `x-forwarded-*` and `x-real-ip`.
    #[must_use]
    pub fn portkey() -> Self {
        let named = HeaderName::from_static;
        let more = [named("idempotency-key"), named("tracestate")];
        let standard = [ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT, TRACEPARENT, TRAILER, TE];
        Self {
            unified: standard.into_iter().chain(more).collect(),
            unified_prefixes: vec!["openai-", "anthropic-"],
            denied: vec![FORWARDED, named("x-real-ip")],
            denied_prefixes: vec!["x-forwarded-"],
        }
    }

    /// Lets `name` through on every route.
    #[must_use]
    pub fn allow(mut self, name: HeaderName) -> Self {
        self.denied.retain(|denied| *denied != name);
        self.unified.push(name);
        self
    }

    /// Keeps `name` back on every route, unless the caller asks for it in `x-portkey-forward-headers`. What can't be asked
    /// for is [`header::never_forwarded`].
    #[must_use]
    pub fn deny(mut self, name: HeaderName) -> Self {
        self.unified.retain(|allowed| *allowed != name);
        self.denied.push(name);
        self
    }

    /// Takes away what may not reach the provider. `forward` names headers that the caller asked to be forwarded.
    /// A value that repeats `consumed`, the credential that let the caller in, goes under any name.
    pub(super) fn strip(
        &self,
        headers: &mut HeaderMap,
        unified: bool,
        forward: &[HeaderName],
        consumed: Option<&Credential>,
    ) {
        header::strip_hop_by_hop(headers);
        // Most lines go, so it costs less to carry the others over than to look each of them up to remove it.
        let before = mem::replace(headers, HeaderMap::with_capacity(HEADERS));
        let mut kept = None;
        for (name, value) in before {
            // Further lines of a name come without it.
            if let Some(name) = name {
                kept = self.passes(&name, unified, forward).then_some(name);
            }
            let repeats = consumed.is_some_and(|consumed| consumed.is_repeated_by(value.as_bytes()));
            if let Some(name) = kept.as_ref().filter(|_| !repeats) {
                headers.append(name.clone(), value);
            }
        }
    }

    fn passes(&self, name: &HeaderName, unified: bool, forward: &[HeaderName]) -> bool {
        let text = name.as_str();
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        let asked = !forward.is_empty() && forward.contains(name);
        // The cheaper question first: most names on a unified route end here.
        if unified && !asked && !self.unified.contains(name) && !begins(&self.unified_prefixes) {
            return false;
        }
        if header::never_forwarded(name) {
            return false;
        }
        if asked {
            return true;
        }
        if memchr::memchr(b'_', text.as_bytes()).is_some() {
            // To some servers it is the same name with a hyphen.
            let alike = HeaderName::try_from(text.replace('_', "-"));
            return alike.is_ok_and(|alike| self.passes(&alike, unified, forward));
        }
        if self.denied.contains(name) {
            return false;
        }
        unified || !begins(&self.denied_prefixes) || self.unified.contains(name)
    }
}

impl Default for Forwarded {
    fn default() -> Self {
        Self::portkey()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const ALL: &[&str] = &[
        "host",
        "content-length",
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "proxy-authorization",
        "x-portkey-api-key",
        "x-portkey-provider",
        "x-portkey-unknown",
        "connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "proxy-connection",
        "expect",
        "forwarded",
        "x-forwarded-for",
        "x-amz-date",
        "x-amz-security-token",
        "metadata-flavor",
        "x-aws-ec2-metadata-token",
        "x-google-metadata-request",
        "x_amz_date",
        "x_api_key",
    ];

    fn left(names: &[&'static str], unified: bool, forward: &[HeaderName]) -> Vec<String> {
        let mut headers: HeaderMap =
            names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect();
        Forwarded::portkey().strip(&mut headers, unified, forward, None);
        let mut left: Vec<_> = headers.keys().map(ToString::to_string).collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn nothing_of_the_lower_lists_passes_on_any_route() {
        let forward: Vec<_> = ALL.iter().map(|name| HeaderName::from_static(name)).collect();
        assert_eq!(left(ALL, true, &[]), [""; 0]);
        assert_eq!(left(ALL, false, &[]), [""; 0]);
        assert_eq!(left(ALL, true, &forward), ["forwarded", "x-forwarded-for"], "credentials not even on request");
    }

    #[test]
    fn unified_routes_let_few_through_and_the_others_most() {
        let names = ["accept", "x-custom", "openai-beta", "anthropic-version", "idempotency-key", "x-stainless-lang"];
        assert_eq!(left(&names, true, &[]), ["accept", "anthropic-version", "idempotency-key", "openai-beta"]);
        let forward = [HeaderName::from_static("x-custom")];
        assert!(left(&names, true, &forward).contains(&"x-custom".to_owned()));
        assert_eq!(left(&names, false, &[]).len(), names.len());
    }

    proptest! {
        #[test]
        fn stripping_twice_is_stripping_once(names in proptest::collection::vec("[a-z][a-z-]{0,20}", 0..8), unified: bool) {
            let mut headers = HeaderMap::new();
            for name in &names {
                headers.insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from_static("1"));
            }
            Forwarded::portkey().strip(&mut headers, unified, &[], None);
            let once = headers.clone();
            Forwarded::portkey().strip(&mut headers, unified, &[], None);
            prop_assert_eq!(once, headers);
        }
    }
}

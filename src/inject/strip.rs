//! Which of the caller's headers reach the provider (pure).

use std::mem;

use http::{
    HeaderMap, HeaderName,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, FORWARDED, HOST, TE, TRAILER,
        USER_AGENT,
    },
};

use crate::header::{self, PREFIX, TRACEPARENT};

/// Room for what usually passes, the provider's own headers, and those that the client adds.
const HEADERS: usize = 12;

/// The policy for the caller's headers. Below it lies a list that nobody can lift: credentials, `x-portkey-*`,
/// `x-amz-*`, hop-by-hop names, `host`, `content-length`, `expect` and what cloud metadata services ask for never pass.
#[derive(Clone, Debug)]
pub struct Forwarded {
    unified: Vec<HeaderName>,
    unified_prefixes: Vec<&'static str>,
    denied: Vec<HeaderName>,
    denied_prefixes: Vec<&'static str>,
}

impl Forwarded {
    /// On unified routes: `accept`, `accept-encoding`, `content-type`, `content-encoding`, `user-agent`,
    /// `idempotency-key`, `traceparent`, `tracestate`, `trailer`, and names that begin with `openai-` or `anthropic-`.
    /// On routes that pass through: everything but `forwarded` and `x-forwarded-*`.
    #[must_use]
    pub fn portkey() -> Self {
        let named = HeaderName::from_static;
        let more = [named("idempotency-key"), named("tracestate")];
        let standard = [ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT, TRACEPARENT, TRAILER, TE];
        Self {
            unified: standard.into_iter().chain(more).collect(),
            unified_prefixes: vec!["openai-", "anthropic-"],
            denied: vec![FORWARDED],
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

    /// Keeps `name` back on every route.
    #[must_use]
    pub fn deny(mut self, name: HeaderName) -> Self {
        self.unified.retain(|allowed| *allowed != name);
        self.denied.push(name);
        self
    }

    /// Takes away what may not reach the provider. `forward` names headers that the caller asked to be forwarded.
    pub(super) fn strip(&self, headers: &mut HeaderMap, unified: bool, forward: &[HeaderName]) {
        header::strip_hop_by_hop(headers);
        // Most lines go, so it costs less to carry the others over than to look each of them up to remove it.
        let before = mem::replace(headers, HeaderMap::with_capacity(HEADERS));
        let mut kept = None;
        for (name, value) in before {
            // Further lines of a name come without it.
            if let Some(name) = name {
                kept = self.passes(&name, unified, forward).then_some(name);
            }
            if let Some(name) = &kept {
                headers.append(name.clone(), value);
            }
        }
    }

    fn passes(&self, name: &HeaderName, unified: bool, forward: &[HeaderName]) -> bool {
        if never_passes(name) {
            return false;
        }
        if forward.contains(name) {
            return true;
        }
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.as_str().starts_with(prefix));
        if unified {
            self.unified.contains(name) || begins(&self.unified_prefixes) && !self.denied.contains(name)
        } else {
            !self.denied.contains(name) && (!begins(&self.denied_prefixes) || self.unified.contains(name))
        }
    }
}

/// The body frames itself anew on the way out, so its length is not copied by hand; the host is the target's.
fn never_passes(name: &HeaderName) -> bool {
    let text = name.as_str();
    *name == HOST
        || *name == CONTENT_LENGTH
        || *name == EXPECT
        || header::is_secret(name)
        || [PREFIX, "x-amz-", "x-aws-ec2-metadata-token"].iter().any(|prefix| text.starts_with(prefix))
        || matches!(text, "metadata-flavor" | "x-google-metadata-request")
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
    ];

    fn left(names: &[&'static str], unified: bool, forward: &[HeaderName]) -> Vec<String> {
        let mut headers: HeaderMap =
            names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect();
        Forwarded::portkey().strip(&mut headers, unified, forward);
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
            Forwarded::portkey().strip(&mut headers, unified, &[]);
            let once = headers.clone();
            Forwarded::portkey().strip(&mut headers, unified, &[]);
            prop_assert_eq!(once, headers);
        }
    }
}

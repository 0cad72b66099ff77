//! The name of every header this crate reads, writes, strips or guards.
//!
//! Sources: Portkey's headers page (`api-reference/inference-api/headers`) for the `x-portkey-*` names; RFC 9110,
//! section 7.6.1 for hop-by-hop names; RFC 6750 for `www-authenticate`.

mod portkey;

pub use portkey::PortkeyHeader;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
        TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

/// What every header of Portkey's begins with.
pub const PREFIX: &str = "x-portkey-";

/// The caller's gateway key or JWT.
pub const API_KEY: HeaderName = HeaderName::from_static("x-portkey-api-key");
/// A provider id (`openai`) or the slug of a provider entry (`@slug`).
pub const PROVIDER: HeaderName = HeaderName::from_static("x-portkey-provider");
/// A config object as JSON, or the id of a saved one (`pc-…`).
pub const CONFIG: HeaderName = HeaderName::from_static("x-portkey-config");
/// Names a request; generated where the caller sent none, and echoed on the response.
pub const TRACE_ID: HeaderName = HeaderName::from_static("x-portkey-trace-id");
/// On a response: which target of the config answered (`config`, `config.targets[1]`).
pub const LAST_USED_OPTION_INDEX: HeaderName = HeaderName::from_static("x-portkey-last-used-option-index");
/// On a response: how often the request was tried again.
pub const RETRY_ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-portkey-retry-attempt-count");
/// On a response: whether a cache answered.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("x-portkey-cache-status");
/// On a response: `true` where the gateway itself failed; Portkey's SDKs don't retry such an answer.
pub const GATEWAY_EXCEPTION: HeaderName = HeaderName::from_static("x-portkey-gateway-exception");

/// Anthropic's key header, which other providers use too.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Azure's and Qdrant's key header.
pub const AZURE_API_KEY: HeaderName = HeaderName::from_static("api-key");
/// Google's key header.
pub const GOOGLE_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// W3C baggage.
pub const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
/// The pre-standard relative of `connection`.
pub const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// The proxy's relative of `connection`.
pub const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// HTTP/2 upgrade settings (RFC 7540, section 3.2.1), never forwarded.
pub const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Which gateways a request has been through (RFC 8586).
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// The name of every gateway of this kind in [`CDN_LOOP`].
pub const HOP_ID: &str = "portkey-gateway";
/// What [`CDN_LOOP`] reads behind the first, second and last gateway of this kind that a request may pass.
pub static HOPS: [HeaderValue; 3] = [
    HeaderValue::from_static("portkey-gateway"),
    HeaderValue::from_static("portkey-gateway, portkey-gateway"),
    HeaderValue::from_static("portkey-gateway, portkey-gateway, portkey-gateway"),
];

/// Headers that hold a caller's credential. Never shown; never forwarded unless a layer put them there itself.
pub static SECRET: [HeaderName; 7] =
    [API_KEY, AUTHORIZATION, X_API_KEY, AZURE_API_KEY, GOOGLE_API_KEY, PROXY_AUTHORIZATION, COOKIE];

/// Headers beside `x-portkey-*` of which a request may carry one line only.
pub static SINGLETON: [HeaderName; 7] =
    [AUTHORIZATION, X_API_KEY, AZURE_API_KEY, GOOGLE_API_KEY, CONTENT_TYPE, CONTENT_LENGTH, HOST];

/// Headers by which a provider is told whose account a request counts for. Beside a stored credential they are for its
/// owner to set, not for callers.
pub static ACCOUNT: [HeaderName; 3] = [
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("x-goog-user-project"),
];

/// What follows [`PREFIX`] in headers that the gateway writes for itself. A caller's copy is dropped.
pub static INTERNAL: [&str; 15] = [
    "organisation-details",
    "virtual-key-details",
    "integration-details",
    "virtual-key-usage-limits",
    "virtual-key-rate-limits",
    "virtual-key-exhausted",
    "virtual-key-expired",
    "config-id",
    "config-slug",
    "config-version",
    "prompt-id",
    "prompt-slug",
    "prompt-version-id",
    "default-input-guardrails",
    "default-output-guardrails",
];

/// Headers that belong to one connection (RFC 9110, section 7.6.1). `trailer` stays: it announces fields of the
/// message, and trailers are forwarded.
static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
    UPGRADE,
    HTTP2_SETTINGS,
];

/// Removes what belongs to the connection the message came by: the fixed names and those that `connection` nominates.
/// Of `te`, the word `trailers` is kept.
///
/// ```
/// use http::{HeaderMap, header};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(header::CONNECTION, "close, X-Local".parse()?);
/// headers.insert("x-local", "1".parse()?);
/// headers.insert("x-kept", "1".parse()?);
/// tower_portkey::header::strip_hop_by_hop(&mut headers);
/// assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-kept"]);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Looking at every name once costs less than looking every fixed name up, and most messages have none of them.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        let lines = headers.get_all(CONNECTION).into_iter();
        let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let nominated: Vec<_> = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect();
        // `host` and `trailer` describe the message and can't be taken from it; `te` has to be named, and follows below.
        for name in nominated.iter().filter(|name| ![HOST, TRAILER, TE].contains(name)) {
            headers.remove(name);
        }
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // RFC 9112, section 6.3: the coding frames the message, so the length beside it is wrong.
        headers.remove(CONTENT_LENGTH);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    // Of `te`, only that trailers are welcome is true of the next connection too.
    if let Some(codings) = headers.remove(TE) {
        let mut codings = codings.as_bytes().split(|byte| *byte == b',');
        if codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers")) {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Whether a caller's header of this name never reaches a provider, whatever a route or a list lets through: credentials,
/// Portkey's own, a connection's, a handshake's, a signature's, framing and routing, the count of gateways, and what cloud metadata services and method
/// overrides read. `_` counts as `-`, because some servers read it so.
#[must_use]
pub fn never_forwarded(name: &HeaderName) -> bool {
    let text = name.as_str();
    if memchr::memchr(b'_', text.as_bytes()).is_some() {
        return HeaderName::try_from(text.replace('_', "-")).is_ok_and(|name| never_forwarded(&name));
    }
    matches!(text, "host" | "content-length" | "expect")
        || is_secret(name)
        || (is_hop_by_hop(name) && text != "te")
        || [PREFIX, "sec-websocket-", "x-amz-", "x-aws-ec2-metadata-token", "x-aliyun-ecs-metadata-token"]
            .iter()
            .any(|front| text.starts_with(front))
        || matches!(
            text,
            "cdn-loop"
                | "metadata"
                | "metadata-flavor"
                | "x-metadata-token"
                | "x-google-metadata-request"
                | "x-http-method-override"
                | "x-original-url"
                | "x-rewrite-url"
        )
}

/// Whether a name belongs to the connection or the framing of a message, so that nobody sets it by hand.
#[must_use]
pub fn is_reserved(name: &HeaderName) -> bool {
    is_hop_by_hop(name) || matches!(name.as_str(), "host" | "content-length" | "expect" | "trailer")
}

/// Whether a name belongs to one connection.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    // By text: the compiler looks at the length first, which is quicker than to go through a list of names.
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "te"
    )
}

/// Whether a name is one of those that hold a credential ([`SECRET`]).
#[must_use]
pub fn is_secret(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "x-portkey-api-key"
            | "authorization"
            | "x-api-key"
            | "api-key"
            | "x-goog-api-key"
            | "proxy-authorization"
            | "cookie"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_texts_agree() {
        assert!(HOP_BY_HOP.iter().all(is_hop_by_hop) && is_hop_by_hop(&TE) && !is_hop_by_hop(&TRAILER));
        assert!(SECRET.iter().all(is_secret) && !is_secret(&HOST));
        for name in SECRET.iter().chain(&HOP_BY_HOP).chain([&HOST, &CONTENT_LENGTH]) {
            assert!(never_forwarded(name), "{name}");
        }
        for (name, never) in
            [("x_api_key", true), ("x-amz-date", true), ("te", false), ("trailer", false), ("accept", false)]
        {
            assert_eq!(never_forwarded(&HeaderName::from_static(name)), never, "{name}");
        }
    }

    #[test]
    fn nominated_names_go_host_stays() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, "x-a, host".parse().expect("value"));
        headers.append(CONNECTION, "x portkey, x-b".parse().expect("value"));
        for name in ["x-a", "x-b", "host", "x-c"] {
            headers.insert(name, "1".parse().expect("value"));
        }
        headers.insert(TE, "deflate, Trailers".parse().expect("value"));
        strip_hop_by_hop(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host", "x-c", "te"]);
        assert_eq!(headers[TE], "trailers");
    }
}

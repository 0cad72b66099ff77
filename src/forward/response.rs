//! What a provider's headers become (pure).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ALT_SVC, SET_COOKIE, STRICT_TRANSPORT_SECURITY},
};

use super::echo::{Echo, Sent};
use crate::{
    context::{PortkeyHeaders, RequestConfig, Target},
    header::{self, CACHE_STATUS, LAST_USED_OPTION_INDEX, PROVIDER, RETRY_ATTEMPT_COUNT, TRACE_ID},
};

/// Takes out of a provider's headers or trailers what is not for the caller: what belongs to the provider's connection,
/// every name that holds a credential, every value that repeats one that was sent, the cookies of the account unless
/// they are allowed, and what would speak for the gateway's own origin.
pub(super) fn clean(fields: &mut HeaderMap, sent: &Sent, cookies: Cookies) {
    header::strip_hop_by_hop(fields);
    let mut echo = Echo::of(sent);
    let gone: Vec<HeaderName> = fields
        .iter()
        .filter(|(name, value)| is_not_for_callers(name, cookies) || echo.is_in(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        fields.remove(name);
    }
}

/// What becomes of `set-cookie`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cookies {
    #[default]
    Dropped,
    Allowed,
}

fn is_not_for_callers(name: &HeaderName, cookies: Cookies) -> bool {
    match *name {
        SET_COOKIE => cookies == Cookies::Dropped,
        ALT_SVC | STRICT_TRANSPORT_SECURITY => true,
        _ => {
            header::is_secret(name)
                || name.as_str().starts_with(header::PREFIX)
                || matches!(name.as_str(), "x-amz-security-token" | "x-aws-ec2-metadata-token" | "cdn-loop")
        }
    }
}

/// The headers that every answer of the gateway carries (wire contract 8.8). A provider's own of these names, which
/// it has where it is a gateway of this kind itself, are replaced.
pub(super) fn marks(
    target: &Target,
    portkey: Option<&PortkeyHeaders>,
    config: Option<&RequestConfig>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let index = config.map_or_else(|| HeaderValue::from_static("config"), RequestConfig::path_value);
    let retries = config.map_or(0, |config| config.attempt.retries);
    let trace_id = portkey.map(|portkey| (TRACE_ID, portkey.trace_id().header_value()));
    trace_id.into_iter().chain([
        (LAST_USED_OPTION_INDEX, index),
        (PROVIDER, target.provider().header_value()),
        (RETRY_ATTEMPT_COUNT, HeaderValue::from(retries)),
        (CACHE_STATUS, HeaderValue::from_static("DISABLED")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Credential, CredentialSource, HostOrigin, Placement, ProviderHeader, ProviderId};
    use http::uri::{Authority, Scheme};

    fn target() -> Target {
        let provider = ProviderId::parse("google").expect("an id");
        let credential = Credential::from_raw(&HeaderValue::from_static("sk-canary-1")).expect("a credential");
        let mut secret = HeaderValue::from_static("own-secret-1");
        secret.set_sensitive(true);
        Target::builder(provider, Scheme::HTTPS, Authority::from_static("h.example"), HostOrigin::Catalog)
            .credential(credential, CredentialSource::Stored, Placement::Query { param: "key".into() })
            .header(ProviderHeader { name: HeaderName::from_static("x-own"), value: secret, replaces: true })
            .build()
            .expect("a target")
    }

    #[test]
    fn an_echo_of_the_credential_is_taken_out_under_any_name() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "anything"),
            ("x-echo", "Bearer sk-canary-1"),
            ("x-echo-own", "own-secret-1"),
            ("location", "https://h.example/next?key=sk-canary-1"),
            ("x-encoded", "https://h.example/next?key=sk%2Dcanary%2D1"),
            ("set-cookie", "session=1"),
            ("alt-svc", "h3=\":443\""),
            ("strict-transport-security", "max-age=1"),
            ("x-portkey-trace-id", "theirs"),
            ("connection", "x-local"),
            ("x-local", "1"),
            ("content-length", "3"),
            ("retry-after", "7"),
            ("x-request-id", "sk-canary-2"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let left = |headers: &HeaderMap, cookies| {
            let mut headers = headers.clone();
            clean(&mut headers, &Sent::of(&target()), cookies);
            let mut left: Vec<_> = headers.keys().map(ToString::to_string).collect();
            left.sort_unstable();
            left
        };
        assert_eq!(left(&headers, Cookies::Dropped), ["content-length", "retry-after", "x-request-id"]);
        assert_eq!(left(&headers, Cookies::Allowed), ["content-length", "retry-after", "set-cookie", "x-request-id"]);
        // A cookie that repeats the credential is none that may pass.
        headers.insert("set-cookie", HeaderValue::from_static("session=sk-canary-1"));
        assert!(!left(&headers, Cookies::Allowed).contains(&"set-cookie".to_owned()));
    }

    #[test]
    fn the_marks_name_the_provider() {
        let marks: HeaderMap = marks(&target(), None, None).collect();
        assert_eq!(marks[PROVIDER], "google");
        assert_eq!(marks[LAST_USED_OPTION_INDEX], "config");
        assert_eq!(marks[RETRY_ATTEMPT_COUNT], "0");
    }
}

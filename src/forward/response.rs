//! What a provider's headers become (pure).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ALT_SVC, SET_COOKIE, STRICT_TRANSPORT_SECURITY},
};

use crate::{
    context::{Credential, PortkeyHeaders, Target},
    header::{self, CACHE_STATUS, LAST_USED_OPTION_INDEX, PROVIDER, RETRY_ATTEMPT_COUNT, TRACE_ID},
};

/// Takes out of a provider's headers or trailers what is not for the caller: what belongs to the provider's connection,
/// every name that holds a credential, every value that repeats the one that was sent, the cookies of the account, and
/// what would speak for the gateway's own origin.
pub(super) fn clean(fields: &mut HeaderMap, sent: Option<&Credential>) {
    header::strip_hop_by_hop(fields);
    let gone: Vec<HeaderName> = fields
        .iter()
        .filter(|(name, value)| is_not_for_callers(name) || sent.is_some_and(|sent| repeats(value, sent)))
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        fields.remove(name);
    }
}

fn is_not_for_callers(name: &HeaderName) -> bool {
    [SET_COOKIE, ALT_SVC, STRICT_TRANSPORT_SECURITY].contains(name)
        || header::is_secret(name)
        || name.as_str().starts_with(header::PREFIX)
}

/// As it is, or percent-encoded, as in a `location` that repeats a query.
fn repeats(value: &HeaderValue, sent: &Credential) -> bool {
    let value = value.as_bytes();
    sent.is_repeated_by(value)
        || memchr::memchr(b'%', value)
            .is_some_and(|_| sent.is_repeated_by(&percent_encoding::percent_decode(value).collect::<Vec<u8>>()))
}

/// The headers that every answer of the gateway carries (wire contract 8.8). A provider's own of these names, which
/// it has where it is a gateway of this kind itself, are replaced.
pub(super) fn marks(
    target: &Target,
    portkey: Option<&PortkeyHeaders>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let trace_id = portkey.map(|portkey| (TRACE_ID, portkey.trace_id().header_value()));
    trace_id.into_iter().chain([
        (LAST_USED_OPTION_INDEX, HeaderValue::from_static("config")),
        (PROVIDER, HeaderValue::from_static(target.provider().as_str())),
        (RETRY_ATTEMPT_COUNT, HeaderValue::from_static("0")),
        (CACHE_STATUS, HeaderValue::from_static("DISABLED")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{CredentialSource, HostOrigin, Placement, ProviderId};
    use http::uri::{Authority, Scheme};

    fn target() -> Target {
        let provider = ProviderId::parse("google").expect("an id");
        let credential = Credential::from_raw(&HeaderValue::from_static("sk-canary-1")).expect("a credential");
        Target::builder(provider, Scheme::HTTPS, Authority::from_static("h.example"), HostOrigin::Catalog)
            .credential(credential, CredentialSource::Stored, Placement::Query { param: "key" })
            .build()
            .expect("a target")
    }

    #[test]
    fn an_echo_of_the_credential_is_taken_out_under_any_name() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "anything"),
            ("x-echo", "Bearer sk-canary-1"),
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
        clean(&mut headers, target().credential());
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "retry-after", "x-request-id"]);
    }

    #[test]
    fn the_marks_name_the_provider() {
        let marks: HeaderMap = marks(&target(), None).collect();
        assert_eq!(marks[PROVIDER], "google");
        assert_eq!(marks[LAST_USED_OPTION_INDEX], "config");
        assert_eq!(marks[RETRY_ATTEMPT_COUNT], "0");
    }
}

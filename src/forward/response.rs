//! What a provider's headers become (pure).

use http::{HeaderMap, HeaderName, HeaderValue, header::SET_COOKIE};
use memchr::memmem;

use crate::{
    context::{PortkeyHeaders, Target},
    header::{self, CACHE_STATUS, GATEWAY_EXCEPTION, LAST_USED_OPTION_INDEX, PROVIDER, RETRY_ATTEMPT_COUNT, TRACE_ID},
};

/// Takes out what belongs to the provider's connection, every header that holds a credential or repeats the one that
/// was sent, and the cookies: they are the stored account's, not the caller's.
pub(super) fn clean(headers: &mut HeaderMap, target: &Target) {
    header::strip_hop_by_hop(headers);
    let secret = target.credential().map(|credential| credential.expose().as_bytes());
    let gone: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| {
            header::is_secret(name) || **name == SET_COOKIE || secret.is_some_and(|secret| repeats(value, secret))
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        headers.remove(name);
    }
    headers.remove(GATEWAY_EXCEPTION);
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

fn repeats(value: &HeaderValue, secret: &[u8]) -> bool {
    value.len() >= secret.len() && memmem::find(value.as_bytes(), secret).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Credential, CredentialSource, HostOrigin, Placement, ProviderId};
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
            ("set-cookie", "session=1"),
            ("connection", "x-local"),
            ("x-local", "1"),
            ("content-length", "3"),
            ("retry-after", "7"),
            ("x-request-id", "sk-canary-2"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        clean(&mut headers, &target());
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

//! A host that stands in for a provider's own.

use std::fmt;

use http::uri::{Authority, PathAndQuery, Scheme};
use url::Host;

use super::error::{HostError, HostErrorKind};
use super::ip::{IpVerdict, ip_verdict};
use super::name::name_verdict;
use super::port::is_service_port;
use super::shape::{Shape, is_ambiguous_v4, read_host, read_url};
use super::trusted::TrustedHosts;

/// A checked base URL: scheme, authority, base path and query.
///
/// What was checked is what is dialled: the parts are the parser's normal form, lower-case, with addresses in their usual
/// spelling. Debug leaves the query out, because keys are sometimes put there.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomHost {
    scheme: Scheme,
    authority: Authority,
    port: u16,
    path: String,
    query: Option<String>,
    trusted: bool,
}

impl CustomHost {
    /// Reads a value that came from a **caller**.
    ///
    /// At most 2048 bytes around which spaces are trimmed; `http://` or `https://` in either case; an authority in its one
    /// plain spelling; no control character, `\`, `@` or `#`. The host is an address or up to ten ASCII labels. Then host
    /// and port are judged: some are never allowed, private ones only if `trusted` lists them.
    ///
    /// # Errors
    ///
    /// The [kind](HostError::kind) says which rule was broken; the text never contains the value.
    pub fn parse(text: &str, trusted: &TrustedHosts) -> Result<Self, HostError> {
        if contains_own_api(text) {
            return Err(HostErrorKind::SelfReference.into());
        }
        if text.contains('@') {
            return Err(HostErrorKind::UserInfo.into());
        }
        let shape = read_url(text)?;
        let host = read_host(shape.raw_host)?;
        // The host that was judged must be the one that the parser found.
        if shape.url.host() != Some(borrow(&host)) {
            return Err(HostErrorKind::Malformed.into());
        }
        if is_service_port(shape.port) {
            return Err(HostErrorKind::Port.into());
        }
        let is_trusted = trusted.allows(&host.to_string(), shape.port);
        match judge(&host, shape.raw_host) {
            IpVerdict::Forbidden => Err(HostErrorKind::NeverDialled.into()),
            IpVerdict::Private if !is_trusted => Err(HostErrorKind::NotTrusted.into()),
            IpVerdict::Private | IpVerdict::Public => Self::build(&shape, is_trusted),
        }
    }

    /// Reads a value that the **operator** wrote into the settings. It has to be an `http` or `https` URL with a host and
    /// without user information and fragment; where it points is the operator's decision, so it is trusted.
    ///
    /// # Errors
    ///
    /// Only about the form of the URL: nothing is said about the host.
    pub fn operator(text: &str) -> Result<Self, HostError> {
        Self::build(&read_url(text)?, true)
    }

    fn build(shape: &Shape<'_>, trusted: bool) -> Result<Self, HostError> {
        let url = &shape.url;
        let host = url.host_str().ok_or(HostErrorKind::Malformed)?;
        let authority = match url.port() {
            Some(port) => Authority::try_from(format!("{host}:{port}")),
            None => Authority::try_from(host),
        };
        let path = url.path().trim_end_matches('/');
        let query = url.query().filter(|query| !query.is_empty());
        // What cannot be sent is refused here, not when a request is built of it.
        PathAndQuery::try_from(format!("{path}/?{}", query.unwrap_or_default()))
            .map_err(|_| HostErrorKind::Malformed)?;
        Ok(Self {
            scheme: if url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP },
            authority: authority.map_err(|_| HostErrorKind::Host)?,
            port: shape.port,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            trusted,
        })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host and port in lower case; the port only where it is not the scheme's own (80, 443).
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host alone in lower case; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port, written or not: 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The base path, percent-encoded, without `/` at its end; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query, percent-encoded, without `?`; none if there is none or it is empty.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Whether a name may resolve to private addresses: it stands among the [`TrustedHosts`], or the operator wrote it.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }
}

impl fmt::Debug for CustomHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomHost")
            .field("scheme", &self.scheme)
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}

fn judge(host: &Host, raw: &str) -> IpVerdict {
    match host {
        Host::Domain(name) => name_verdict(name),
        Host::Ipv4(ip) => match ip_verdict((*ip).into()) {
            IpVerdict::Public if is_ambiguous_v4(raw) => IpVerdict::Private,
            verdict => verdict,
        },
        Host::Ipv6(ip) => ip_verdict((*ip).into()),
    }
}

fn borrow(host: &Host) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(ip) => Host::Ipv4(*ip),
        Host::Ipv6(ip) => Host::Ipv6(*ip),
    }
}

/// Portkey refuses the text anywhere in the value, in lower case; here the case does not matter.
fn contains_own_api(text: &str) -> bool {
    let own = b"api.portkey";
    text.as_bytes().windows(own.len()).any(|part| part.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(host: &CustomHost) -> (&str, &str, &str, u16, &str, Option<&str>) {
        (host.scheme().as_str(), host.authority().as_str(), host.host(), host.port(), host.path(), host.query())
    }

    #[test]
    fn parts_are_in_normal_form() -> Result<(), HostError> {
        let cases = [
            ("https://EXAMPLE.com", ("https", "example.com", "example.com", 443, "", None)),
            ("  HTTP://Example.com/  ", ("http", "example.com", "example.com", 80, "", None)),
            ("https://example.com:443/V1//", ("https", "example.com", "example.com", 443, "/V1", None)),
            ("http://example.com:443/a/../b", ("http", "example.com:443", "example.com", 443, "/b", None)),
            ("https://example.com?", ("https", "example.com", "example.com", 443, "", None)),
            ("https://a-b.co.uk/x y?z=ä|1", ("https", "a-b.co.uk", "a-b.co.uk", 443, "/x%20y", Some("z=%C3%A4|1"))),
            (
                "https://[2606:4700:0::1111]:8443/v1",
                ("https", "[2606:4700::1111]:8443", "[2606:4700::1111]", 8443, "/v1", None),
            ),
            ("http://134744072", ("http", "8.8.8.8", "8.8.8.8", 80, "", None)),
        ];
        for (text, expected) in cases {
            let host = CustomHost::parse(text, &TrustedHosts::default())?;
            assert_eq!(parts(&host), expected, "{text}");
            assert!(!host.is_trusted());
        }
        Ok(())
    }

    #[test]
    fn trust_opens_private_hosts_and_nothing_else() -> Result<(), HostError> {
        let trusted =
            TrustedHosts::parse(["127.0.0.1:9000", "llm.internal", "localhost", "[fd00::7]", "public.example.com"])?;
        for text in
            ["http://127.0.0.1:9000", "http://0x7f.1:9000", "https://LLM.internal:8443", "http://[FD00::7]:8080/v1"]
        {
            assert!(CustomHost::parse(text, &trusted)?.is_trusted(), "{text}");
            let refused = CustomHost::parse(text, &TrustedHosts::default());
            assert_eq!(refused, Err(HostErrorKind::NotTrusted.into()), "{text}");
        }
        for port in [9000, 9001, 8000, 8080, 11434, 3000] {
            assert!(CustomHost::parse(&format!("http://localhost:{port}"), &trusted)?.is_trusted(), "{port}");
        }
        // Octal for loopback, which is trusted; octal for a public address that others read as a private one.
        assert!(CustomHost::parse("http://0177.0.0.1:9000", &trusted)?.is_trusted());
        assert_eq!(CustomHost::parse("http://010.0.0.1", &trusted), Err(HostErrorKind::NotTrusted.into()));
        // A name that is trusted may resolve to private addresses, although the name itself needs no trust.
        assert!(CustomHost::parse("https://public.example.com", &trusted)?.is_trusted());
        assert_eq!(CustomHost::parse("http://127.0.0.1:9001", &trusted), Err(HostErrorKind::NotTrusted.into()));
        assert_eq!(CustomHost::parse("http://localhost:6379", &trusted), Err(HostErrorKind::Port.into()));
        assert_eq!(CustomHost::parse("https://x.com/?API.portkey", &trusted), Err(HostErrorKind::SelfReference.into()));
        assert_eq!(CustomHost::parse("https://x.com/@a", &trusted), Err(HostErrorKind::UserInfo.into()));
        Ok(())
    }

    #[test]
    fn the_operator_may_point_anywhere_but_not_write_anything() -> Result<(), HostError> {
        for text in [
            "http://127.0.0.1:9000/v1",
            "http://localhost",
            "http://[::1]:6379/",
            "https://api.portkey.ai/v1",
            "http://a_b",
        ] {
            assert!(CustomHost::operator(text)?.is_trusted(), "{text}");
        }
        for text in
            ["127.0.0.1:9000", "ftp://x.com", "https://u:p@x.com", "https://x.com/#f", "https://", "https://x.com:0"]
        {
            assert!(CustomHost::operator(text).is_err(), "{text}");
        }
        Ok(())
    }

    #[test]
    fn debug_leaves_the_query_out() -> Result<(), HostError> {
        let host = CustomHost::operator("https://x.com/v1?key=canary")?;
        assert!(!format!("{host:?}").contains("canary"));
        Ok(())
    }

    fn check(text: &str, trusted: &TrustedHosts) -> Result<(), TestCaseError> {
        let Ok(host) = CustomHost::parse(text, trusted) else {
            return Ok(());
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-[:]".contains(&byte);
        prop_assert!(host.host().bytes().all(plain), "{}", host.host());
        let url = format!("{}://{}{}/", host.scheme(), host.authority(), host.path());
        let again = url::Url::parse(&url).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(again.host_str(), Some(host.host()));
        prop_assert_eq!(again.port_or_known_default(), Some(host.port()));
        prop_assert_eq!(CustomHost::parse(&url, trusted).map(|again| again.authority), Ok(host.authority));
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_plain(text in "\\PC*", tail in "[ -~]{0,40}") {
            check(&text, &TrustedHosts::default())?;
            check(&format!("http://{tail}"), &TrustedHosts::default())?;
        }

        #[test]
        fn what_is_checked_is_what_is_dialled(
            text in "(?i:https?)://([a-z0-9.\\-]{1,20}|[0-9.x]{1,15}|\\[[0-9a-f:.]{2,20}\\])(:[0-9]{0,5})?[/?][a-z/.%?|^{}\"'`]{0,10}"
        ) {
            check(&text, &TrustedHosts::default())?;
        }
    }
}

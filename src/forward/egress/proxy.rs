//! A proxy in front of everything that is not on this machine.

use std::{error::Error, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, uri::Scheme};

use crate::{
    host::{CustomHost, TrustedHosts},
    secret::Secret,
};

/// An HTTP proxy that connections are made through, by `CONNECT` (RFC 9110, section 9.3.6), for `http` and `https` alike.
///
/// It is asked for the **address** that was checked, not for the name, so it resolves nothing. TLS is spoken through it with
/// the name. Addresses of this machine's loopback are dialled directly, as they are others to the proxy. Debug shows no
/// credentials.
#[derive(Clone)]
pub struct Proxy {
    pub(super) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) bypass: TrustedHosts,
}

impl Proxy {
    /// The proxy at `http://host:port`. Its own address may be private.
    ///
    /// # Errors
    ///
    /// The URL is none, is not `http`, or has a user, a path or a query.
    pub fn http(url: &str) -> Result<Self, ProxyError> {
        let host = CustomHost::operator(url).map_err(|_| ProxyError(Problem::Url))?;
        if *host.scheme() != Scheme::HTTP || !host.path().is_empty() || host.query().is_some() {
            return Err(ProxyError(Problem::Url));
        }
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(host.authority().clone()).path_and_query("/").build();
        let uri = uri.map_err(|_| ProxyError(Problem::Url))?;
        Ok(Self { uri, authorization: None, bypass: TrustedHosts::default() })
    }

    /// Shows these credentials to the proxy, `user:password` (RFC 7617).
    ///
    /// # Errors
    ///
    /// There is no colon, or a control character.
    pub fn credentials(mut self, credentials: &Secret) -> Result<Self, ProxyError> {
        let text = credentials.expose();
        if !text.contains(':') || text.chars().any(char::is_control) {
            return Err(ProxyError(Problem::Credentials));
        }
        let line = Secret::from(STANDARD.encode(text)).header_value("Basic ");
        self.authorization = Some(line.ok_or(ProxyError(Problem::Credentials))?);
        Ok(self)
    }

    /// Dials these hosts and addresses directly.
    #[must_use]
    pub fn bypass(mut self, hosts: TrustedHosts) -> Self {
        self.bypass = hosts;
        self
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("uri", &self.uri).field("bypass", &self.bypass).finish_non_exhaustive()
    }
}

/// A proxy that can't be used as it is written. The text never repeats a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyError(Problem);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Url,
    Credentials,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Problem::Url => "not of the form http://host:port, without user, path and query",
            Problem::Credentials => "not of the form user:password",
        })
    }
}

impl Error for ProxyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        assert_eq!(Proxy::http("http://Proxy.test:3128/").expect("a proxy").uri, "http://proxy.test:3128/");
        for url in [
            "",
            "proxy.test:3128",
            "https://proxy.test:3128",
            "socks5://proxy.test",
            "http://u:p@proxy.test",
            "http://proxy.test/path",
            "http://proxy.test/?a",
        ] {
            assert_eq!(Proxy::http(url).err(), Some(ProxyError(Problem::Url)), "{url}");
        }
    }

    #[test]
    fn credentials_are_encoded_and_not_shown() {
        let proxy = Proxy::http("http://proxy.test:3128").expect("a proxy");
        let known = proxy.clone().credentials(&Secret::from("user:pass word")).expect("credentials");
        let line = known.authorization.as_ref().expect("a header");
        assert_eq!(line, "Basic dXNlcjpwYXNzIHdvcmQ=");
        assert!(line.is_sensitive() && !format!("{known:?}").contains("dXNl"));
        for text in ["user", "", "user:a\nb"] {
            assert!(proxy.clone().credentials(&Secret::from(text)).is_err(), "{text}");
        }
    }
}

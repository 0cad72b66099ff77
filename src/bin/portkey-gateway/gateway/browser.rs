//! Pages in the operator's own browser.
//!
//! A gateway in open mode on loopback trusts whoever reaches it. So does a page whose name was made to resolve to
//! 127.0.0.1 (DNS rebinding): to the browser it is the same origin. What tells it apart is the host it asks for.

use http::{
    HeaderMap, HeaderName,
    header::{HOST, ORIGIN},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a browser asks, on behalf of a page that is not of this machine. Programs send neither header, and may use
/// any name.
pub(super) fn is_foreign_page(headers: &HeaderMap) -> bool {
    let browser = headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE);
    browser && !headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(is_of_this_machine)
}

fn is_of_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_hosts_are_told_apart() {
        for (host, page, foreign) in [
            ("localhost:8787", true, false),
            ("127.0.0.1", true, false),
            ("[::1]:8787", true, false),
            ("rebind.example:8787", true, true),
            ("localhost.example", true, true),
            ("gw.test", false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a value"));
            if page {
                headers.insert(SEC_FETCH_SITE, "same-origin".parse().expect("a value"));
            }
            assert_eq!(is_foreign_page(&headers), foreign, "{host}");
        }
    }
}

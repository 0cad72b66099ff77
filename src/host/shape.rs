//! The one spelling of a URL that is accepted, before anything is judged.
//!
//! A URL parser forgives much: it drops tabs, takes a backslash for a slash, reads `http:x` and `http:///x` as
//! `http://x`. Two parsers forgive differently, and the gap between them is where a check and a dial part ways. So
//! the text is cut by hand first, and what the parser then finds has to be the same.

use url::{Host, Url};

use super::error::HostErrorKind;
use super::label::is_host_label;
use super::port::parse_port;

/// The longest URL in bytes, after trimming (Portkey's custom hosts page).
const MAX_URL: usize = 2048;

/// The most labels a host name may have (Portkey's gateway).
const MAX_LABELS: usize = 10;

/// The longest host name in bytes, without trailing dot (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// A URL, together with the text of its host as it was written.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub(super) url: Url,
    pub(super) raw_host: &'a str,
    pub(super) port: u16,
}

/// Reads an absolute `http` or `https` URL without user information and fragment.
pub(super) fn read_url(text: &str) -> Result<Shape<'_>, HostErrorKind> {
    // Before trimming, so that a line break at the end is refused too, as Portkey does.
    if text.chars().any(char::is_control) {
        return Err(HostErrorKind::Malformed);
    }
    let text = text.trim_ascii();
    if text.len() > MAX_URL {
        return Err(HostErrorKind::TooLong);
    }
    if text.contains(['\\', '#']) {
        return Err(HostErrorKind::Malformed);
    }
    let (https, rest) = strip_scheme(text).ok_or(HostErrorKind::Scheme)?;
    let authority = authority_of(rest);
    let (raw_host, written_port) = split_authority(authority)?;
    let port = written_port.unwrap_or(if https { 443 } else { 80 });

    let url = Url::parse(text).map_err(|_| HostErrorKind::Malformed)?;
    let same = url.scheme() == if https { "https" } else { "http" }
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && url.port_or_known_default() == Some(port);
    if same { Ok(Shape { url, raw_host, port }) } else { Err(HostErrorKind::Malformed) }
}

/// Takes `http://` or `https://` off, in either case; true for `https`.
pub(super) fn strip_scheme(text: &str) -> Option<(bool, &str)> {
    [(true, "https://"), (false, "http://")].into_iter().find_map(|(https, scheme)| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some((https, rest))
    })
}

/// What stands before the path.
pub(super) fn authority_of(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Cuts `host`, `host:port`, `[v6]` or `[v6]:port` in two.
pub(super) fn split_authority(authority: &str) -> Result<(&str, Option<u16>), HostErrorKind> {
    if authority.contains('@') {
        return Err(HostErrorKind::UserInfo);
    }
    let host_end = if authority.starts_with('[') {
        authority.find(']').ok_or(HostErrorKind::Malformed)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_end);
    if host.is_empty() {
        return Err(HostErrorKind::Malformed);
    }
    if host.contains('%') {
        return Err(HostErrorKind::Host);
    }
    match port.strip_prefix(':') {
        Some(digits) => Ok((host, Some(parse_port(digits).ok_or(HostErrorKind::Port)?))),
        None if port.is_empty() => Ok((host, None)),
        None => Err(HostErrorKind::Malformed),
    }
}

/// Reads a host as a caller may write it: an IPv4 address in any of its numeric forms, an IPv6 address in brackets, or
/// a plain ASCII name. Names come back in lower case.
pub(super) fn read_host(raw: &str) -> Result<Host, HostErrorKind> {
    if !raw.is_ascii() || raw.ends_with('.') {
        return Err(HostErrorKind::Host);
    }
    let host = Host::parse(raw).map_err(|_| HostErrorKind::Host)?;
    match &host {
        Host::Domain(name) if !is_plain_name(name) => Err(HostErrorKind::Host),
        _ => Ok(host),
    }
}

/// Whether an IPv4 address is written with a part like `010`. Some readers take that for 8, others for 10, so what is
/// judged here might not be what another part of the network understands.
pub(super) fn is_ambiguous_v4(raw: &str) -> bool {
    raw.split('.').any(|part| part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_plain_name(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('.').count() <= MAX_LABELS && name.split('.').all(is_host_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parser_forgives_is_refused() {
        use HostErrorKind::{Host, Malformed, Port, Scheme, UserInfo};
        let cases = [
            ("", Scheme),
            ("example.com", Scheme),
            ("//example.com", Scheme),
            ("http:example.com", Scheme),
            ("http:/example.com", Scheme),
            ("ftp://example.com", Scheme),
            ("file:///etc/passwd", Scheme),
            ("hé", Scheme),
            ("http:\\\\example.com", Malformed),
            ("http://example.com\\@127.0.0.1/", Malformed),
            ("https://", Malformed),
            ("http:///example.com", Malformed),
            ("http://?x", Malformed),
            ("http://:80/", Malformed),
            ("http://exa mple.com/", Malformed),
            ("http://ex\tample.com", Malformed),
            ("http://example.com\n", Malformed),
            ("http://example.com\u{85}", Malformed),
            ("http://example.com/#f", Malformed),
            ("http://::1/", Malformed),
            ("http://[::1", Malformed),
            ("http://[::1]x", Malformed),
            ("http://x[::1]/", Port),
            ("http://u@example.com/", UserInfo),
            ("http://@example.com/", UserInfo),
            ("http://[::1]@example.com/", UserInfo),
            ("http://ex%61mple.com/", Host),
            ("http://[fe80::1%eth0]/", Host),
            ("http://example.com%0d%0a/", Host),
            ("http://example.com:", Port),
            ("http://example.com:0", Port),
            ("http://example.com:080/", Port),
            ("http://example.com:65536", Port),
            ("http://example.com:-1/", Port),
            ("http://example.com:８０/", Port),
        ];
        for (text, expected) in cases {
            assert_eq!(read_url(text).err(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn the_limit_is_2048_bytes_without_the_spaces_around() {
        let longest = format!(" https://example.com/{} ", "a".repeat(MAX_URL - 20));
        assert!(read_url(&longest).is_ok());
        assert_eq!(read_url(&format!("{}a", longest.trim())).err(), Some(HostErrorKind::TooLong));
    }

    #[test]
    fn hosts_are_plain() {
        let refused = [
            "",
            ".",
            "a.",
            "127.0.0.1.",
            ".a",
            "a..b",
            "-a",
            "a_b",
            "a b",
            "bücher.de",
            "xn--bcher-kva.de",
            "１２７.0.0.1",
            "1.2.3.4.5",
            "256.1.1.1",
            "7147006462",
            "[::1%25eth0]",
            "[::g]",
            "a.b.c.d.e.f.g.h.i.j.k",
            &"a.".repeat(127),
            "*.a",
        ];
        for raw in refused {
            assert_eq!(read_host(raw), Err(HostErrorKind::Host), "{raw:?}");
        }
        assert_eq!(read_host("A.b.c.d.e.f.g.h.i.j"), Ok(Host::Domain("a.b.c.d.e.f.g.h.i.j".into())));
        for raw in ["0x7f.1", "2130706433", "0177.0.0.1", "127.000.000.001"] {
            assert_eq!(read_host(raw), Ok(Host::Ipv4(std::net::Ipv4Addr::LOCALHOST)), "{raw}");
        }
    }

    #[test]
    fn a_leading_zero_is_ambiguous() {
        for raw in ["010.0.0.1", "127.000.000.001", "0177.1", "017700000001", "00"] {
            assert!(is_ambiguous_v4(raw), "{raw}");
        }
        for raw in ["10.0.0.1", "0.0.0.0", "0x7f.0.0.1", "2130706433", "127.1"] {
            assert!(!is_ambiguous_v4(raw), "{raw}");
        }
    }
}

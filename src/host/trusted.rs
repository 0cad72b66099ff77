//! The hosts which the operator lets callers reach although they are private.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use url::Host;

use super::error::{HostError, HostErrorKind};
use super::ip::{IpVerdict, ip_verdict};
use super::name::{covers_never, is_under, name_verdict};
use super::port::is_service_port;
use super::shape::{authority_of, is_ambiguous_v4, read_host, split_authority, strip_scheme};

/// Private hosts that callers may name all the same; Portkey's `TRUSTED_CUSTOM_HOSTS`. The default trusts nothing.
///
/// Cloning is cheap. Trust is about privacy only: what is [never dialled](HostErrorKind::NeverDialled) and the ports of
/// other services stay closed.
///
/// ```
/// use tower_portkey::host::TrustedHosts;
///
/// let trusted = TrustedHosts::parse(["127.0.0.1:9000", "[::1]", "*.llm.internal"])?;
/// assert!(trusted.allows("127.0.0.1", 9000));
/// assert!(trusted.allows("a.llm.internal", 443));
/// assert!(!trusted.allows("127.0.0.1", 9001));
///
/// let refused = TrustedHosts::parse(["169.254.169.254"]).unwrap_err();
/// assert_eq!(refused.to_string(), r#"trusted host "169.254.169.254": the host is never allowed"#);
/// # Ok::<(), tower_portkey::host::HostError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedHosts {
    entries: Arc<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    hosts: Pattern,
    port: Option<u16>,
}

#[derive(Debug)]
enum Pattern {
    Ip(IpAddr),
    Name(String),
    Below(String),
}

impl TrustedHosts {
    /// Reads entries as an operator writes them.
    ///
    /// | entry | trusts |
    /// | --- | --- |
    /// | `llm.internal`, `10.0.0.7`, `[fd00::7]` or `fd00::7` | that host, on any port |
    /// | `llm.internal:8000`, `10.0.0.7:8000`, `[fd00::7]:8000` | that host on that port |
    /// | `*.llm.internal`, `*.llm.internal:8000` | the domain and every subdomain; not for addresses |
    /// | `localhost` | as Portkey, `*.localhost` too (RFC 6761) |
    /// | `http://llm.internal:8000/v1` | `llm.internal:8000`: scheme and path are dropped |
    ///
    /// An IPv4 address may be written in any numeric form without leading zeros. Host names are compared without regard to case.
    ///
    /// # Errors
    ///
    /// Names the first entry that is not of this form, that covers a host which is never dialled (`*.internal` covers
    /// `metadata.google.internal`), or whose port is one that is always refused.
    pub fn parse<I, T>(entries: I) -> Result<Self, HostError>
    where
        I: IntoIterator<Item = T>,
        T: AsRef<str>,
    {
        let read = |entry: T| {
            let entry = entry.as_ref();
            Entry::parse(entry.trim_ascii()).map_err(|kind| HostError::in_entry(kind, entry))
        };
        let entries = entries.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Whether some entry names no port.
    pub(super) fn covers_every_port(&self) -> bool {
        self.entries.iter().any(|entry| entry.port.is_none())
    }

    /// Whether `host` may be reached on `port` although it is private. `host` is a name, or an address with or without
    /// brackets, as [`CustomHost::host`](super::CustomHost::host) and [`http::Uri::host`] give it.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let ip = bare.parse::<IpAddr>().ok();
        let name = bare.to_ascii_lowercase();
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match &entry.hosts {
                    Pattern::Ip(trusted) => ip == Some(*trusted),
                    Pattern::Name(trusted) => name == *trusted,
                    Pattern::Below(domain) => ip.is_none() && is_under(&name, domain),
                }
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, HostErrorKind> {
        if let Ok(ip) = text.parse::<Ipv6Addr>() {
            return Self::new(Pattern::Ip(ip.into()), None);
        }
        // Only a URL has a path: `10.0.0.0/8` must not be read as the host `10.0.0.0`.
        let authority = match strip_scheme(text) {
            Some((_, rest)) => authority_of(rest),
            None if text.contains("://") => return Err(HostErrorKind::Scheme),
            None => text,
        };
        let (below, authority) = authority.strip_prefix("*.").map_or((false, authority), |domain| (true, domain));
        let (raw, port) = split_authority(authority)?;
        let hosts = match read_host(raw)? {
            Host::Domain(name) if below || name == "localhost" => Pattern::Below(name),
            Host::Domain(name) => Pattern::Name(name),
            Host::Ipv4(ip) if !below && !is_ambiguous_v4(raw) => Pattern::Ip(ip.into()),
            Host::Ipv6(ip) if !below => Pattern::Ip(ip.into()),
            _ => return Err(HostErrorKind::Host),
        };
        Self::new(hosts, port)
    }

    fn new(hosts: Pattern, port: Option<u16>) -> Result<Self, HostErrorKind> {
        let never = match &hosts {
            Pattern::Ip(ip) => ip_verdict(*ip) == IpVerdict::Forbidden,
            Pattern::Name(name) => name_verdict(name) == IpVerdict::Forbidden,
            Pattern::Below(domain) => covers_never(domain),
        };
        if never {
            return Err(HostErrorKind::NeverDialled);
        }
        if port.is_some_and(is_service_port) {
            return Err(HostErrorKind::Port);
        }
        Ok(Self { hosts, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type HostPorts = &'static [(&'static str, u16)];

    #[test]
    fn an_entry_trusts_what_it_says_and_no_more() {
        let cases: [(&str, HostPorts, HostPorts); 9] = [
            (
                "LLM.internal",
                &[("llm.internal", 1), ("LLM.INTERNAL", 443)],
                &[("a.llm.internal", 443), ("xllm.internal", 443)],
            ),
            (" 127.0.0.1:9000 ", &[("127.0.0.1", 9000)], &[("127.0.0.1", 9001), ("127.0.0.2", 9000)]),
            ("127.1", &[("127.0.0.1", 80)], &[("127.1", 80)]),
            ("[::1]:8000", &[("::1", 8000), ("[::1]", 8000), ("[0:0::1]", 8000)], &[("[::1]", 80), ("[::2]", 8000)]),
            ("::1", &[("[::1]", 80)], &[("[::ffff:0:1]", 80)]),
            (
                "*.svc.internal",
                &[("svc.internal", 80), ("a.b.svc.internal", 80)],
                &[("xsvc.internal", 80), ("internal", 80)],
            ),
            ("*.svc.internal:81", &[("a.svc.internal", 81)], &[("a.svc.internal", 80)]),
            (
                "localhost",
                &[("localhost", 11434), ("api.localhost", 80)],
                &[("localhost.example.com", 80), ("127.0.0.1", 80)],
            ),
            ("https://llm.corp:443/v1?x", &[("llm.corp", 443)], &[("llm.corp", 80)]),
        ];
        for (entry, allowed, refused) in cases {
            let trusted = TrustedHosts::parse([entry]);
            let allows = |(host, port): &(&str, u16)| trusted.as_ref().is_ok_and(|trusted| trusted.allows(host, *port));
            assert!(trusted.is_ok() && allowed.iter().all(allows) && !refused.iter().any(allows), "{entry}");
        }
        assert!(!TrustedHosts::default().allows("localhost", 80));
    }

    #[test]
    fn a_bad_entry_is_named() {
        use HostErrorKind::{Host, Malformed, NeverDialled, Port, Scheme, UserInfo};
        let cases = [
            ("", Malformed),
            ("*", Host),
            ("*.", Malformed),
            ("*.10.0.0.1", Host),
            ("*.1", Host),
            ("*.[::1]", Host),
            ("a.*.b", Host),
            ("a b", Host),
            ("xn--a.com", Host),
            ("010.0.0.1", Host),
            ("10.0.0.0/8", Host),
            ("a.corp/v1", Host),
            ("ftp://a.corp", Scheme),
            ("u@a.corp", UserInfo),
            ("a.corp:0", Port),
            ("a.corp:", Port),
            ("a.corp:6379", Port),
            ("169.254.169.254", NeverDialled),
            ("2852039166", NeverDialled),
            ("::ffff:169.254.169.254", NeverDialled),
            ("[64:ff9b::a9fe:a9fe]:80", NeverDialled),
            ("fd00:ec2::254", NeverDialled),
            ("metadata", NeverDialled),
            ("http://metadata.google.internal/", NeverDialled),
            ("*.internal", NeverDialled),
            ("*.local", NeverDialled),
            ("x.nip.io", NeverDialled),
            ("*.io", NeverDialled),
        ];
        for (entry, expected) in cases {
            let error = TrustedHosts::parse(["a.corp", entry]).err();
            assert_eq!(error, Some(HostError::in_entry(expected, entry)), "{entry}");
        }
    }
}

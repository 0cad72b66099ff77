//! Hosts that a stored credential may be sent to, beside its provider's own.

use http::uri::Scheme;

use super::custom::CustomHost;
use super::error::HostError;
use super::ip::{IpVerdict, ip_verdict};
use super::name::name_verdict;
use super::trusted::TrustedHosts;

/// The hosts that a caller may name together with one stored credential. The default names none.
///
/// Entries are written as for [`TrustedHosts`], and are closer: without a port only the scheme's own is meant, and a
/// public host is reached by `https` alone unless the entry says `http://`. What is never dialled stays closed; private
/// hosts need not be trusted elsewhere.
///
/// ```
/// use tower_portkey::host::AllowedHosts;
///
/// let allowed = AllowedHosts::parse(["codestral.mistral.ai", "127.0.0.1:9001"])?;
/// assert!(allowed.admit("https://codestral.mistral.ai/v1").is_some());
/// assert!(allowed.admit("http://127.0.0.1:9001/v1").is_some());
/// for url in ["http://codestral.mistral.ai/v1", "https://codestral.mistral.ai:8443", "http://127.0.0.1:9002"] {
///     assert!(allowed.admit(url).is_none());
/// }
/// # Ok::<(), tower_portkey::host::HostError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<Allowed>);

#[derive(Clone, Debug)]
struct Allowed {
    hosts: TrustedHosts,
    /// Whether the entry names a port.
    port: bool,
    /// Whether the entry says `http://`.
    plain: bool,
}

impl AllowedHosts {
    /// Reads entries as an operator writes them.
    ///
    /// # Errors
    ///
    /// As [`TrustedHosts::parse`].
    pub fn parse<I, T>(entries: I) -> Result<Self, HostError>
    where
        I: IntoIterator<Item = T>,
        T: AsRef<str>,
    {
        let read = |entry: T| {
            let text = entry.as_ref().trim_ascii();
            let hosts = TrustedHosts::parse([text])?;
            let plain = text.get(..7).is_some_and(|front| front.eq_ignore_ascii_case("http://"));
            let port = !hosts.covers_every_port();
            Ok(Allowed { hosts, port, plain })
        };
        Ok(Self(entries.into_iter().map(read).collect::<Result<_, HostError>>()?))
    }

    /// Reads a URL that a caller named. `None` where no entry names its host.
    #[must_use]
    pub fn admit(&self, url: &str) -> Option<CustomHost> {
        self.0.iter().find_map(|entry| {
            let host = CustomHost::parse(url, &entry.hosts).ok().filter(CustomHost::is_trusted)?;
            entry.fits(&host).then_some(host)
        })
    }
}

impl Allowed {
    fn fits(&self, host: &CustomHost) -> bool {
        let https = *host.scheme() == Scheme::HTTPS;
        let own_port = host.port() == if https { 443 } else { 80 };
        (self.port || own_port) && (https || self.plain || !is_public(host.host()))
    }
}

fn is_public(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    let verdict = bare.parse().map_or_else(|_| name_verdict(bare), ip_verdict);
    verdict == IpVerdict::Public
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_admits_what_it_says_and_no_more() {
        for (entry, good, bad) in [
            ("api.mistral.ai", "https://API.mistral.ai/v1", "https://api.mistral.ai.evil.example/"),
            ("api.mistral.ai", "https://api.mistral.ai:443", "https://xapi.mistral.ai/"),
            ("http://api.mistral.ai", "http://api.mistral.ai/", "http://api.mistral.ai:81/"),
            ("*.llm.example", "https://eu.llm.example", "http://eu.llm.example"),
            ("llm.internal", "http://llm.internal/v1", "http://llm.internal:81/v1"),
            ("[::1]:9000", "http://[::1]:9000", "http://[::1]:9001"),
        ] {
            let allowed = AllowedHosts::parse([entry]).expect(entry);
            assert!(allowed.admit(good).is_some(), "{entry} {good}");
            assert!(allowed.admit(bad).is_none(), "{entry} {bad}");
        }
        assert!(AllowedHosts::default().admit("https://api.openai.com").is_none());
        assert!(AllowedHosts::parse(["169.254.169.254"]).is_err());
    }
}

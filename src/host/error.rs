//! Why a host was refused.

use std::fmt;

/// Why a host or an entry of [`TrustedHosts`](super::TrustedHosts) was refused.
///
/// The text never repeats a caller's value. Only an entry of `TrustedHosts`, which is the operator's own, is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    kind: HostErrorKind,
    entry: Option<Box<str>>,
}

/// The kinds of [`HostError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostErrorKind {
    /// Longer than 2048 bytes.
    TooLong,
    /// Not a URL of the one accepted spelling: control characters, backslashes, a fragment, or no authority.
    Malformed,
    /// Does not begin with `http://` or `https://`.
    Scheme,
    /// Carries a user name, a password or an `@`.
    UserInfo,
    /// The host is not made of at most ten plain ASCII DNS labels, nor is it an IP address.
    Host,
    /// The port is 0, not a plain decimal number up to 65535, or belongs to a service that does not speak HTTP to callers.
    Port,
    /// Names Portkey's own API, so the request would come back.
    SelfReference,
    /// A cloud metadata service, a cluster's control plane, or a name that resolves to whatever it says: never dialled
    /// for a caller, trusted or not.
    NeverDialled,
    /// Private, loopback or otherwise special-purpose, and not among the trusted hosts.
    NotTrusted,
}

impl HostError {
    /// What was wrong.
    pub fn kind(&self) -> HostErrorKind {
        self.kind
    }

    pub(super) fn in_entry(kind: HostErrorKind, entry: &str) -> Self {
        // What stands before an `@` could be a password.
        Self { kind, entry: (kind != HostErrorKind::UserInfo).then(|| entry.into()) }
    }
}

impl From<HostErrorKind> for HostError {
    fn from(kind: HostErrorKind) -> Self {
        Self { kind, entry: None }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entry) = &self.entry {
            write!(f, "trusted host {entry:?}: ")?;
        }
        f.write_str(match self.kind {
            HostErrorKind::TooLong => "longer than 2048 bytes",
            HostErrorKind::Malformed => "not a well-formed URL of the accepted spelling",
            HostErrorKind::Scheme => "the scheme must be http:// or https://",
            HostErrorKind::UserInfo => "user information is not allowed",
            HostErrorKind::Host => "not an IP address or an ASCII host name of at most 10 labels",
            HostErrorKind::Port => "the port is invalid or not allowed",
            HostErrorKind::SelfReference => "the Portkey API cannot be a custom host",
            HostErrorKind::NeverDialled => "the host is never allowed",
            HostErrorKind::NotTrusted => "the host is private and not trusted",
        })
    }
}

impl std::error::Error for HostError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_fixed_and_only_an_entry_is_named() {
        let error = HostError::from(HostErrorKind::NotTrusted);
        assert_eq!(error.to_string(), "the host is private and not trusted");
        let error = HostError::in_entry(HostErrorKind::NeverDialled, "nip.io\n");
        assert_eq!(error.to_string(), "trusted host \"nip.io\\n\": the host is never allowed");
        assert_eq!(error.kind(), HostErrorKind::NeverDialled);
    }
}

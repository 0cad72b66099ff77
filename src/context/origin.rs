//! Who named a host, and whose a credential is.

/// Who named the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostOrigin {
    /// The catalog of providers: only public addresses are dialled.
    Catalog,
    /// The operator's settings: private and loopback addresses are dialled too.
    Operator,
    /// The caller, by custom host: only public addresses are dialled.
    Caller,
    /// The caller, by a custom host that the operator trusts: private and loopback addresses are dialled too.
    TrustedCaller,
}

impl HostOrigin {
    /// In a word, for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Operator => "operator",
            Self::Caller => "caller",
            Self::TrustedCaller => "trusted caller",
        }
    }
}

/// Whose credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The caller brought it with this request.
    Caller,
    /// It was stored, and the caller may not see it.
    Stored,
}

impl CredentialSource {
    /// In a word, for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Stored => "stored",
        }
    }
}

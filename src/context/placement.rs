//! Where a provider wants its credential, and what it gets beside it.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, header::AUTHORIZATION};

/// Where a provider wants its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// In a header, behind a prefix such as `Bearer `.
    Header {
        /// The header's name.
        name: HeaderName,
        /// What stands before the credential, with its space.
        prefix: Cow<'static, str>,
    },
    /// In the query, as the value of a parameter.
    Query {
        /// The parameter's name.
        param: Cow<'static, str>,
    },
    /// In a signature over the whole request ([`Target::signing`](crate::context::Target::signing)); the secret itself goes nowhere.
    Signature,
    /// Nowhere.
    None,
}

impl Placement {
    /// `authorization: Bearer …`.
    #[must_use]
    pub const fn bearer() -> Self {
        Self::Header { name: AUTHORIZATION, prefix: Cow::Borrowed("Bearer ") }
    }

    /// The name of the header or parameter.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Header { name, .. } => Some(name.as_str()),
            Self::Query { param } => Some(param),
            Self::Signature | Self::None => None,
        }
    }
}

/// A header that a provider gets beside the credential.
#[derive(Clone, Debug)]
pub struct ProviderHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
    /// Whether it takes the place of a caller's own. A fixed default doesn't; a value that the config or a header of
    /// Portkey's sets does.
    pub replaces: bool,
}

//! Where a provider's routes begin.

use http::uri::{Authority, Scheme};

use super::spec::CUSTOM_HOST;
use crate::{header::PortkeyHeader, provider::template::Template};

/// A base URL, read once. Those of the catalog are `https`.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// The same for everybody.
    Fixed(Scheme, Authority, &'static str),
    /// With fields in it.
    Template(Template),
    /// There is none: the request has to name one in this field.
    Named(PortkeyHeader),
    /// The text is no URL. A test keeps the catalog free of these.
    Broken,
}

impl Base {
    /// Reads a base of the catalog. The path of a fixed one has no slash at its end.
    pub(super) fn read(text: &'static str) -> Self {
        if text == CUSTOM_HOST {
            return Self::Named(PortkeyHeader::CustomHost);
        }
        if text.contains('{') {
            return Template::parse(text).map_or(Self::Broken, Self::Template);
        }
        let Some(rest) = text.strip_prefix("https://") else { return Self::Broken };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Authority::try_from(host).map_or(Self::Broken, |host| Self::Fixed(Scheme::HTTPS, host, path))
    }
}

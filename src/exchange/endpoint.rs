//! Where tokens are asked for (pure).

use http::{
    Uri,
    uri::{Authority, Scheme},
};

use super::fetch::TokenHost;
use crate::{
    host::CustomHost,
    rejection::{Kind, Rejection},
};

/// One of the hosts that give tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Giver {
    /// Microsoft Entra.
    Entra,
    /// Google's token endpoint.
    Google,
    /// Google's exchange of federated tokens.
    GoogleSts,
    /// Google's tokens of other accounts.
    GoogleIam,
    /// Azure's metadata service.
    AzureMetadata,
    /// Google's metadata service.
    GoogleMetadata,
}

impl Giver {
    /// What callers are told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Entra => "Microsoft Entra",
            Self::Google | Self::GoogleSts | Self::GoogleIam => "Google",
            Self::AzureMetadata => "Azure's metadata service",
            Self::GoogleMetadata => "Google's metadata service",
        }
    }

    fn own(self) -> (Scheme, &'static str, TokenHost) {
        match self {
            Self::Entra => (Scheme::HTTPS, "login.microsoftonline.com", TokenHost::Provider),
            Self::Google => (Scheme::HTTPS, "oauth2.googleapis.com", TokenHost::Provider),
            Self::GoogleSts => (Scheme::HTTPS, "sts.googleapis.com", TokenHost::Provider),
            Self::GoogleIam => (Scheme::HTTPS, "iamcredentials.googleapis.com", TokenHost::Provider),
            Self::AzureMetadata => (Scheme::HTTP, "169.254.169.254", TokenHost::Metadata),
            Self::GoogleMetadata => (Scheme::HTTP, "metadata.google.internal", TokenHost::Metadata),
        }
    }
}

/// The operator's own addresses in place of these.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints {
    pub(super) entra: Option<CustomHost>,
    pub(super) google: Option<CustomHost>,
    pub(super) azure_metadata: Option<CustomHost>,
    pub(super) google_metadata: Option<CustomHost>,
}

impl Endpoints {
    /// The URL of a path that begins with a slash, and whose host it is. `own` takes the host's place where the operator
    /// names none for it.
    pub(super) fn at(&self, giver: Giver, own: Option<&CustomHost>, path: &str) -> Result<(Uri, TokenHost), Rejection> {
        let named = match giver {
            Giver::Entra => &self.entra,
            Giver::Google | Giver::GoogleSts | Giver::GoogleIam => &self.google,
            Giver::AzureMetadata => &self.azure_metadata,
            Giver::GoogleMetadata => &self.google_metadata,
        };
        let (scheme, authority, front, whose) = match named.as_ref().or(own) {
            Some(host) => (host.scheme().clone(), host.authority().clone(), host.path(), TokenHost::Operator),
            None => {
                let (scheme, host, whose) = giver.own();
                (scheme, Authority::from_static(host), "", whose)
            }
        };
        let target = [front, path].concat();
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build();
        uri.map(|uri| (uri, whose)).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_ours_or_the_operators() {
        let at = |endpoints: &Endpoints, giver| {
            let (uri, whose) = endpoints.at(giver, None, "/p?q").expect("a URL");
            (uri.to_string(), whose)
        };
        let own = Endpoints::default();
        assert_eq!(at(&own, Giver::Entra), ("https://login.microsoftonline.com/p?q".into(), TokenHost::Provider));
        assert_eq!(at(&own, Giver::AzureMetadata), ("http://169.254.169.254/p?q".into(), TokenHost::Metadata));
        let host = CustomHost::operator("http://127.0.0.1:9/base/").expect("a URL");
        let named = Endpoints { google: Some(host), ..Endpoints::default() };
        for giver in [Giver::Google, Giver::GoogleSts, Giver::GoogleIam] {
            assert_eq!(at(&named, giver), ("http://127.0.0.1:9/base/p?q".into(), TokenHost::Operator));
        }
        assert_eq!(at(&named, Giver::Entra).1, TokenHost::Provider);
    }
}

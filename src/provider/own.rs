//! Providers that the catalog doesn't have.

use std::borrow::Cow;

use http::Method;

use crate::{
    context::{Placement, ProviderHeader, ProviderId},
    host::CustomHost,
    rejection::Rejection,
};

/// A provider of one's own, for [`ResolveLayer::provider`](super::ResolveLayer::provider). Only the first two have to be
/// written; [`ProviderSpec`](super::ProviderSpec) is one that is put together from parts.
///
/// What holds for built-in providers holds here: the host is the operator's and never a caller's to choose with a stored
/// credential, entries name the provider by its id, and the credential is put on by [`InjectLayer`](crate::InjectLayer)
/// after everything of the caller's that could be one has gone.
///
/// ```
/// use std::borrow::Cow;
/// use http::{HeaderName, Method};
/// use tower_portkey::{
///     context::{Placement, ProviderId}, host::CustomHost, provider::Provider, rejection::{Kind, Rejection},
/// };
///
/// /// Chats stand elsewhere, and are all there is.
/// struct InHouse {
///     id: ProviderId,
///     base: CustomHost,
/// }
///
/// impl Provider for InHouse {
///     fn id(&self) -> &ProviderId {
///         &self.id
///     }
///
///     fn base_url(&self) -> &CustomHost {
///         &self.base
///     }
///
///     fn placement(&self) -> Placement {
///         Placement::Header { name: HeaderName::from_static("x-in-house-key"), prefix: Cow::Borrowed("") }
///     }
///
///     fn path<'a>(&self, method: &Method, path: &'a str) -> Result<Cow<'a, str>, Rejection> {
///         match (method, path) {
///             (&Method::POST, "/chat/completions") => Ok("/generate/v2".into()),
///             _ => Err(Rejection::new(Kind::NotImplemented).with_message("in-house offers chats only")),
///         }
///     }
/// }
/// ```
pub trait Provider: Send + Sync {
    /// The name by which requests, configs and entries ask for it ([`ProviderId::own`]). With the id of a built-in
    /// provider, it takes that one's place.
    fn id(&self) -> &ProviderId;

    /// Scheme, host and base path, as the operator wrote them ([`CustomHost::operator`]): may be private.
    fn base_url(&self) -> &CustomHost;

    /// Where the credential goes; `authorization: Bearer …` unless said. [`Placement::None`] for a provider that takes
    /// none. Asked once, when the layer is made.
    fn placement(&self) -> Placement {
        Placement::bearer()
    }

    /// Whether a request may go without a credential; not unless said. Asked once.
    fn is_optional(&self) -> bool {
        false
    }

    /// What stands behind the base for a caller's path, which is the part below `/v1` and begins with a slash; the same
    /// unless said. The caller's query is kept.
    ///
    /// # Errors
    ///
    /// The provider doesn't offer this: the caller's answer.
    fn path<'a>(&self, method: &Method, path: &'a str) -> Result<Cow<'a, str>, Rejection> {
        let _ = method;
        Ok(Cow::Borrowed(path))
    }

    /// Headers beside the credential; none unless said. A value that is marked sensitive never goes to a host that a
    /// caller named.
    fn headers(&self) -> &[ProviderHeader] {
        &[]
    }
}

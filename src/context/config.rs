//! The config object of a request, decoded and validated.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use crate::{
    context::{Credential, ProviderRef},
    header::PortkeyHeader,
    host::CustomHost,
};

/// What the request asks of its provider: the config object, if there is one, and the settings of which headers win
/// over the config. Debug shows no value.
#[derive(Clone, Debug, Default)]
pub struct RequestConfig {
    pub(crate) object: Option<Arc<ConfigObject>>,
    pub(crate) custom_host: Option<CustomHost>,
    pub(crate) forward_headers: Vec<HeaderName>,
    pub(crate) request_timeout: Option<Duration>,
    /// Whether the layer that makes the changes of [`params`](RequestConfig::params) was passed.
    pub(crate) params_seen: bool,
}

impl RequestConfig {
    /// A request without a config, host, list or limit of its own.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The provider that the config names.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderRef> {
        self.object.as_ref()?.provider.as_ref()
    }

    /// Whether the config spreads the request over several targets.
    #[must_use]
    pub fn has_targets(&self) -> bool {
        self.object.as_ref().is_some_and(|object| object.has_targets)
    }

    /// The custom host, of the header or the config.
    #[must_use]
    pub fn custom_host(&self) -> Option<&CustomHost> {
        self.custom_host.as_ref()
    }

    /// The headers to forward, of the header or the config.
    #[must_use]
    pub fn forward_headers(&self) -> &[HeaderName] {
        &self.forward_headers
    }

    /// How long the provider may take until its response's head is there, of the header or the config.
    #[must_use]
    pub fn request_timeout(&self) -> Option<Duration> {
        self.request_timeout
    }

    /// The changes to the body's members, where there are any.
    pub(crate) fn params(&self) -> Option<&Params> {
        self.object.as_ref().map(|object| &object.params).filter(|params| !params.is_empty())
    }
}

/// One config object. Members that only later layers of Portkey's read are validated and not kept.
#[derive(Default)]
pub(crate) struct ConfigObject {
    pub(crate) provider: Option<ProviderRef>,
    /// `None` where there is no `api_key` or an empty one.
    pub(crate) api_key: Option<Credential>,
    pub(crate) custom_host: Option<Box<str>>,
    pub(crate) forward_headers: Option<Vec<HeaderName>>,
    pub(crate) request_timeout: Option<Duration>,
    /// There is a `strategy` or a list of `targets`.
    pub(crate) has_targets: bool,
    /// There are guardrails or hooks.
    pub(crate) has_guardrails: bool,
    pub(crate) params: Params,
    /// Members of a provider's group ([`PortkeyHeader::field`]), ready to be headers.
    pub(crate) fields: Vec<(PortkeyHeader, HeaderValue)>,
}

impl ConfigObject {
    pub(crate) fn field(&self, name: PortkeyHeader) -> Option<&HeaderValue> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

impl std::fmt::Debug for ConfigObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigObject").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// Changes to the members of a JSON body, made in this order.
#[derive(Default)]
pub(crate) struct Params {
    /// Set where the body has no such member.
    pub(crate) default: Vec<(Box<str>, Box<RawValue>)>,
    /// Set whatever the body has.
    pub(crate) set: Vec<(Box<str>, Box<RawValue>)>,
    /// Taken away.
    pub(crate) drop: Vec<Box<str>>,
}

impl Params {
    pub(crate) fn is_empty(&self) -> bool {
        self.default.is_empty() && self.set.is_empty() && self.drop.is_empty()
    }
}

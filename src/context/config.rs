//! The config of a request: what it asks for, and what was found for it on the way.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method};
use serde_json::value::RawValue;

use crate::{
    context::{Branch, Breaker, Credential, Deployment, Entry, ProviderRef, Retry},
    header::PortkeyHeader,
    host::CustomHost,
    rejection::Rejection,
};

/// What the request asks of its provider. `ConfigLayer` writes it; `ModelLayer` adds the entries and the model that
/// the request names; `StrategyLayer` sets, for every attempt anew, which object of the config it is. Debug shows no value.
#[derive(Clone, Default)]
pub struct RequestConfig {
    /// The config, where there is one.
    pub(crate) tree: Option<Arc<ConfigTree>>,
    /// Of the headers, which win over the config.
    pub(crate) asked: Asked,
    /// The entry or provider that header, body or query name, for a config that names none.
    pub(crate) named: Option<ProviderRef>,
    /// The entries that the request may need.
    pub(crate) entries: Vec<Entry>,
    /// What the body, the path or the query say about the model.
    pub(crate) model: Model,
    /// The object that counts now, and the entry that it or the request names.
    pub(crate) attempt: Attempt,
    /// How far the request has come.
    pub(crate) stage: Stage,
}

/// The layers that write a [`RequestConfig`], in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// By nobody but `ConfigLayer`.
    #[default]
    Read,
    /// By `ModelLayer`.
    Named,
    /// By `StrategyLayer`.
    Chosen,
}

/// Settings of headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) custom_host: Option<NamedHost>,
    pub(crate) forward_headers: Option<Arc<[HeaderName]>>,
    pub(crate) request_timeout: Option<Duration>,
}

/// One try.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) object: Option<Arc<ConfigObject>>,
    /// How often this target was asked before.
    #[cfg_attr(not(feature = "client"), allow(dead_code, reason = "only `Forward` tells it"))]
    pub(crate) retries: u32,
}

/// What a layer above has to see to when a config has changed a body: another body, none where it may stay, or a
/// refusal. By method and path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AfterChanges(pub(crate) fn(&Method, &str, &[u8]) -> Seen);

type Seen = Result<Option<Vec<u8>>, Rejection>;

/// The models that a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// In the body: its member or form field `model`, without the slug that may have stood before it. `StrategyLayer`
    /// replaces it by what the attempt's changes make of it.
    pub(crate) body: Option<Box<str>>,
    /// Below the body's first level, on routes that take models from there.
    pub(crate) below: Vec<Box<str>>,
    /// Whether what an attempt's changes make of the body could be read to name another model, or none that is a text.
    pub(crate) unclear: bool,
    /// Whether the body asks for a stream: its member `stream` is `true`. Kept like `body`.
    pub(crate) stream: bool,
}

impl Model {
    /// Whether a body asks for a stream. What is no JSON object doesn't.
    pub(crate) fn asks_for_a_stream(body: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        struct Asked<'a> {
            #[serde(borrow)]
            stream: Option<&'a RawValue>,
        }

        serde_json::from_slice::<Asked<'_>>(body).is_ok_and(|asked| asked.stream.is_some_and(|own| own.get() == "true"))
    }
}

/// A custom host as somebody named it for this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedHost {
    pub(crate) text: Box<str>,
    /// `None` where only an entry's own list of hosts could let it pass.
    pub(crate) host: Option<CustomHost>,
}

impl RequestConfig {
    /// A request without a config, host, list or limit of its own, that has come past every layer which would add one.
    #[must_use]
    pub fn none() -> Self {
        Self { stage: Stage::Chosen, ..Self::default() }
    }

    /// Whether the config may still change the body.
    pub(crate) fn may_change(&self) -> bool {
        self.stage == Stage::Named && self.tree.as_ref().is_some_and(|tree| tree.changes_body)
    }

    /// The provider that the config's object for this attempt names, or else the header, the body or the query, or else
    /// the model among the object's defaults.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderRef> {
        let object = self.object().filter(|object| !object.passthrough);
        let own = object.and_then(|object| object.provider.as_ref());
        own.or(self.named.as_ref()).or_else(|| object?.default_provider.as_ref())
    }

    /// The entry for this attempt.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match self.provider()? {
            ProviderRef::Slug(slug) => self.entries.iter().find(|entry| entry.slug() == &**slug),
            ProviderRef::Id(_) => None,
        }
    }

    /// Whether the config spreads the request over several targets.
    #[must_use]
    pub fn has_targets(&self) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.root.branch.is_some())
    }

    /// The custom host, of the header or the config. `None`, too, for one that only the entry could allow.
    #[must_use]
    pub fn custom_host(&self) -> Option<&CustomHost> {
        self.named_host()?.host.as_ref()
    }

    /// The headers to forward, of the header or the config.
    #[must_use]
    pub fn forward_headers(&self) -> &[HeaderName] {
        let own = self.asked.forward_headers.as_ref();
        own.or_else(|| self.object()?.forward_headers.as_ref()).map_or(&[], |names| names)
    }

    /// How long the provider may take until its response's head is there, of the header or the config.
    #[must_use]
    pub fn request_timeout(&self) -> Option<Duration> {
        self.asked.request_timeout.or_else(|| self.object()?.request_timeout)
    }

    /// Which target of the config this attempt is for: `config`, `config.targets[1]`, ….
    #[must_use]
    pub fn path(&self) -> &str {
        self.object().and_then(|object| object.path.to_str().ok()).unwrap_or("config")
    }

    /// Whether the config asks for more than one provider with one credential.
    pub(crate) fn needs_strategy(&self) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.root.branch.is_some() || tree.changes_body || tree.may_resend)
    }

    /// [`path`](RequestConfig::path) as the value of a header.
    pub(crate) fn path_value(&self) -> HeaderValue {
        self.object().map_or_else(|| HeaderValue::from_static("config"), |object| object.path.clone())
    }

    /// Where the config is from, in a word.
    pub(crate) fn source(&self) -> &'static str {
        match &self.tree {
            None => "none",
            Some(tree) if tree.saved => "saved",
            Some(_) => "inline",
        }
    }

    /// The object of the config that counts: the attempt's, or the whole where it is one.
    pub(crate) fn object(&self) -> Option<&Arc<ConfigObject>> {
        self.attempt.object.as_ref().or_else(|| Some(&self.tree.as_ref()?.root))
    }

    pub(crate) fn named_host(&self) -> Option<&NamedHost> {
        self.asked.custom_host.as_ref().or_else(|| self.object()?.custom_host.as_deref())
    }
}

impl fmt::Debug for RequestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestConfig")
            .field("path", &self.path())
            .field("provider", &self.provider())
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

/// A config, with what can be said about the whole of it.
#[derive(Debug)]
pub(crate) struct ConfigTree {
    pub(crate) root: Arc<ConfigObject>,
    /// Every entry that is named anywhere in it, once each.
    pub(crate) slugs: Vec<Box<str>>,
    /// Whether some target changes members of the body.
    pub(crate) changes_body: bool,
    /// Whether the request may have to be sent more than once.
    pub(crate) may_resend: bool,
    /// Whether a condition or a hash asks for members of the body.
    pub(crate) reads_params: bool,
    /// Whether some target's provider has the model in its URLs.
    pub(crate) models_in_paths: bool,
    /// Whether some target has deployments that models are names for, in forms, too.
    pub(crate) has_deployments: bool,
    /// Whether it was saved: credentials in it are stored ones, which callers don't hold.
    pub(crate) saved: bool,
}

/// One object of a config, with what it inherits from those that it stands in. What could be large and is inherited is
/// shared, so that a config takes no more room than its text gives reason for.
pub(crate) struct ConfigObject {
    /// Where it stands.
    pub(crate) path: HeaderValue,
    pub(crate) provider: Option<ProviderRef>,
    /// The entry before the model among the defaults, which counts where nothing else names a provider.
    pub(crate) default_provider: Option<ProviderRef>,
    /// `None` where there is no `api_key` or an empty one.
    pub(crate) api_key: Option<Credential>,
    pub(crate) custom_host: Option<Arc<NamedHost>>,
    pub(crate) forward_headers: Option<Arc<[HeaderName]>>,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) strict_open_ai_compliance: Option<bool>,
    /// The provider or model is the caller's, although the config has the last word on everything else.
    pub(crate) passthrough: bool,
    /// There are guardrails or hooks.
    pub(crate) has_guardrails: bool,
    pub(crate) params: Arc<Params>,
    /// Members of a provider's group ([`PortkeyHeader::field`]), ready to be headers.
    pub(crate) fields: Vec<(PortkeyHeader, HeaderValue)>,
    /// Those of Azure OpenAI.
    pub(crate) deployments: Arc<[Deployment]>,
    pub(crate) retry: Option<Arc<Retry>>,
    pub(crate) breaker: Option<Breaker>,
    /// What it chooses among, where it is no target itself.
    pub(crate) branch: Option<Branch>,
}

impl ConfigObject {
    /// Whether it holds what a provider takes for proof.
    pub(crate) fn holds_a_credential(&self) -> bool {
        const PROOFS: [PortkeyHeader; 5] = [
            PortkeyHeader::AwsSecretAccessKey,
            PortkeyHeader::AzureAdToken,
            PortkeyHeader::AzureEntraClientSecret,
            PortkeyHeader::OraclePrivateKey,
            PortkeyHeader::VertexServiceAccountJson,
        ];
        self.api_key.is_some() || PROOFS.iter().any(|proof| self.field(*proof).is_some())
    }

    /// Whether the model of a body decides about the provider's URL, or about what goes out in its place.
    pub(crate) fn has_models_in_paths(&self) -> bool {
        let field = |name| self.field(name).and_then(|value| value.to_str().ok());
        let own = match &self.provider {
            Some(ProviderRef::Id(id)) if !self.passthrough => id.has_models_in_paths(field),
            _ => false,
        };
        own || !self.deployments.is_empty()
    }

    pub(crate) fn field(&self, name: PortkeyHeader) -> Option<&HeaderValue> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

impl Default for ConfigObject {
    fn default() -> Self {
        Self {
            path: HeaderValue::from_static("config"),
            provider: None,
            default_provider: None,
            api_key: None,
            custom_host: None,
            forward_headers: None,
            request_timeout: None,
            strict_open_ai_compliance: None,
            passthrough: false,
            has_guardrails: false,
            params: Arc::default(),
            fields: Vec::new(),
            deployments: Arc::default(),
            retry: None,
            breaker: None,
            branch: None,
        }
    }
}

impl fmt::Debug for ConfigObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigObject")
            .field("path", &self.path)
            .field("provider", &self.provider)
            .field("branch", &self.branch)
            .finish_non_exhaustive()
    }
}

/// Changes to the members of a JSON body, made in this order. Those of the objects above hold, too, where the own ones
/// say nothing of a member.
#[derive(Clone, Default)]
pub(crate) struct Params {
    /// Set where the body has no such member.
    pub(crate) default: Vec<(Box<str>, Box<RawValue>)>,
    /// Set whatever the body has.
    pub(crate) set: Vec<(Box<str>, Box<RawValue>)>,
    /// Taken away.
    pub(crate) drop: Vec<Box<str>>,
    /// What is inherited: shared, because many targets may stand below one object.
    pub(crate) above: Option<Arc<Params>>,
}

impl Params {
    /// Whether nothing is changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.layers().all(Self::adds_nothing)
    }

    /// Whether nothing is changed but by those above.
    pub(crate) fn adds_nothing(&self) -> bool {
        self.default.is_empty() && self.set.is_empty() && self.drop.is_empty()
    }

    /// These, then those above, the nearest first. What is said about a member first counts.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |layer| layer.above.as_deref())
    }

    /// Whether they make the same changes, told from their texts.
    pub(crate) fn reads_like(&self, other: &Self) -> bool {
        type Member = (Box<str>, Box<RawValue>);
        fn texts(members: &[Member]) -> impl Iterator<Item = (&str, &str)> {
            members.iter().map(|(name, value)| (&**name, value.get()))
        }
        let above = match (&self.above, &other.above) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.reads_like(other),
            _ => false,
        };
        above
            && self.drop == other.drop
            && texts(&self.default).eq(texts(&other.default))
            && texts(&self.set).eq(texts(&other.set))
    }
}

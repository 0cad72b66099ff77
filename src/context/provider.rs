//! Which provider a request names.

use std::{collections::HashSet, fmt, sync::Arc};

use http::HeaderValue;

use super::is_azure_v1;
use crate::header::PortkeyHeader;

/// The ids that Portkey's validator accepts, in the order of its error text, then those that only its documentation
/// names.
const IDS: [&str; ProviderId::COUNT] = [
    "anthropic",
    "anyscale",
    "azure-openai",
    "cohere",
    "google",
    "vertex-ai",
    "mistral-ai",
    "openai",
    "palm",
    "perplexity-ai",
    "reka-ai",
    "together-ai",
    "deepinfra",
    "ncompass",
    "stability-ai",
    "nomic",
    "ollama",
    "ai21",
    "bedrock",
    "groq",
    "segmind",
    "jina",
    "fireworks-ai",
    "workers-ai",
    "moonshot",
    "openrouter",
    "lingyi",
    "zhipu",
    "novita-ai",
    "monsterapi",
    "deepseek",
    "predibase",
    "triton",
    "voyage",
    "azure-ai",
    "github",
    "deepbricks",
    "siliconflow",
    "huggingface",
    "cerebras",
    "inference-net",
    "sambanova",
    "lemonfox-ai",
    "upstage",
    "lambda",
    "dashscope",
    "x-ai",
    "cortex",
    "sagemaker",
    "nebius",
    "recraft-ai",
    "milvus",
    "replicate",
    "portkey",
    "lepton",
    "kluster-ai",
    "nscale",
    "hyperbolic",
    "bytez",
    "featherless-ai",
    "krutrim",
    "qdrant",
    "302ai",
    "cometapi",
    "matterai",
    "meshy",
    "tripo3d",
    "nextbit",
    "modal",
    "z-ai",
    "oracle",
    "iointelligence",
    "aibadgr",
    "ovhcloud",
    "byollm",
    "localai",
    "deepgram",
    "passthrough",
    "bedrock-mantle",
    "claude-platform-aws",
    "databricks",
    "byteplus",
    "fal-ai",
    "vllm",
];

/// A provider's id: a built-in one's, or one that the operator made up. Ids are compared exactly: `OpenAI` is none. A clone
/// is one reference count at most.
///
/// ```
/// use tower_portkey::context::ProviderId;
///
/// assert!(ProviderId::parse("openai").is_some_and(|id| id.is_built_in()));
/// assert!(ProviderId::parse("in-house").is_none());
/// assert_eq!(ProviderId::own("in-house")?.as_str(), "in-house");
/// assert!(ProviderId::own("openai").is_err());
/// # Ok::<(), tower_portkey::context::ProviderIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(Id);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    BuiltIn(u8),
    Own(Arc<str>),
}

impl ProviderId {
    /// How many are built in.
    pub const COUNT: usize = 84;
    /// How many of them Portkey's own validator knows; its error text lists these.
    pub const VALIDATED: usize = 74;
    /// The longest id of the operator's own, in bytes.
    pub const MAX_OWN_BYTES: usize = 64;

    /// The built-in provider of that id.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let index = IDS.iter().position(|known| *known == id)?;
        u8::try_from(index).ok().map(|index| Self(Id::BuiltIn(index)))
    }

    /// An id of the operator's own. Nobody knows it but the layers that are told
    /// ([`ConfigLayer::providers`](crate::ConfigLayer::providers),
    /// [`ResolveLayer::provider`](crate::ResolveLayer::provider)).
    ///
    /// # Errors
    ///
    /// It is made of something else than 1 to 64 lower-case letters, digits and inner `-`, or is a built-in provider's.
    pub fn own(id: &str) -> Result<Self, ProviderIdError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let whole = (1..=Self::MAX_OWN_BYTES).contains(&id.len()) && !id.starts_with('-') && !id.ends_with('-');
        if !whole || !id.bytes().all(plain) {
            return Err(ProviderIdError::Malformed);
        }
        match Self::parse(id) {
            Some(_) => Err(ProviderIdError::BuiltIn),
            None => Ok(Self(Id::Own(id.into()))),
        }
    }

    /// Every built-in provider.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(Self::COUNT).map(|index| Self(Id::BuiltIn(index)))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Id::BuiltIn(index) => IDS[usize::from(*index)],
            Id::Own(id) => id,
        }
    }

    /// The id as the value of a header.
    pub(crate) fn header_value(&self) -> HeaderValue {
        match &self.0 {
            Id::BuiltIn(index) => HeaderValue::from_static(IDS[usize::from(*index)]),
            // No id is made of anything else than a header may carry.
            Id::Own(id) => HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("")),
        }
    }

    /// Whether it is a built-in provider's.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.index().is_some()
    }

    /// Whether [`has_models_in_paths`](ProviderId::has_models_in_paths) could say yes.
    pub(crate) fn may_have_models_in_paths(&self) -> bool {
        matches!(self.as_str(), "bedrock" | "vertex-ai" | "azure-openai")
    }

    /// Whether the model of a body decides about the provider's URL, or about what goes out in its place, so that the body
    /// has to be read before its request can go on. `field` gives the values of the provider's fields.
    pub(crate) fn has_models_in_paths<'f>(&self, field: impl Fn(PortkeyHeader) -> Option<&'f str>) -> bool {
        match self.as_str() {
            "bedrock" => cfg!(feature = "bedrock"),
            "vertex-ai" => cfg!(feature = "exchange"),
            // The deployment stands in the path, or in the body in place of the model.
            "azure-openai" => {
                cfg!(feature = "exchange")
                    && field(PortkeyHeader::AzureApiVersion).is_some_and(is_azure_v1)
                    && field(PortkeyHeader::AzureDeploymentId).is_some()
            }
            _ => false,
        }
    }

    /// The place in the list of built-in providers, from 0.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match &self.0 {
            Id::BuiltIn(index) => Some(usize::from(*index)),
            Id::Own(_) => None,
        }
    }
}

/// Why an id can't be the operator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderIdError {
    /// It holds something else than an id may.
    Malformed,
    /// A built-in provider has it.
    BuiltIn,
}

impl fmt::Display for ProviderIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "an id is made of 1 to 64 lower-case letters, digits and inner `-`",
            Self::BuiltIn => "a built-in provider has this id",
        })
    }
}

impl std::error::Error for ProviderIdError {}

/// The ids that requests and configs may name: the built-in ones, and the operator's own. A clone is one reference count.
#[derive(Clone, Debug, Default)]
pub struct ProviderIds(Arc<HashSet<Arc<str>>>);

impl ProviderIds {
    /// The provider of that id. For a built-in one, nothing else is looked at.
    #[must_use]
    pub fn parse(&self, id: &str) -> Option<ProviderId> {
        let own = || self.0.get(id).map(|id| ProviderId(Id::Own(Arc::clone(id))));
        ProviderId::parse(id).or_else(own)
    }

    /// Adds an id. Built-in ones are there already.
    #[must_use]
    pub fn with(mut self, id: &ProviderId) -> Self {
        if let Id::Own(own) = &id.0 {
            Arc::make_mut(&mut self.0).insert(Arc::clone(own));
        }
        self
    }
}

impl<'a> FromIterator<&'a ProviderId> for ProviderIds {
    fn from_iter<I: IntoIterator<Item = &'a ProviderId>>(ids: I) -> Self {
        ids.into_iter().fold(Self::default(), Self::with)
    }
}

/// What `x-portkey-provider` or a config's `provider` names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderRef {
    /// A provider by its id; the caller brings the credential.
    Id(ProviderId),
    /// A provider entry of the caller's workspace, which holds the credential: `@slug` without the `@`.
    Slug(Box<str>),
}

impl ProviderRef {
    /// Reads `openai`, `@slug` or `@slug/anything`: in the header, what follows the first `/` of a slug is ignored. Ids of
    /// the operator's own are for [`ProviderIds`] to know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('@') {
            Some(rest) => {
                let slug = rest.split('/').next().unwrap_or_default();
                (!slug.is_empty()).then(|| Self::Slug(slug.into()))
            }
            None => ProviderId::parse(text).map(Self::Id),
        }
    }
}

impl fmt::Display for ProviderRef {
    /// As it is written in the header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id.as_str()),
            Self::Slug(slug) => write!(f, "@{slug}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exact_and_complete() {
        assert_eq!(ProviderId::all().count(), ProviderId::COUNT);
        for id in ProviderId::all() {
            assert_eq!(ProviderId::parse(id.as_str()), Some(id));
        }
        let last = ProviderId::parse("ovhcloud").and_then(|id| id.index());
        assert_eq!(last, Some(ProviderId::VALIDATED - 1));
        for text in ["OpenAI", "nope", "", "openai ", "openai, openai"] {
            assert_eq!(ProviderId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ones_own_ids_are_known_to_whoever_was_told() {
        let own = ProviderId::own("in-house-1").expect("an id");
        assert!(!own.is_built_in() && own.index().is_none());
        let ids: ProviderIds = [&own].into_iter().collect();
        assert_eq!(ids.parse("in-house-1"), Some(own));
        assert_eq!(ids.parse("openai"), ProviderId::parse("openai"));
        assert_eq!((ids.parse("in-house"), ProviderIds::default().parse("in-house-1")), (None, None));
        assert_eq!(ProviderId::own("groq"), Err(ProviderIdError::BuiltIn));
        let long = "a".repeat(65);
        for id in ["", "-", "a-", "-a", "A", "a_b", "a.b", "@a", "a/b", "a b", "ä", &long] {
            assert_eq!(ProviderId::own(id), Err(ProviderIdError::Malformed), "{id}");
        }
    }

    #[test]
    fn a_slug_ends_at_its_slash() {
        assert_eq!(ProviderRef::parse("@prod/gpt-4o/x"), Some(ProviderRef::Slug("prod".into())));
        assert_eq!(ProviderRef::parse("@"), None);
        assert_eq!(ProviderRef::parse("@/x"), None);
    }
}

//! Which provider a request names.

use std::fmt;

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
];

/// A built-in provider. Ids are compared exactly: `OpenAI` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(u8);

impl ProviderId {
    /// How many there are.
    pub const COUNT: usize = 77;
    /// How many of them Portkey's own validator knows; its error text lists these.
    pub const VALIDATED: usize = 74;

    /// The provider of that id.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        IDS.iter().position(|known| *known == id).and_then(|index| u8::try_from(index).ok()).map(Self)
    }

    /// Every provider.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(Self::COUNT).map(Self)
    }

    /// The id.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        IDS[self.index()]
    }

    /// Whether [`has_models_in_paths`](ProviderId::has_models_in_paths) could say yes.
    pub(crate) fn may_have_models_in_paths(self) -> bool {
        matches!(self.as_str(), "bedrock" | "vertex-ai" | "azure-openai")
    }

    /// Whether the model of a body decides about the provider's URL, or about what goes out in its place, so that the body
    /// has to be read before its request can go on. `field` gives the values of the provider's fields.
    pub(crate) fn has_models_in_paths<'f>(self, field: impl Fn(PortkeyHeader) -> Option<&'f str>) -> bool {
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

    /// The place in the list, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What `x-portkey-provider` or a config's `provider` names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderRef {
    /// A built-in provider; the caller brings the credential.
    Id(ProviderId),
    /// A provider entry of the caller's workspace, which holds the credential: `@slug` without the `@`.
    Slug(Box<str>),
}

impl ProviderRef {
    /// Reads `openai`, `@slug` or `@slug/anything`: in the header, what follows the first `/` of a slug is ignored.
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
        assert_eq!(ProviderId::parse("ovhcloud").map(ProviderId::index), Some(ProviderId::VALIDATED - 1));
        for text in ["OpenAI", "nope", "", "openai ", "openai, openai"] {
            assert_eq!(ProviderId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_slug_ends_at_its_slash() {
        assert_eq!(ProviderRef::parse("@prod/gpt-4o/x"), Some(ProviderRef::Slug("prod".into())));
        assert_eq!(ProviderRef::parse("@"), None);
        assert_eq!(ProviderRef::parse("@/x"), None);
    }
}

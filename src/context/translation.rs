//! Whether a request has to be put into another language on its way.

/// What a provider is spoken to in, where it doesn't understand what the caller wrote. `ResolveLayer` says so in the
/// [`Target`](crate::context::Target); `TranslateLayer` does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Translation {
    /// OpenAI's `POST /v1/chat/completions`, asked of AWS Bedrock as Converse or ConverseStream. The URL's path ends in
    /// `/converse` or `/converse-stream`; which of the two, the body says.
    Converse,
    /// OpenAI's `POST /v1/embeddings`, asked of AWS Bedrock as InvokeModel of a Titan or Cohere model. The URL's path
    /// ends in `/invoke`.
    BedrockEmbeddings,
}

//! Whether a request has to be put into another language on its way.

/// What a provider is spoken to in, where it doesn't understand what the caller wrote. `ResolveLayer` says so in the
/// [`Target`](crate::context::Target); `TranslateLayer` does it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Translation {
    /// OpenAI's `POST /v1/chat/completions`, asked of AWS Bedrock as Converse or ConverseStream. The URL's path ends in
    /// `/converse` or `/converse-stream`; which of the two, the body says.
    Converse,
    /// OpenAI's `POST /v1/embeddings`, asked of AWS Bedrock as InvokeModel of a Titan or Cohere model. The URL's path
    /// ends in `/invoke`.
    BedrockEmbeddings,
    /// Anthropic's `POST /v1/messages`, asked of AWS Bedrock as InvokeModel or InvokeModelWithResponseStream of a Claude.
    /// The URL's path ends in `/invoke` or `/invoke-with-response-stream`; which of the two, the body says.
    BedrockMessages,
    /// Anthropic's `POST /v1/messages/count_tokens`, asked of AWS Bedrock as CountTokens.
    BedrockCountTokens,
    /// A body in the words of the model's own vendor, from which AWS Bedrock wants `model` and `stream` gone: they are in
    /// the path. What AWS answers passes as it is, but for errors, which become OpenAI's.
    BedrockInvoke,
    /// Cohere's `POST /v1/rerank`, asked of AWS Bedrock as Rerank.
    BedrockRerank {
        /// Of which the models are.
        region: Box<str>,
    },
    /// OpenAI's `POST /v1/files`, whose file is put into AWS S3 as the object that the URL names.
    S3Upload {
        /// The object, as `s3://bucket/key`.
        object: Box<str>,
    },
    /// OpenAI's `GET /v1/files/{id}`, asked of AWS S3 as GetObjectAttributes.
    S3File {
        /// The object, as `s3://bucket/key`.
        object: Box<str>,
    },
    /// OpenAI's `GET /v1/files/{id}/content`: an object of AWS S3, as it is. Errors become OpenAI's.
    S3Content,
}

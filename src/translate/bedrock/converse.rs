//! A Converse request, as AWS reads it (API reference: Converse, ConverseStream).

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Converse<'a> {
    pub(super) messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inference_config: Option<Inference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) guardrail_config: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) performance_config: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) additional_model_request_fields: Option<Fields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) additional_model_response_field_paths: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<OutputConfig<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
}

#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    pub(super) role: Role,
    pub(super) content: Vec<Block<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(Cow<'a, str>),
    Image(Media<'a>),
    Video(Media<'a>),
    Audio(Media<'a>),
    Document(Document<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    ReasoningContent(Reasoning<'a>),
    CachePoint(CachePoint),
}

#[derive(Debug, Serialize)]
pub(super) struct Media<'a> {
    pub(super) format: &'static str,
    pub(super) source: Source<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) format: &'static str,
    pub(super) name: String,
    pub(super) source: Source<'a>,
}

#[derive(Debug, Serialize)]
pub(super) enum Source<'a> {
    /// Base64.
    #[serde(rename = "bytes")]
    Bytes(Cow<'a, str>),
    #[serde(rename = "s3Location")]
    S3(S3Location<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct S3Location<'a> {
    pub(super) uri: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bucket_owner: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) input: Box<RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) content: Vec<Block<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<Cow<'a, str>>,
    },
    /// Base64.
    RedactedContent(Cow<'a, str>),
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CachePoint {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl CachePoint {
    /// `ttl`: how long it holds, where that isn't left to AWS.
    pub(super) fn new(ttl: Option<&'static str>) -> Self {
        Self { kind: "default", ttl }
    }
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_sequences: Option<Vec<Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<&'a RawValue>,
}

impl Inference<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.max_tokens.is_none() && self.stop_sequences.is_none() && self.temperature.is_none() && self.top_p.is_none()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tool<'a> {
    ToolSpec {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<Cow<'a, str>>,
        #[serde(rename = "inputSchema")]
        input_schema: InputSchema<'a>,
    },
    CachePoint(CachePoint),
}

#[derive(Debug, Serialize)]
pub(super) struct InputSchema<'a> {
    pub(super) json: Json<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ToolChoice<'a> {
    Auto {},
    Any {},
    Tool { name: Cow<'a, str> },
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text_format: Option<TextFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct TextFormat<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) structure: Structure<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Structure<'a> {
    #[serde(rename = "jsonSchema")]
    pub(super) json_schema: JsonSchema<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct JsonSchema<'a> {
    /// The schema as the text of it, which is how AWS takes it.
    pub(super) schema: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<Cow<'a, str>>,
}

/// A value of the caller's, with its own text, or one that was made here.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Json<'a> {
    Raw(&'a RawValue),
    Own(serde_json::Value),
}

/// Members of an object, in their order.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Fields<'a> {
    /// Sets a member, in the place of one of that name.
    pub(super) fn set(&mut self, name: &'static str, value: Json<'a>) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

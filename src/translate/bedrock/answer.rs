//! A Converse answer becomes OpenAI's chat completion (pure).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    usage::{TokenUsage, Usage},
    words,
};

/// What an answer says about itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// The model as the caller named it.
    pub(crate) model: Box<str>,
    /// Whether nothing is said that OpenAI doesn't say.
    pub(crate) strict: bool,
}

#[derive(Deserialize)]
struct Converse<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    #[serde(borrow, rename = "stopReason")]
    stop_reason: Option<Cow<'a, str>>,
    usage: TokenUsage,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Said<'a>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    content: Vec<Block<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Reasoning<'a>>,
    #[serde(borrow)]
    citations_content: Option<Citations<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    #[serde(borrow)]
    tool_use_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow)]
    reasoning_text: Option<ReasoningText<'a>>,
    #[serde(borrow)]
    redacted_content: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ReasoningText<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    signature: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Citations<'a> {
    #[serde(borrow, default)]
    content: Vec<Cited<'a>>,
}

#[derive(Deserialize)]
struct Cited<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    provider: &'static str,
    choices: [Choice<'a>; 1],
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    message: Message<'a>,
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_blocks: Option<Vec<ContentBlock<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentBlock<'a> {
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
    },
    RedactedThinking {
        data: &'a str,
    },
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The completion. `None` where the body is no answer of Converse's.
pub(crate) fn answer(body: &[u8], about: &About) -> Option<Vec<u8>> {
    let Converse { output, stop_reason, usage } = serde_json::from_slice(body).ok()?;
    let blocks = &output.message.content;
    let message = Message {
        role: "assistant",
        content: text(blocks),
        content_blocks: (!about.strict).then(|| content_blocks(blocks)),
        tool_calls: tool_calls(blocks),
    };
    let completion = Completion {
        id: &about.id,
        object: "chat.completion",
        created: about.created,
        model: &about.model,
        provider: "bedrock",
        choices: [Choice {
            index: 0,
            message,
            finish_reason: words::finish_reason(stop_reason.as_deref(), about.strict),
        }],
        usage: usage.into(),
    };
    serde_json::to_vec(&completion).ok()
}

/// All text, a line feed between blocks. Text with citations is text.
fn text(blocks: &[Block<'_>]) -> String {
    let mut joined = String::new();
    let plain = |block: &Block<'_>| match (&block.text, &block.citations_content) {
        (Some(text), _) => text.clone().into_owned(),
        (None, Some(cited)) => cited.content.iter().filter_map(|part| part.text.as_deref()).collect(),
        (None, None) => String::new(),
    };
    for text in blocks.iter().map(plain).filter(|text| !text.is_empty()) {
        if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(&text);
    }
    joined
}

fn content_blocks<'a>(blocks: &'a [Block<'a>]) -> Vec<ContentBlock<'a>> {
    let block = |block: &'a Block<'a>| {
        if let Some(text) = block.text.as_deref().filter(|text| !text.is_empty()) {
            return Some(ContentBlock::Text { text });
        }
        let reasoning = block.reasoning_content.as_ref()?;
        match (&reasoning.reasoning_text, &reasoning.redacted_content) {
            (Some(said), _) => {
                Some(ContentBlock::Thinking { thinking: &said.text, signature: said.signature.as_deref() })
            }
            (None, Some(data)) => Some(ContentBlock::RedactedThinking { data }),
            (None, None) => None,
        }
    };
    blocks.iter().filter_map(block).collect()
}

/// The calls that the caller has to make. What AWS runs itself is none of them.
fn tool_calls<'a>(blocks: &'a [Block<'a>]) -> Vec<ToolCall<'a>> {
    let uses = blocks.iter().filter_map(|block| block.tool_use.as_ref());
    uses.filter(|used| !words::runs_at_aws(used.kind.as_deref()))
        .map(|used| {
            let arguments = used.input.map_or("{}", RawValue::get);
            ToolCall { id: &used.tool_use_id, kind: "function", function: Called { name: &used.name, arguments } }
        })
        .collect()
}

//! OpenAI's messages become Converse's turns (pure).
//!
//! Converse has two roles that take turns: what the system says stands apart, results of tools are the user's, and
//! messages of one role that follow each other are one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    converse::{Block, CachePoint, Reasoning, Role, ToolResult, ToolUse, Turn},
    fault::{Fault, Within as _},
    media::Shelf,
    read,
};

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Talk<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Whether a tool was called, or answered.
    pub(super) has_tools: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    content_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_call_id: Option<&'a RawValue>,
}

/// Which parts a message may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    System,
    User,
    Assistant,
    Tool,
}

pub(super) fn talk(raw: &RawValue) -> Result<Talk<'_>, Fault> {
    let (mut talk, mut shelf) = (Talk::default(), Shelf::default());
    for (at, message) in read::list(raw)?.into_iter().enumerate() {
        add(&mut talk, &mut shelf, message).item(at)?;
    }
    if talk.turns.is_empty() {
        return Err(Fault::new("must have a message of a user"));
    }
    Ok(talk)
}

fn add<'a>(talk: &mut Talk<'a>, shelf: &mut Shelf, raw: &'a RawValue) -> Result<(), Fault> {
    let message: Message<'a> = read::object(raw)?;
    let role = read::text(message.role.ok_or_else(|| Fault::at("role", "is missing"))?).within("role")?;
    match &*role {
        "system" | "developer" => {
            let blocks = content(message.content, Speaker::System, shelf).within("content")?;
            talk.system.extend(blocks);
        }
        "user" | "function" => {
            let blocks = content(message.content, Speaker::User, shelf).within("content")?;
            say(&mut talk.turns, Role::User, blocks);
        }
        "assistant" => {
            let mut blocks = match message.content_blocks {
                Some(raw) => content(Some(raw), Speaker::Assistant, shelf).within("content_blocks")?,
                None => content(message.content, Speaker::Assistant, shelf).within("content")?,
            };
            let calls = message.tool_calls.map_or(Ok(Vec::new()), tool_calls).within("tool_calls")?;
            talk.has_tools |= !calls.is_empty();
            blocks.extend(calls);
            // Who said nothing has no turn: AWS takes none that is empty.
            if !blocks.is_empty() {
                say(&mut talk.turns, Role::Assistant, blocks);
            }
        }
        "tool" => {
            let id = message.tool_call_id.ok_or_else(|| Fault::at("tool_call_id", "is missing"))?;
            let tool_use_id = read::text(id).within("tool_call_id")?;
            let mut content = content(message.content, Speaker::Tool, shelf).within("content")?;
            // A mark stands behind a result, not in it.
            let mark = match content.last() {
                Some(Block::CachePoint(_)) => content.pop(),
                _ => None,
            };
            content.retain(|block| !matches!(block, Block::CachePoint(_)));
            let result = Block::ToolResult(ToolResult { tool_use_id, content });
            talk.has_tools = true;
            say(&mut talk.turns, Role::User, [result].into_iter().chain(mark).collect());
        }
        _ => return Err(Fault::at("role", "must be system, developer, user, assistant or tool")),
    }
    Ok(())
}

fn say<'a>(turns: &mut Vec<Turn<'a>>, role: Role, blocks: Vec<Block<'a>>) {
    match turns.last_mut() {
        Some(last) if last.role == role => last.content.extend(blocks),
        _ => turns.push(Turn { role, content: blocks }),
    }
}

/// A string, a list of parts, or nothing. Text that is blank is left out: AWS refuses it.
fn content<'a>(raw: Option<&'a RawValue>, speaker: Speaker, shelf: &mut Shelf) -> Result<Vec<Block<'a>>, Fault> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let mut blocks = Vec::new();
    if read::is_text(raw) {
        push_text(&mut blocks, read::text(raw)?);
        return Ok(blocks);
    }
    let parts = read::list(raw).map_err(|_| Fault::new("must be a string or a list of parts"))?;
    for (at, raw) in parts.into_iter().enumerate() {
        part(&mut blocks, raw, speaker, shelf).item(at)?;
    }
    Ok(blocks)
}

fn push_text<'a>(blocks: &mut Vec<Block<'a>>, text: Cow<'a, str>) {
    if !text.trim().is_empty() {
        blocks.push(Block::Text(text));
    }
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<&'a RawValue>,
    #[serde(borrow)]
    input_audio: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

fn part<'a>(blocks: &mut Vec<Block<'a>>, raw: &'a RawValue, speaker: Speaker, shelf: &mut Shelf) -> Result<(), Fault> {
    let part: Part<'a> = read::object(raw)?;
    let kind = read::text(part.kind.ok_or_else(|| Fault::at("type", "is missing"))?).within("type")?;
    let text =
        |raw: Option<&'a RawValue>, name| raw.map(read::text).transpose().within(name).map(Option::unwrap_or_default);
    let value = |raw: Option<&'a RawValue>, name: &str| raw.ok_or_else(|| Fault::at(name, "is missing"));
    let before = blocks.len();
    match (&*kind, speaker) {
        ("text", _) => push_text(blocks, text(part.text, "text")?),
        ("refusal", Speaker::Assistant) => push_text(blocks, text(part.refusal, "refusal")?),
        ("image_url", Speaker::User | Speaker::Tool) => {
            blocks.push(shelf.image_url(value(part.image_url, "image_url")?).within("image_url")?);
        }
        ("file", Speaker::User | Speaker::Tool) => {
            blocks.push(shelf.file(value(part.file, "file")?).within("file")?);
        }
        ("input_audio", Speaker::User) => {
            blocks.push(shelf.input_audio(value(part.input_audio, "input_audio")?).within("input_audio")?);
        }
        ("thinking", Speaker::Assistant) => {
            let signature = part.signature.map(read::text).transpose().within("signature")?;
            let text = text(part.thinking, "thinking")?;
            blocks.push(Block::ReasoningContent(Reasoning::ReasoningText { text, signature }));
        }
        ("redacted_thinking", Speaker::Assistant) => {
            blocks.push(Block::ReasoningContent(Reasoning::RedactedContent(text(part.data, "data")?)));
        }
        _ => return Err(Fault::at("type", speaker.parts())),
    }
    if let Some(mark) = part.cache_control.filter(|_| blocks.len() > before) {
        blocks.push(Block::CachePoint(cache_point(mark).within("cache_control")?));
    }
    Ok(())
}

impl Speaker {
    /// What is said of another part.
    fn parts(self) -> &'static str {
        match self {
            Self::System => "must be text: what the system says can't be anything else",
            Self::User => "must be text, image_url, file or input_audio",
            Self::Assistant => "must be text, refusal, thinking or redacted_thinking",
            Self::Tool => "must be text, image_url or file",
        }
    }
}

/// `cache_control`, of which AWS knows the lifetimes `5m` and `1h`.
pub(super) fn cache_point(raw: &RawValue) -> Result<CachePoint, Fault> {
    #[derive(Deserialize)]
    struct CacheControl<'a> {
        #[serde(borrow)]
        ttl: Option<&'a RawValue>,
    }

    if !read::is_object(raw) {
        return Ok(CachePoint::new(None));
    }
    let CacheControl { ttl } = read::object(raw)?;
    let ttl = match ttl.map(read::text).transpose().within("ttl")?.as_deref() {
        None => None,
        Some("5m") => Some("5m"),
        Some("1h") => Some("1h"),
        Some(_) => return Err(Fault::at("ttl", "must be 5m or 1h")),
    };
    Ok(CachePoint::new(ttl))
}

fn tool_calls(raw: &RawValue) -> Result<Vec<Block<'_>>, Fault> {
    let calls = read::list(raw)?;
    calls.into_iter().enumerate().map(|(at, call)| tool_call(call).item(at)).collect()
}

fn tool_call(raw: &RawValue) -> Result<Block<'_>, Fault> {
    #[derive(Deserialize)]
    struct Call<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        function: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Function<'a> {
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }

    let Call { id, function } = read::object(raw)?;
    let tool_use_id = read::text(id.ok_or_else(|| Fault::at("id", "is missing"))?).within("id")?;
    let function = function.ok_or_else(|| Fault::at("function", "is missing: only functions can have been called"))?;
    let Function { name, arguments } = read::object(function).within("function")?;
    let name = read::text(name.ok_or_else(|| Fault::at("function.name", "is missing"))?).within("function.name")?;
    let text = arguments.map_or(Ok(Cow::Borrowed("")), read::text).within("function.arguments")?;
    // A function without arguments is called with none.
    let text = if text.trim().is_empty() { "{}" } else { text.trim() };
    let input = serde_json::from_str::<&RawValue>(text).ok().filter(|input| read::is_object(input));
    let input = input.ok_or_else(|| Fault::at("function.arguments", "must be the text of a JSON object"))?.to_owned();
    Ok(Block::ToolUse(ToolUse { tool_use_id, name, input }))
}

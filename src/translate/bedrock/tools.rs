//! OpenAI's tools become Converse's (pure).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    converse::{InputSchema, Json, Tool, ToolChoice, ToolConfig},
    fault::{Fault, Within as _},
    messages::cache_point,
    model::{Vendor, vendor},
    read,
};

/// The tools of a request.
#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    pub(super) config: Option<ToolConfig<'a>>,
    /// Tools that are no functions, in Anthropic's own words.
    pub(super) foreign: Vec<Value>,
}

#[derive(Deserialize)]
struct OwnTool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

/// `used`: whether the messages hold calls or results, which AWS takes only beside the tools they are of.
pub(super) fn tools<'a>(
    tools: Option<&'a RawValue>,
    choice: Option<&'a RawValue>,
    model: &str,
    used: bool,
) -> Result<Tools<'a>, Fault> {
    let (mut own, mut foreign) = (Vec::new(), Vec::new());
    let items = tools.map_or(Ok(Vec::new()), read::list).within("tools")?;
    for (at, raw) in items.into_iter().enumerate() {
        tool(&mut own, &mut foreign, raw, vendor(model)).item(at).within("tools")?;
    }
    let choice = choice.map_or(Ok(Choice::Unsaid), tool_choice).within("tool_choice")?;
    let tool_choice = match choice {
        // Converse has no word for it: who may call none is shown none.
        Choice::None if !used => return Ok(Tools { config: None, foreign }),
        Choice::None | Choice::Unsaid => None,
        Choice::Said(choice) => Some(choice),
    };
    let config = (!own.is_empty()).then_some(ToolConfig { tools: own, tool_choice });
    Ok(Tools { config, foreign })
}

fn tool<'a>(own: &mut Vec<Tool<'a>>, foreign: &mut Vec<Value>, raw: &'a RawValue, of: Vendor) -> Result<(), Fault> {
    let OwnTool { kind, function, cache_control } = read::object(raw)?;
    let kind = kind.map_or(Ok(Cow::Borrowed("function")), read::text).within("type")?;
    if kind != "function" {
        if of != Vendor::Anthropic {
            return Err(Fault::at("type", "must be function"));
        }
        foreign.push(anthropics(raw, &kind, cache_control.is_some())?);
        return Ok(());
    }
    let function = function.ok_or_else(|| Fault::at("function", "is missing"))?;
    own.push(spec(function).within("function")?);
    if let Some(mark) = cache_control.filter(|_| of != Vendor::Amazon) {
        own.push(Tool::CachePoint(cache_point(mark).within("cache_control")?));
    }
    Ok(())
}

fn spec(raw: &RawValue) -> Result<Tool<'_>, Fault> {
    let Function { name, description, parameters } = read::object(raw)?;
    let name = read::text(name.ok_or_else(|| Fault::at("name", "is missing"))?).within("name")?;
    let description = description.map(read::text).transpose().within("description")?.filter(|text| !text.is_empty());
    let json = match parameters {
        Some(raw) => match read::any_object(raw).within("parameters")?.get() {
            "{}" => nothing(),
            _ => Json::Raw(raw),
        },
        None => nothing(),
    };
    Ok(Tool::ToolSpec { name, description, input_schema: InputSchema { json } })
}

/// The schema of a function without parameters, which AWS wants spelled out.
fn nothing() -> Json<'static> {
    Json::Own(json!({"type": "object", "properties": {}}))
}

/// `{"type":"computer","computer":{"name":"computer_20241022",…}}`, Portkey's spelling of a tool that Anthropic calls
/// `{"type":"computer_20241022","name":"computer",…}`.
fn anthropics(raw: &RawValue, kind: &str, is_marked: bool) -> Result<Value, Fault> {
    let options = read::members(raw)?.into_iter().find(|(name, _)| name == kind).map(|(_, options)| options);
    let mut tool: Map<String, Value> = match options {
        Some(options) => serde_json::from_str(options.get()).map_err(|_| Fault::at(kind, "must be an object"))?,
        None => Map::new(),
    };
    let own = tool.insert("name".into(), kind.into());
    if let Some(own) = own {
        tool.insert("type".into(), own);
    }
    if is_marked {
        tool.insert("cache_control".into(), json!({"type": "ephemeral"}));
    }
    Ok(Value::Object(tool))
}

enum Choice<'a> {
    Unsaid,
    None,
    Said(ToolChoice<'a>),
}

fn tool_choice(raw: &RawValue) -> Result<Choice<'_>, Fault> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        function: Option<&'a RawValue>,
    }

    if !read::is_text(raw) {
        let Named { function } = read::object(raw)?;
        let function = function.ok_or_else(|| Fault::at("function", "is missing"))?;
        let Function { name, .. } = read::object(function).within("function")?;
        let name = read::text(name.ok_or_else(|| Fault::at("function.name", "is missing"))?).within("function.name")?;
        return Ok(Choice::Said(ToolChoice::Tool { name }));
    }
    match &*read::text(raw)? {
        "auto" => Ok(Choice::Said(ToolChoice::Auto {})),
        "required" => Ok(Choice::Said(ToolChoice::Any {})),
        "none" => Ok(Choice::None),
        _ => Err(Fault::new("must be none, auto, required or name a function")),
    }
}

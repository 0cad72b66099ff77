//! OpenAI's chat completion request becomes a Converse request (pure).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    asked::ChatCompletion,
    converse::{Converse, Inference, JsonSchema, OutputConfig, Structure, TextFormat},
    fault::{Fault, Within as _},
    fields, messages,
    model::LONGEST_MODEL,
    read,
    tools::{self, Tools},
};

/// A request, ready to be sent, and what of it the answer depends on.
#[derive(Debug)]
pub(crate) struct Chat {
    /// The body of Converse or ConverseStream; the two are alike.
    pub(crate) body: Vec<u8>,
    /// Whether ConverseStream is what is asked.
    pub(crate) stream: bool,
    /// Whether a stream ends with the usage.
    pub(crate) include_usage: bool,
    /// The model as the caller named it.
    pub(crate) model: Box<str>,
}

/// What a chat completion asks, as Converse asks it. `beta` is the header `anthropic-beta`, which wins over the member.
///
/// Members that Converse has no place for vanish, as they do in Portkey's gateway: `seed`, `logprobs`, `metadata`,
/// `store`, `service_tier`, `parallel_tool_calls`, and whatever is unknown.
pub(crate) fn request(body: &[u8], beta: Option<&str>) -> Result<Chat, Fault> {
    let asked: ChatCompletion<'_> = read::body(body)?;
    let model = model(asked.model)?;
    let stream = asked.stream.map_or(Ok(false), read::flag).within("stream")?;
    let include_usage = asked.stream_options.map_or(Ok(false), include_usage).within("stream_options")?;

    let messages = asked.messages.ok_or_else(|| Fault::at("messages", "is missing"))?;
    let talk = messages::talk(messages).within("messages")?;
    let Tools { config, foreign } = tools::tools(asked.tools, asked.tool_choice, &model, talk.has_tools)?;
    let inference = inference(&asked)?;
    let reasoning = fields::reasoning(&asked, &model, inference.max_tokens)?;
    let effort = reasoning.effort;
    let fields = fields::fields(&asked, &model, beta, reasoning, foreign)?;
    let text_format = asked.response_format.map_or(Ok(None), text_format).within("response_format")?;
    let paths = asked.response_field_paths.map(|raw| read::list(raw).map(|_| raw)).transpose();
    let object =
        |raw: Option<&'_ RawValue>, name: &str| raw.map_or(Ok(()), |raw| read::any_object(raw).map(drop)).within(name);
    object(asked.guardrail_config, "guardrailConfig")?;
    object(asked.performance_config, "performanceConfig")?;

    let converse = Converse {
        messages: talk.turns,
        system: talk.system,
        inference_config: (!inference.is_empty()).then_some(inference),
        tool_config: config,
        guardrail_config: asked.guardrail_config,
        performance_config: asked.performance_config,
        additional_model_request_fields: (!fields.0.is_empty()).then_some(fields),
        additional_model_response_field_paths: paths.within("additionalModelResponseFieldPaths")?,
        output_config: (text_format.is_some() || effort.is_some()).then_some(OutputConfig { text_format, effort }),
    };
    let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 256);
    // Strings, numbers and JSON that was read: writing them to memory can't fail.
    let _ = serde_json::to_writer(&mut out, &converse);
    Ok(Chat { body: out, stream, include_usage, model })
}

/// The model that a body names.
pub(super) fn model(raw: Option<&RawValue>) -> Result<Box<str>, Fault> {
    let model = read::text(raw.ok_or_else(|| Fault::at("model", "is missing"))?).within("model")?;
    if model.is_empty() || model.len() > LONGEST_MODEL {
        return Err(Fault::at("model", "must have 1 to 2048 bytes"));
    }
    Ok(model.into())
}

fn include_usage(raw: &RawValue) -> Result<bool, Fault> {
    #[derive(Deserialize)]
    struct StreamOptions<'a> {
        #[serde(borrow)]
        include_usage: Option<&'a RawValue>,
    }

    let options: StreamOptions<'_> = read::object(raw)?;
    options.include_usage.map_or(Ok(false), read::flag).within("include_usage")
}

/// `max_tokens` wins over its newer name; 0 counts as none.
fn inference<'a>(asked: &ChatCompletion<'a>) -> Result<Inference<'a>, Fault> {
    let number = |raw: Option<&'a RawValue>, name| raw.map(read::number).transpose().within(name);
    let older = number(asked.max_tokens, "max_tokens")?.filter(|raw| read::is_truthy(raw));
    let newer = number(asked.max_completion_tokens, "max_completion_tokens")?.filter(|raw| read::is_truthy(raw));
    Ok(Inference {
        max_tokens: older.or(newer),
        stop_sequences: asked.stop.map_or(Ok(None), stop).within("stop")?,
        temperature: number(asked.temperature, "temperature")?,
        top_p: number(asked.top_p, "top_p")?,
    })
}

/// One string, or a list of them.
fn stop(raw: &RawValue) -> Result<Option<Vec<Cow<'_, str>>>, Fault> {
    let stops = if read::is_text(raw) {
        vec![read::text(raw)?]
    } else {
        let items = read::list(raw).map_err(|_| Fault::new("must be a string or a list of strings"))?;
        items.into_iter().enumerate().map(|(at, item)| read::text(item).item(at)).collect::<Result<_, _>>()?
    };
    let stops: Vec<_> = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
    Ok((!stops.is_empty()).then_some(stops))
}

/// Only `json_schema` has a counterpart. With `json_object`, the caller's own words have to ask for JSON, as they do with
/// OpenAI.
fn text_format(raw: &RawValue) -> Result<Option<TextFormat<'_>>, Fault> {
    #[derive(Deserialize)]
    struct ResponseFormat<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
        #[serde(borrow)]
        json_schema: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        #[serde(borrow)]
        description: Option<&'a RawValue>,
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }

    let ResponseFormat { kind, json_schema } = read::object(raw)?;
    match &*kind.map_or(Ok(Cow::Borrowed("text")), read::text).within("type")? {
        "text" | "json_object" => return Ok(None),
        "json_schema" => {}
        _ => return Err(Fault::at("type", "must be text, json_object or json_schema")),
    }
    let json_schema = json_schema.ok_or_else(|| Fault::at("json_schema", "is missing"))?;
    let Named { name, description, schema } = read::object(json_schema).within("json_schema")?;
    let schema = schema.ok_or_else(|| Fault::at("json_schema.schema", "is missing"))?;
    let schema = read::any_object(schema).within("json_schema.schema")?.get();
    let name = name.map(read::text).transpose().within("json_schema.name")?;
    let description = description.map(read::text).transpose().within("json_schema.description")?;
    let structure = Structure { json_schema: JsonSchema { schema, name, description } };
    Ok(Some(TextFormat { kind: "json_schema", structure }))
}

//! OpenAI's embeddings become InvokeModel's of Titan and Cohere (pure).

use std::{borrow::Cow, collections::VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    fault::{Fault, Within as _},
    model::{Vendor, is_cohere_v4, is_titan, is_titan_image, is_titan_v2, vendor},
    read,
    request::model,
};
use crate::rejection::{Kind, Rejection};

/// OpenAI's limit for one request.
const MOST_INPUTS: usize = 2048;
/// Cohere's limit for one call.
pub(super) const MOST_TEXTS: usize = 96;
/// Calls that one request may become. To every limit it counts as one.
const MOST_CALLS: usize = 256;
/// The encodings that OpenAI, Titan or Cohere have.
const FORMATS: [&str; 6] = ["float", "base64", "binary", "int8", "uint8", "ubinary"];
/// Where Cohere cuts a text that is too long.
const CUTS: [&str; 5] = ["NONE", "START", "END", "LEFT", "RIGHT"];
/// The longest `input_type`, in bytes. Which there are depends on the model.
const LONGEST_TYPE: usize = 64;

/// Calls to make, and how to read what they answer.
#[derive(Debug)]
pub(crate) struct Embed {
    pub(crate) bodies: Bodies,
    pub(crate) shape: Shape,
    /// The model as the caller named it.
    pub(crate) model: Box<str>,
}

/// Bodies of InvokeModel, in the order of the inputs. Each is made when its turn comes.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// What all of them have: a few short members.
    common: Map<String, Value>,
    each: Each,
}

#[derive(Debug)]
enum Each {
    /// One input a call.
    Titan(VecDeque<Map<String, Value>>),
    /// As many as fit, under this name.
    Cohere { name: &'static str, values: VecDeque<Value>, most: usize },
}

impl Bodies {
    /// How many are left.
    fn calls(&self) -> usize {
        match &self.each {
            Each::Titan(inputs) => inputs.len(),
            Each::Cohere { values, most, .. } => values.len().div_ceil(*most),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls() == 0
    }
}

impl Iterator for Bodies {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut body = self.common.clone();
        match &mut self.each {
            Each::Titan(inputs) => body.extend(inputs.pop_front()?),
            Each::Cohere { values, .. } if values.is_empty() => return None,
            Each::Cohere { name, values, most } => {
                let values = values.drain(..values.len().min(*most)).collect();
                body.insert((*name).to_owned(), Value::Array(values));
            }
        }
        // JSON always serialises.
        Some(serde_json::to_vec(&body).unwrap_or_default())
    }
}

/// How the vendor answers, and what of it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(super) vendor: Maker,
    /// Whether floats are wanted as base64 of them, which AWS doesn't make.
    pub(super) base64: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Titan,
    Cohere,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    dimensions: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding_format: Option<&'a RawValue>,
    #[serde(borrow)]
    normalize: Option<&'a RawValue>,
    #[serde(borrow)]
    input_type: Option<&'a RawValue>,
    #[serde(borrow)]
    truncate: Option<&'a RawValue>,
}

/// A text, an image, or for some models both.
struct Input<'a> {
    text: Option<Cow<'a, str>>,
    image: Option<Cow<'a, str>>,
}

/// The calls that an embeddings request takes.
pub(crate) fn request(body: &[u8]) -> Result<Embed, Rejection> {
    let asked: Request<'_> = read::body(body)?;
    let model = model(asked.model)?;
    let maker = match vendor(&model) {
        Vendor::Cohere => Maker::Cohere,
        _ if is_titan(&model) => Maker::Titan,
        _ => {
            let message = "Embeddings of this Bedrock model are not served: only those of Titan and Cohere models are";
            return Err(Rejection::new(Kind::NotImplemented).with_message(message));
        }
    };
    let inputs = inputs(asked.input.ok_or_else(|| Fault::at("input", "is missing"))?).within("input")?;
    let format = asked.encoding_format.map(|raw| one_of(raw, &FORMATS)).transpose().within("encoding_format")?;
    let base64 = format.as_deref() == Some("base64");
    // What is to be base64 is asked for as floats.
    let format = format.map(|format| if base64 { Cow::Borrowed("float") } else { format });
    let dimensions = asked.dimensions.map(read::number).transpose().within("dimensions")?;
    let dimensions = dimensions.map(|raw| serde_json::from_str::<Value>(raw.get())).transpose();
    let dimensions = dimensions.map_err(|_| Fault::at("dimensions", "must be a number"))?;
    let bodies = match maker {
        Maker::Titan => titan(inputs, &model, dimensions, format, asked.normalize)?,
        Maker::Cohere => cohere(inputs, &model, dimensions, format, asked.input_type, asked.truncate)?,
    };
    if bodies.calls() > MOST_CALLS {
        return Err(Fault::at("input", "must be at most 256 for this model, which takes one a call").into());
    }
    Ok(Embed { bodies, shape: Shape { vendor: maker, base64 }, model })
}

/// One of a few words: it becomes part of every call.
fn one_of<'a>(raw: &'a RawValue, words: &[&str]) -> Result<Cow<'a, str>, Fault> {
    let text = read::text(raw)?;
    let unknown = || Fault::new(format!("must be one of {}", words.join(", ")));
    if words.contains(&&*text) { Ok(text) } else { Err(unknown()) }
}

fn inputs(raw: &RawValue) -> Result<Vec<Input<'_>>, Fault> {
    let items = if read::is_list(raw) { read::list(raw)? } else { vec![raw] };
    if items.is_empty() || items.len() > MOST_INPUTS {
        return Err(Fault::new("must be 1 to 2048 inputs"));
    }
    let items = items.into_iter().enumerate();
    items.map(|(at, item)| if read::is_list(raw) { input(item).item(at) } else { input(item) }).collect()
}

fn input(raw: &RawValue) -> Result<Input<'_>, Fault> {
    #[derive(Deserialize)]
    struct Both<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        image: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Image<'a> {
        #[serde(borrow)]
        base64: Option<&'a RawValue>,
    }

    if read::is_text(raw) {
        return Ok(Input { text: Some(read::text(raw)?), image: None });
    }
    if !read::is_object(raw) {
        return Err(Fault::new("must be a string or an object with an image: Bedrock takes no tokens"));
    }
    let Both { text, image } = read::object(raw)?;
    let text = text.map(read::text).transpose().within("text")?;
    let image = image.map(read::object::<Image<'_>>).transpose().within("image")?;
    let image = image.and_then(|image| image.base64).map(read::text).transpose().within("image.base64")?;
    if text.is_none() && image.is_none() {
        return Err(Fault::new("must have an image.base64 or a text"));
    }
    Ok(Input { text, image })
}

fn titan(
    inputs: Vec<Input<'_>>,
    model: &str,
    dimensions: Option<Value>,
    format: Option<Cow<'_, str>>,
    normalize: Option<&RawValue>,
) -> Result<Bodies, Fault> {
    let mut common = Map::new();
    match dimensions {
        Some(length) if is_titan_image(model) => {
            common.insert("embeddingConfig".into(), json!({"outputEmbeddingLength": length}));
        }
        Some(length) => {
            common.insert("dimensions".into(), length);
        }
        None => {}
    }
    // The first version and the one for images take nothing of this kind.
    if is_titan_v2(model) {
        if let Some(format) = format {
            common.insert("embeddingTypes".into(), json!([format]));
        }
        if let Some(normalize) = normalize.map(read::flag).transpose().within("normalize")? {
            common.insert("normalize".into(), normalize.into());
        }
    }
    let own = |input: Input<'_>| {
        let members = [("inputText", input.text), ("inputImage", input.image)];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))).collect()
    };
    Ok(Bodies { common, each: Each::Titan(inputs.into_iter().map(own).collect()) })
}

fn cohere(
    inputs: Vec<Input<'_>>,
    model: &str,
    dimensions: Option<Value>,
    format: Option<Cow<'_, str>>,
    input_type: Option<&RawValue>,
    truncate: Option<&RawValue>,
) -> Result<Bodies, Fault> {
    let mut common = Map::new();
    if let Some(format) = format {
        common.insert("embedding_types".into(), json!([format]));
    }
    if let Some(truncate) = truncate.map(|raw| one_of(raw, &CUTS)).transpose().within("truncate")? {
        common.insert("truncate".into(), truncate.into());
    }
    if let Some(length) = dimensions.filter(|_| is_cohere_v4(model)) {
        common.insert("output_dimension".into(), length);
    }
    let has_images = inputs.iter().any(|input| input.image.is_some());
    if has_images && inputs.iter().any(|input| input.text.is_some()) {
        return Err(Fault::at("input", "must be texts or images, not both"));
    }
    // Cohere wants to be told what for; OpenAI's clients don't know that.
    let usual = if has_images { "image" } else { "search_document" };
    let input_type = input_type.map(short).transpose().within("input_type")?.unwrap_or(Cow::Borrowed(usual));
    common.insert("input_type".into(), input_type.into());

    // One image a call, as the third version has it.
    let (name, most) = if has_images { ("images", 1) } else { ("texts", MOST_TEXTS) };
    let values = inputs.into_iter().filter_map(|input| input.text.or(input.image)).map(Value::from).collect();
    Ok(Bodies { common, each: Each::Cohere { name, values, most } })
}

fn short(raw: &RawValue) -> Result<Cow<'_, str>, Fault> {
    let text = read::text(raw)?;
    if text.len() <= LONGEST_TYPE { Ok(text) } else { Err(Fault::new("must be at most 64 bytes")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_an_input_for_titan_and_96_for_cohere() {
        let inputs = |count: usize| vec!["a"; count];
        for (model, count, calls) in [
            ("amazon.titan-embed-text-v2:0", 3, 3),
            ("cohere.embed-english-v3", 96, 1),
            ("cohere.embed-english-v3", 97, 2),
            ("us.cohere.embed-v4:0", 200, 3),
        ] {
            let body = json!({"model": model, "input": inputs(count)}).to_string();
            assert_eq!(request(body.as_bytes()).expect(model).bodies.count(), calls, "{model} {count}");
        }
    }

    #[test]
    fn one_member_is_not_multiplied() {
        let image = json!({"image": {"base64": "aGk="}});
        for (model, input, member, message) in [
            (
                "amazon.titan-embed-text-v2:0",
                json!("a"),
                "encoding_format",
                "encoding_format must be one of float, base64",
            ),
            ("cohere.embed-english-v3", json!("a"), "encoding_format", "encoding_format must be one of"),
            ("cohere.embed-english-v3", image.clone(), "truncate", "truncate must be one of NONE, START"),
            ("cohere.embed-english-v3", image, "input_type", "input_type must be at most 64 bytes"),
        ] {
            let body = json!({"model": model, "input": vec![input; 200], member: "x".repeat(65_536)}).to_string();
            let refused = request(body.as_bytes()).expect_err(member);
            assert!(refused.message().starts_with(message), "{}", refused.message());
        }
    }

    #[test]
    fn one_request_is_so_many_calls_at_most() {
        let asked = |model: &str, input: Value, count: usize| {
            let body = json!({"model": model, "input": vec![input; count]}).to_string();
            request(body.as_bytes()).map(|made| made.bodies.count()).map_err(|refused| refused.message().to_owned())
        };
        let image = || json!({"image": {"base64": "aGk="}});
        for (model, input) in [("amazon.titan-embed-text-v1", json!("a")), ("cohere.embed-english-v3", image())] {
            assert_eq!(asked(model, input.clone(), MOST_CALLS), Ok(MOST_CALLS), "{model}");
            let refused = asked(model, input, MOST_CALLS + 1).expect_err(model);
            assert!(refused.starts_with("input must be at most 256"), "{refused}");
        }
        assert_eq!(asked("cohere.embed-english-v3", json!("a"), MOST_INPUTS), Ok(22));
    }

    #[test]
    fn what_cannot_be_embedded_is_named() {
        for (body, message) in [
            (json!({"input": "a"}), "model is missing"),
            (json!({"model": "amazon.titan-embed-text-v2:0"}), "input is missing"),
            (json!({"model": "amazon.titan-embed-text-v2:0", "input": [1, 2]}), "input[0] must be a string or"),
            (json!({"model": "amazon.titan-embed-text-v2:0", "input": []}), "input must be 1 to 2048 inputs"),
            (
                json!({"model": "cohere.embed-v4:0", "input": ["a", {"image": {"base64": "x"}}]}),
                "input must be texts or",
            ),
            (json!({"model": "twelvelabs.marengo", "input": "a"}), "Embeddings of this Bedrock model"),
            (json!([1]), "The body must be a JSON object"),
        ] {
            let refused = request(body.to_string().as_bytes()).expect_err(message);
            assert!(refused.message().starts_with(message), "{}", refused.message());
        }
    }
}

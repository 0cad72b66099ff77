//! Bodies in the words of a model's own vendor, as InvokeModel takes them: without what is in the path (pure).
//!
//! Sources: AWS's API reference (InvokeModel, CountTokens), Anthropic's Messages API, and what AWS's guide says about
//! Claude on Bedrock.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    converse::{Fields, Json},
    fault::{Fault, Within as _},
    fields::split,
    model::{Vendor, vendor},
    read,
    request::model,
};

/// The version of Anthropic's API that Bedrock speaks.
const VERSION: &str = "bedrock-2023-05-31";
/// Tokens of an answer that is never given: AWS counts only what would be a whole request.
const NEVER_GIVEN: u64 = 10;

/// A question in Anthropic's words.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) body: Vec<u8>,
    pub(crate) stream: bool,
}

/// A body without `model` and `stream`. Models of Cohere's have a `stream` of their own, which stays.
pub(crate) fn invoke(body: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut fields = fields(body)?;
    let named = fields.0.iter().find(|(name, _)| name == "model").and_then(|(_, value)| match value {
        Json::Raw(raw) => read::text(raw).ok(),
        Json::Own(_) => None,
    });
    let keeps_stream = named.is_some_and(|model| vendor(&model) == Vendor::Cohere);
    fields.0.retain(|(name, _)| name != "model" && (name != "stream" || keeps_stream));
    Ok(write(&fields))
}

/// A body of Anthropic's Messages API. `beta` is the header `anthropic-beta`, which wins over the member.
pub(crate) fn messages(body: &[u8], beta: Option<&str>) -> Result<Messages, Fault> {
    let mut fields = fields(body)?;
    let raw = |fields: &Fields<'_>, wanted: &str| {
        let found = fields.0.iter().position(|(name, _)| name == wanted);
        found.map(|at| match &fields.0[at].1 {
            Json::Raw(raw) => (*raw).to_owned(),
            Json::Own(_) => RawValue::NULL.to_owned(),
        })
    };
    model(raw(&fields, "model").as_deref())?;
    let stream = raw(&fields, "stream").filter(|raw| raw.get() != "null");
    let stream = stream.as_deref().map_or(Ok(false), read::flag).within("stream")?;
    fields.0.retain(|(name, _)| name != "model" && name != "stream");
    if !fields.0.iter().any(|(name, _)| name == "anthropic_version") {
        fields.set("anthropic_version", Json::Own(VERSION.into()));
    }
    if let Some(betas) = beta.map(split).filter(|betas| !betas.is_empty()) {
        fields.set("anthropic_beta", Json::Own(betas.into()));
    }
    Ok(Messages { body: write(&fields), stream })
}

/// The same, whose tokens are counted. A body that is AWS's already goes on as it is.
pub(crate) fn count_tokens(body: &[u8], beta: Option<&str>) -> Result<Vec<u8>, Fault> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow)]
        input: Option<&'a RawValue>,
        #[serde(borrow)]
        max_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        thinking: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Thinking {
        budget_tokens: Option<u64>,
    }

    let asked: Asked<'_> = read::body(body)?;
    if asked.input.is_some() {
        return invoke(body);
    }
    let Messages { body, .. } = messages(body, beta)?;
    let mut fields = fields(&body)?;
    if asked.max_tokens.is_none() {
        let budget = asked.thinking.and_then(|raw| serde_json::from_str::<Thinking>(raw.get()).ok()?.budget_tokens);
        let most = budget.unwrap_or_default().saturating_add(NEVER_GIVEN);
        fields.set("max_tokens", Json::Own(most.into()));
    }
    let body = STANDARD.encode(write(&fields));
    Ok(json!({"input": {"invokeModel": {"body": body}}}).to_string().into_bytes())
}

fn fields(body: &[u8]) -> Result<Fields<'_>, Fault> {
    let raw: &RawValue =
        serde_json::from_slice(body).map_err(|_| Fault::new("must be a JSON object that has no member twice"))?;
    let members = read::members(raw)?;
    Ok(Fields(members.into_iter().map(|(name, value): (Cow<'_, str>, _)| (name, Json::Raw(value))).collect()))
}

fn write(fields: &Fields<'_>) -> Vec<u8> {
    // JSON that was read, and strings: writing them to memory can't fail.
    serde_json::to_vec(fields).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parsed(body: &[u8]) -> Value {
        serde_json::from_slice(body).expect("JSON")
    }

    #[test]
    fn what_is_in_the_path_is_not_in_the_body() {
        for (body, expected) in [
            (r#"{"model":"m","prompt":"x","stream":true,"n":1.0}"#, r#"{"prompt":"x","n":1.0}"#),
            (r#"{"prompt":"x","model":"cohere.command-text-v14","stream":true}"#, r#"{"prompt":"x","stream":true}"#),
            (r#"{"a":{"model":"m","stream":1}}"#, r#"{"a":{"model":"m","stream":1}}"#),
        ] {
            assert_eq!(invoke(body.as_bytes()).map(|body| String::from_utf8(body).expect("text")), Ok(expected.into()));
        }
        for body in ["", "[]", "x", r#"{"a":1,"a":2}"#] {
            assert!(invoke(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_body_of_anthropics_is_bedrocks() {
        let body =
            br#"{"model":"anthropic.x","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"a"}]}"#;
        let Messages { body: own, stream } = messages(body, None).expect("a body");
        assert!(stream);
        let mut expected = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "a"}]});
        expected["anthropic_version"] = VERSION.into();
        assert_eq!(parsed(&own), expected);

        let with_beta = messages(body, Some("a-1, b-2")).expect("a body").body;
        assert_eq!(parsed(&with_beta)["anthropic_beta"], json!(["a-1", "b-2"]));
        let own = messages(br#"{"model":"m","anthropic_version":"v","stream":null}"#, None).expect("a body");
        assert_eq!((parsed(&own.body), own.stream), (json!({"anthropic_version": "v"}), false));
        for (body, expected) in [
            (r#"{"max_tokens":1}"#, "model is missing"),
            (r#"{"model":1}"#, "model must be a string"),
            (r#"{"model":"m","stream":"yes"}"#, "stream must be true or false"),
        ] {
            assert_eq!(messages(body.as_bytes(), None).map_err(|fault| fault.to_string()).err(), Some(expected.into()));
        }
    }

    #[test]
    fn what_is_counted_is_a_whole_request() {
        let counted = |body: Value| {
            let asked = parsed(&count_tokens(body.to_string().as_bytes(), None).expect("a body"));
            let body = asked["input"]["invokeModel"]["body"].as_str().expect("base64").to_owned();
            parsed(&STANDARD.decode(body).expect("base64"))
        };
        let own = counted(json!({"model": "m", "messages": []}));
        assert_eq!(own, json!({"messages": [], "anthropic_version": VERSION, "max_tokens": 10}));
        assert_eq!(counted(json!({"model": "m", "max_tokens": 5}))["max_tokens"], 5);
        let thinking = json!({"type": "enabled", "budget_tokens": 2000});
        assert_eq!(counted(json!({"model": "m", "thinking": thinking}))["max_tokens"], 2010);
        let aws = json!({"input": {"converse": {"messages": []}}});
        assert_eq!(parsed(&count_tokens(aws.to_string().as_bytes(), None).expect("a body")), aws);
    }
}

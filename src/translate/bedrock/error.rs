//! AWS's errors become OpenAI's (pure).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::words;

/// The longest message that is passed on, in bytes.
const LONGEST_MESSAGE: usize = 4096;

#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
    provider: &'static str,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The body of an error. `code` is what the status would be, where there is none to say it by.
pub(super) fn body(message: &str, kind: Option<&str>, code: Option<u16>) -> Vec<u8> {
    let message = format!("bedrock error: {message}");
    let code = code.map(|code| code.to_string());
    let error = Error { message: &message, kind, param: None, code: code.as_deref() };
    // A struct of strings always serialises.
    serde_json::to_vec(&Body { error, provider: "bedrock" }).unwrap_or_default()
}

/// What AWS answered with another status than 200. `error_type` is its header `x-amzn-errortype`; `reason` what the
/// status is called.
pub(crate) fn error(answer: &[u8], error_type: Option<&str>, reason: &str) -> Vec<u8> {
    let Told { message, kind } = told(answer);
    let kind = error_type.map(Cow::Borrowed).or(kind).and_then(|name| words::exception(&name));
    body(message.as_deref().map_or(reason, speakable), kind.as_deref(), None)
}

/// What the payload of an exception within a stream says.
pub(super) fn told(payload: &[u8]) -> Told<'_> {
    #[derive(Deserialize)]
    struct Exception<'a> {
        // A message that is null is told as that, as Portkey does.
        #[serde(borrow, default, deserialize_with = "given")]
        message: Option<&'a RawValue>,
        #[serde(borrow, rename = "Message")]
        shouted: Option<&'a RawValue>,
        #[serde(borrow, rename = "__type")]
        kind: Option<&'a RawValue>,
    }

    let Ok(exception) = serde_json::from_slice::<Exception<'_>>(payload) else { return Told::default() };
    let text = |raw: &'_ RawValue| serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    let message = exception.message.or(exception.shouted).map(text);
    let kind = exception.kind.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    Told { message: message.map(Cow::Owned), kind: kind.map(Cow::Owned) }
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// An exception's own words.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) kind: Option<Cow<'a, str>>,
}

/// As much of a message as callers may read. Where a signature doesn't fit, AWS goes on to quote what it would have
/// signed, and in it the headers with the session token.
pub(super) fn speakable(message: &str) -> &str {
    // Of the same length, letter by letter.
    let lower = message.to_ascii_lowercase();
    let end = ["the canonical string", "the string-to-sign", "canonical string", "x-amz-security-token"]
        .iter()
        .filter_map(|mark| lower.find(mark))
        .min()
        .unwrap_or(message.len());
    let end = (0..=end.min(LONGEST_MESSAGE)).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    message[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(answer: &str, error_type: Option<&str>) -> Value {
        serde_json::from_slice(&error(answer.as_bytes(), error_type, "Forbidden")).expect("JSON")
    }

    #[test]
    fn both_spellings_and_every_place_of_the_type() {
        for (answer, error_type, message, kind) in [
            (r#"{"message":"no"}"#, None, "bedrock error: no", Value::Null),
            (r#"{"Message":"no"}"#, None, "bedrock error: no", Value::Null),
            (
                r#"{"message":"no"}"#,
                Some("ThrottlingException:http://x/"),
                "bedrock error: no",
                json!("ThrottlingException"),
            ),
            (
                r#"{"__type":"a.b#ValidationException","message":"no"}"#,
                None,
                "bedrock error: no",
                json!("ValidationException"),
            ),
            (r#"{"message":{"a":1}}"#, None, r#"bedrock error: {"a":1}"#, Value::Null),
            (r#"{"message":null}"#, None, "bedrock error: null", Value::Null),
            ("<html>secret</html>", None, "bedrock error: Forbidden", Value::Null),
            ("", Some("\"<b>"), "bedrock error: Forbidden", Value::Null),
        ] {
            let error = parsed(answer, error_type);
            let expected = json!({"error": {"message": message, "type": kind, "param": null, "code": null}, "provider": "bedrock"});
            assert_eq!(error, expected, "{answer}");
        }
    }

    #[test]
    fn what_aws_would_have_signed_is_not_repeated() {
        let message = "The request signature we calculated does not match the signature you provided. Check your key.\n\n\
            The Canonical String for this request should have been\n'POST\n/\nx-amz-security-token:CANARY\n'";
        let answer = json!({"message": message}).to_string();
        let error = parsed(&answer, Some("InvalidSignatureException")).to_string();
        assert!(error.contains("Check your key.") && !error.contains("CANARY"), "{error}");
        let shouted = json!({"message": "No.\nX-Amz-Security-Token:CANARY"}).to_string();
        assert!(!parsed(&shouted, None).to_string().contains("CANARY"));
        assert!(
            parsed(&json!({"message": "é".repeat(9999)}).to_string(), None).to_string().len() < LONGEST_MESSAGE + 200
        );
    }
}

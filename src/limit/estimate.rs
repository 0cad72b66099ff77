//! What a request may use, as far as can be told before it is answered (pure).

use bytes::Bytes;
use http::{
    HeaderValue, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use serde::Deserialize;
use serde_json::Value;

use super::ask::include_usage;
use crate::{body::FullOr, context::Route};

/// What a request may use. Numbers are tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Of the prompt: a guess.
    pub prompt: u64,
    /// Of the answer, where the request says it.
    pub output: Option<u64>,
    /// The model, where the request names it.
    pub model: Option<Box<str>>,
}

/// Estimates what a request may use. `B` is the body's type: an estimate may read a body that is in memory, and never
/// holds a request back.
pub trait EstimateUsage<B> {
    /// The estimate.
    fn estimate(&self, head: &Parts, body: &B) -> Estimate;

    /// The body of a request whose answer is to say what it has used: changed to that end, where the request says nothing
    /// about it. Unless implemented, it stays as it is.
    fn ask_for_usage(&self, _head: &mut Parts, body: B) -> B {
        body
    }
}

/// Estimates by the length of the body: a token for four bytes of JSON. Works with every body.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByLength;

impl<B> EstimateUsage<B> for ByLength {
    fn estimate(&self, head: &Parts, _: &B) -> Estimate {
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Estimate { prompt: tokens(head, length.unwrap_or_default()), ..Estimate::default() }
    }
}

/// Reads what the request says itself (`max_completion_tokens`, `max_tokens`, `max_output_tokens`, each times `n`;
/// Gemini's `generationConfig`, Converse's `inferenceConfig`), where its body is in memory as a whole, as `ModelLayer`
/// leaves it for those whose tokens are counted; else as [`ByLength`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ByBody;

impl<B> EstimateUsage<FullOr<B>> for ByBody {
    fn estimate(&self, head: &Parts, body: &FullOr<B>) -> Estimate {
        let Some(body) = body.as_full() else { return ByLength.estimate(head, body) };
        let prompt = tokens(head, body.len() as u64);
        let (output, model) = said(&body).unwrap_or_default();
        Estimate { prompt, output, model }
    }

    /// Adds `"stream_options":{"include_usage":true}` to chats and completions that ask for a stream.
    fn ask_for_usage(&self, head: &mut Parts, body: FullOr<B>) -> FullOr<B> {
        let asks = head.method == Method::POST
            && matches!(Route::of(&head.method, head.uri.path()).rest(), Some("/chat/completions" | "/completions"));
        let changed = body.as_full().filter(|_| asks).and_then(|bytes| include_usage(&bytes));
        let Some(changed) = changed else { return body };
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(changed.len()));
        FullOr::full(changed)
    }
}

/// Media are no text: their bytes say nothing about tokens.
fn tokens(head: &Parts, bytes: u64) -> u64 {
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let front = b"multipart/";
    let media = kind.get(..front.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(front))
        || kind.get(..6).is_some_and(|kind| kind.eq_ignore_ascii_case(b"audio/"));
    if media { 0 } else { bytes.div_ceil(4) }
}

fn said(body: &Bytes) -> Option<(Option<u64>, Option<Box<str>>)> {
    #[derive(Deserialize)]
    struct Asked {
        max_completion_tokens: Option<Value>,
        max_tokens: Option<Value>,
        max_output_tokens: Option<Value>,
        n: Option<Value>,
        model: Option<Value>,
        #[serde(rename = "generationConfig", alias = "generation_config")]
        gemini: Option<Value>,
        #[serde(rename = "inferenceConfig")]
        converse: Option<Value>,
    }

    let asked: Asked = serde_json::from_slice(body).ok()?;
    let number = |value: &Value| value.as_u64();
    let nested = |outer: Option<&Value>, name: &str| number(outer?.get(name)?);
    let own = [&asked.max_completion_tokens, &asked.max_tokens, &asked.max_output_tokens];
    let own = own.into_iter().filter_map(|value| number(value.as_ref()?)).max();
    let gemini = || nested(asked.gemini.as_ref(), "maxOutputTokens");
    let most = own.or_else(gemini).or_else(|| nested(asked.converse.as_ref(), "maxTokens"));
    let times = asked.n.as_ref().and_then(number).or_else(|| nested(asked.gemini.as_ref(), "candidateCount"));
    let most = most.map(|most| most.saturating_mul(times.unwrap_or(1).max(1)));
    Some((most, asked.model.as_ref().and_then(Value::as_str).map(Into::into)))
}

/// What kind of answer a request will have, as far as limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// None that uses tokens.
    Free,
    /// Perhaps one that says what it has used; one that says nothing has used nothing.
    Perhaps,
    /// One that uses tokens, whether it says so or not.
    Model,
}

impl Question {
    /// What is not known to use no tokens uses some: providers have more routes than a list could name.
    pub(super) fn of(head: &Parts) -> Self {
        // To fetch an answer again is free.
        if head.method != Method::POST {
            return Self::Free;
        }
        let rest = Route::of(&head.method, head.uri.path()).rest().unwrap_or_default().trim_end_matches('/');
        let mut parts = rest.split('/').skip(1);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            // To count is free, too.
            (Some("messages"), Some("count_tokens"), None, None)
            | (Some("responses"), Some("input_tokens"), None, None)
            | (Some("model"), Some(_), Some("count-tokens"), None) => Self::Free,
            _ if rest.ends_with(":countTokens") => Self::Free,
            (Some("files" | "uploads" | "batches" | "fine_tuning" | "moderations" | "audio" | "images"), ..) => {
                Self::Perhaps
            }
            _ => Self::Model,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http_body_util::Empty;

    fn estimate(body: &str) -> Estimate {
        let (head, ()) = Request::post("/v1/chat/completions").body(()).expect("a request").into_parts();
        ByBody.estimate(&head, &FullOr::<Empty<Bytes>>::full(body.to_owned()))
    }

    #[test]
    fn what_the_request_says_is_read() {
        for (body, output) in [
            (r#"{"max_tokens":7}"#, Some(7)),
            (r#"{"max_tokens":7,"max_completion_tokens":9}"#, Some(9)),
            (r#"{"max_output_tokens":7,"n":3}"#, Some(21)),
            (r#"{"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}"#, Some(10)),
            (r#"{"inferenceConfig":{"maxTokens":5}}"#, Some(5)),
            (r#"{"max_tokens":null}"#, None),
            (r#"{"max_tokens":"7"}"#, None),
            (r#"{"max_tokens":-7}"#, None),
            (r#"{"max_tokens":18446744073709551615,"n":9}"#, Some(u64::MAX)),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(estimate(body).output, output, "{body}");
        }
        assert_eq!(estimate(r#"{"model":"m"}"#).model.as_deref(), Some("m"));
    }

    #[test]
    fn bytes_are_counted_by_fours_but_not_of_media() {
        for (length, kind, prompt) in [
            ("9", "application/json", 3),
            ("x", "application/json", 0),
            ("9", "multipart/form-data; boundary=x", 0),
            ("0", "audio/wav", 0),
        ] {
            let request = Request::post("/").header(CONTENT_LENGTH, length).header(CONTENT_TYPE, kind);
            let (head, ()) = request.body(()).expect("a request").into_parts();
            assert_eq!(ByLength.estimate(&head, &()).prompt, prompt, "{length} {kind}");
        }
        assert_eq!(estimate("12345").prompt, 2);
    }

    #[test]
    fn what_is_not_known_to_be_free_uses_tokens() {
        for (method, path, question) in [
            ("POST", "/v1/chat/completions", Question::Model),
            ("POST", "/v1/chat/completions/", Question::Model),
            ("POST", "/v1/proxy/chat/completions", Question::Model),
            ("POST", "/v1/chat", Question::Model),
            ("POST", "/v1/embeddings", Question::Model),
            ("POST", "/v1/messages", Question::Model),
            ("POST", "/v1/messages/", Question::Model),
            ("POST", "/v1/messages/other", Question::Model),
            ("POST", "/v1/messages/count_tokens", Question::Free),
            ("POST", "/v1/proxy/messages/count_tokens/", Question::Free),
            ("POST", "/v1/responses", Question::Model),
            ("POST", "/v1/responses/input_tokens", Question::Free),
            ("GET", "/v1/responses/r-1", Question::Free),
            ("POST", "/v1/audio/speech", Question::Perhaps),
            ("POST", "/v1/Audio/speech", Question::Model),
            ("POST", "/v1/files", Question::Perhaps),
            ("POST", "/v1/proxy/batches/", Question::Perhaps),
            ("POST", "/v1/models/g:generateContent", Question::Model),
            ("POST", "/v1/models/g:embedContent", Question::Model),
            ("POST", "/v1/v1beta/models/g:countTokens", Question::Free),
            ("POST", "/v1/model/anthropic.claude/converse-stream", Question::Model),
            ("POST", "/v1/model/anthropic.claude/count-tokens", Question::Free),
            ("POST", "/own", Question::Model),
            ("GET", "/v1/models", Question::Free),
        ] {
            let (head, ()) = Request::builder().method(method).uri(path).body(()).expect("a request").into_parts();
            assert_eq!(Question::of(&head), question, "{method} {path}");
        }
    }
}

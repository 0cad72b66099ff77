//! What a request may use, as far as can be told before it is answered (pure).

use http::{
    HeaderValue, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};

use super::{
    ask::{include_usage, tells_if_asked},
    usage::number,
};
use crate::{body::FullOr, context::Route};

/// What a request may use. Numbers are tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Of the prompt: a guess.
    pub prompt: u64,
    /// Of the answer, of all of them where it asks for several; where the request says it.
    pub output: Option<u64>,
    /// How many answers it asks for; 0 is one.
    pub answers: u64,
    /// Whether the answer is made later and fetched then, so that the one to this request tells no usage.
    pub later: bool,
    /// The model, where the request names it.
    pub model: Option<Box<str>>,
}

/// Why such a request is refused: its answer is charged before it is made, because to fetch it is free.
pub(super) const NO_BOUND: &str = "With background, max_output_tokens has to be set where tokens are limited";

impl Estimate {
    /// Whether nobody can say what the answer used, nor how much it may be.
    pub(super) fn has_no_bound(&self) -> bool {
        self.later && self.output.is_none()
    }
}

/// Estimates what a request may use. `B` is the body's type: an estimate may read a body that is in memory, and never
/// holds a request back.
pub trait EstimateUsage<B> {
    /// The estimate.
    fn estimate(&self, head: &Parts, body: &B) -> Estimate;

    /// The body of a request whose answer is to say what it has used: changed to that end, whatever the caller says
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

/// Reads what the request says itself, the most of all spellings: `max_completion_tokens`, `max_tokens`,
/// `max_output_tokens`, those of Gemini's `generationConfig`, Converse's `inferenceConfig`, Titan, Llama and older Claudes;
/// times as many answers as it asks for (`n`, `best_of`, `candidateCount`, a list of prompts). Where its body is in memory as a whole, as `ModelLayer`
/// leaves it for those whose tokens are counted; else as [`ByLength`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ByBody;

impl<B> EstimateUsage<FullOr<B>> for ByBody {
    fn estimate(&self, head: &Parts, body: &FullOr<B>) -> Estimate {
        let Some(body) = body.as_full() else { return ByLength.estimate(head, body) };
        let prompt = tokens(head, (body.len() - encoded(&body)) as u64);
        Estimate { prompt, ..said(&body).unwrap_or_default() }
    }

    /// Sets `"stream_options":{"include_usage":true}` in chats and completions that ask for a stream.
    fn ask_for_usage(&self, head: &mut Parts, body: FullOr<B>) -> FullOr<B> {
        let asks = tells_if_asked(&head.method, head.uri.path());
        let changed = body.as_full().filter(|_| asks).and_then(|bytes| include_usage(&bytes));
        let Some(changed) = changed else { return body };
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(changed.len()));
        FullOr::full(changed)
    }
}

/// More tokens than a prompt is guessed to have, in advance: what is held is nobody else's until the answer has ended.
const MOST_PROMPT: u64 = 200_000;

/// Media are no text: their bytes say nothing about tokens.
fn tokens(head: &Parts, bytes: u64) -> u64 {
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let front = b"multipart/";
    let media = kind.get(..front.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(front))
        || kind.get(..6).is_some_and(|kind| kind.eq_ignore_ascii_case(b"audio/"));
    if media { 0 } else { bytes.div_ceil(4).min(MOST_PROMPT) }
}

/// How many bytes are media written as text: in runs of base64 that are longer than any word.
fn encoded(body: &[u8]) -> usize {
    /// Every such run has a byte in one of the places that are looked at.
    const STEP: usize = 512;
    let breaks = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='));
    let (mut at, mut all) = (STEP, 0);
    while let Some((before, behind)) = body.split_at_checked(at) {
        let start = before.len() - before.iter().rev().take_while(|byte| !breaks(byte)).count();
        let end = at + behind.iter().position(breaks).unwrap_or(behind.len());
        if end - start >= 2 * STEP {
            all += end - start;
        }
        at = end + STEP;
    }
    all
}

/// The path below `/v1`, without slashes at its end.
pub(super) fn rest<'p>(method: &Method, path: &'p str) -> &'p str {
    Route::of(method, path).rest().unwrap_or_default().trim_end_matches('/')
}

/// What the body says, all but the prompt.
pub(super) fn said(body: &[u8]) -> Option<Estimate> {
    #[derive(Deserialize)]
    struct Asked {
        max_completion_tokens: Option<Value>,
        max_tokens: Option<Value>,
        max_output_tokens: Option<Value>,
        max_tokens_to_sample: Option<Value>,
        max_gen_len: Option<Value>,
        n: Option<Value>,
        best_of: Option<Value>,
        prompt: Option<Prompt>,
        model: Option<Value>,
        background: Option<Value>,
        #[serde(rename = "generationConfig", alias = "generation_config")]
        gemini: Option<Value>,
        #[serde(rename = "inferenceConfig")]
        converse: Option<Value>,
        #[serde(rename = "textGenerationConfig")]
        titan: Option<Value>,
    }

    let asked: Asked = serde_json::from_slice(body).ok()?;
    // Below zero is no number here: some servers take it for no bound.
    let bound = |value: &Value| number(value).filter(|_| value.as_f64().is_some_and(|number| number >= 0.0));
    let most = |values: &[Option<&Value>]| values.iter().filter_map(|value| bound((*value)?)).max();
    let nested = |outer: &'_ Option<Value>, names: [&str; 2]| {
        let members = outer.as_ref().and_then(Value::as_object);
        most(&names.map(|name| members.and_then(|members| members.get(name))))
    };
    // Each provider reads its own and passes over the others.
    let outputs = [
        most(&[
            asked.max_completion_tokens.as_ref(),
            asked.max_tokens.as_ref(),
            asked.max_output_tokens.as_ref(),
            asked.max_tokens_to_sample.as_ref(),
            asked.max_gen_len.as_ref(),
        ]),
        nested(&asked.gemini, ["maxOutputTokens", "max_output_tokens"]),
        nested(&asked.converse, ["maxTokens", "max_new_tokens"]),
        nested(&asked.titan, ["maxTokenCount", ""]),
    ];
    let times = most(&[asked.n.as_ref(), asked.best_of.as_ref()]);
    let times = times.max(nested(&asked.gemini, ["candidateCount", "candidate_count"])).unwrap_or(1).max(1);
    let answers = times.saturating_mul(asked.prompt.map_or(1, |Prompt(prompts)| prompts.max(1)));
    Some(Estimate {
        output: outputs.into_iter().flatten().max().map(|most| most.saturating_mul(answers)),
        answers,
        later: asked.background == Some(Value::Bool(true)),
        model: asked.model.as_ref().and_then(Value::as_str).map(Into::into),
        ..Estimate::default()
    })
}

/// How many prompts there are: as many as a list has texts, or lists of tokens.
struct Prompt(u64);

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let prompts: &RawValue = Deserialize::deserialize(deserializer)?;
        let listed: Option<Vec<&RawValue>> = serde_json::from_str(prompts.get()).ok();
        let whole = |prompt: &&&RawValue| prompt.get().starts_with(['"', '[', '{']);
        Ok(Self(listed.map_or(1, |listed| listed.iter().filter(whole).count() as u64)))
    }
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
        let rest = rest(&head.method, head.uri.path());
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
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Empty;

    use super::*;

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
            (r#"{"max_tokens":1,"n":1,"generationConfig":{"maxOutputTokens":1000,"candidateCount":8}}"#, Some(8000)),
            (r#"{"generationConfig":{"maxOutputTokens":5},"inferenceConfig":{"maxTokens":9}}"#, Some(9)),
            (r#"{"textGenerationConfig":{"maxTokenCount":6},"max_gen_len":4}"#, Some(6)),
            (r#"{"max_tokens":7,"n":2,"best_of":5}"#, Some(35)),
            (r#"{"max_tokens":7,"prompt":["a","b"],"n":2}"#, Some(28)),
            (r#"{"max_tokens":7,"prompt":[1,2,3]}"#, Some(7)),
            (r#"{"max_tokens":7,"prompt":[[1],[2,3]]}"#, Some(14)),
            (r#"{"max_tokens":7,"prompt":"a"}"#, Some(7)),
            (r#"{"max_tokens":7,"prompt":null}"#, Some(7)),
            (r#"{"max_tokens":1e3}"#, Some(1000)),
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
        assert_eq!(estimate(r#"{"n":3,"prompt":["a","b"]}"#).answers, 6);
        for (body, later) in [(r#"{"background":true}"#, true), (r#"{"background":false}"#, false), ("{}", false)] {
            assert_eq!(estimate(body).later, later, "{body}");
        }
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
        assert_eq!(estimate(&"many words ".repeat(1_000_000)).prompt, MOST_PROMPT);
    }

    #[test]
    fn media_in_texts_are_not_counted() {
        let (words, media) = ("a word, ".repeat(300), "aGk+/_-=".repeat(128));
        for (text, encoded_bytes) in [
            (words.clone(), 0),
            ("a".repeat(1023), 0),
            (media.clone(), 1024),
            (format!("{words}\"data:image/png;base64,{media}{media}\"{words}"), 2048),
            (format!("{media}\"{words}\"{media}\",\"{media}"), 3072),
        ] {
            assert_eq!(encoded(text.as_bytes()), encoded_bytes, "{text}");
        }
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
            ("POST", "/v1/model/a%2Fb/converse-stream", Question::Model),
            ("POST", "/v1/proxy/model/m/invoke", Question::Model),
            ("POST", "/v1/model/anthropic.claude/count-tokens", Question::Free),
            ("POST", "/own", Question::Model),
            ("GET", "/v1/models", Question::Free),
        ] {
            let (head, ()) = Request::builder().method(method).uri(path).body(()).expect("a request").into_parts();
            assert_eq!(Question::of(&head), question, "{method} {path}");
        }
    }
}

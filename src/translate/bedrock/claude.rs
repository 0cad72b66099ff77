//! What InvokeModel answers of a Claude, in the words of Anthropic's own API (pure).

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::{speakable, told},
    event::read,
    rewrite::{Rewrite, Words},
};

/// Anthropic's events, which Bedrock packs into its own.
#[derive(Debug, Default)]
struct Events {
    is_over: bool,
}

impl Rewrite {
    /// InvokeModelWithResponseStream's events as those of Anthropic's Messages API.
    pub(crate) fn claude() -> Self {
        Self::new(Events::default())
    }
}

impl Words for Events {
    fn event(&mut self, kind: &str, payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
        #[derive(Deserialize)]
        struct Chunk<'a> {
            #[serde(borrow)]
            bytes: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct Told<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
        }

        if kind != "chunk" {
            return Some(());
        }
        let Chunk { bytes } = read(payload)?;
        let event = STANDARD.decode(&*bytes).ok()?;
        let Told { kind } = read(&event)?;
        if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return None;
        }
        if event.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            // An event's data is one line.
            let event: Value = read(&event)?;
            say(out, &kind, event.to_string().as_bytes());
        } else {
            say(out, &kind, &event);
        }
        self.is_over = matches!(&*kind, "message_stop" | "error");
        Some(())
    }

    fn fail(&mut self, message: &str, _: Option<&str>, status: u16, out: &mut Vec<u8>) {
        say(out, "error", &body(message, status));
        self.is_over = true;
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

fn say(out: &mut Vec<u8>, kind: &str, data: &[u8]) {
    for part in [b"event: ", kind.as_bytes(), b"\ndata: ", data, b"\n\n"] {
        out.extend_from_slice(part);
    }
}

/// What AWS answered with another status than 200, as Anthropic would have said it. `reason` is what the status is
/// called.
pub(crate) fn error(answer: &[u8], status: u16, reason: &str) -> Vec<u8> {
    body(told(answer).message.as_deref().map_or(reason, speakable), status)
}

fn body(message: &str, status: u16) -> Vec<u8> {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    };
    let message = format!("bedrock error: {message}");
    json!({"type": "error", "error": {"type": kind, "message": message}}).to_string().into_bytes()
}

/// The answer of CountTokens. `None` where it is none.
pub(crate) fn token_count(answer: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted {
        input_tokens: u64,
    }

    let Counted { input_tokens } = read(answer)?;
    Some(json!({"input_tokens": input_tokens}).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{StreamFault, frame::tests::frame},
        *,
    };

    fn chunk(event: &str) -> Vec<u8> {
        let payload = json!({"bytes": STANDARD.encode(event), "p": "abc"}).to_string();
        frame(&[(":event-type", "chunk"), (":message-type", "event")], payload.as_bytes())
    }

    fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Result<(), StreamFault>) {
        let (mut stream, mut out) = (Rewrite::claude(), Vec::new());
        let pushed = pieces.into_iter().try_for_each(|piece| stream.push(piece, &mut out));
        let end = pushed.and_then(|()| stream.end(&mut out));
        (String::from_utf8(out).expect("text"), end)
    }

    #[test]
    fn anthropics_events_are_unpacked() {
        let start = chunk("{\"type\":\"message_start\",\n \"message\":{}}");
        let delta = chunk(r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"ü\n"}}"#);
        let stop = chunk(r#"{"type":"message_stop"}"#);
        let other = frame(&[(":event-type", "later"), (":message-type", "event")], b"{}");
        let bytes = [start.clone(), other, delta, stop].concat();
        let expected = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n\
            event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ü\\n\"}}\n\n\
            event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        let sorted = |text: &str| {
            // Members of what was written anew may stand in another order.
            text.replace(r#"{"message":{},"type":"message_start"}"#, r#"{"type":"message_start","message":{}}"#)
        };
        for at in 0..=bytes.len() {
            let (out, end) = streamed([&bytes[..at], &bytes[at..]]);
            assert_eq!((sorted(&out).as_str(), end), (expected, Ok(())), "{at}");
        }
        for at in 0..bytes.len() {
            let (out, end) = streamed([&bytes[..at]]);
            assert_eq!(end, Err(StreamFault::Truncated), "{at}");
            assert!(out.contains("event: error\n") && out.contains("api_error"), "{out}");
        }
        for wrong in [
            chunk("no JSON"),
            chunk(r#"{"type":"a\nb"}"#),
            chunk("{}"),
            frame(&[(":event-type", "chunk"), (":message-type", "event")], br#"{"bytes":"%"}"#),
        ] {
            assert_eq!(streamed([start.as_slice(), &wrong]).1, Err(StreamFault::Unreadable));
        }
    }

    #[test]
    fn what_goes_wrong_is_said_in_anthropics_words() {
        let exception = frame(
            &[(":exception-type", "throttlingException"), (":message-type", "exception")],
            br#"{"message":"Too many"}"#,
        );
        let (out, end) = streamed([exception.as_slice(), b"rubbish"]);
        let said = r#"{"error":{"message":"bedrock error: Too many","type":"rate_limit_error"},"type":"error"}"#;
        let parsed = |text: &str| serde_json::from_str::<Value>(text).expect(text);
        let data = out.trim_end().strip_prefix("event: error\ndata: ").expect(&out);
        assert_eq!((parsed(data), end), (parsed(said), Ok(())));
        let whole = error(br#"{"Message":"No.\n\nThe Canonical String for this was x"}"#, 403, "Forbidden");
        let whole = parsed(std::str::from_utf8(&whole).expect("text"));
        assert_eq!(whole["error"], json!({"type": "permission_error", "message": "bedrock error: No."}));
        assert_eq!(token_count(br#"{"inputTokens":7}"#).as_deref(), Some(&br#"{"input_tokens":7}"#[..]));
        assert_eq!(token_count(b"{}"), None);
    }
}

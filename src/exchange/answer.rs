//! What token endpoints answer (pure).

use std::{borrow::Cow, time::Duration};

use http::{Response, StatusCode};
use serde::Deserialize;

use crate::{context::Credential, secret::Secret};

/// How long a token lasts whose answer doesn't say it.
const UNSAID: Duration = Duration::from_secs(600);
/// The longest that any is kept.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest token, in bytes.
const MOST_BYTES: usize = 16 * 1024;

/// A token, and how long it lasts.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) credential: Credential,
    pub(super) lasts: Duration,
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answer {
    Token(Token),
    /// The endpoint said no, with this code of OAuth's (RFC 6749, section 5.2), such as `invalid_client`.
    Refused(Box<str>),
    /// Nothing that can be used: this is for logs.
    Nothing(String),
}

#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow, alias = "accessToken")]
    access_token: Cow<'a, str>,
    #[serde(borrow, default)]
    expires_in: Option<Seconds<'a>>,
}

/// Azure's metadata service writes numbers as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds<'a> {
    Number(f64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Default, Deserialize)]
struct Refused<'a> {
    #[serde(borrow, default)]
    error: Cow<'a, str>,
}

/// Reads an answer. Descriptions in it may name accounts and people, so they are left out.
pub(super) fn read(response: &Response<impl AsRef<[u8]>>) -> Answer {
    let (status, body) = (response.status(), response.body().as_ref());
    if status == StatusCode::OK {
        return match token(body) {
            Some(token) => Answer::Token(token),
            None => Answer::Nothing("the answer has no token".to_owned()),
        };
    }
    let code = code(body);
    // What it will say again however often it is asked.
    let final_word = status.is_client_error()
        && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS, StatusCode::NOT_FOUND].contains(&status)
        && &*code != "temporarily_unavailable";
    if final_word { Answer::Refused(code) } else { Answer::Nothing(format!("it answered {} {code}", status.as_u16())) }
}

fn token(body: &[u8]) -> Option<Token> {
    let Granted { access_token, expires_in } = serde_json::from_slice(body).ok()?;
    if access_token.len() > MOST_BYTES {
        return None;
    }
    let seconds = match expires_in {
        Some(Seconds::Number(number)) => Some(number),
        Some(Seconds::Text(text)) => Some(text.parse().ok()?),
        None => None,
    };
    let lasts = match seconds {
        Some(seconds) if seconds > 0.0 => Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())),
        Some(_) => return None,
        None => UNSAID,
    };
    Some(Token { credential: Credential::from_secret(&Secret::from(&*access_token))?, lasts })
}

fn code(body: &[u8]) -> Box<str> {
    // Google's other services have an object there, with a status.
    let Refused { error } = serde_json::from_slice(body).unwrap_or_default();
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let code: String = error.chars().filter(plain).take(64).collect();
    if code.is_empty() { "no reason was given".into() } else { code.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Answer {
        read(&Response::builder().status(status).body(body.to_owned()).expect("an answer"))
    }

    #[test]
    fn a_token_and_its_time_are_read_or_nothing_is() {
        for (body, expected) in [
            (r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#, Some(3599)),
            (r#"{"access_token":"t","expires_in":"86399","resource":"r"}"#, Some(86399)),
            (r#"{"access_token":"t","expires_in":1e9}"#, Some(86400)),
            (r#"{"access_token":"t"}"#, Some(600)),
            (r#"{"accessToken":"t","expireTime":"2025-01-01T00:00:00Z"}"#, Some(600)),
            (r#"{"access_token":"t","expires_in":0}"#, None),
            (r#"{"access_token":"t","expires_in":"soon"}"#, None),
            (r#"{"access_token":"","expires_in":1}"#, None),
            (r#"{"access_token":"a\r\nx: b","expires_in":1}"#, None),
            (r#"{"access_token":1}"#, None),
            ("", None),
            ("<html>", None),
        ] {
            let got = match of(200, body) {
                Answer::Token(token) => Some(token.lasts.as_secs()),
                _ => None,
            };
            assert_eq!(got, expected, "{body}");
        }
        assert!(matches!(of(200, &format!(r#"{{"access_token":"{}"}}"#, "a".repeat(16_385))), Answer::Nothing(_)));
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_trouble_is_no_refusal() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215 canary","error_codes":[7000215]}"#;
        assert!(matches!(of(401, body), Answer::Refused(code) if &*code == "invalid_client"));
        assert!(matches!(of(400, r#"{"error":"a b<c>\nd"}"#), Answer::Refused(code) if &*code == "abcd"));
        assert!(matches!(of(403, "canary"), Answer::Refused(code) if !code.contains("canary")));
        assert!(matches!(of(400, r#"{"error":"temporarily_unavailable"}"#), Answer::Nothing(_)));
        for status in [302, 404, 408, 429, 500, 503] {
            assert!(matches!(of(status, body), Answer::Nothing(_)), "{status}");
        }
    }
}

//! The handshake that opens a WebSocket (RFC 6455, section 4), as far as a gateway has to know it.

use std::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};

use super::{Credential, Route};
use crate::{
    rejection::{Kind, Rejection},
    secret::Secret,
};

/// Where OpenAI's clients in browsers, which can set no header, put their key: among the subprotocols.
const KEY: &str = "openai-insecure-api-key.";
/// What such clients say there about the account.
const ACCOUNT: [&str; 2] = ["openai-organization.", "openai-project."];

/// A request to open a WebSocket at `/v1/realtime`: what has to reach the provider of its handshake, which belongs to the
/// connection and is taken off with it. A clone is a few reference counts; Debug shows nothing.
#[derive(Clone)]
pub struct Handshake {
    key: HeaderValue,
    version: HeaderValue,
    protocols: Vec<Box<str>>,
    extensions: Option<HeaderValue>,
    credential: Option<HeaderValue>,
}

impl Handshake {
    /// Reads a request's head. `None` where it opens no WebSocket: on every other path than `/v1/realtime`, and where it
    /// doesn't ask for `upgrade: websocket` over HTTP/1.1.
    ///
    /// # Errors
    ///
    /// The handshake lacks a part, has a body, or names two credentials: [`Kind::InvalidRequest`], naming the header.
    pub fn of(head: &Parts) -> Result<Option<Self>, Rejection> {
        let Parts { method, uri, version, headers, .. } = head;
        let is_asked = *method == Method::GET
            && *version == Version::HTTP_11
            && lists(headers, &UPGRADE, "websocket")
            && lists(headers, &CONNECTION, "upgrade")
            && Route::of(method, uri.path()).is_realtime();
        if !is_asked {
            return Ok(None);
        }
        if headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") {
            // Whoever reads it otherwise would take the body for frames.
            return Err(refused("A request that opens a WebSocket has no body"));
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY)?.clone();
        if !is_nonce(key.as_bytes()) {
            return Err(refused("Invalid header: sec-websocket-key is not 16 bytes in base64"));
        }
        let version = only(headers, &SEC_WEBSOCKET_VERSION)?.clone();
        let (protocols, credential) = protocols(headers)?;
        Ok(Some(Self { key, version, protocols, extensions: extensions(headers), credential }))
    }

    /// `authorization`, for clients that showed their credential among the subprotocols (`openai-insecure-api-key.…`).
    #[must_use]
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.credential.as_ref()
    }

    /// The nonce, of which the answer has to show a digest.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    pub(crate) fn key(&self) -> &HeaderValue {
        &self.key
    }

    /// Puts the handshake onto a request. `stored` says that the account is not the caller's; what repeats `consumed`, the
    /// caller's gateway key, stays here.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    pub(crate) fn write(&self, headers: &mut HeaderMap, stored: bool, consumed: Option<&Credential>) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        headers.insert(SEC_WEBSOCKET_VERSION, self.version.clone());
        let repeats = |text: &[u8]| consumed.is_some_and(|key| key.is_repeated_by(text));
        if let Some(extensions) = self.extensions.as_ref().filter(|value| !repeats(value.as_bytes())) {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, extensions.clone());
        }
        let stays =
            |name: &str| (stored && ACCOUNT.iter().any(|front| begins(name, front))) || repeats(name.as_bytes());
        let kept: Vec<&str> = self.protocols.iter().map(AsRef::as_ref).filter(|name| !stays(name)).collect();
        if let Some(value) = HeaderValue::try_from(kept.join(", ")).ok().filter(|value| !value.is_empty()) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
    }
}

/// The subprotocols, and the credential among them, which is none.
fn protocols(headers: &HeaderMap) -> Result<(Vec<Box<str>>, Option<HeaderValue>), Rejection> {
    let (mut protocols, mut credential) = (Vec::new(), None::<HeaderValue>);
    for line in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let line = line.to_str().map_err(|_| refused("Invalid header: sec-websocket-protocol is no list of names"))?;
        for name in line.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !begins(name, KEY) {
                protocols.push(name.into());
                continue;
            }
            let value = Secret::from(&name[KEY.len()..]).header_value("Bearer ").filter(|_| name.len() > KEY.len());
            let value = value.ok_or_else(|| refused("Invalid header: sec-websocket-protocol holds an empty key"))?;
            if credential.replace(value.clone()).is_some_and(|other| other != value) {
                return Err(refused("Invalid header: sec-websocket-protocol holds two keys"));
            }
        }
    }
    let shown = |value: &HeaderValue| Credential::from_authorization(value).map(|found| found.expose().to_owned());
    let own = headers.get(AUTHORIZATION).and_then(shown);
    if own.is_some() && credential.is_some() && own != credential.as_ref().and_then(shown) {
        return Err(refused("Invalid header: sec-websocket-protocol holds another key than authorization"));
    }
    Ok((protocols, credential))
}

/// All lines as one.
fn extensions(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let first = lines.next()?.clone();
    Some(lines.fold(first, |all, line| {
        let joined = [all.as_bytes(), b", ", line.as_bytes()].concat();
        HeaderValue::from_bytes(&joined).unwrap_or(all)
    }))
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, Rejection> {
    let mut lines = headers.get_all(name).iter();
    let why = match (lines.next(), lines.next()) {
        (Some(value), None) => return Ok(value),
        (None, _) => "is missing",
        (Some(_), Some(_)) => "is given more than once",
    };
    Err(Rejection::new(Kind::InvalidRequest).with_message(format!("Invalid header: {name} {why}")))
}

/// Whether `word` stands in a header that is a list of words.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let mut words = headers.get_all(name).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

fn begins(name: &str, front: &str) -> bool {
    name.get(..front.len()).is_some_and(|head| head.eq_ignore_ascii_case(front))
}

/// 16 bytes in base64.
fn is_nonce(text: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(text, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(digit))
}

fn refused(message: &'static str) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(message)
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn read(more: &[(&'static str, &'static str)], without: &str) -> Result<Option<Handshake>, String> {
        let usual = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-key", NONCE),
            ("sec-websocket-version", "13"),
        ];
        let lines = usual.iter().chain(more).filter(|(name, _)| *name != without);
        let request =
            lines.fold(Request::get("/v1/realtime?model=m"), |request, (name, value)| request.header(*name, *value));
        let (head, ()) = request.body(()).expect("a request").into_parts();
        Handshake::of(&head).map_err(|refused| refused.message().to_owned())
    }

    fn sent(handshake: &Handshake, stored: bool, consumed: Option<&Credential>) -> Option<String> {
        let mut headers = HeaderMap::new();
        handshake.write(&mut headers, stored, consumed);
        assert_eq!(
            (&headers[UPGRADE], &headers[SEC_WEBSOCKET_KEY]),
            (&"websocket".parse().expect("a value"), &NONCE.parse().expect("a value"))
        );
        headers.get(SEC_WEBSOCKET_PROTOCOL).map(|value| value.to_str().expect("text").to_owned())
    }

    #[test]
    fn a_key_among_the_subprotocols_is_a_credential_and_no_subprotocol() {
        let line = "realtime, openai-insecure-api-key.sk-browser-1, openai-organization.org-1, openai-beta.realtime-v1";
        let found = read(&[("sec-websocket-protocol", line)], "").expect("a handshake").expect("a handshake");
        let authorization = found.authorization().expect("a credential");
        assert!(authorization.is_sensitive());
        assert_eq!(authorization, "Bearer sk-browser-1");
        assert_eq!(
            sent(&found, false, None).as_deref(),
            Some("realtime, openai-organization.org-1, openai-beta.realtime-v1")
        );
        assert_eq!(sent(&found, true, None).as_deref(), Some("realtime, openai-beta.realtime-v1"));
        let gateway = Credential::from_raw(&HeaderValue::from_static("realtime-v1")).expect("a credential");
        assert_eq!(sent(&found, true, Some(&gateway)).as_deref(), Some("realtime"));

        let alone = read(&[("sec-websocket-protocol", "OpenAI-Insecure-API-Key.k")], "").expect("one").expect("one");
        assert_eq!(
            (alone.authorization().expect("one"), sent(&alone, false, None)),
            (&"Bearer k".parse().expect("a value"), None)
        );
    }

    #[test]
    fn two_credentials_are_none() {
        let key = ("sec-websocket-protocol", "openai-insecure-api-key.k1");
        assert!(read(&[key, ("authorization", "bearer k1")], "").is_ok());
        for more in [
            [key, ("authorization", "Bearer k2")],
            [key, ("sec-websocket-protocol", "openai-insecure-api-key.k2")],
            [key, ("sec-websocket-protocol", "openai-insecure-api-key.")],
        ] {
            let refused = read(&more, "").expect_err("two readings");
            assert!(refused.contains("sec-websocket-protocol") && !refused.contains("k2"), "{refused}");
        }
    }

    #[test]
    fn a_handshake_is_whole_or_refused() {
        for (more, without, why) in [
            (None, "sec-websocket-key", "sec-websocket-key is missing"),
            (None, "sec-websocket-version", "sec-websocket-version is missing"),
            (Some(("sec-websocket-key", NONCE)), "", "sec-websocket-key is given more than once"),
            (Some(("content-length", "5")), "", "no body"),
            (Some(("transfer-encoding", "chunked")), "", "no body"),
        ] {
            let more: Vec<_> = more.into_iter().collect();
            assert!(read(&more, without).expect_err(why).contains(why), "{why}");
        }
        for without in ["connection", "upgrade"] {
            assert!(read(&[], without).expect("no handshake").is_none());
        }
        for nonce in ["", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25j\"Q=="] {
            assert!(!is_nonce(nonce.as_bytes()), "{nonce}");
        }
    }

    #[test]
    fn every_extension_goes_on() {
        let lines = [("sec-websocket-extensions", "a; x=1"), ("sec-websocket-extensions", "b")];
        let found = read(&lines, "").expect("a handshake").expect("a handshake");
        let mut headers = HeaderMap::new();
        found.write(&mut headers, false, None);
        assert_eq!(headers[SEC_WEBSOCKET_EXTENSIONS], "a; x=1, b");
    }
}

//! What an answer says (pure).

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Response, StatusCode,
    header::{AGE, CACHE_CONTROL, CONTENT_ENCODING},
};
use serde::Deserialize;

/// Why a fetch brought nothing.
#[derive(Debug)]
pub(super) enum FetchFault {
    /// The exchange itself failed.
    Exchange(Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    Timeout,
    /// Another status than 200, or 304 where that was asked for.
    Status(StatusCode),
    /// A body in a coding that nobody asked for.
    Encoded,
    /// The set, or the document that names it, can't be used.
    Content(String),
}

impl fmt::Display for FetchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(error) => write!(f, "the exchange failed: {error}"),
            Self::Timeout => f.write_str("it took too long"),
            Self::Status(status) => write!(f, "the status is {}", status.as_u16()),
            Self::Encoded => f.write_str("the body is encoded"),
            Self::Content(why) => f.write_str(why),
        }
    }
}

/// The body of a good answer; `None` where nothing has changed.
pub(super) fn body(response: Response<Bytes>, conditional: bool) -> Result<Option<Bytes>, FetchFault> {
    match response.status() {
        StatusCode::OK if response.headers().contains_key(CONTENT_ENCODING) => Err(FetchFault::Encoded),
        StatusCode::OK => Ok(Some(response.into_body())),
        StatusCode::NOT_MODIFIED if conditional => Ok(None),
        status => Err(FetchFault::Status(status)),
    }
}

/// How long an answer stays fresh, as far as it says (RFC 9111, section 4.2).
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives = lines.flat_map(|line| line.split(','));
    let seconds = directives.filter_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("max-age");
        named.then(|| value.trim().trim_matches('"').parse::<u64>().ok())?
    });
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse::<u64>().ok()).unwrap_or(0);
    seconds.min().map(|seconds| Duration::from_secs(seconds.saturating_sub(age)))
}

/// Where the document of `issuer` says its keys are.
pub(super) fn keys_of(document: &[u8], issuer: &str) -> Result<String, FetchFault> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }

    let read: Document = serde_json::from_slice(document)
        .map_err(|_| FetchFault::Content("not an OpenID configuration with issuer and jwks_uri".to_owned()))?;
    if read.issuer == issuer {
        Ok(read.jwks_uri)
    } else {
        Err(FetchFault::Content("the OpenID configuration is another issuer's".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_an_answer_is_fresh() {
        for (line, age, seconds) in [
            ("max-age=600", None, Some(600)),
            ("public, Max-Age=\"600\"", None, Some(600)),
            ("max-age=600", Some("100"), Some(500)),
            ("max-age=600", Some("700"), Some(0)),
            ("max-age=600, max-age=60", None, Some(60)),
            ("s-maxage=600", None, None),
            ("no-store", None, None),
            ("max-age=-1", None, None),
            ("max-age=99999999999999999999", None, None),
            ("", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, line.parse().expect("a value"));
            if let Some(age) = age {
                headers.insert(AGE, age.parse().expect("a value"));
            }
            assert_eq!(max_age(&headers), seconds.map(Duration::from_secs), "{line}");
        }
    }

    #[test]
    fn the_document_is_the_issuers_own() {
        let document = br#"{"issuer":"https://idp.test","jwks_uri":"https://idp.test/keys","x":1}"#;
        assert_eq!(keys_of(document, "https://idp.test").expect("a place"), "https://idp.test/keys");
        assert!(keys_of(document, "https://idp.test/").is_err());
        assert!(keys_of(b"<html>", "https://idp.test").is_err());
    }
}

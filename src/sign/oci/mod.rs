//! Oracle's request signatures (pure: the time and the body's bytes go in).
//!
//! Source: Oracle, "Request Signatures" (version 1), after draft-cavage-http-signatures-08 with `rsa-sha256`. What is signed
//! is a fixed list: `date`, the request's method and target, `host`; of requests that may have a body its length, type and
//! SHA-256, too.

mod keys;

pub(super) use keys::OciKeys;
pub use keys::check_oci_key;

use std::{fmt::Write as _, time::SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPECT, HOST, TRAILER},
    request::Parts,
};

use super::head::{host, internal};
use crate::{
    context::{Credential, OciKey},
    header,
    rejection::{Kind, Rejection},
};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");
const X_DATE: HeaderName = HeaderName::from_static("x-date");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// Of every request.
const HEADERS: &str = "date (request-target) host";
/// Of those that may have a body.
const WITH_BODY: &str = "date (request-target) host content-length content-type x-content-sha256";

/// Signs a request whose body is `body`, to the byte. What could be another signature, or could change on the way, goes
/// first.
///
/// Gives back what went onto the request that must not come back.
///
/// # Errors
///
/// The key can't be read: [`Kind::InvalidRequest`]. The URI has no host, or a header can't be made: [`Kind::Internal`].
pub(super) fn sign(
    head: &mut Parts,
    body: &[u8],
    key: &OciKey,
    now: SystemTime,
    kept: &OciKeys,
) -> Result<Vec<Credential>, Rejection> {
    let pair = kept.pair(key)?;
    clear(&mut head.headers);
    let host = host(&head.uri).ok_or_else(|| Rejection::new(Kind::Internal))?;
    let date = httpdate::fmt_http_date(now);
    head.headers.insert(DATE, HeaderValue::from_str(&date).map_err(internal)?);
    let mut text = format!("date: {date}\n(request-target): ");
    text.extend(head.method.as_str().chars().map(|letter| letter.to_ascii_lowercase()));
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    text.extend([" ", target, "\nhost: ", &host]);
    let with_body = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    if with_body {
        let hash = STANDARD.encode(digest(&SHA256, body));
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        head.headers.insert(CONTENT_SHA256, HeaderValue::from_str(&hash).map_err(internal)?);
        let json = HeaderValue::from_static("application/json");
        let kind = head.headers.entry(CONTENT_TYPE).or_insert(json);
        let kind = kind.to_str().map_err(|_| {
            Rejection::new(Kind::InvalidRequest).with_message("content-type holds a character that can't be signed")
        })?;
        let written = write!(
            text,
            "\ncontent-length: {}\ncontent-type: {}\nx-content-sha256: {hash}",
            body.len(),
            kind.trim_ascii()
        );
        written.map_err(internal)?;
    }
    let signature = pair.sign(text.as_bytes()).ok_or_else(|| Rejection::new(Kind::Internal))?;
    let line = format!(
        "Signature version=\"1\",keyId=\"{}\",algorithm=\"rsa-sha256\",headers=\"{}\",signature=\"{}\"",
        key.id(),
        if with_body { WITH_BODY } else { HEADERS },
        STANDARD.encode(signature)
    );
    let mut line = HeaderValue::try_from(line).map_err(internal)?;
    line.set_sensitive(true);
    let sent = Credential::from_raw(&line).into_iter().collect();
    head.headers.insert(AUTHORIZATION, line);
    Ok(sent)
}

fn clear(headers: &mut HeaderMap) {
    header::strip_hop_by_hop(headers);
    for name in [AUTHORIZATION, HOST, CONTENT_LENGTH, EXPECT, TRAILER, DATE, CONTENT_SHA256, X_DATE, SIGNATURE] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;

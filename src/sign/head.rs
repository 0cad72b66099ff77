//! A signature onto a request's head (pure: the time and the body's bytes go in).

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TRAILER},
    request::Parts,
    uri::{PathAndQuery, Scheme},
};

use super::{
    canonical::{PathStyle, Query, Signed, query},
    key::{Scope, SigningKeys, hash},
    time::Stamp,
};
use crate::{
    context::{AwsKeys, Credential},
    header,
    rejection::{Kind, Rejection},
};

pub(super) const DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(super) const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
pub(super) const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Signs a request whose body is `body`, to the byte.
///
/// First goes whatever could be another signature, or could change on the way: headers of a connection, `authorization`,
/// the parameters of a presigned query, and every `x-amz-*` but those that `own` says the gateway itself has set. Then
/// the signature's own headers go on. Signed are `host` (as it goes out, with a port that is not the scheme's own),
/// `content-type`, and every `x-amz-*` that is left.
///
/// Gives back what went onto the request that must not come back.
///
/// # Errors
///
/// The URI has no host, or a header can't be made: [`Kind::Internal`].
pub(super) fn sign(
    head: &mut Parts,
    body: &[u8],
    keys: &AwsKeys,
    scope: Scope<'_>,
    stamp: &Stamp,
    kept: &SigningKeys,
    own: impl Fn(&HeaderName) -> bool,
) -> Result<Vec<Credential>, Rejection> {
    clear(&mut head.headers, own);
    let query = match head.uri.query() {
        Some(given) => query(given),
        None => Query::default(),
    };
    if head.uri.query().is_some_and(|given| given != query.wire) {
        head.uri = with_query(&head.uri, &query.wire).map_err(internal)?;
    }
    let host = host(&head.uri).ok_or_else(|| Rejection::new(Kind::Internal))?;
    let payload = hash(body);
    head.headers.insert(DATE, HeaderValue::from_str(stamp.as_str()).map_err(internal)?);
    head.headers.insert(CONTENT_SHA256, HeaderValue::from_str(&payload).map_err(internal)?);
    let token = keys.session_token().map(|token| token.header_value("").ok_or_else(|| Rejection::new(Kind::Internal)));
    let token = token.transpose()?;
    if let Some(token) = &token {
        head.headers.insert(SECURITY_TOKEN, token.clone());
    }

    let line = {
        let mut headers = vec![(HOST.as_str(), host.as_bytes())];
        let signed = |name: &HeaderName| *name == CONTENT_TYPE || is_of_aws(name);
        let lines = head.headers.iter().filter(|(name, _)| signed(name));
        headers.extend(lines.map(|(name, value)| (name.as_str(), value.as_bytes())));
        // Stable: lines of one name keep their order.
        headers.sort_by_key(|(name, _)| *name);
        let request = Signed {
            method: head.method.as_str(),
            path: head.uri.path(),
            style: PathStyle::of(scope.service),
            query: &query.canonical,
            headers: &headers,
            payload: &payload,
        };
        kept.authorization(&request, keys, &scope, stamp).ok_or_else(|| Rejection::new(Kind::Internal))?
    };
    let mut line = HeaderValue::try_from(line).map_err(internal)?;
    line.set_sensitive(true);
    let sent = token.iter().chain([&line]).filter_map(Credential::from_raw).collect();
    head.headers.insert(AUTHORIZATION, line);
    Ok(sent)
}

fn clear(headers: &mut HeaderMap, own: impl Fn(&HeaderName) -> bool) {
    header::strip_hop_by_hop(headers);
    let goes = |name: &HeaderName| {
        [AUTHORIZATION, HOST, CONTENT_LENGTH, EXPECT, TRAILER, DATE, CONTENT_SHA256, SECURITY_TOKEN].contains(name)
            || (is_of_aws(name) && !own(name))
    };
    let gone: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

fn is_of_aws(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-amz-")
}

/// The `host` that an HTTP client makes of a URI: without a port that is the scheme's own.
pub(super) fn host(uri: &Uri) -> Option<String> {
    let host = uri.host().filter(|host| !host.is_empty())?;
    let own = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    Some(match uri.port_u16().filter(|port| *port != own) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn with_query(uri: &Uri, query: &str) -> Result<Uri, http::Error> {
    let sign = if query.is_empty() { "" } else { "?" };
    let target = PathAndQuery::try_from([uri.path(), sign, query].concat())?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Ok(Uri::from_parts(parts)?)
}

pub(super) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Rejection {
    Rejection::new(Kind::Internal).with_source(error)
}

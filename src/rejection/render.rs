//! From a refusal to a response.

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY,
        WWW_AUTHENTICATE,
    },
};
use percent_encoding::{AsciiSet, CONTROLS};

use super::{Kind, Rejection, json};
use crate::header::GATEWAY_EXCEPTION;

/// What a renderer may know of the request it answers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Asked {
    /// Whether the request is gRPC (`content-type: application/grpc…`).
    pub grpc: bool,
    /// The page that a browser asks from.
    pub origin: Option<HeaderValue>,
}

impl Asked {
    /// Reads a request's headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let grpc = headers.get(CONTENT_TYPE).is_some_and(|value| is_grpc(value.as_bytes()));
        Self { grpc, origin: headers.get(ORIGIN).cloned() }
    }
}

/// Decides how a refusal looks. It can't decide whether one happens.
pub trait RenderRejection {
    /// The response for this refusal. The body is one chunk; the rejection is put into the extensions afterwards.
    fn render(&self, rejection: &Rejection, asked: &Asked) -> Response<Bytes>;
}

/// The default look: Portkey's JSON with the status of the [`Kind`], `www-authenticate` (RFC 6750) beside 401 and 403,
/// `retry-after` where it is known; for gRPC a trailers-only answer (200, `grpc-status`, `grpc-message`).
#[derive(Clone, Copy, Debug, Default)]
pub struct PortkeyJson;

impl RenderRejection for PortkeyJson {
    fn render(&self, rejection: &Rejection, asked: &Asked) -> Response<Bytes> {
        let mut response = if asked.grpc { grpc(rejection) } else { http(rejection) };
        let headers = response.headers_mut();
        if let Some(after) = rejection.retry_after() {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if rejection.kind().is_exception() {
            headers.insert(GATEWAY_EXCEPTION, HeaderValue::from_static("true"));
        }
        if let Some(origin) = &asked.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-portkey-cache-status"));
            headers.insert(VARY, HeaderValue::from_static("origin"));
        }
        headers.extend(rejection.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        response
    }
}

/// Renders a refusal and leaves it, with the facts of the request, in the response's extensions.
pub fn refuse<R: RenderRejection>(
    render: &R,
    rejection: Rejection,
    asked: &Asked,
    facts: Extensions,
) -> Response<Bytes> {
    // The text for the caller may repeat what the caller sent; the log gets the kind and the cause.
    tracing::debug!(kind = ?rejection.kind(), cause = %Causes(&rejection), "refused");
    let mut response = render.render(&rejection, asked);
    let own = std::mem::replace(response.extensions_mut(), facts);
    response.extensions_mut().extend(own);
    response.extensions_mut().extend(rejection.facts().clone());
    response.extensions_mut().insert(rejection);
    response
}

fn http(rejection: &Rejection) -> Response<Bytes> {
    let (body, content_type) = json::body(rejection);
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = rejection.kind().status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(challenge) = challenge(rejection) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// RFC 6750, section 3: no error code where no credential was shown.
fn challenge(rejection: &Rejection) -> Option<HeaderValue> {
    let fixed = match (rejection.kind(), rejection.kind().status()) {
        // The caller's own credential is good.
        (Kind::MissingKey | Kind::EntryExpired, _) => r#"Bearer realm="portkey""#,
        (_, StatusCode::UNAUTHORIZED) => r#"Bearer realm="portkey", error="invalid_token""#,
        (_, StatusCode::FORBIDDEN) => {
            let front = r#"Bearer realm="portkey", error="insufficient_scope""#;
            let scope = rejection.scope().map(|scope| format!(r#"{front}, scope="{scope}""#));
            return scope
                .map_or_else(|| Some(HeaderValue::from_static(front)), |text| HeaderValue::try_from(text).ok());
        }
        _ => return None,
    };
    Some(HeaderValue::from_static(fixed))
}

fn grpc(rejection: &Rejection) -> Response<Bytes> {
    const STATUS: HeaderName = HeaderName::from_static("grpc-status");
    const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
    /// What gRPC percent-encodes in `grpc-message`: all but printable ASCII, and the sign itself.
    const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(u16::from(rejection.kind().grpc_code())));
    let text = percent_encoding::utf8_percent_encode(rejection.message(), ENCODED).to_string();
    if let Ok(message) = HeaderValue::try_from(text) {
        headers.insert(MESSAGE, message);
    }
    response
}

fn is_grpc(content_type: &[u8]) -> bool {
    let front = b"application/grpc";
    content_type.split_at_checked(front.len()).is_some_and(|(head, _)| head.eq_ignore_ascii_case(front))
}

/// What caused a refusal, in one line.
struct Causes<'a>(&'a Rejection);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, "{error}")?;
            cause = error.source();
            f.write_str(if cause.is_some() { ": " } else { "" })?;
        }
        Ok(())
    }
}

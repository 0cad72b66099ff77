//! What is refused before the stack sees it: requests that no HTTP server should take (pure).

use http::{
    HeaderMap, HeaderValue, Request, StatusCode, Version,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
};
use http_body::Body;
use tower_portkey::rejection::{Kind, Rejection};

use super::browser;

/// The longest body of a request, in bytes. It is counted while it streams, too.
pub(super) const BODY_BYTES: usize = 100 * 1024 * 1024;
/// Headers of a request, in either version of HTTP.
const HEADERS: usize = 100;

/// Why a request is not taken, and the status of the answer. `local` says that only this machine is meant to come in.
pub(crate) fn refusal<B: Body>(request: &Request<B>, local: bool) -> Option<(StatusCode, Rejection)> {
    let headers = request.headers();
    let invalid = |message: &'static str| Rejection::new(Kind::InvalidRequest).with_message(message);
    if request.version() == Version::HTTP_11 && !headers.contains_key(HOST) {
        // RFC 9112, section 3.2.
        Some((StatusCode::BAD_REQUEST, invalid("Invalid header: host is missing")))
    } else if headers.len() > HEADERS {
        Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, invalid("Too many headers")))
    } else if request.body().size_hint().lower() > BODY_BYTES as u64 {
        let message = format!("Payload size exceeds the limit of {}MB", BODY_BYTES >> 20);
        let rejection = Rejection::new(Kind::PayloadTooLarge).with_message(message);
        Some((StatusCode::PAYLOAD_TOO_LARGE, rejection))
    } else if !is_framed_plainly(headers) {
        // What follows on the connection is not read as a request.
        let rejection = invalid("Invalid header: transfer-encoding is not chunked alone");
        Some((StatusCode::BAD_REQUEST, rejection.with_header(CONNECTION, HeaderValue::from_static("close"))))
    } else if local && browser::is_foreign_page(headers) {
        Some((StatusCode::FORBIDDEN, invalid("A page of another host may not use a gateway in open mode")))
    } else {
        None
    }
}

/// Any coding but this one would be passed on undone, as if it were a part of the body (RFC 9112, section 6.1).
fn is_framed_plainly(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) && codings.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::Empty;

    fn status(lines: &[(&'static str, &'static str)], local: bool) -> Option<u16> {
        let request = lines.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        refusal(&request, local).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn each_for_its_reason() {
        let host = ("host", "gw.test");
        assert_eq!(status(&[host], true), None);
        assert_eq!(status(&[], false), Some(400));
        assert_eq!(status(&[host, ("transfer-encoding", "Chunked")], false), None);
        assert_eq!(status(&[host, ("transfer-encoding", "gzip, chunked")], false), Some(400));
        assert_eq!(status(&[host, ("origin", "http://gw.test")], true), Some(403));
        assert_eq!(status(&[host, ("origin", "http://gw.test")], false), None);
        let many: Vec<_> = std::iter::repeat_n(("x-a", "1"), 100).chain([host]).collect();
        assert_eq!(status(&many, false), Some(431));
    }
}

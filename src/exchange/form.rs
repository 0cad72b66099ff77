//! The calls (pure). Everything in them is form-encoded, so no value can add a parameter.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE},
};
use url::form_urlencoded::Serializer;

use crate::rejection::{Kind, Rejection};

/// A form by POST.
pub(super) fn post(uri: Uri, fields: &[(&str, &str)]) -> Result<Request<Bytes>, Rejection> {
    let mut form = Serializer::new(String::with_capacity(512));
    form.extend_pairs(fields);
    let request = Request::post(uri)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Bytes::from(form.finish()));
    request.map_err(|error| Rejection::new(Kind::Internal).with_source(error))
}

/// A question to a metadata service, with the header without which it answers nobody.
pub(super) fn get(uri: Uri, header: (&'static str, &'static str)) -> Result<Request<Bytes>, Rejection> {
    let (name, value) = (HeaderName::from_static(header.0), HeaderValue::from_static(header.1));
    let request = Request::get(uri).header(name, value).header(ACCEPT, HeaderValue::from_static("application/json"));
    request.body(Bytes::new()).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
}

/// A path with a query of these.
pub(super) fn query(path: &str, fields: &[(&str, &str)]) -> String {
    let mut form = Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    form.extend_pairs(fields);
    form.finish()
}

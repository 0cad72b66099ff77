//! What the head says about the body (pure).

use http::{
    Method,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};

use crate::{context::Route, form::boundary};

/// How a body is to be read. Borrows; costs a look at two headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) content: Content<'a>,
    /// A model is asked here, in JSON and nothing else.
    pub(super) in_json: bool,
    /// The route takes forms that name a model.
    pub(super) in_forms: bool,
    /// The content is coded: what the bytes say is not what the provider reads.
    pub(super) coded: bool,
}

/// What the content type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// JSON, or nothing at all.
    Json,
    /// A form with this boundary.
    Form(&'a str),
    /// Sound, pictures, bytes.
    Media,
    Other,
}

impl<'a> Rules<'a> {
    pub(super) fn of(head: &'a Parts) -> Self {
        let route = Route::of(&head.method, head.uri.path());
        let rest = route.rest().unwrap_or_default();
        let plain = |value: &[u8]| value.is_empty() || value.eq_ignore_ascii_case(b"identity");
        Self {
            content: Content::of(head),
            in_json: route.asks_in_json(),
            in_forms: rest.starts_with("/audio/") || rest.starts_with("/images/"),
            coded: head.headers.get_all(CONTENT_ENCODING).iter().any(|value| !plain(value.as_bytes())),
        }
    }

    /// The boundary, where the body is a form. A question to a model that is asked in JSON is none, whatever it says.
    pub(super) fn form(&self) -> Option<&'a str> {
        match self.content {
            Content::Form(boundary) if !self.in_json => Some(boundary),
            _ => None,
        }
    }
}

impl<'a> Content<'a> {
    fn of(head: &'a Parts) -> Self {
        let mut types = head.headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = types.next().filter(|value| !value.is_empty()) else { return Self::Json };
        let Some(text) = std::str::from_utf8(value.as_bytes()).ok().filter(|_| types.next().is_none()) else {
            return Self::Other;
        };
        let kind = text.split(';').next().unwrap_or_default().trim();
        let within = |group: &str| kind.get(..group.len()).is_some_and(|front| front.eq_ignore_ascii_case(group));
        if kind.eq_ignore_ascii_case("application/json") {
            return Self::Json;
        }
        if let Some(boundary) = boundary(text) {
            return Self::Form(boundary);
        }
        let media = within("audio/") || within("image/") || within("video/");
        if media || kind.eq_ignore_ascii_case("application/octet-stream") { Self::Media } else { Self::Other }
    }
}

/// Whether the body may name a model: something is sent, in JSON or a form that can name one, and it is no file.
pub(super) fn may_name_a_model(head: &Parts) -> bool {
    if !matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
        return false;
    }
    let rest = Route::of(&head.method, head.uri.path()).rest().unwrap_or_default();
    if rest == "/files" || rest.starts_with("/files/") {
        return false;
    }
    let rules = Rules::of(head);
    match rules.content {
        Content::Json => true,
        Content::Form(_) => rules.in_forms,
        Content::Media | Content::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: Method, path: &str, kind: Option<&'static str>) -> Parts {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn bodies_that_may_name_a_model() {
        const FORM: &str = "multipart/form-data; boundary=x";
        for (method, path, kind, may) in [
            (Method::POST, "/v1/chat/completions", None, true),
            (Method::POST, "/v1/chat/completions", Some("Application/JSON; charset=utf-8"), true),
            (Method::PUT, "/v1/anything", Some(""), true),
            (Method::PATCH, "/v1/filesystem", None, true),
            (Method::GET, "/v1/chat/completions", None, false),
            (Method::DELETE, "/v1/models/a", None, false),
            (Method::POST, "/v1/files", Some("application/json"), false),
            (Method::POST, "/v1/files/f", None, false),
            (Method::POST, "/v1/chat/completions", Some("text/plain"), false),
            (Method::POST, "/v1/audio/transcriptions", Some(FORM), true),
            (Method::POST, "/v1/proxy/images/edits", Some(FORM), true),
            (Method::POST, "/v1/uploads", Some(FORM), false),
            (Method::POST, "/v1/audio/transcriptions", Some("audio/wav"), false),
        ] {
            assert_eq!(may_name_a_model(&head(method.clone(), path, kind)), may, "{method} {path} {kind:?}");
        }
    }

    #[test]
    fn two_content_types_are_none() {
        let mut head = head(Method::POST, "/v1/x", Some("application/json"));
        head.headers.append("content-type", "audio/wav".parse().expect("a value"));
        assert_eq!(Rules::of(&head).content, Content::Other);
    }

    #[test]
    fn a_question_in_json_is_no_form() {
        let kind = Some("multipart/form-data; boundary=x");
        assert_eq!(Rules::of(&head(Method::POST, "/v1/chat/completions", kind)).form(), None);
        assert_eq!(Rules::of(&head(Method::POST, "/v1/images/edits", kind)).form(), Some("x"));
    }
}

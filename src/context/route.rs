//! What a path means. One normal form serves scope, routing, log and upstream path alike.

use http::Method;

/// A request's path below `/v1`, and whether it is one of the operations that Portkey unifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    rest: Option<&'a str>,
    kind: Kind,
    post: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One question to a model, in the body.
    Model,
    /// Another unified operation: files, batches, …
    Object,
    Passthrough,
    /// Passthrough by the deprecated name.
    Proxy,
}

impl<'a> Route<'a> {
    /// Reads a path (wire contract: Portkey's route table). `/v1/proxy/…` is the deprecated spelling of a passthrough.
    #[must_use]
    pub fn of(method: &Method, path: &'a str) -> Self {
        let Some(rest) = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')) else {
            return Self { rest: None, kind: Kind::Passthrough, post: false };
        };
        match rest.strip_prefix("/proxy").filter(|rest| rest.starts_with('/')) {
            Some(rest) => Self { rest: Some(rest), kind: Kind::Proxy, post: method == Method::POST },
            None => Self { rest: Some(rest), kind: kind(method, rest), post: method == Method::POST },
        }
    }

    /// The path below `/v1`, beginning with a slash. `None` outside `/v1`, where nothing is served.
    #[must_use]
    pub fn rest(&self) -> Option<&'a str> {
        self.rest
    }

    /// Whether this is one of the unified operations, of which few of the caller's headers are forwarded. Everything
    /// else below `/v1` passes through.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        matches!(self.kind, Kind::Model | Kind::Object)
    }

    /// Whether this is one question to a model, all of it in the body.
    #[must_use]
    pub fn asks_a_model(&self) -> bool {
        self.kind == Kind::Model
    }

    /// Whether this is OpenAI's realtime API, which is a WebSocket.
    #[must_use]
    pub fn is_realtime(&self) -> bool {
        self.rest == Some("/realtime")
    }

    /// Whether this is a question to a model whose body is JSON, never a form; also where the path is a passthrough by
    /// the deprecated name, or ends in a slash.
    #[must_use]
    pub fn asks_in_json(&self) -> bool {
        let rest = self.rest.unwrap_or_default().trim_end_matches('/');
        let asks = self.asks_a_model() || (self.post && kind(&Method::POST, rest) == Kind::Model);
        asks && !matches!(rest, "/images/edits" | "/audio/transcriptions" | "/audio/translations")
    }

    /// Whether a key that is expired or exhausted may still be used here, so that results which were paid for can be
    /// fetched: `GET` and `HEAD` of batches, files, fine-tuning jobs and of what lies below logs; never by `/v1/proxy`.
    #[must_use]
    pub fn spares_lapsed_keys(&self, method: &Method) -> bool {
        let mut parts = self.rest.unwrap_or_default().as_bytes().split(|byte| *byte == b'/').skip(1);
        let reads = (*method == Method::GET || *method == Method::HEAD) && self.kind != Kind::Proxy;
        match parts.next() {
            Some(b"batches" | b"files" | b"fine_tuning") => reads,
            Some(b"logs") => reads && parts.next().is_some(),
            _ => false,
        }
    }
}

fn kind(method: &Method, rest: &str) -> Kind {
    let mut parts = rest.as_bytes().split(|byte| *byte == b'/').skip(1);
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let (fourth, more) = (parts.next(), parts.next().is_some());
    if fourth.is_some() {
        let cancel = (first, second, fourth) == (&b"fine_tuning"[..], Some(&b"jobs"[..]), Some(&b"cancel"[..]));
        return if cancel && !more { Kind::Object } else { Kind::Passthrough };
    }
    let post = method == Method::POST;
    let get = method == Method::GET || method == Method::HEAD;
    let unified = match (first, second, third) {
        (b"chat", Some(b"completions"), None)
        | (b"completions" | b"embeddings" | b"rerank" | b"messages", None, None)
        | (b"messages", Some(b"count_tokens"), None)
        | (b"images", Some(b"generations" | b"edits"), None)
        | (b"audio", Some(b"speech" | b"transcriptions" | b"translations"), None)
        | (b"responses", None, None) => {
            return if post { Kind::Model } else { Kind::Passthrough };
        }
        (b"responses", Some(_), None) => get || method == Method::DELETE,
        (b"responses", Some(_), Some(b"input_items")) => get,
        (b"files", None, None) => get || post,
        (b"files", Some(_), None) => get || method == Method::DELETE,
        (b"files", Some(_), Some(b"content")) => get,
        (b"batches", None, None) => get || post,
        (b"batches", Some(_), None) => get,
        (b"batches", Some(_), Some(b"output")) => get,
        (b"batches", Some(_), Some(b"cancel")) => post,
        (b"fine_tuning", Some(b"jobs"), _) => true,
        (b"prompts", Some(_), _) => post,
        (b"realtime", None, None) => get,
        _ => false,
    };
    if unified { Kind::Object } else { Kind::Passthrough }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        for (method, path, rest, unified) in [
            (Method::POST, "/v1/chat/completions", Some("/chat/completions"), true),
            (Method::GET, "/v1/chat/completions", Some("/chat/completions"), false),
            (Method::POST, "/v1/chat/completions/", Some("/chat/completions/"), false),
            (Method::POST, "/v1/chat/completions;a=b", Some("/chat/completions;a=b"), false),
            (Method::GET, "/v1/models", Some("/models"), false),
            (Method::GET, "/v1/files/f-1/content", Some("/files/f-1/content"), true),
            (Method::DELETE, "/v1/files/f-1", Some("/files/f-1"), true),
            (Method::POST, "/v1/fine_tuning/jobs/1/cancel", Some("/fine_tuning/jobs/1/cancel"), true),
            (Method::POST, "/v1/proxy/chat/completions", Some("/chat/completions"), false),
            (Method::POST, "/v1/proxyx", Some("/proxyx"), false),
            (Method::GET, "/v1", None, false),
            (Method::GET, "/v10/models", None, false),
            (Method::GET, "/", None, false),
        ] {
            let route = Route::of(&method, path);
            assert_eq!((route.rest(), route.is_unified()), (rest, unified), "{method} {path}");
        }
    }

    #[test]
    fn results_can_be_fetched_with_a_lapsed_key() {
        for (method, path, spared) in [
            (Method::GET, "/v1/files/f-1/content", true),
            (Method::HEAD, "/v1/batches", true),
            (Method::GET, "/v1/logs/1", true),
            (Method::GET, "/v1/logs", false),
            (Method::POST, "/v1/logs/1", false),
            (Method::POST, "/v1/files", false),
            (Method::GET, "/v1/proxy/files/f-1", false),
            (Method::GET, "/v1/models/v1/logs/x", false),
        ] {
            assert_eq!(Route::of(&method, path).spares_lapsed_keys(&method), spared, "{method} {path}");
        }
    }
}

//! Why a request was refused, and how the caller is told.
//!
//! A layer refuses with a [`Rejection`]: a [`Kind`], a fixed text, and sometimes a cause that only logs may see. What
//! the caller reads is made in one place, by a [`RenderRejection`]; the default one, [`PortkeyJson`], speaks Portkey's
//! JSON, RFC 6750 and gRPC. The rejection itself stays in the response's extensions.
//!
//! ```
//! use tower_portkey::rejection::{Asked, Kind, PortkeyJson, Rejection, RenderRejection};
//!
//! let rejection = Rejection::new(Kind::InvalidKey);
//! let response = PortkeyJson.render(&rejection, &Asked::default());
//! assert_eq!(response.status(), 401);
//! assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="portkey", error="invalid_token""#);
//! ```

mod json;
mod kind;
mod render;

pub use kind::Kind;
pub use render::{Asked, PortkeyJson, RenderRejection, refuse};

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use http_body_util::LengthLimitError;

/// A refusal. Display is the text the caller reads; the cause is in [`source`](Error::source) and goes to logs only.
///
/// A clone is one reference count.
#[derive(Clone)]
pub struct Rejection(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    kind: Kind,
    message: Option<Cow<'static, str>>,
    details: Vec<String>,
    scope: Option<Cow<'static, str>>,
    code: Option<(&'static str, &'static str)>,
    retry_after: Option<Duration>,
    headers: HeaderMap,
    facts: Extensions,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Rejection {
    /// A refusal of this kind, with the kind's own text.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self(Arc::new(Facts {
            kind,
            message: None,
            details: Vec::new(),
            scope: None,
            code: None,
            retry_after: None,
            headers: HeaderMap::new(),
            facts: Extensions::new(),
            source: None,
        }))
    }

    /// The store that was asked can't answer now: 503, never a pass. The error is kept for logs.
    #[must_use]
    pub fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Unavailable).with_source(error).with_retry_after(Duration::from_secs(1))
    }

    /// A body that is waited for takes too long: 408.
    pub(crate) fn too_slow() -> Self {
        Self::new(Kind::Timeout).with_message("The body did not come in time")
    }

    /// A body is longer than the `limit` of bytes up to which it is held: 413.
    pub(crate) fn too_large(limit: usize) -> Self {
        let limit = if limit < 1 << 20 { format!("{limit} bytes") } else { format!("{}MB", limit >> 20) };
        Self::new(Kind::PayloadTooLarge).with_message(format!("Payload size exceeds the limit of {limit}"))
    }

    /// A caller's body broke off, 400; or a limit further out ended it, 413.
    pub(crate) fn unreadable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        if error.is::<LengthLimitError>() {
            return Self::new(Kind::PayloadTooLarge);
        }
        Self::new(Kind::InvalidRequest).with_message("The body could not be read to its end").with_source(error)
    }

    /// A layer misses the fact that `layer` should have left: 500.
    #[must_use]
    pub fn misassembled(layer: &'static str) -> Self {
        Self::new(Kind::Misassembled).with_message(format!("The request did not pass {layer}"))
    }

    /// Replaces the kind's text. The text is told to the caller: it may name a header or field, never a value that
    /// could be secret.
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.change(|facts| facts.message = Some(message.into()))
    }

    /// Adds the findings of a validation, one a line of `errors`.
    #[must_use]
    pub fn with_details(self, details: Vec<String>) -> Self {
        self.change(|facts| facts.details = details)
    }

    /// Names the scope that was missing (RFC 6750, section 3).
    #[must_use]
    pub fn with_scope(self, scope: impl Into<Cow<'static, str>>) -> Self {
        self.change(|facts| facts.scope = Some(scope.into()))
    }

    /// Says by a code what is wrong, and with which header or field; for kinds that tell it.
    #[must_use]
    pub fn with_code(self, code: &'static str, field: &'static str) -> Self {
        self.change(|facts| facts.code = Some((code, field)))
    }

    /// Says when to come again, in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.change(|facts| facts.retry_after = Some(after))
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.change(|facts| {
            facts.headers.insert(name, value);
        })
    }

    /// Keeps the facts of the request, for the extensions of the answer: what travels as an error has no request any
    /// more when it is answered.
    #[must_use]
    pub fn with_facts(self, facts: Extensions) -> Self {
        self.change(|own| own.facts = facts)
    }

    /// Keeps the cause, for logs.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.change(|facts| facts.source = Some(Arc::from(source.into())))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The text that the caller reads.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.message.as_deref().unwrap_or_else(|| self.0.kind.text())
    }

    /// The findings of a validation.
    #[must_use]
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// The scope that was missing.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.0.scope.as_deref()
    }

    /// The code of what is wrong, and the header or field.
    #[must_use]
    pub fn code(&self) -> Option<(&'static str, &'static str)> {
        self.0.code
    }

    /// When to come again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Further headers of the answer.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    pub(crate) fn facts(&self) -> &Extensions {
        &self.0.facts
    }

    fn change(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.kind())
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

//! What a provider's own route wants otherwise in a JSON body.

/// The model's name at the provider, or that none may stand there, and what has to stand there beside it. `ResolveLayer`
/// says so in the [`Target`](crate::context::Target); `AmendLayer` does it.
///
/// ```
/// use tower_portkey::context::Amendment;
///
/// let claude = Amendment::without_model().with_default("anthropic_version", "\"vertex-2023-10-16\"");
/// assert_eq!(claude.model(), None);
/// assert_eq!(Amendment::of_model("google/gemini-2.5-pro").model(), Some("google/gemini-2.5-pro"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    model: Option<Box<str>>,
    default: Option<(&'static str, &'static str)>,
}

impl Amendment {
    /// The body's `model` becomes this.
    #[must_use]
    pub fn of_model(name: impl Into<Box<str>>) -> Self {
        Self { model: Some(name.into()), default: None }
    }

    /// The body's `model` goes.
    #[must_use]
    pub fn without_model() -> Self {
        Self { model: None, default: None }
    }

    /// A member that is added where the body has none of the name; `value` is JSON.
    #[must_use]
    pub fn with_default(self, name: &'static str, value: &'static str) -> Self {
        Self { default: Some((name, value)), ..self }
    }

    /// What `model` becomes; `None` where it goes.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// What is added, with its JSON value.
    #[must_use]
    pub fn default_member(&self) -> Option<(&'static str, &'static str)> {
        self.default
    }
}

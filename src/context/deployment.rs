//! Deployments of Azure OpenAI, and which of its two surfaces a version names.

/// A deployment of a model at Azure OpenAI, and the name that callers ask for it by.
///
/// ```
/// use tower_portkey::context::Deployment;
///
/// let mini = Deployment::new("gpt-4o-mini", "mini-eu-2").with_api_version("2024-10-21");
/// assert_eq!((mini.alias(), mini.id()), ("gpt-4o-mini", "mini-eu-2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    alias: Box<str>,
    id: Box<str>,
    api_version: Option<Box<str>>,
    model: Option<Box<str>>,
    is_default: bool,
}

impl Deployment {
    /// A deployment that requests for the model `alias` go to.
    #[must_use]
    pub fn new(alias: &str, id: &str) -> Self {
        Self { alias: alias.into(), id: id.into(), api_version: None, model: None, is_default: false }
    }

    /// Sets the version of the API, in place of the one beside the list.
    #[must_use]
    pub fn with_api_version(self, version: &str) -> Self {
        Self { api_version: Some(version.into()), ..self }
    }

    /// Sets the name of the model behind it, which a list of allowed models may hold in place of the alias.
    #[must_use]
    pub fn with_model(self, model: &str) -> Self {
        Self { model: Some(model.into()), ..self }
    }

    /// Makes it the one for requests whose model is no alias.
    #[must_use]
    pub fn as_default(self) -> Self {
        Self { is_default: true, ..self }
    }

    /// The model that callers name.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// The deployment's own name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version of the API.
    #[must_use]
    pub fn api_version(&self) -> Option<&str> {
        self.api_version.as_deref()
    }

    /// The name of the model behind it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The one whose alias is this model, or else the one for all others.
    #[cfg(any(feature = "exchange", test))]
    pub(crate) fn of<'d>(all: &'d [Self], model: Option<&str>) -> Option<&'d Self> {
        let named = model.and_then(|model| all.iter().find(|own| *own.alias == *model));
        named.or_else(|| all.iter().find(|own| own.is_default))
    }
}

/// Whether a version names Azure's newer surface, `/openai/v1`, where the body's model names the deployment. Portkey knows
/// `v1`; `preview` and `latest` are what Azure itself calls its states.
pub(crate) fn is_azure_v1(version: &str) -> bool {
    matches!(version.trim(), "v1" | "preview" | "latest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_counts_before_the_default() {
        let all = [Deployment::new("a", "one"), Deployment::new("b", "two").as_default()];
        let id = |model| Deployment::of(&all, model).map(Deployment::id);
        assert_eq!(
            (id(Some("a")), id(Some("b")), id(Some("c")), id(None)),
            (Some("one"), Some("two"), Some("two"), Some("two"))
        );
        assert_eq!(Deployment::of(&all[..1], Some("c")), None);
    }
}

//! From hostile JSON text to a validated config object.
//!
//! The answers are those of Portkey's own validator, word for word and in its order, and some more: limits on size and
//! nesting, no name twice, no name under another spelling, no text that a header could not carry. No answer repeats a
//! value of the config; there may be credentials among them.

mod build;
mod check;
mod fields;
mod findings;
mod forward;
mod json;
mod path;
mod refine;
mod schema;
mod spelling;
mod strategy;
#[cfg(test)]
mod tests;
mod tree;
mod weight;

pub(crate) use forward::{NotForwardable, forwardable};
pub(crate) use weight::weight;

use std::borrow::Cow;

use json::{DEEPEST, Fault, Json};
use path::Path;

use crate::{
    context::{ConfigTree, NamedHost, ProviderId},
    rejection::{Kind, Rejection},
};

/// The longest config, in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;

/// What a config's validation depends on.
pub(crate) struct Asks<'a> {
    /// Whether the request names a provider by header, so that the config need not.
    pub(crate) provider_header: bool,
    /// Whether stored entries may be named: `@slug` as `provider`, or `virtual_key`. Body or query may then name one, too,
    /// so that a config need not, either.
    pub(crate) slugs: bool,
    /// Whether it is a saved config, whose credentials are stored ones.
    pub(crate) saved: bool,
    /// The provider of an id.
    pub(crate) provider: &'a dyn Fn(&str) -> Option<ProviderId>,
    /// The host that `custom_host` may be, if it may be this URL. With `true`, an entry's own list can still let it pass.
    pub(crate) host: &'a dyn Fn(&str, bool) -> Option<NamedHost>,
}

/// Why a config is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// It is longer than is read at all.
    TooLong,
    /// Arrays and objects stand too deep in one another.
    TooDeep,
    /// It is not JSON, or there is nothing in it.
    NotJson,
    /// Neither the config nor a header names a provider.
    NoProvider,
    /// These were found, one a line.
    Schema(Vec<String>),
    /// It is of Portkey's first version.
    Legacy,
}

/// Reads and validates a config.
pub(crate) fn decode(json: &[u8], asked: &Asks<'_>) -> Result<ConfigTree, ConfigError> {
    if json.len() > LONGEST {
        return Err(ConfigError::TooLong);
    }
    let text = std::str::from_utf8(json).map_err(|_| ConfigError::NotJson)?;
    let config = Json::parse(text)?;
    if !asked.provider_header {
        if matches!(config, Json::Null) {
            return Err(ConfigError::NotJson);
        }
        if !asked.slugs && !config.has("provider") && !config.has("targets") {
            return Err(ConfigError::NoProvider);
        }
    }
    let mut check = check::Check::new(asked);
    check.value(&config, &schema::Rule::Config, &Path::Root);
    if let Err(findings) = check.schema.none() {
        // Where the body could still name the provider, this is asked last.
        let named = asked.provider_header || config.has("provider") || config.has("targets");
        let named = named || refine::slug(&config, asked).is_some();
        return Err(if named { ConfigError::Schema(findings) } else { ConfigError::NoProvider });
    }
    check.texts.none()?;
    if config.has("options") {
        return Err(ConfigError::Legacy);
    }
    check.names.none()?;
    let root = build::object(&config, asked, "config", &build::Inherited::default());
    Ok(tree::of(root, asked.saved))
}

impl ConfigError {
    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::TooLong => format!("Invalid config passed. It must not be longer than {LONGEST} bytes").into(),
            Self::TooDeep => format!("Invalid config passed. It must not be nested deeper than {DEEPEST}").into(),
            Self::NotJson => "Invalid config passed. You need to pass a valid json".into(),
            Self::NoProvider => {
                "Either x-portkey-provider needs to be passed. Or the x-portkey-config header should have \
                                 a valid config with provider details in it."
                    .into()
            }
            Self::Schema(_) => "Invalid config passed".into(),
            Self::Legacy => {
                "This version of config is not supported in this route. Please migrate to the latest version".into()
            }
        }
    }
}

impl From<ConfigError> for Rejection {
    fn from(error: ConfigError) -> Self {
        let rejection = Self::new(Kind::InvalidRequest).with_message(error.message());
        match error {
            ConfigError::Schema(details) => rejection.with_details(details),
            _ => rejection,
        }
    }
}

impl From<Vec<String>> for ConfigError {
    fn from(details: Vec<String>) -> Self {
        Self::Schema(details)
    }
}

impl From<Fault> for ConfigError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotJson => Self::NotJson,
            Fault::TooDeep => Self::TooDeep,
            Fault::Duplicate(path) => Self::Schema(vec![format!("path: {path}, message: Duplicate key")]),
        }
    }
}

//! Provider, credential and fields of one attempt: what is bound to each other before a host is looked for (pure).

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION, request::Parts};

use super::{catalog::Row, layer::Settings};
#[cfg(feature = "exchange")]
use crate::context::Deployment;
#[cfg(any(feature = "bedrock", feature = "exchange"))]
use crate::context::Principal;
use crate::{
    context::{
        ConfigObject, Credential, CredentialSource, Entry, Placement, PortkeyHeaders, ProviderRef, RequestConfig,
        Status,
    },
    header::{self, API_KEY, GOOGLE_API_KEY, LAST_USED_OPTION_INDEX, PROVIDER, PortkeyHeader},
    rejection::{Kind, Rejection},
};

/// Who brings credential and fields: exactly one of them.
pub(super) enum Bound<'r> {
    /// A stored entry.
    Entry(&'r Entry),
    /// A config that names its provider stands alone: neither credential nor fields come from headers.
    Config { object: &'r ConfigObject, saved: bool },
    /// The headers. Beside a config that names no provider, its members don't count where Portkey reads them from headers,
    /// too (wire contract 2.3).
    Headers { beside: Option<&'r ConfigObject> },
}

/// The provider of this attempt, and who brings its credential.
pub(super) fn bound<'r>(config: &'r RequestConfig, settings: &'r Settings) -> Result<(&'r Row, Bound<'r>), Rejection> {
    let object = config.object().map(|object| &**object);
    let own = object.filter(|object| object.provider.is_some() && !object.passthrough);
    let (id, bound) = match config.provider() {
        None => return Err(unnamed(object.is_some())),
        Some(ProviderRef::Slug(_)) => {
            let entry = config.entry().ok_or_else(|| Rejection::misassembled("ModelLayer"))?;
            (entry.provider(), Bound::Entry(entry))
        }
        Some(ProviderRef::Id(id)) => match own {
            Some(object) => {
                let saved = config.tree.as_ref().is_some_and(|tree| tree.saved);
                (id, Bound::Config { object, saved })
            }
            None => (id, Bound::Headers { beside: object }),
        },
    };
    let row = settings.row(id).ok_or_else(|| {
        Rejection::new(Kind::NotImplemented).with_message(format!("The provider {} is not served", id.as_str()))
    })?;
    Ok((row, bound))
}

/// Refuses an entry that may not be used now (Portkey's texts).
pub(super) fn may_use(entry: &Entry, config: &RequestConfig) -> Result<(), Rejection> {
    let refused = |kind, message| Err(refused(entry, config, kind, message));
    if entry.may_lapse() {
        match entry.status(SystemTime::now()) {
            Status::Active => {}
            Status::Exhausted => {
                let message = format!("Portkey Virtual Key {} Usage Limit Exceeded", masked(entry.slug()));
                return refused(Kind::EntryExhausted, message);
            }
            Status::Expired | Status::Archived => {
                let message = format!("Portkey Virtual Key {} Expired", masked(entry.slug()));
                return refused(Kind::EntryExpired, message);
            }
        }
    }
    Ok(())
}

/// Refuses models that are not on the entry's list, wherever the request names them: in its body as it goes out, in the
/// caller's path and query, and in the provider's as they were made of it. Where `elsewhere` doesn't know all of them, none
/// may be asked. `known_as` is another name of the body's model.
pub(super) fn may_ask(
    entry: &Entry,
    config: &RequestConfig,
    known_as: Option<&str>,
    elsewhere: impl FnOnce() -> Option<Vec<Box<str>>>,
) -> Result<(), Rejection> {
    if entry.models().is_none() {
        return Ok(());
    }
    if config.model.unclear {
        let message =
            "The config must not set what could be taken for the model, because the entry is limited to some models";
        return Err(refused(entry, config, Kind::InvalidRequest, message.to_owned()));
    }
    let Some(elsewhere) = elsewhere() else {
        let message =
            format!("The provider entry {} is limited to some models, and this operation may use others", entry.slug());
        return Err(refused(entry, config, Kind::ModelNotAllowed, message));
    };
    let body = config.model.body.iter().filter(|_| !known_as.is_some_and(|name| entry.allows_model(name)));
    let mut models = body.chain(&config.model.below).chain(&elsewhere);
    match models.find(|model| !entry.allows_model(model)) {
        None => Ok(()),
        Some(model) => {
            let shown: String = model.chars().take(128).collect();
            let message = format!("Model {shown} is not allowed for this integration");
            Err(refused(entry, config, Kind::ModelNotAllowed, message))
        }
    }
}

fn refused(entry: &Entry, config: &RequestConfig, kind: Kind, message: String) -> Rejection {
    let refused = Rejection::new(kind).with_message(message).with_header(PROVIDER, entry.provider().header_value());
    refused.with_header(LAST_USED_OPTION_INDEX, config.path_value())
}

/// The first two characters, eight stars, the last three.
fn masked(slug: &str) -> String {
    let (head, tail) = (slug.get(..2).unwrap_or(slug), slug.get(slug.len().saturating_sub(3)..).unwrap_or(slug));
    format!("{head}********{tail}")
}

impl<'r> Bound<'r> {
    /// The value of a provider's field.
    pub(super) fn field(&self, row: &Row, portkey: &'r PortkeyHeaders, name: PortkeyHeader) -> Option<&'r str> {
        let of_object = |object: &'r ConfigObject| object.field(name).and_then(|value| value.to_str().ok());
        match *self {
            // What the entry doesn't say is not for callers to say, but for what only chooses among versions.
            Self::Entry(entry) => match entry.field(name) {
                Some(value) => value.to_str().ok(),
                None => portkey.text(name).filter(|_| is_option(name)),
            },
            Self::Config { object, .. } => of_object(object),
            Self::Headers { beside: Some(object) } if !row.fields_in_headers() => of_object(object),
            Self::Headers { beside: None }
                if !row.fields_in_headers() && name != PortkeyHeader::MistralFimCompletion =>
            {
                None
            }
            Self::Headers { .. } => portkey.text(name),
        }
    }

    /// The credential, and whose it is. `here` is where it goes on this route, `row` says where it goes on others.
    pub(super) fn credential(
        &self,
        head: &Parts,
        row: &Row,
        here: &Placement,
    ) -> Result<Option<(Credential, CredentialSource)>, Rejection> {
        let found = match self {
            Self::Entry(entry) => entry.credential().cloned(),
            Self::Config { object, .. } => object.api_key.clone(),
            Self::Headers { .. } => of_headers(&head.headers, here, row.placement()),
        };
        let found = found.and_then(|credential| without_own_scheme(credential, here));
        if found.is_none() && !row.is_optional() && !self.has_credential_header() {
            return Err(self.missing(row));
        }
        Ok(found.map(|credential| (credential, self.source())))
    }

    /// Whose credential it is.
    pub(super) fn source(&self) -> CredentialSource {
        match self {
            Self::Entry(_) | Self::Config { saved: true, .. } => CredentialSource::Stored,
            Self::Config { saved: false, .. } | Self::Headers { .. } => CredentialSource::Caller,
        }
    }

    /// The deployments that models are names for.
    #[cfg(feature = "exchange")]
    pub(super) fn deployments(&self) -> &'r [Deployment] {
        match *self {
            Self::Entry(entry) => entry.deployments(),
            Self::Config { object, .. } | Self::Headers { beside: Some(object) } => &object.deployments,
            Self::Headers { beside: None } => &[],
        }
    }

    /// Whether an entry brings its credential as a header of its own.
    fn has_credential_header(&self) -> bool {
        matches!(self, Self::Entry(entry) if entry.headers().iter().any(|(name, _)| header::is_secret(name)))
    }

    fn missing(&self, row: &Row) -> Rejection {
        let message = match self {
            Self::Entry(entry) => format!("The provider entry {} holds no credential", entry.slug()),
            Self::Config { .. } | Self::Headers { .. } => format!(
                "The credential for {} is missing: it is sent as authorization, or as api_key in x-portkey-config",
                row.id()
            ),
        };
        Rejection::new(Kind::InvalidRequest).with_message(message)
    }
}

/// On whose behalf something is got: what is got for one of them is never another's.
#[cfg(any(feature = "bedrock", feature = "exchange"))]
pub(super) fn tenancy(head: &Parts, bound: &Bound<'_>) -> String {
    let place = head.extensions.get::<Principal>().map(Principal::place);
    let (organisation, workspace) = place.map_or(("", ""), |place| (place.organisation, place.workspace));
    let holder = match bound {
        Bound::Entry(entry) => entry.slug(),
        Bound::Config { .. } | Bound::Headers { .. } => "",
    };
    // No name has a line break in it that the others could be mistaken for: the lengths stand in front.
    format!("{}\n{organisation}\n{}\n{workspace}\n{holder}", organisation.len(), workspace.len())
}

/// Fields that choose a version or a mode, and neither host, account nor credential.
fn is_option(name: PortkeyHeader) -> bool {
    use PortkeyHeader as Header;
    matches!(name, Header::AnthropicBeta | Header::AnthropicVersion | Header::OpenAiBeta | Header::MistralFimCompletion)
}

/// Nothing names a provider. Portkey's two texts for it.
fn unnamed(has_config: bool) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(if has_config {
        "Either x-portkey-provider needs to be passed. Or the x-portkey-config header should have a valid config with \
         provider details in it."
    } else {
        "Either x-portkey-config or x-portkey-provider header is required"
    })
}

/// The credential of a request whose config names no provider: `authorization`, else the header in which the provider
/// itself takes its keys, on this route or on its own ones.
fn of_headers(headers: &HeaderMap, here: &Placement, native: &Placement) -> Option<Credential> {
    if let Some(value) = headers.get(AUTHORIZATION).filter(|value| !is_empty(value)) {
        return Credential::from_authorization(value);
    }
    let own = |placement: &Placement| match placement {
        // What Portkey's clients put there is a gateway key, never a provider's.
        Placement::Header { name, .. } if *name == API_KEY || *name == AUTHORIZATION => None,
        Placement::Header { name, .. } => headers.get(name),
        Placement::Query { .. } => headers.get(GOOGLE_API_KEY),
        Placement::None | Placement::Signature => None,
    };
    own(here).or_else(|| own(native)).and_then(Credential::from_raw)
}

/// A scheme without a credential is none.
fn is_empty(authorization: &HeaderValue) -> bool {
    let text = authorization.as_bytes().trim_ascii();
    text.is_empty() || text.eq_ignore_ascii_case(b"bearer")
}

/// `Token x` for a provider whose header reads `Token x`: the scheme is not doubled.
fn without_own_scheme(credential: Credential, placement: &Placement) -> Option<Credential> {
    match placement {
        Placement::Header { prefix, .. } if !prefix.is_empty() => credential.without_scheme(prefix.trim_end()),
        _ => Some(credential),
    }
}

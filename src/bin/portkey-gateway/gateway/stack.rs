//! The library's layers, made of settings. What lies below them is the caller's: a client, or nothing at all.

use tower_portkey::{
    Anonymous, Authenticated, PortkeyAuthLayer, PortkeyLayer, PortkeyLayerBuilder, SignLayer,
    auth::{
        KeySet,
        jwt::{AnyOf, JwtValidator},
    },
    config::ConfigSet,
    model::EntrySet,
};

use super::BuildError;
use crate::settings::Settings;

/// For everybody.
pub(crate) type OpenLayer = PortkeyLayer<Anonymous>;

/// Who is let in: by a key or by a token.
type Callers = AnyOf<KeySet, JwtValidator>;

/// For those who hold one.
pub(crate) type KeyedLayer = PortkeyLayer<Authenticated<Callers>, ConfigSet, EntrySet>;

/// The layers of these settings.
#[derive(Debug)]
pub(crate) enum Layers {
    Open(OpenLayer),
    Required(KeyedLayer),
}

impl Layers {
    /// `tokens` are those of the same settings; `sign` signs requests for AWS.
    pub(crate) fn new(settings: &Settings, tokens: JwtValidator, sign: SignLayer) -> Result<Self, BuildError> {
        Ok(match &settings.keys {
            None => Self::Open(with_hosts(PortkeyLayer::builder().anonymous(), settings, sign)?.build()),
            Some(keys) => {
                let keys = KeySet::new(keys.iter().cloned()).map_err(BuildError::Keys)?;
                let auth = PortkeyAuthLayer::new(AnyOf::new(keys, tokens));
                let builder = PortkeyLayer::builder().auth(auth).configs(configs(settings)).entries(entries(settings));
                Self::Required(with_hosts(builder, settings, sign)?.build())
            }
        })
    }
}

fn with_hosts<A, C, E>(
    builder: PortkeyLayerBuilder<A, C, E>,
    settings: &Settings,
    sign: SignLayer,
) -> Result<PortkeyLayerBuilder<A, C, E>, BuildError> {
    let urls = settings.base_urls.values();
    let builder = urls.fold(builder.trusted_hosts(settings.trusted_hosts.clone()), |builder, (id, url)| {
        builder.base_url(*id, url.clone())
    });
    let builder = builder.sign(sign).aws_session_tags(settings.aws.session_tags.iter().map(String::as_str));
    match &settings.aws.endpoint_domain {
        Some(domain) => builder.aws_endpoint_domain(domain).map_err(BuildError::Aws),
        None => Ok(builder),
    }
}

fn configs(settings: &Settings) -> ConfigSet {
    let all = settings.configs.iter();
    all.fold(ConfigSet::new(), |set, config| set.with(config.saved.clone(), config.seen_by.visibility()))
}

fn entries(settings: &Settings) -> EntrySet {
    let all = settings.providers.iter();
    all.fold(EntrySet::new(), |set, provider| set.with(provider.entry.clone(), provider.seen_by.visibility()))
}

//! The library's layers, made of settings. What lies below them is the caller's: a client, or nothing at all.

use tower_portkey::{
    Anonymous, Authenticated, PortkeyAuthLayer, PortkeyLayer, PortkeyLayerBuilder,
    auth::{
        KeyError, KeySet,
        jwt::{AnyOf, JwtValidator},
    },
    config::ConfigSet,
    model::EntrySet,
};

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
    /// `tokens` are those of the same settings.
    pub(crate) fn new(settings: &Settings, tokens: JwtValidator) -> Result<Self, KeyError> {
        Ok(match &settings.keys {
            None => Self::Open(with_hosts(PortkeyLayer::builder().anonymous(), settings).build()),
            Some(keys) => {
                let auth = PortkeyAuthLayer::new(AnyOf::new(KeySet::new(keys.iter().cloned())?, tokens));
                let builder = PortkeyLayer::builder().auth(auth).configs(configs(settings)).entries(entries(settings));
                Self::Required(with_hosts(builder, settings).build())
            }
        })
    }
}

fn with_hosts<A, C, E>(builder: PortkeyLayerBuilder<A, C, E>, settings: &Settings) -> PortkeyLayerBuilder<A, C, E> {
    let urls = settings.base_urls.values();
    urls.fold(builder.trusted_hosts(settings.trusted_hosts.clone()), |builder, (id, url)| {
        builder.base_url(*id, url.clone())
    })
}

fn configs(settings: &Settings) -> ConfigSet {
    let all = settings.configs.iter();
    all.fold(ConfigSet::new(), |set, config| set.with(config.saved.clone(), config.seen_by.visibility()))
}

fn entries(settings: &Settings) -> EntrySet {
    let all = settings.providers.iter();
    all.fold(EntrySet::new(), |set, provider| set.with(provider.entry.clone(), provider.seen_by.visibility()))
}

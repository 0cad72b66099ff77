//! The library's layers, made of settings. What lies below them is the caller's: a client, or nothing at all.

use tower_portkey::{
    Anonymous, Authenticated, PortkeyAuthLayer, PortkeyLayer, PortkeyLayerBuilder,
    auth::{KeyError, KeySet},
    config::ConfigSet,
    model::EntrySet,
};

use crate::settings::Settings;

/// For everybody.
pub(crate) type OpenLayer = PortkeyLayer<Anonymous>;

/// For those who hold a key.
pub(crate) type KeyedLayer = PortkeyLayer<Authenticated<KeySet>, ConfigSet, EntrySet>;

/// The layers of these settings.
#[derive(Debug)]
pub(crate) enum Layers {
    Open(OpenLayer),
    Required(KeyedLayer),
}

impl Layers {
    pub(crate) fn new(settings: &Settings) -> Result<Self, KeyError> {
        Ok(match &settings.keys {
            None => Self::Open(with_hosts(PortkeyLayer::builder().anonymous(), settings).build()),
            Some(keys) => {
                let auth = PortkeyAuthLayer::keys(keys.iter().cloned())?;
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

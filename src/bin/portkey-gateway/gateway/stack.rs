//! The library's layers, made of settings. What lies below them is the caller's: a client, or nothing at all.

use tower_portkey::{
    Anonymous, Authenticated, ExchangeLayer, PortkeyAuthLayer, PortkeyLayer, PortkeyLayerBuilder, SignLayer,
    auth::{
        KeySet,
        jwt::{AnyOf, JwtValidator},
    },
    config::{ConfigSet, NoConfigs},
    limit::LocalCounters,
    model::{EntrySet, NoEntries},
};

use super::BuildError;
use crate::settings::Settings;

/// For everybody.
pub(crate) type OpenLayer = PortkeyLayer<Anonymous, NoConfigs, NoEntries, LocalCounters>;

/// Who is let in: by a key or by a token.
type Callers = AnyOf<KeySet, JwtValidator>;

/// For those who hold one.
pub(crate) type KeyedLayer = PortkeyLayer<Authenticated<Callers>, ConfigSet, EntrySet, LocalCounters>;

/// The layers of these settings.
#[derive(Debug)]
pub(crate) enum Layers {
    Open(OpenLayer),
    Required(KeyedLayer),
}

impl Layers {
    /// `tokens` are those of the same settings; `sign` signs requests for AWS, `exchange` exchanges credentials.
    pub(crate) fn new(
        settings: &Settings,
        tokens: JwtValidator,
        counters: LocalCounters,
        sign: SignLayer,
        exchange: ExchangeLayer,
    ) -> Result<Self, BuildError> {
        let builder = PortkeyLayer::builder().limits(counters).exchange(exchange);
        Ok(match &settings.keys {
            None => Self::Open(with_facts(builder.anonymous(), settings, sign)?.build()),
            Some(keys) => {
                let keys = KeySet::new(keys.iter().cloned()).map_err(BuildError::Keys)?;
                let auth = PortkeyAuthLayer::new(AnyOf::new(keys, tokens));
                let builder = builder.auth(auth).configs(configs(settings)).entries(entries(settings));
                Self::Required(with_facts(builder, settings, sign)?.build())
            }
        })
    }
}

/// Hosts, how tokens and cost are counted, and how AWS is reached.
fn with_facts<A, C, E, K>(
    builder: PortkeyLayerBuilder<A, C, E, K>,
    settings: &Settings,
    sign: SignLayer,
) -> Result<PortkeyLayerBuilder<A, C, E, K>, BuildError> {
    let limits = &settings.limits;
    let builder = builder.trusted_hosts(settings.trusted_hosts.clone()).saved_only(settings.saved_only);
    let builder = builder.prices(settings.prices.clone()).include_usage(limits.include_usage);
    let builder = limits.default_output_tokens.into_iter().fold(builder, PortkeyLayerBuilder::default_output_tokens);
    let urls = settings.base_urls.values();
    let builder = urls.fold(builder, |builder, (id, url)| builder.base_url(id.clone(), url.clone()));
    let builder = settings.custom_providers.iter().cloned().fold(builder, PortkeyLayerBuilder::provider);
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

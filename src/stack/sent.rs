//! What a request passes once it has a target.

use tower_layer::Layer;

#[cfg(any(feature = "bedrock", feature = "exchange"))]
use super::PortkeyLayerBuilder;
#[cfg(feature = "exchange")]
use crate::{AmendLayer, ExchangeLayer, amend::Amend, exchange::Exchange};
use crate::{InjectLayer, inject::Inject};
#[cfg(feature = "bedrock")]
use crate::{SignLayer, TranslateLayer, context::AwsError, rejection::PortkeyJson, sign::Sign, translate::Translate};

/// With the feature `bedrock`: translate, inject, sign. A request that is not for AWS passes the first and the last as it
/// is, for the price of a look at its target.
#[cfg(feature = "bedrock")]
type Injected<S> = Translate<Inject<Sign<S>>, PortkeyJson>;

#[cfg(not(feature = "bedrock"))]
type Injected<S> = Inject<S>;

/// What stands between the target and the leaf: inject; with the feature `bedrock` translate and sign around it, with
/// `exchange` exchange and amend before them. A request that has no use of a layer passes it for the price of a look at its
/// target.
#[cfg(feature = "exchange")]
pub type Sent<S> = Exchange<Amend<Injected<S>>>;

/// What stands between the target and the leaf: inject; with the feature `bedrock` translate and sign around it. With
/// `exchange`, there are exchange and amend, too.
#[cfg(not(feature = "exchange"))]
pub type Sent<S> = Injected<S>;

#[derive(Clone, Debug, Default)]
pub(super) struct SentLayer {
    #[cfg(feature = "exchange")]
    exchange: ExchangeLayer,
    #[cfg(feature = "bedrock")]
    translate: TranslateLayer,
    pub(super) inject: InjectLayer,
    #[cfg(feature = "bedrock")]
    sign: SignLayer,
}

impl<S> Layer<S> for SentLayer {
    type Service = Sent<S>;

    fn layer(&self, inner: S) -> Self::Service {
        #[cfg(feature = "bedrock")]
        let inner = self.sign.layer(inner);
        let inner = self.inject.layer(inner);
        #[cfg(feature = "bedrock")]
        let inner = self.translate.layer(inner);
        #[cfg(feature = "exchange")]
        let inner = self.exchange.layer(AmendLayer::new().layer(inner));
        inner
    }
}

/// Settings of requests whose credential is exchanged.
#[cfg(feature = "exchange")]
#[cfg_attr(docsrs, doc(cfg(feature = "exchange")))]
impl<A, C, E, K> PortkeyLayerBuilder<A, C, E, K> {
    /// How credentials are exchanged for tokens: who asks, the gateway's own identities. Unless set, requests that need it
    /// are refused with 501.
    pub fn exchange(mut self, layer: ExchangeLayer) -> Self {
        self.sent.exchange = layer;
        self
    }
}

/// Settings of requests for AWS.
#[cfg(feature = "bedrock")]
#[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
impl<A, C, E, K> PortkeyLayerBuilder<A, C, E, K> {
    /// How requests for AWS are signed: who calls STS, the gateway's own identity, limits. Unless set, with keys that are
    /// at hand only: entries that assume a role or use the gateway's own identity are refused with 501.
    pub fn sign(mut self, layer: SignLayer) -> Self {
        self.sent.sign = layer;
        self
    }

    /// The domain of AWS's endpoints ([`ResolveLayer::aws_endpoint_domain`](crate::ResolveLayer::aws_endpoint_domain)).
    /// That of STS is the [`SignLayer`]'s ([`SignLayer::endpoint_domain`]).
    ///
    /// # Errors
    ///
    /// It is no domain: [`AwsError::Domain`].
    pub fn aws_endpoint_domain(mut self, domain: &str) -> Result<Self, AwsError> {
        self.resolve = self.resolve.aws_endpoint_domain(domain)?;
        Ok(self)
    }

    /// The names of metadata that become tags of the sessions of assumed roles
    /// ([`ResolveLayer::aws_session_tags`](crate::ResolveLayer::aws_session_tags)); none unless set.
    pub fn aws_session_tags<I: IntoIterator<Item: Into<Box<str>>>>(mut self, names: I) -> Self {
        self.resolve = self.resolve.aws_session_tags(names);
        self
    }
}

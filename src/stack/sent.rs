//! What a request passes once it has a target.

use tower_layer::Layer;

#[cfg(feature = "bedrock")]
use super::PortkeyLayerBuilder;
use crate::{InjectLayer, inject::Inject};
#[cfg(feature = "bedrock")]
use crate::{SignLayer, TranslateLayer, context::AwsError, rejection::PortkeyJson, sign::Sign, translate::Translate};

/// What stands between the target and the leaf: translate, inject, sign. A request that is not for AWS passes the first
/// and the last as it is, for the price of a look at its target.
#[cfg(feature = "bedrock")]
pub type Sent<S> = Translate<Inject<Sign<S>>, PortkeyJson>;

/// What stands between the target and the leaf. With the feature `bedrock`, there are translate and sign, too.
#[cfg(not(feature = "bedrock"))]
pub type Sent<S> = Inject<S>;

#[derive(Clone, Debug, Default)]
pub(super) struct SentLayer {
    #[cfg(feature = "bedrock")]
    translate: TranslateLayer,
    pub(super) inject: InjectLayer,
    #[cfg(feature = "bedrock")]
    sign: SignLayer,
}

#[cfg(feature = "bedrock")]
impl<S> Layer<S> for SentLayer {
    type Service = Sent<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.translate.layer(self.inject.layer(self.sign.layer(inner)))
    }
}

#[cfg(not(feature = "bedrock"))]
impl<S> Layer<S> for SentLayer {
    type Service = Sent<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.inject.layer(inner)
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

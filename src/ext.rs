//! The layers as methods of a `ServiceBuilder`.

use tower::ServiceBuilder;
use tower_layer::Stack;

#[cfg(feature = "exchange")]
use crate::{AmendLayer, ExchangeLayer};
use crate::{
    ConfigLayer, ExtractLayer, InjectLayer, ModelLayer, PortkeyAuthLayer, RequireScopeLayer, RescueLayer, ResolveLayer,
    StrategyLayer,
};
#[cfg(feature = "bedrock")]
use crate::{SignLayer, TranslateLayer};

/// The layers of this crate, with their usual settings, as methods of [`ServiceBuilder`], in the order in which they
/// usually stand. The trait can't be implemented for other types.
///
/// ```
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_portkey::{GatewayKey, ServiceBuilderExt, auth::KeySet, context::Principal};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = KeySet::new([GatewayKey::new("pk-7Qm2vX9tRb4Ls8Kd1Wn6", Principal::new("ci"))?])?;
/// let service = ServiceBuilder::new()
///     .portkey_extract()
///     .portkey_auth(keys)
///     .service_fn(async |_: Request<String>| Ok::<_, std::convert::Infallible>(Response::new(String::new())));
///
/// assert_eq!(service.oneshot(Request::new(String::new())).await?.status(), 401);
/// # Ok(()) }
/// ```
pub trait ServiceBuilderExt<L>: sealed::Sealed<L> + Sized {
    /// Turns errors into answers ([`RescueLayer`]).
    fn portkey_rescue(self) -> ServiceBuilder<Stack<RescueLayer, L>>;

    /// Reads the `x-portkey-*` headers ([`ExtractLayer`]).
    fn portkey_extract(self) -> ServiceBuilder<Stack<ExtractLayer, L>>;

    /// Lets in whom `validator` knows ([`PortkeyAuthLayer`]).
    fn portkey_auth<V>(self, validator: V) -> ServiceBuilder<Stack<PortkeyAuthLayer<V>, L>>;

    /// Asks for the scope of the route ([`RequireScopeLayer`]).
    fn portkey_scope(self) -> ServiceBuilder<Stack<RequireScopeLayer, L>>;

    /// Decodes the request's config ([`ConfigLayer`]).
    fn portkey_config(self) -> ServiceBuilder<Stack<ConfigLayer, L>>;

    /// Looks up the provider entries that the request names, and reads its body where it has to ([`ModelLayer`]).
    fn portkey_model<E>(self, entries: E) -> ServiceBuilder<Stack<ModelLayer<E>, L>>;

    /// Picks the target of a config, tries again, goes on to the next ([`StrategyLayer`]).
    fn portkey_strategy(self) -> ServiceBuilder<Stack<StrategyLayer, L>>;

    /// Finds the provider, its host and the credential ([`ResolveLayer`]).
    fn portkey_resolve(self) -> ServiceBuilder<Stack<ResolveLayer, L>>;

    /// Exchanges credentials for tokens, which `fetch` asks for ([`ExchangeLayer`]).
    #[cfg(feature = "exchange")]
    #[cfg_attr(docsrs, doc(cfg(feature = "exchange")))]
    fn portkey_exchange(
        self,
        fetch: impl crate::exchange::FetchToken + 'static,
    ) -> ServiceBuilder<Stack<ExchangeLayer, L>>;

    /// Amends JSON bodies for the provider's own routes ([`AmendLayer`]).
    #[cfg(feature = "exchange")]
    #[cfg_attr(docsrs, doc(cfg(feature = "exchange")))]
    fn portkey_amend(self) -> ServiceBuilder<Stack<AmendLayer, L>>;

    /// Puts OpenAI's requests into the provider's language where that is another ([`TranslateLayer`]).
    #[cfg(feature = "bedrock")]
    #[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
    fn portkey_translate(self) -> ServiceBuilder<Stack<TranslateLayer, L>>;

    /// Takes the caller's headers off and puts the provider's credential on ([`InjectLayer`]).
    fn portkey_inject(self) -> ServiceBuilder<Stack<InjectLayer, L>>;

    /// Signs requests for AWS, with keys that are at hand only ([`SignLayer`]).
    #[cfg(feature = "bedrock")]
    #[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
    fn portkey_sign(self) -> ServiceBuilder<Stack<SignLayer, L>>;
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    fn portkey_rescue(self) -> ServiceBuilder<Stack<RescueLayer, L>> {
        self.layer(RescueLayer::new())
    }

    fn portkey_extract(self) -> ServiceBuilder<Stack<ExtractLayer, L>> {
        self.layer(ExtractLayer::new())
    }

    fn portkey_auth<V>(self, validator: V) -> ServiceBuilder<Stack<PortkeyAuthLayer<V>, L>> {
        self.layer(PortkeyAuthLayer::new(validator))
    }

    fn portkey_scope(self) -> ServiceBuilder<Stack<RequireScopeLayer, L>> {
        self.layer(RequireScopeLayer::by_route())
    }

    fn portkey_config(self) -> ServiceBuilder<Stack<ConfigLayer, L>> {
        self.layer(ConfigLayer::new())
    }

    fn portkey_model<E>(self, entries: E) -> ServiceBuilder<Stack<ModelLayer<E>, L>> {
        self.layer(ModelLayer::new(entries))
    }

    fn portkey_strategy(self) -> ServiceBuilder<Stack<StrategyLayer, L>> {
        self.layer(StrategyLayer::new())
    }

    fn portkey_resolve(self) -> ServiceBuilder<Stack<ResolveLayer, L>> {
        self.layer(ResolveLayer::new())
    }

    #[cfg(feature = "exchange")]
    fn portkey_exchange(
        self,
        fetch: impl crate::exchange::FetchToken + 'static,
    ) -> ServiceBuilder<Stack<ExchangeLayer, L>> {
        self.layer(ExchangeLayer::new().fetch(fetch))
    }

    #[cfg(feature = "exchange")]
    fn portkey_amend(self) -> ServiceBuilder<Stack<AmendLayer, L>> {
        self.layer(AmendLayer::new())
    }

    #[cfg(feature = "bedrock")]
    fn portkey_translate(self) -> ServiceBuilder<Stack<TranslateLayer, L>> {
        self.layer(TranslateLayer::new())
    }

    fn portkey_inject(self) -> ServiceBuilder<Stack<InjectLayer, L>> {
        self.layer(InjectLayer::new())
    }

    #[cfg(feature = "bedrock")]
    fn portkey_sign(self) -> ServiceBuilder<Stack<SignLayer, L>> {
        self.layer(SignLayer::new())
    }
}

mod sealed {
    #[allow(unnameable_types)] // That is what seals.
    pub trait Sealed<L> {}
    impl<L> Sealed<L> for tower::ServiceBuilder<L> {}
}

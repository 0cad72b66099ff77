//! Portkey's authentication system as composable [Tower](https://docs.rs/tower) layers.
//!
//! An axum app that exists gains one line:
//!
//! ```
//! use axum::{Extension, Router, routing::post};
//! use tower_portkey::{GatewayKey, PortkeyAuthLayer, context::Principal};
//!
//! async fn chat(Extension(who): Extension<Principal>) -> String {
//!     format!("hello, {}", who.subject())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = [GatewayKey::new("pk-7Qm2vX9tRb4Ls8Kd1Wn6", Principal::new("ci"))?];
//! let app: Router = Router::new()
//!     .route("/v1/chat/completions", post(chat))
//!     .layer(PortkeyAuthLayer::keys(keys)?);
//! # drop(app);
//! # Ok(()) }
//! ```
//!
//! Callers show a key of yours in `x-portkey-api-key` or as a bearer token, as Portkey's and OpenAI's clients do; who
//! shows none is answered 401, over gRPC 16, and your handler never runs. The same layer goes onto hyper and tonic.
//!
//! # A gateway
//!
//! The other layers make a gateway: they read which provider a request names, find its host, take the caller's headers
//! off, put the provider's credential on in the provider's own way, and send the request out, streaming both ways.
//! [`PortkeyLayer`] is all of them in their order:
//!
//! | layer | does | leaves |
//! | --- | --- | --- |
//! | [`RescueLayer`] | an error of anything below becomes an answer | |
//! | [`ExtractLayer`] | reads `x-portkey-*`; refuses duplicates, look-alikes, ambiguous paths | [`PortkeyHeaders`](context::PortkeyHeaders) |
//! | [`PortkeyAuthLayer`] | finds the caller's credential, has it validated, takes it off | [`Principal`](context::Principal) |
//! | [`RequireScopeLayer`] | asks for the scope of the route | |
//! | [`LimitGateLayer`], [`LimitLayer`] | holds callers to their limits, and below [`StrategyLayer`] provider entries to theirs | |
//! | [`ConfigLayer`] | validates provider, custom host, config object; finds saved configs | [`RequestConfig`](context::RequestConfig) |
//! | [`ModelLayer`] | looks up the provider entries that a request names; reads its body where it has to | |
//! | [`StrategyLayer`] | picks a target of the config, changes the body, tries again, goes on to the next | |
//! | [`ResolveLayer`] | finds provider, URL and credential, as one value | [`Target`](context::Target) |
#![cfg_attr(feature = "exchange", doc = "| [`ExchangeLayer`] | exchanges credentials for tokens | |")]
#![cfg_attr(feature = "exchange", doc = "| [`AmendLayer`] | puts a deployment's name in place of a model's | |")]
#![cfg_attr(
    feature = "bedrock",
    doc = "| [`TranslateLayer`] | OpenAI's chats and embeddings for Bedrock, and its answers back | |"
)]
//! | [`InjectLayer`] | takes the caller's headers off, puts the credential on | |
#![cfg_attr(feature = "bedrock", doc = "| [`SignLayer`] | signs requests for AWS | |")]
#![cfg_attr(feature = "client", doc = "| [`Forward`] | the leaf: sends the request, streams the answer | |")]
//!
//! Each stands alone and can be used without the others, if what it reads is in the request's extensions; where that is
//! missing, it refuses with 500 and names the layer, rather than let a request pass.
//!
//! # Own layers
//!
//! Most layers here are a [`Guard`](guard::Guard): a function that decides and one that admits. [`guard`] is public, and
//! its front page writes a new layer in a dozen lines. How refusals look is up to a
//! [`RenderRejection`](rejection::RenderRejection).
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | `jwt` (default) | [JSON Web Tokens](auth::jwt) against key sets; with `client`, key sets that are fetched |
//! | `client` (default) | `Forward` and its HTTP client (hyper, rustls with aws-lc-rs) |
//! | `axum` | `FromRequestParts` for [`Principal`](context::Principal), [`TraceId`](context::TraceId), [`Metadata`](context::Metadata) |
//! | `bedrock` | `SignLayer`, assumed roles, `TranslateLayer`, and the providers `bedrock` and `sagemaker` |
//! | `aws-ambient` | `aws_ambient`: the gateway's own identity at AWS, for provider entries that use it |
//! | `exchange` | `ExchangeLayer`, `AmendLayer`, and the providers `azure-openai`, `azure-ai` and `vertex-ai` |
//! | `oracle` | signatures for Oracle's cloud, the provider `oracle`; it comes with `bedrock`, whose layer it shares |
//! | `gateway` | the binary `portkey-gateway` |
//! | `full` | all of them |
//! | `store`, `redis`, `admin` | nothing yet; the names are kept for what is being built |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "aws-ambient")]
mod ambient;
#[cfg(feature = "exchange")]
#[cfg_attr(docsrs, doc(cfg(feature = "exchange")))]
pub mod amend;
pub mod auth;
pub mod body;
mod budget;
pub mod config;
pub mod context;
#[cfg(feature = "exchange")]
#[cfg_attr(docsrs, doc(cfg(feature = "exchange")))]
pub mod exchange;
mod ext;
pub mod extract;
#[cfg(feature = "axum")]
mod extractors;
#[cfg(all(feature = "jwt", feature = "client"))]
mod fetch;
mod form;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub mod forward;
#[cfg(feature = "bedrock")]
mod frame;
pub mod guard;
pub mod header;
mod held;
pub mod host;
pub mod inject;
mod json;
pub mod limit;
pub mod model;
pub mod provider;
pub mod rejection;
pub mod rescue;
mod secret;
#[cfg(any(feature = "bedrock", feature = "exchange"))]
mod session;
#[cfg(feature = "bedrock")]
#[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
pub mod sign;
mod stack;
pub mod strategy;
#[cfg(all(feature = "bedrock", feature = "client"))]
mod sts;
#[cfg(all(feature = "exchange", feature = "client"))]
mod tokens;
#[cfg(feature = "bedrock")]
#[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
pub mod translate;
#[cfg(feature = "bedrock")]
mod whole;

#[cfg(feature = "aws-ambient")]
#[cfg_attr(docsrs, doc(cfg(feature = "aws-ambient")))]
pub use ambient::aws_ambient;
#[cfg(feature = "exchange")]
#[cfg_attr(docsrs, doc(cfg(feature = "exchange")))]
pub use amend::AmendLayer;
pub use auth::{GatewayKey, PortkeyAuthLayer, RequireScopeLayer};
pub use config::ConfigLayer;
#[cfg(feature = "exchange")]
#[cfg_attr(docsrs, doc(cfg(feature = "exchange")))]
pub use exchange::ExchangeLayer;
pub use ext::ServiceBuilderExt;
pub use extract::ExtractLayer;
#[cfg(all(feature = "jwt", feature = "client"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "jwt", feature = "client"))))]
pub use fetch::JwksClient;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use forward::Forward;
pub use inject::InjectLayer;
pub use limit::{LimitGateLayer, LimitLayer};
pub use model::ModelLayer;
pub use provider::ResolveLayer;
pub use rescue::RescueLayer;
pub use secret::Secret;
#[cfg(feature = "bedrock")]
#[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
pub use sign::SignLayer;
pub use stack::{
    Anonymous, Attempt, Authenticated, Limited, Portkey, PortkeyLayer, PortkeyLayerBuilder, Routed, Sent, Unset,
};
pub use strategy::StrategyLayer;
#[cfg(feature = "bedrock")]
#[cfg_attr(docsrs, doc(cfg(feature = "bedrock")))]
pub use translate::TranslateLayer;

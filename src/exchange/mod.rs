//! Credentials that a provider doesn't take, exchanged for the access tokens that it does.
//!
//! [`ExchangeLayer`] acts where the [`Target`](crate::context::Target) says so
//! ([`Target::exchange`](crate::context::Target::exchange)), which `ResolveLayer` does for Azure and Google's Vertex AI. It
//! stands between `ResolveLayer` and `InjectLayer`: the token becomes the target's credential. Every other request passes
//! for the price of a look at its target.
//!
//! | [`TokenSource`](crate::context::TokenSource) | asked | with |
//! | --- | --- | --- |
//! | `Entra` | `login.microsoftonline.com` | client id and secret (RFC 6749, section 4.4) |
//! | `AzureWorkload` | the authority of [`AzureWorkload`] | the federated token in its file (RFC 7523, section 2.2) |
//! | `AzureManaged` | Azure's metadata service | nothing: who asks is this machine |
//! | `GoogleAccount` | `oauth2.googleapis.com` | a signed JWT (RFC 7523, section 2.1) |
//! | `GoogleAmbient` | what the [`GoogleIdentity`] says | its file, or nothing |
//!
//! A token is kept until 5 minutes before it ends, or for half of its time where that is shorter; its place is named by a
//! digest of tenancy, scope and everything that was shown, so nobody gets another's. One request asks at a time, and all
//! others that need the same token wait for it. Nothing is kept of a failure: an endpoint that is slow, down or not
//! understood is 503, and the next request tries again. A credential that is refused is 400 where it was the caller's, and
//! 502 where it was stored.
//!
//! Hosts are the layer's own or the operator's. Nothing in a credential, such as a key file's `token_uri`, names one.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, uri::{Authority, Scheme}};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_portkey::{
//!     ExchangeLayer, InjectLayer, Secret,
//!     context::{CredentialSource, EntraClient, HostOrigin, Placement, ProviderId, Target, TokenExchange, TokenSource},
//!     exchange::{BoxFuture, FetchToken, TokenRequest},
//! };
//!
//! /// In a gateway, `forward::Client` is that.
//! struct Entra;
//!
//! impl FetchToken for Entra {
//!     fn fetch(&self, asked: TokenRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>>> {
//!         assert_eq!(asked.request.uri(), "https://login.microsoftonline.com/contoso/oauth2/v2.0/token");
//!         let answer = r#"{"access_token":"token-1","expires_in":3599,"token_type":"Bearer"}"#;
//!         Box::pin(async move { Ok(Response::new(Bytes::from(answer))) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let leaf = service_fn(async |request: Request<String>| {
//!     assert_eq!(request.headers()["authorization"], "Bearer token-1");
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let layers = |exchange: ExchangeLayer| ServiceBuilder::new().layer(exchange).layer(InjectLayer::new());
//!
//! let client = EntraClient::new("contoso", "client-1", Secret::from("secret-1"))?;
//! let exchange = TokenExchange::new(TokenSource::Entra(client), TokenExchange::AZURE_SCOPE)?;
//! let azure = ProviderId::parse("azure-openai").unwrap();
//! let host = Authority::from_static("contoso.openai.azure.com");
//! let target = Target::builder(azure, Scheme::HTTPS, host, HostOrigin::Catalog)
//!     .exchange(exchange, CredentialSource::Caller, Placement::bearer())
//!     .build()?;
//! let request = || Request::post("/").extension(target.clone()).body(String::new());
//!
//! assert_eq!(layers(ExchangeLayer::new().fetch(Entra)).service(leaf).oneshot(request()?).await?.status(), 200);
//! // Nobody to ask: nothing is sent.
//! assert_eq!(layers(ExchangeLayer::new()).service(leaf).oneshot(request()?).await?.status(), 501);
//! # Ok(()) }
//! ```

mod answer;
mod ask;
mod assertion;
mod endpoint;
mod fetch;
mod form;
mod identity;
mod layer;

pub use fetch::{BoxFuture, FetchToken, TokenHost, TokenRequest};
pub use identity::{AzureWorkload, GoogleIdentity, IdentityError};
pub use layer::{Exchange, ExchangeGuard, ExchangeLayer};

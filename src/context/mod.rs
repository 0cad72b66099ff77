//! What one layer leaves for the next, in the request's extensions.
//!
//! | fact | written by | read by |
//! | --- | --- | --- |
//! | [`PortkeyHeaders`] (with [`TraceId`] and [`Metadata`]) | `ExtractLayer` | every layer below, handlers |
//! | [`Handshake`], of requests that open a WebSocket | `ExtractLayer` | `LimitLayer`, `ResolveLayer`, `Forward` |
//! | [`Principal`] | `PortkeyAuthLayer` | `RequireScopeLayer`, `LimitLayer`, `ConfigLayer`, handlers |
//! | [`RequestConfig`] | `ConfigLayer`; `ModelLayer` and `StrategyLayer` complete it | `ResolveLayer`, `Forward` |
//! | [`Target`] (with [`Amendment`], [`Translation`]) | `ResolveLayer`; `ExchangeLayer` adds the token, `SignLayer` notes the signature | `AmendLayer`, `TranslateLayer`, `InjectLayer`, `SignLayer`, `Forward` |
//!
//! `Forward` moves all of them to the response's extensions, so that an access log outside the stack can name the
//! principal, the provider and the trace id without asking again. A layer whose fact is missing refuses with
//! [`Kind::Misassembled`](crate::rejection::Kind::Misassembled).
//!
//! ```
//! use tower_portkey::context::{Principal, Route};
//!
//! let who = Principal::new("ci").with_scopes(["completions.write"]);
//! assert!(who.has_scope("completions.write"));
//! assert!(!who.has_scope("logs.export"));
//! assert_eq!(Route::of(&http::Method::POST, "/v1/chat/completions").rest(), Some("/chat/completions"));
//! assert_eq!(Route::of(&http::Method::GET, "/admin").rest(), None);
//! ```

mod amendment;
mod aws;
mod claims;
mod config;
mod credential;
mod deployment;
mod entry;
mod exchange;
mod handshake;
mod headers;
mod limit;
mod metadata;
mod oci;
mod origin;
mod placement;
mod places;
mod principal;
mod provider;
mod route;
mod rule;
mod service_account;
mod signing;
mod strategy;
mod target;
mod trace;
mod translation;
mod workspace;

pub use amendment::Amendment;
#[cfg(feature = "bedrock")]
pub(crate) use aws::is_aws_signature_param;
pub use aws::{AwsError, AwsIdentity, AwsKeys, AwsRole, AwsSigning, aws_domain};
pub use claims::{ClaimError, Claims};
pub use config::RequestConfig;
pub(crate) use config::{AfterChanges, Asked, Attempt, ConfigObject, ConfigTree, Model, NamedHost, Params, Stage};
pub use credential::Credential;
pub use deployment::Deployment;
pub(crate) use deployment::is_azure_v1;
pub use entry::{Entry, EntryError};
pub use exchange::{EntraClient, ExchangeError, TokenExchange, TokenSource, is_client_id, is_tenant};
pub use handshake::Handshake;
pub use headers::{PortkeyHeaders, UnknownProvider, list};
pub use limit::{LimitError, Period, RateLimit, RateUnit, Resource, UsageLimit};
pub use metadata::Metadata;
pub(crate) use oci::one_line;
pub use oci::{OciError, OciKey};
pub use origin::{CredentialSource, HostOrigin};
pub use placement::{Placement, ProviderHeader};
pub(crate) use places::{is_in_query, models_in};
pub use principal::{DefaultConfig, Principal, Status};
pub use provider::{ProviderId, ProviderIdError, ProviderIds, ProviderRef};
pub use route::Route;
pub(crate) use rule::{Holder, masked};
pub use rule::{Owner, Rule, Rules, Span, Standing};
pub use service_account::{ServiceAccount, is_project};
pub use signing::Signing;
pub(crate) use strategy::{Branch, Breaker, Choice, Condition, Field, Mode, Operand, Query, Retry, Sticky, Test};
pub use target::{Target, TargetBuilder};
pub use trace::TraceId;
pub use translation::Translation;
pub(crate) use workspace::Scoped;
pub use workspace::{Visibility, Workspace};

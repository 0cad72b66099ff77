//! What one layer leaves for the next, in the request's extensions.
//!
//! | fact | written by | read by |
//! | --- | --- | --- |
//! | [`PortkeyHeaders`] (with [`TraceId`] and [`Metadata`]) | `ExtractLayer` | every layer below, handlers |
//! | [`Handshake`], of requests that open a WebSocket | `ExtractLayer` | `LimitLayer`, `ResolveLayer`, `Forward` |
//! | [`Principal`] | `PortkeyAuthLayer` | `RequireScopeLayer`, `LimitLayer`, `ConfigLayer`, handlers |
//! | [`RequestConfig`] | `ConfigLayer`; `ModelLayer` and `StrategyLayer` complete it | `ResolveLayer`, `Forward` |
//! | [`Target`] (with [`Translation`]) | `ResolveLayer`; `SignLayer` notes the signature | `TranslateLayer`, `InjectLayer`, `SignLayer`, `Forward` |
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

mod aws;
mod claims;
mod config;
mod credential;
mod entry;
mod handshake;
mod headers;
mod limit;
mod metadata;
mod places;
mod principal;
mod provider;
mod route;
mod rule;
mod strategy;
mod target;
mod trace;
mod translation;
mod workspace;

pub use aws::{AwsError, AwsIdentity, AwsKeys, AwsRole, AwsSigning, aws_domain};
pub use claims::{ClaimError, Claims};
pub use config::RequestConfig;
pub(crate) use config::{AfterChanges, Asked, Attempt, ConfigObject, ConfigTree, Model, NamedHost, Params, Stage};
pub use credential::Credential;
pub use entry::{Entry, EntryError};
pub use handshake::Handshake;
pub use headers::{PortkeyHeaders, UnknownProvider, list};
pub use limit::{LimitError, Period, RateLimit, RateUnit, Resource, UsageLimit};
pub use metadata::Metadata;
pub(crate) use places::models_in;
pub use principal::{DefaultConfig, Principal, Status};
pub use provider::{ProviderId, ProviderRef};
pub use route::Route;
pub(crate) use rule::{Holder, masked};
pub use rule::{Owner, Rule, Rules, Span, Standing};
pub(crate) use strategy::{Branch, Breaker, Choice, Condition, Field, Mode, Operand, Query, Retry, Sticky, Test};
pub use target::{CredentialSource, HostOrigin, Placement, ProviderHeader, Target, TargetBuilder};
pub use trace::TraceId;
pub use translation::Translation;
pub(crate) use workspace::Scoped;
pub use workspace::{Visibility, Workspace};

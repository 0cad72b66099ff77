//! Where keys come from: at hand, from outside, from a role.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::role::Roles;
use crate::{
    context::{AwsIdentity, AwsKeys, AwsSigning},
    guard::Decision,
    rejection::{Kind, Rejection},
};

/// A future whose type can't be named.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Keys that may have to be waited for.
pub type KeysFuture = BoxFuture<Result<AwsKeys, Rejection>>;

/// The gateway's own identity at AWS. It is asked for every request that is signed with it, so it keeps what it has until
/// shortly before that expires.
pub trait ProvideCredentials: Send + Sync {
    /// The keys of now.
    fn provide(&self) -> Decision<AwsKeys, KeysFuture>;
}

/// The same keys always.
impl ProvideCredentials for AwsKeys {
    fn provide(&self) -> Decision<AwsKeys, KeysFuture> {
        Decision::pass(self.clone())
    }
}

/// All that there is.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) ambient: Option<Arc<dyn ProvideCredentials>>,
    pub(super) roles: Roles,
}

impl Sources {
    /// The keys to sign with.
    pub(super) fn keys(&self, signing: &AwsSigning) -> Decision<AwsKeys, KeysFuture> {
        match signing.identity() {
            AwsIdentity::Keys(keys) => Decision::pass(keys.clone()),
            AwsIdentity::Ambient => ambient(self.ambient.as_ref()),
            AwsIdentity::Role(role) => self.roles.keys(role, signing.region(), self.ambient.as_ref()),
        }
    }
}

/// The keys of the gateway's own identity, where it has one.
pub(super) fn ambient(provider: Option<&Arc<dyn ProvideCredentials>>) -> Decision<AwsKeys, KeysFuture> {
    match provider {
        Some(provider) => provider.provide(),
        None => Decision::refuse(
            Rejection::new(Kind::NotImplemented).with_message("The gateway has no identity of its own at AWS"),
        ),
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("ambient", &self.ambient.is_some()).field("roles", &self.roles).finish()
    }
}

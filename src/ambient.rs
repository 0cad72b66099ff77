//! The gateway's own identity at AWS, found as AWS's SDKs find theirs.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::provider::ProvideCredentials as _;

use crate::{Secret, context::AwsKeys, sign::CachedCredentials};

/// The identity of the machine, the container or the environment: environment variables, shared files, web identity
/// (IRSA), EKS pod identity, ECS, IMDSv2, in AWS's order. Found at the first request that needs it and kept until shortly
/// before it ends; needs a tokio runtime.
///
/// It is for provider entries alone: nothing that a caller sends leads here. AWS's own client asks for it, because the
/// addresses of metadata services are closed to every other request.
///
/// ```
/// use tower_portkey::{SignLayer, aws_ambient};
///
/// let layer = SignLayer::new().ambient(aws_ambient());
/// # drop(layer);
/// ```
#[must_use]
pub fn aws_ambient() -> CachedCredentials {
    CachedCredentials::new(|| async {
        // Built anew each time: it is asked once in a session's life, and then sees what has changed.
        let chain = DefaultCredentialsChain::builder().build().await;
        let found = chain.provide_credentials().await?;
        let token = found.session_token().map(Secret::from);
        let keys = AwsKeys::new(found.access_key_id(), Secret::from(found.secret_access_key()), token)?;
        Ok((keys, found.expiry()))
    })
}

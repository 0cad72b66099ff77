//! Requests for AWS: who signs them, and who calls STS.

#[cfg(feature = "aws-ambient")]
use tower_portkey::aws_ambient;
use tower_portkey::{SignLayer, context::AwsError, sign::FetchSts};

use crate::settings::Aws;

/// Signs by these settings; `sts` calls STS.
pub(crate) fn sign(aws: &Aws, sts: impl FetchSts + 'static) -> Result<SignLayer, AwsError> {
    let mut layer = SignLayer::new().sts(sts);
    #[cfg(feature = "aws-ambient")]
    {
        layer = layer.ambient(aws_ambient());
    }
    if let Some(domain) = &aws.endpoint_domain {
        layer = layer.endpoint_domain(domain)?;
    }
    Ok(match &aws.sts {
        Some(url) => layer.sts_endpoint(url.clone()),
        None => layer,
    })
}

//! Signatures by nobody: an explanation asks neither STS nor the machine for keys.

use std::{error::Error, future::ready};

use bytes::Bytes;
use http::Response;
use tower_portkey::{
    Secret, SignLayer,
    context::{AwsError, AwsKeys},
    sign::{BoxFuture, FetchSts, StsRequest},
};

/// A session that opens nothing.
const SESSION: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
    <AccessKeyId>EXPLAINED</AccessKeyId><SecretAccessKey>explained</SecretAccessKey>\
    <SessionToken>explained</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>\
    </Credentials></AssumeRoleResult></AssumeRoleResponse>";

/// Signs roles and the gateway's own identity with keys that open nothing.
pub(super) fn sign() -> Result<SignLayer, AwsError> {
    let keys = AwsKeys::new("EXPLAINED", Secret::from("explained"), Some(Secret::from("explained")))?;
    Ok(SignLayer::new().ambient(keys).sts(NoSts))
}

struct NoSts;

impl FetchSts for NoSts {
    fn fetch(&self, _: StsRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>> {
        Box::pin(ready(Ok(Response::new(Bytes::from_static(SESSION.as_bytes())))))
    }
}

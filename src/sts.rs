//! STS over the crate's own client: where `sign` and `forward` meet.

use std::error::Error;

use bytes::Bytes;
use http::Response;

use crate::{
    context::HostOrigin,
    forward::{Client, FetchLimits},
    sign::{BoxFuture, FetchSts, StsRequest},
};

/// Calls STS as every other request goes out: by the address rules, without redirects, within its time.
impl FetchSts for Client {
    fn fetch(&self, request: StsRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>> {
        let client = self.clone();
        Box::pin(async move {
            let origin = if request.operator { HostOrigin::Operator } else { HostOrigin::Catalog };
            let limits = FetchLimits { total: request.timeout, body: request.max_body };
            Ok(client.fetch(request.request, origin, limits).await?)
        })
    }
}

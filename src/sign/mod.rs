//! Requests for AWS are signed (Signature Version 4), last before the wire and anew for every attempt.
//!
//! [`SignLayer`] signs a request whose [`Target`](crate::context::Target) asks for it; every other one passes as it is. The
//! body is read whole, within [`SignLayer::body_limit`] and [`SignLayer::body_budget`], because the bytes that are signed
//! have to be the bytes that are sent; one that is whole already is neither read nor copied.
//!
//! What could be another signature goes first: `authorization`, `x-amz-*`, the parameters of a presigned query, and
//! whatever a `connection` header nominates. What is signed is a list of the layer's own, so nobody else decides about it:
//! `host` with its port, `content-type`, `x-amz-date`, `x-amz-content-sha256`, `x-amz-security-token`, and the `x-amz-*`
//! that the target brings. Model ids and ARNs stand encoded once on the wire and twice in what is signed, as every service
//! but S3 has it.
//!
//! | [`AwsIdentity`](crate::context::AwsIdentity) | keys |
//! | --- | --- |
//! | `Keys` | these |
//! | `Role` | a session that STS gives: one call at a time and role, kept until 5 minutes before it expires. Its place is named by tenant, base identity, role, external id, region and tags, so nobody gets another's |
//! | `Ambient` | those of a [`ProvideCredentials`]; [`CachedCredentials`] keeps what a function of one's own finds |
//!
//! A clock that is some minutes off is put right by AWS's own: where a request is refused with 403 and a `date` that is more
//! than 4 and at most 15 minutes away, later requests are signed with that one's time. Hosts that a caller names are not
//! believed.
//!
//! With the feature `oracle`, requests for Oracle's cloud are signed likewise, by the key of one of its users
//! ([`OciKey`](crate::context::OciKey)): `date`, method and target, `host`, and length, type and SHA-256 of the body.
//!
//! It can stand alone in front of any HTTP client, for any service of AWS's:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_portkey::{
//!     Secret, SignLayer, body::FullOr, context::{AwsIdentity, AwsKeys, AwsSigning},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = service_fn(async |request: Request<FullOr<Full<Bytes>>>| {
//!     let line = request.headers()["authorization"].to_str().unwrap_or_default();
//!     assert!(line.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! });
//! let keys = AwsKeys::new("AKIDEXAMPLE", Secret::from("wJalrXUtnFEMI/K7MDENG"), None)?;
//! let signing = AwsSigning::new(AwsIdentity::Keys(keys), "eu-central-1", "dynamodb")?;
//! let service = SignLayer::always(signing).body_limit(1024).layer(client);
//!
//! let request = |body: Vec<u8>| {
//!     Request::post("https://dynamodb.eu-central-1.amazonaws.com/")
//!         .header("x-amz-target", "DynamoDB_20120810.ListTables")
//!         .header("content-type", "application/x-amz-json-1.0")
//!         .body(FullOr::inner(Full::new(Bytes::from(body))))
//! };
//! assert_eq!(service.clone().oneshot(request(b"{}".to_vec())?).await?.status(), StatusCode::OK);
//! assert_eq!(service.oneshot(request(vec![b' '; 1025])?).await?.status(), StatusCode::PAYLOAD_TOO_LARGE);
//! # Ok(()) }
//! ```

mod cached;
mod canonical;
mod credentials;
mod future;
mod head;
mod job;
mod key;
mod layer;
#[cfg(feature = "oracle")]
mod oci;
mod role;
mod service;
mod skew;
#[cfg(test)]
mod tests;
mod time;

pub use cached::CachedCredentials;
pub use credentials::{BoxFuture, KeysFuture, ProvideCredentials};
pub use future::SignFuture;
pub use layer::SignLayer;
#[cfg(feature = "oracle")]
#[cfg_attr(docsrs, doc(cfg(feature = "oracle")))]
pub use oci::check_oci_key;
pub use role::{FetchSts, StsRequest};
pub use service::Sign;

//! Signing 500 B and 64 KiB, beside AWS's own crate called directly, and beside the hash of the payload alone.

mod shared;

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use criterion::BatchSize;
use http::Request;
use http_body_util::Empty;
use shared::{Leaf, ask};
use tower::Layer;
use tower_portkey::{
    Secret, SignLayer,
    body::FullOr,
    context::{AwsIdentity, AwsKeys, AwsSigning},
};

const URL: &str =
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse";
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

type Call = Request<FullOr<Empty<Bytes>>>;

fn request(body: &Bytes) -> Result<Call, http::Error> {
    let request = Request::post(URL).header("content-type", "application/json");
    request.header("accept", "application/json").header("user-agent", "bench").body(FullOr::full(body.clone()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let keys = AwsKeys::new(ID, Secret::from(SECRET), None)?;
    let layer = SignLayer::always(AwsSigning::new(AwsIdentity::Keys(keys), "us-east-1", "bedrock")?);
    let identity = Credentials::new(ID, SECRET, None, None, "bench").into();
    let mut criterion = shared::criterion();
    for (name, length) in [("500B", 500), ("64KiB", 64 * 1024)] {
        let body = Bytes::from(vec![b'x'; length]);
        let mut service = layer.layer(Leaf);
        assert!(ask(&mut service, request(&body)?)?.status().is_success());
        for (who, signs) in [("leaf", false), ("layer", true)] {
            criterion.bench_function(&format!("{who}/{name}"), |bencher| {
                let ask = |call: Result<Call, http::Error>| {
                    call.is_ok_and(
                        |call| if signs { ask(&mut service, call).is_ok() } else { ask(&mut Leaf, call).is_ok() },
                    )
                };
                bencher.iter_batched(|| request(&body), ask, BatchSize::NumIterations(64));
            });
        }
        criterion.bench_function(&format!("aws-sigv4/{name}"), |bencher| {
            bencher.iter(|| {
                let mut settings = SigningSettings::default();
                settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
                let params = v4::SigningParams::builder()
                    .identity(&identity)
                    .region("us-east-1")
                    .name("bedrock")
                    .time(SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_787_045))
                    .settings(settings)
                    .build()?
                    .into();
                let lines = [("content-type", "application/json")].into_iter();
                let signable = SignableRequest::new("POST", URL, lines, SignableBody::Bytes(black_box(&body)))?;
                Ok::<_, Box<dyn Error>>(sign(signable, &params)?.into_parts())
            });
        });
        criterion.bench_function(&format!("sha256/{name}"), |bencher| {
            bencher.iter(|| digest(&SHA256, black_box(&body)));
        });
    }
    criterion.final_summary();
    Ok(())
}

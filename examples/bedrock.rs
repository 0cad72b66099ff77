//! Signs requests for AWS in front of one's own client: a question to a model on Bedrock, from the command line.
//!
//! ```sh
//! export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_REGION=us-east-1
//! cargo run --example bedrock --features bedrock,client -- 'Say hello'
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{env, error::Error};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer as _, ServiceExt as _};
use tower_portkey::{
    Secret, SignLayer,
    body::FullOr,
    context::{AwsIdentity, AwsKeys, AwsSigning},
};

type Body = FullOr<Full<Bytes>>;

const MODEL: &str = "anthropic.claude-3-5-sonnet-20241022-v2%3A0";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let token = env::var("AWS_SESSION_TOKEN").ok().filter(|token| !token.is_empty()).map(Secret::from);
    let keys = AwsKeys::new(&env::var("AWS_ACCESS_KEY_ID")?, Secret::from(env::var("AWS_SECRET_ACCESS_KEY")?), token)?;
    let region = env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned());
    // Another host for trying it out, such as a mock's.
    let base = env::var("BEDROCK_URL").unwrap_or_else(|_| format!("https://bedrock-runtime.{region}.amazonaws.com"));

    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Body>(https);
    let service = SignLayer::always(AwsSigning::new(AwsIdentity::Keys(keys), &region, "bedrock")?).layer(client);

    let question = serde_json::json!({
        "messages": [{"role": "user", "content": [{"text": env::args().nth(1).unwrap_or_else(|| "Say hello".into())}]}],
    });
    let request = Request::post(format!("{base}/model/{MODEL}/converse"))
        .header("content-type", "application/json")
        .body(Body::full(question.to_string()))?;
    let response: Response<FullOr<Incoming>> = service.oneshot(request).await?;
    println!("{}", response.status());
    println!("{}", String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()));
    Ok(())
}

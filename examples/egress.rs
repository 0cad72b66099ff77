//! Webhooks of strangers, by the connector alone: whatever URL they name, nothing within this network is dialled.
//!
//!     cargo run --example egress -- https://example.com http://localhost:8787 http://169.254.169.254/latest/meta-data

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::{client::legacy, rt::TokioExecutor};
use tower_portkey::forward::egress::{Egress, EgressError};

type Webhooks = legacy::Client<Egress, Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let egress = Egress::builder().connect_timeout(Duration::from_secs(2)).connections_per_host(4).build()?;
    let webhooks: Webhooks = legacy::Client::builder(TokioExecutor::new()).build(egress);
    let mut named: Vec<String> = std::env::args().skip(1).collect();
    if named.is_empty() {
        named =
            ["http://localhost:8787/", "http://2130706433/", "http://[::ffff:10.0.0.1]/"].map(String::from).to_vec();
    }
    for url in named {
        // The stranger is told one thing, whatever the reason is; the reason is for the log.
        match call(&webhooks, &url).await {
            Ok(status) => println!("{url}: {status}"),
            Err(error) => println!("{url}: not delivered (log: {error})"),
        }
    }
    Ok(())
}

async fn call(webhooks: &Webhooks, url: &str) -> Result<String, Box<dyn Error>> {
    let request = Request::post(url.parse::<Uri>()?).body(Full::from("{\"event\":\"done\"}"))?;
    match webhooks.request(request).await {
        Ok(answer) => Ok(answer.status().to_string()),
        Err(error) => Err(reason(&error).unwrap_or_else(|| error.to_string()).into()),
    }
}

/// Why there was no connection.
fn reason(error: &legacy::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<EgressError>() {
            return Some(format!("{:?}, {error}", error.kind()));
        }
        next = error.source();
    }
    None
}

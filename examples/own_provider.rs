//! Providers that the catalog doesn't have, in front of a leaf that shows what they would receive: one as data, one as code.
//!
//! ```sh
//! cargo run --example own_provider
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{borrow::Cow, convert::Infallible, error::Error};

use http::{HeaderName, HeaderValue, Method, Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_portkey::{
    PortkeyLayer,
    body::FullOr,
    context::{Placement, ProviderId},
    host::CustomHost,
    provider::{Provider, ProviderSpec},
    rejection::{Kind, Rejection},
};

/// Takes chats only, on a path of its own, with the key in a header of its own.
struct Legacy {
    id: ProviderId,
    base: CustomHost,
}

impl Provider for Legacy {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn base_url(&self) -> &CustomHost {
        &self.base
    }

    fn placement(&self) -> Placement {
        Placement::Header { name: HeaderName::from_static("x-legacy-key"), prefix: Cow::Borrowed("") }
    }

    fn path<'a>(&self, method: &Method, path: &'a str) -> Result<Cow<'a, str>, Rejection> {
        match (method, path) {
            (&Method::POST, "/chat/completions") => Ok("/generate/v2".into()),
            _ => Err(Rejection::new(Kind::NotImplemented).with_message("legacy offers chats only")),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let in_house = ProviderSpec::new(ProviderId::own("in-house")?, CustomHost::operator("http://llm.internal:8000")?)
        .credential_in_header(HeaderName::from_static("authorization"), "ApiKey ")?
        .header(HeaderName::from_static("x-team"), HeaderValue::from_static("search"))?
        .openai_prefix("/openai/v1")?;
    let legacy = Legacy { id: ProviderId::own("legacy")?, base: CustomHost::operator("http://10.0.0.7/api")? };
    let layer = PortkeyLayer::builder().provider(in_house).provider(legacy).anonymous().build();
    // In front of a real provider this is `Forward::new(client)`.
    let gateway = layer.layer(service_fn(async |request: Request<FullOr<String>>| {
        println!("  {} {}", request.method(), request.uri());
        for name in ["authorization", "x-legacy-key", "x-team"] {
            if let Some(value) = request.headers().get(name) {
                println!("  {name}: {}", value.to_str().unwrap_or_default());
            }
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    }));

    for (provider, method, path) in [
        ("in-house", Method::POST, "/v1/chat/completions"),
        ("in-house", Method::GET, "/v1/queue/status"),
        ("legacy", Method::POST, "/v1/chat/completions"),
        ("legacy", Method::POST, "/v1/embeddings"),
        ("unknown", Method::POST, "/v1/chat/completions"),
    ] {
        println!("{provider} {method} {path}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-portkey-provider", provider)
            .header("authorization", "Bearer not-a-real-key");
        let answer = gateway.clone().oneshot(request.body(String::new())?).await?;
        println!("  answered {}", answer.status());
    }
    Ok(())
}

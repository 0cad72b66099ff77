//! An own proxy: single layers in an order of your choice, one of them your own, in front of [`Forward`].
//!
//! It serves chat completions and nothing else, and sends what is for the entry `openai-prod` to the upstream of the second
//! argument. The caller's gateway key comes off, the entry's credential goes on, and both bodies stream.
//!
//! ```sh
//! cargo run --example compose -- 3000 http://127.0.0.1:11434/v1
//!
//! curl -i localhost:3000/v1/chat/completions -H 'content-type: application/json' \
//!     -H 'x-portkey-api-key: not-a-real-key-for-ci' \
//!     -d '{"model":"@openai-prod/llama3.2","stream":true,"messages":[{"role":"user","content":"Say hello"}]}'
//! curl -i localhost:3000/v1/models -H 'authorization: Bearer not-a-real-key-for-ci'    # 404
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{error::Error, future::Ready};

use http::{Method, request::Parts};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_portkey::{
    Forward, GatewayKey, ServiceBuilderExt,
    auth::KeySet,
    context::{Entry, Principal, ProviderId, Visibility},
    forward::Client,
    guard::{Decision, Guard, GuardLayer},
    model::EntrySet,
    rejection::{Kind, Rejection},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let upstream = std::env::args().nth(2).unwrap_or_else(|| "http://127.0.0.1:11434/v1".to_owned());
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, &upstream).await
}

/// Lets chat completions through: a layer of one's own is a function that decides.
struct ChatOnly;

impl Guard for ChatOnly {
    type Grant = ();
    type Future = Ready<Result<(), Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<(), Self::Future> {
        let chat = head.method == Method::POST && head.uri.path() == "/v1/chat/completions";
        Decision::Now(chat.then_some(()).ok_or_else(|| Rejection::new(Kind::NotFound)))
    }

    fn admit(&self, _: &mut Parts, (): ()) {}
}

async fn serve(listener: TcpListener, upstream: &str) -> Result<(), Box<dyn Error>> {
    let keys = KeySet::new([GatewayKey::new("not-a-real-key-for-ci", Principal::new("ci"))?])?;
    let openai = ProviderId::parse("openai").ok_or("no such provider")?;
    // Callers name the entry, as in `x-portkey-provider: @openai-prod`, and never see its credential.
    let entry =
        Entry::new("openai-prod", openai)?.with_api_key("not-a-real-provider-key")?.with_custom_host(upstream)?;
    let entries = EntrySet::new().with(entry, Visibility::everybody());
    // From the outside in: whatever fails below `portkey_rescue` is answered there, and `Forward` comes last.
    let proxy = ServiceBuilder::new()
        .portkey_rescue()
        .portkey_extract()
        .portkey_auth(keys)
        .layer(GuardLayer::new(ChatOnly))
        .portkey_config()
        .portkey_model(entries)
        .portkey_strategy()
        // Failures below are answers above, which a strategy may answer with the next target.
        .portkey_rescue()
        .portkey_resolve()
        .portkey_inject()
        .service(Forward::new(Client::builder().build()?));
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new());
    loop {
        let (socket, _) = listener.accept().await?;
        let (http, service) = (http.clone(), TowerToHyperService::new(proxy.clone()));
        tokio::spawn(async move { http.serve_connection(TokioIo::new(socket), service).await.ok() });
    }
}

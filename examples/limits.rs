//! An axum app that exists gains rate limits and budgets by one layer more.
//!
//! The app answers as OpenAI does, `usage` included, which is how the tokens of a call are counted.
//!
//! ```sh
//! cargo run --example limits          # `-- 8080` for another port, `-- 0` for any that is free
//!
//! curl -i localhost:3000/v1/chat/completions -H 'authorization: Bearer not-a-real-key-for-ci' -d '{"max_tokens":9}'
//! # Three a minute pass; the fourth is answered 429, with `retry-after`. The others have 200 tokens a day.
//! curl -i localhost:3000/v1/chat/completions -H 'authorization: Bearer not-a-real-key-for-dev' -d '{"max_tokens":9}'
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_portkey::{
    GatewayKey, LimitLayer, PortkeyAuthLayer,
    auth::KeySet,
    context::{Principal, RateLimit},
    limit::LocalCounters,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(keys()?)).await?;
    Ok(())
}

async fn chat() -> Json<Value> {
    let usage = json!({ "prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29 });
    Json(json!({ "choices": [{ "message": { "role": "assistant", "content": "Hello!" } }], "usage": usage }))
}

fn app(keys: KeySet) -> Router {
    // The layer that is added last is the first to see a request: who, then how much. Bodies are axum's own here, so that
    // an answer whose length nobody knows is taken to have this many tokens until it says what it has used.
    let limits = LimitLayer::callers(LocalCounters::new()).default_output_tokens(100);
    Router::new().route("/v1/chat/completions", post(chat)).layer(limits).layer(PortkeyAuthLayer::new(keys))
}

fn keys() -> Result<KeySet, Box<dyn Error>> {
    let ci = RateLimit::from_json(r#"[{"type":"requests","unit":"rpm","value":3}]"#)?;
    let dev = RateLimit::from_json(r#"[{"type":"tokens","unit":"rpd","value":200}]"#)?;
    let ci = GatewayKey::new("not-a-real-key-for-ci", Principal::new("ci").with_limits(Vec::new(), ci))?;
    let dev = GatewayKey::new("not-a-real-key-for-dev", Principal::new("dev").with_limits(Vec::new(), dev))?;
    Ok(KeySet::new([ci, dev])?)
}

//! An axum app that exists gains authentication by one layer.
//!
//! `/health` stays open, `/whoami` is for everybody with a key, `/logs` for those whose key has the scope.
//!
//! ```sh
//! cargo run --example axum --features axum          # `-- 8080` for another port, `-- 0` for any that is free
//!
//! curl -i localhost:3000/health
//! curl -i localhost:3000/whoami                     # 401
//! curl -i localhost:3000/whoami -H 'authorization: Bearer not-a-real-key-for-ci'
//! curl -i localhost:3000/whoami -H 'x-portkey-api-key: not-a-real-key-for-ci'
//! curl -i localhost:3000/logs   -H 'x-portkey-api-key: not-a-real-key-for-ci'    # 403
//! curl -i localhost:3000/logs   -H 'x-portkey-api-key: not-a-real-key-for-ops'
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tower_portkey::{
    GatewayKey, PortkeyAuthLayer, RequireScopeLayer,
    auth::{KeyError, KeySet},
    context::Principal,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(keys()?)).await?;
    Ok(())
}

/// The caller's key is gone from the request by now; what is left is who it belongs to.
async fn whoami(who: Principal) -> String {
    format!("{} of {}\n", who.subject(), who.workspace())
}

fn app(keys: KeySet) -> Router {
    // The layer that is added last is the first to see a request: who, then whether they may.
    let logs =
        Router::new().route("/logs", get("nothing happened\n")).route_layer(RequireScopeLayer::any_of(["logs.read"]));
    let closed = Router::new().route("/whoami", get(whoami)).merge(logs).route_layer(PortkeyAuthLayer::new(keys));
    Router::new().route("/health", get("fine\n")).merge(closed)
}

fn keys() -> Result<KeySet, KeyError> {
    let ci = Principal::new("ci").with_workspace("build");
    let ops = Principal::new("ops").with_scopes(["logs.read"]);
    KeySet::new([GatewayKey::new("not-a-real-key-for-ci", ci)?, GatewayKey::new("not-a-real-key-for-ops", ops)?])
}

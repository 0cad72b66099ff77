//! The layer around a plain hyper service: no framework, one function that answers.
//!
//! ```sh
//! cargo run --example hyper                         # `-- 8080` for another port, `-- 0` for any that is free
//!
//! curl -i localhost:3000/                           # 401
//! curl -i localhost:3000/ -H 'authorization: Bearer not-a-real-key-for-ci'
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tower_portkey::{GatewayKey, PortkeyAuthLayer, context::Principal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener).await
}

/// Never called without a [`Principal`]: the layer has answered by then.
async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let who = request.extensions().get().map_or("nobody", Principal::subject);
    Ok(Response::new(format!("hello, {who}\n").into()))
}

async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let keys = [GatewayKey::new("not-a-real-key-for-ci", Principal::new("ci"))?];
    let service = TowerToHyperService::new(PortkeyAuthLayer::keys(keys)?.layer(service_fn(hello)));
    loop {
        let (socket, _) = listener.accept().await?;
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service.clone());
        // A connection that breaks off is its caller's business.
        tokio::spawn(async { connection.await.ok() });
    }
}

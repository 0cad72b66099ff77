//! A gRPC server behind the layer. Who shows no key reads `UNAUTHENTICATED` (grpc-status 16), not an HTTP error.
//!
//! The service is written by hand over prost messages, so that nothing has to be generated; one made by
//! tonic-build is mounted in the same way, by `add_service`.
//!
//! ```sh
//! cargo run --example tonic -- --once               # serves, calls itself without a key and with one, and ends
//! cargo run --example tonic                         # `-- 8080` for another port, `-- 0` for any that is free
//!
//! curl -i --http2-prior-knowledge localhost:3000/greeter.Greeter/SayHello -H 'content-type: application/grpc' -d ''
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use axum::{Router, routing::post};
use http::uri::PathAndQuery;
use tonic::{
    Request, Response, Status,
    codegen::StdError,
    metadata::MetadataValue,
    service::Routes,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::service_fn;
use tower_portkey::{GatewayKey, PortkeyAuthLayer, context::Principal};

const SAY_HELLO: &str = "/greeter.Greeter/SayHello";

#[derive(Clone, PartialEq, prost::Message)]
struct Hello {
    #[prost(string, tag = "1")]
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), StdError> {
    let arg = std::env::args().nth(1);
    let once = arg.as_deref() == Some("--once");
    let port = if once { 0 } else { arg.map_or(Ok(3000), |port| port.parse())? };
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], port).into())?;
    let url = format!("http://{}", incoming.local_addr()?);
    println!("listening on {url}");
    let server = tokio::spawn(serve(incoming));
    if once {
        let refused = say_hello(&url, None).await.err().ok_or("let in without a key")?;
        println!("without a key: {refused}");
        println!("with a key: {}", say_hello(&url, Some("not-a-real-key-for-ci")).await?);
        return Ok(());
    }
    server.await?
}

async fn serve(incoming: TcpIncoming) -> Result<(), StdError> {
    let keys = [GatewayKey::new("not-a-real-key-for-ci", Principal::new("ci"))?];
    let server = Server::builder().layer(PortkeyAuthLayer::keys(keys)?).add_routes(greeter());
    Ok(server.serve_with_incoming(incoming).await?)
}

fn greeter() -> Routes {
    let say_hello = async |request: axum::extract::Request| {
        tonic::server::Grpc::new(ProstCodec::default()).unary(service_fn(greet), request).await
    };
    Routes::from(Router::new().route(SAY_HELLO, post(say_hello)))
}

/// The caller is found where every tonic handler finds what layers leave.
async fn greet(request: Request<Hello>) -> Result<Response<Hello>, Status> {
    let who = request.extensions().get::<Principal>().ok_or_else(|| Status::internal("no principal"))?;
    Ok(Response::new(Hello { text: format!("{}, {}", request.get_ref().text, who.subject()) }))
}

async fn say_hello(url: &str, key: Option<&'static str>) -> Result<String, StdError> {
    let channel = Channel::from_shared(url.to_owned())?.connect().await?;
    let mut request = Request::new(Hello { text: "hello".to_owned() });
    if let Some(key) = key {
        request.metadata_mut().insert("x-portkey-api-key", MetadataValue::from_static(key));
    }
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let method = PathAndQuery::from_static(SAY_HELLO);
    let reply: Response<Hello> = client.unary(request, method, ProstCodec::<Hello, Hello>::default()).await?;
    Ok(reply.into_inner().text)
}

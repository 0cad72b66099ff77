//! Tokens over the crate's own client: where `exchange` and `forward` meet. And the one address that this client never
//! dials, for those who are sent there by the layer itself.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::HOST};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    context::HostOrigin,
    exchange::{BoxFuture, FetchToken, TokenHost, TokenRequest},
    forward::{Client, FetchLimits},
};

/// Where the metadata services of Azure and Google answer, on every machine of theirs. No name is resolved, and nothing
/// that a request or a setting says has a part in it.
const METADATA: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);

type Fetched = Result<Response<Bytes>, Box<dyn Error + Send + Sync>>;

/// Asks for tokens as every other request goes out: by the address rules, without redirects, within its time.
impl FetchToken for Client {
    fn fetch(&self, asked: TokenRequest) -> BoxFuture<Fetched> {
        let limits = FetchLimits { total: asked.timeout, body: asked.max_body };
        let origin = match asked.host {
            TokenHost::Provider => HostOrigin::Catalog,
            TokenHost::Operator => HostOrigin::Operator,
            TokenHost::Metadata => {
                return Box::pin(async move {
                    timeout(limits.total, ask_machine(METADATA, asked.request, limits.body)).await?
                });
            }
        };
        let client = self.clone();
        Box::pin(async move { Ok(client.fetch(asked.request, origin, limits).await?) })
    }
}

/// One request on a connection of its own, in clear, as these services speak.
async fn ask_machine(address: SocketAddr, request: Request<Bytes>, longest: usize) -> Fetched {
    let (mut head, body) = request.into_parts();
    if let Some(host) = head.uri.authority() {
        head.headers.insert(HOST, HeaderValue::from_str(host.as_str())?);
    }
    head.uri = Uri::from(head.uri.path_and_query().ok_or("a request without a path")?.clone());
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the last of sender and body, both of which go when nobody waits any longer.
    tokio::spawn(connection);
    let response = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, longest).collect().await?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn the_machine_is_asked_in_its_own_form() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let machine = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.expect("a request");
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.expect("an answer");
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let request = Request::get("http://169.254.169.254/metadata?a=b").header("metadata", "true");
        let request = || request.body(Bytes::new()).expect("a request");
        let answer = ask_machine(address, request(), 2).await.expect("an answer");
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"{}"[..]));
        let asked = machine.await.expect("what was asked").to_ascii_lowercase();
        assert!(asked.starts_with("get /metadata?a=b http/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nhost: 169.254.169.254\r\n") && asked.contains("\r\nmetadata: true\r\n"), "{asked}");
    }

    #[test]
    fn there_is_one_address() {
        assert_eq!(METADATA.to_string(), "169.254.169.254:80");
    }
}

//! The layers where they are mounted: on axum, hyper and tonic, over real sockets.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tower::{Layer, Service, service_fn};
use tower_portkey::{
    GatewayKey, PortkeyAuthLayer,
    auth::{KeyError, KeySet},
    context::Principal,
};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const KEY: &str = "not-a-real-key-for-ci";

fn auth() -> Result<PortkeyAuthLayer<KeySet>, KeyError> {
    PortkeyAuthLayer::keys([GatewayKey::new(KEY, Principal::new("ci"))?])
}

/// No test waits longer.
async fn soon<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    timeout(Duration::from_secs(10), work).await?
}

/// Serves HTTP/1.1 and HTTP/2 (by prior knowledge) on a free port.
async fn serve<S, B>(service: S) -> Outcome<SocketAddr>
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<Box<dyn Error + Send + Sync>>>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let http = auto::Builder::new(TokioExecutor::new());
                http.serve_connection(TokioIo::new(socket), service).await.ok();
            });
        }
    });
    Ok(address)
}

/// Asks for a path over a connection of its own.
async fn get(address: SocketAddr, path: &str, key: Option<&str>, http2: bool) -> Outcome<Response<Incoming>> {
    let request = Request::get(format!("http://{address}{path}"));
    let request = match key {
        Some(key) => request.header(AUTHORIZATION, format!("Bearer {key}")),
        None => request,
    };
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    Ok(client.request(request.body(Full::<Bytes>::default())?).await?)
}

async fn text(response: Response<Incoming>) -> Outcome<String> {
    Ok(String::from_utf8(response.into_body().collect().await?.to_bytes().into())?)
}

/// The next chunk; none at the end.
async fn chunk(body: &mut (impl Body<Data = Bytes, Error: Error + Send + Sync + 'static> + Unpin)) -> Outcome<Bytes> {
    let frame = body.frame().await.transpose()?;
    Ok(frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default())
}

/// A body whose chunks are made while it is read.
struct Chunks(mpsc::Receiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// A service that streams what is sent into the channel it hands out with each response.
fn streaming() -> (
    impl Service<Request<Incoming>, Response = Response<Chunks>, Error = Infallible, Future: Send> + Clone + Send,
    mpsc::Receiver<mpsc::Sender<Bytes>>,
) {
    let (hand_out, streams) = mpsc::channel(1);
    let service = service_fn(move |_: Request<Incoming>| {
        let hand_out = hand_out.clone();
        async move {
            let (stream, chunks) = mpsc::channel(1);
            hand_out.send(stream).await.ok();
            Ok(Response::new(Chunks(chunks)))
        }
    });
    (service, streams)
}

/// Each chunk is read before the next one is made, and the end comes when the stream is closed.
async fn reads_while_written(
    response: Response<Incoming>,
    streams: &mut mpsc::Receiver<mpsc::Sender<Bytes>>,
) -> Outcome {
    assert_eq!(response.status(), StatusCode::OK);
    let stream = streams.recv().await.ok_or("the service was not called")?;
    let mut body = response.into_body();
    for word in ["first", "second", "third"] {
        stream.send(word.into()).await?;
        assert_eq!(chunk(&mut body).await?, word);
    }
    drop(stream);
    assert_eq!(chunk(&mut body).await?, "");
    Ok(())
}

mod on_axum {
    use axum::{Extension, Router, routing};

    use super::*;

    async fn listen(app: Router) -> Outcome<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(address)
    }

    async fn whoami(Extension(who): Extension<Principal>) -> String {
        who.subject().to_owned()
    }

    #[tokio::test]
    async fn a_route_is_closed_and_its_neighbour_open() -> Outcome {
        soon(async {
            let closed = Router::new().route("/closed", routing::get(whoami)).route_layer(auth()?);
            let address = listen(Router::new().route("/open", routing::get("open")).merge(closed)).await?;
            for http2 in [false, true] {
                assert_eq!(text(get(address, "/open", None, http2).await?).await?, "open");
                assert_eq!(text(get(address, "/closed", Some(KEY), http2).await?).await?, "ci");
                for key in [None, Some("nobody-has-this-key-0")] {
                    let refused = get(address, "/closed", key, http2).await?;
                    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
                    assert!(text(refused).await?.contains("Invalid API Key"));
                }
            }
            Ok(())
        })
        .await
    }

    #[cfg(feature = "axum")]
    #[tokio::test]
    async fn handlers_say_what_they_need() -> Outcome {
        use tower_portkey::{
            ExtractLayer,
            context::{Metadata, TraceId},
        };

        async fn told(who: Principal, trace: TraceId, labels: Metadata) -> String {
            format!("{} {} {}", who.subject(), trace.as_str(), labels.user().unwrap_or("nobody"))
        }

        soon(async {
            let all = Router::new().route("/all", routing::get(told)).layer(auth()?).layer(ExtractLayer::new());
            // Here nobody reads the headers, so that the handler's trace id is missing.
            let less = Router::new().route("/less", routing::get(told)).layer(auth()?);
            let address = listen(all.merge(less)).await?;
            let request = |path| {
                Request::get(format!("http://{address}{path}"))
                    .header("x-portkey-api-key", KEY)
                    .header("x-portkey-trace-id", "t-1")
                    .header("x-portkey-metadata", r#"{"_user":"ann"}"#)
                    .body(Full::<Bytes>::default())
            };
            let client = Client::builder(TokioExecutor::new()).build_http();
            assert_eq!(text(client.request(request("/all")?).await?).await?, "ci t-1 ann");
            let broken = client.request(request("/less")?).await?;
            assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(text(broken).await?.contains("ExtractLayer"));
            Ok(())
        })
        .await
    }
}

mod on_hyper {
    use super::*;

    async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let who = request.extensions().get().map_or("nobody", Principal::subject);
        Ok(Response::new(Full::from(format!("{who}, key left: {}", request.headers().contains_key(AUTHORIZATION)))))
    }

    #[tokio::test]
    async fn over_both_versions_a_key_is_asked_for_and_taken_off() -> Outcome {
        soon(async {
            let address = serve(auth()?.layer(service_fn(hello))).await?;
            for http2 in [false, true] {
                let refused = get(address, "/", None, http2).await?;
                assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
                assert_eq!(refused.headers()["www-authenticate"], r#"Bearer realm="portkey""#);
                assert_eq!(text(get(address, "/", Some(KEY), http2).await?).await?, "ci, key left: false");
            }
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn a_chunk_arrives_before_the_next_one_is_made() -> Outcome {
        soon(async {
            let (service, mut streams) = streaming();
            let address = serve(auth()?.layer(service)).await?;
            for http2 in [false, true] {
                reads_while_written(get(address, "/", Some(KEY), http2).await?, &mut streams).await?;
            }
            Ok(())
        })
        .await
    }

    #[cfg(feature = "client")]
    #[tokio::test]
    async fn so_it_does_through_the_whole_stack() -> Outcome {
        use tower_portkey::{Forward, PortkeyLayer, context::ProviderId, forward, host::CustomHost};

        soon(async {
            let (service, mut streams) = streaming();
            let upstream = serve(service).await?;
            let key = GatewayKey::new(KEY, Principal::new("ci").with_scopes(["completions.write"]))?;
            let openai = ProviderId::parse("openai").ok_or("no such provider")?;
            let gateway = PortkeyLayer::builder()
                .auth(PortkeyAuthLayer::keys([key])?)
                .base_url(openai, CustomHost::operator(&format!("http://{upstream}/v1"))?)
                .build();
            let leaf = Forward::new(forward::Client::builder().build()?);
            let address = serve(gateway.layer(leaf)).await?;
            for http2 in [false, true] {
                let request = Request::get(format!("http://{address}/v1/models"))
                    .header("x-portkey-api-key", KEY)
                    .header("x-portkey-provider", "openai")
                    .header("authorization", "Bearer of-the-upstream");
                let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
                let response = client.request(request.body(Full::<Bytes>::default())?).await?;
                reads_while_written(response, &mut streams).await?;
            }
            Ok(())
        })
        .await
    }
}

mod on_tonic {
    use http::uri::PathAndQuery;
    use tonic::{
        Code, Request, Response, Status,
        body::Body,
        codegen::BoxFuture,
        server::NamedService,
        service::LayerExt as _,
        transport::{
            Channel, Server,
            server::{Router, TcpIncoming},
        },
    };
    use tonic_prost::ProstCodec;
    use tower_portkey::{
        RequireScopeLayer,
        auth::validate_fn,
        rejection::{Kind, Rejection},
    };

    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Text {
        #[prost(string, tag = "1")]
        text: String,
    }

    /// What tonic-build would have made of `service Greeter { rpc Hello(Text) returns (Text); }`, in short.
    #[derive(Clone)]
    struct Greeter;

    impl NamedService for Greeter {
        const NAME: &'static str = "test.Greeter";
    }

    impl Service<http::Request<Body>> for Greeter {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            Box::pin(async {
                let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
                Ok(grpc.unary(service_fn(hello), request).await)
            })
        }
    }

    async fn hello(request: Request<Text>) -> Result<Response<Text>, Status> {
        let who = request.extensions().get().map_or("nobody", Principal::subject);
        Ok(Response::new(Text { text: format!("{}, {who}", request.get_ref().text) }))
    }

    fn listen<L>(router: Router<L>) -> Outcome<SocketAddr>
    where
        L: Layer<tonic::service::Routes> + Send + 'static,
        L::Service: Service<http::Request<Body>, Response = http::Response<tower_portkey::body::FullOr<Body>>>
            + Clone
            + Send
            + 'static,
        <L::Service as Service<http::Request<Body>>>::Future: Send,
        <L::Service as Service<http::Request<Body>>>::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
        let address = incoming.local_addr()?;
        tokio::spawn(router.serve_with_incoming(incoming));
        Ok(address)
    }

    async fn greeting(address: SocketAddr, key: Option<&'static str>) -> Outcome<Result<String, Status>> {
        let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await?;
        let mut request = Request::new(Text { text: "hello".to_owned() });
        if let Some(key) = key {
            request.metadata_mut().insert("authorization", format!("Bearer {key}").parse()?);
        }
        let method = PathAndQuery::from_static("/test.Greeter/Hello");
        let reply = client.unary(request, method, ProstCodec::<Text, Text>::default()).await;
        Ok(reply.map(|reply: Response<Text>| reply.into_inner().text))
    }

    async fn refusal(address: SocketAddr, key: Option<&'static str>) -> Outcome<(Code, String)> {
        let status = greeting(address, key).await?.err().ok_or("let in")?;
        Ok((status.code(), status.message().to_owned()))
    }

    #[tokio::test]
    async fn a_refusal_is_a_status_and_a_call_with_a_key_passes() -> Outcome {
        soon(async {
            let address = listen(Server::builder().layer(auth()?).add_service(Greeter))?;
            for key in [None, Some("nobody-has-this-key-0")] {
                assert_eq!(refusal(address, key).await?, (Code::Unauthenticated, "Invalid API Key".to_owned()));
            }
            assert_eq!(greeting(address, Some(KEY)).await??, "hello, ci");
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn a_validator_that_waits_and_a_scope_speak_grpc_too() -> Outcome {
        soon(async {
            let waiting = PortkeyAuthLayer::new(validate_fn(async |credential: tower_portkey::context::Credential| {
                tokio::task::yield_now().await;
                match credential.expose() {
                    KEY => Ok(Principal::new("ci")),
                    "down" => Err(Rejection::unavailable("the store is away")),
                    _ => Err(Rejection::new(Kind::InvalidKey)),
                }
            }));
            let address = listen(Server::builder().layer(waiting).add_service(Greeter))?;
            assert_eq!(greeting(address, Some(KEY)).await??, "hello, ci");
            assert_eq!(refusal(address, Some("down")).await?.0, Code::Unavailable);
            assert_eq!(refusal(address, Some("other")).await?.0, Code::Unauthenticated);
            Ok(())
        })
        .await
    }

    /// One service is closed; its neighbours on the same server would be open.
    #[tokio::test]
    async fn a_single_service_can_be_layered() -> Outcome {
        soon(async {
            let scoped = RequireScopeLayer::any_of(["greet"]).named_layer(Greeter);
            let closed = auth()?.named_layer(scoped);
            let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
            let address = incoming.local_addr()?;
            tokio::spawn(Server::builder().add_service(closed).serve_with_incoming(incoming));
            assert_eq!(refusal(address, None).await?.0, Code::Unauthenticated);
            assert_eq!(refusal(address, Some(KEY)).await?, (Code::PermissionDenied, "Forbidden!".to_owned()));
            Ok(())
        })
        .await
    }
}

/// The examples as they are shipped. Cargo builds them with the tests, those at least whose features are on; one that
/// was not built is passed over.
mod examples {
    use std::process::Stdio;

    use tokio::{
        io::{AsyncBufReadExt as _, BufReader, Lines},
        process::{Child, ChildStdout, Command},
    };

    use super::*;

    struct Example {
        _process: Child,
        lines: Lines<BufReader<ChildStdout>>,
        address: SocketAddr,
    }

    async fn start(name: &str, args: &[&str]) -> Outcome<Option<Example>> {
        let tests = std::env::current_exe()?;
        let built = tests.ancestors().nth(2).ok_or("no target directory")?.join("examples").join(name);
        let path = built.with_extension(std::env::consts::EXE_EXTENSION);
        if !path.exists() {
            return Ok(None);
        }
        let mut process = Command::new(path).args(args).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let line = lines.next_line().await?.unwrap_or_default();
        let address = line.strip_prefix("listening on http://").ok_or("no address")?.parse()?;
        Ok(Some(Example { _process: process, lines, address }))
    }

    async fn status(address: SocketAddr, path: &str, key: Option<&str>) -> Outcome<u16> {
        Ok(get(address, path, key, false).await?.status().as_u16())
    }

    #[tokio::test]
    async fn axum_and_hyper() -> Outcome {
        soon(async {
            if let Some(Example { address, _process, .. }) = start("axum", &["0"]).await? {
                assert_eq!(status(address, "/health", None).await?, 200);
                assert_eq!(status(address, "/whoami", None).await?, 401);
                assert_eq!(text(get(address, "/whoami", Some(KEY), true).await?).await?, "ci of build\n");
                assert_eq!(status(address, "/logs", Some(KEY)).await?, 403);
                assert_eq!(status(address, "/logs", Some("not-a-real-key-for-ops")).await?, 200);
            }
            if let Some(Example { address, _process, .. }) = start("hyper", &["0"]).await? {
                assert_eq!(status(address, "/", None).await?, 401);
                assert_eq!(text(get(address, "/", Some(KEY), false).await?).await?, "hello, ci\n");
            }
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn own_validator() -> Outcome {
        soon(async {
            let Some(Example { address, _process, .. }) = start("own_validator", &["0"]).await? else { return Ok(()) };
            let outage = || Request::post(format!("http://{address}/outage")).body(Full::<Bytes>::default());
            let client = Client::builder(TokioExecutor::new()).build_http();
            for up in [200, 503, 200] {
                assert_eq!(status(address, "/", Some(KEY)).await?, up);
                assert_eq!(status(address, "/", Some("nobody-has-this-key")).await?, if up == 200 { 401 } else { 503 });
                client.request(outage()?).await?;
            }
            assert_eq!(status(address, "/", None).await?, 401);
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn compose() -> Outcome {
        soon(async {
            let (service, mut streams) = streaming();
            let upstream = format!("http://{}/v1", serve(service).await?);
            let Some(Example { address, _process, .. }) = start("compose", &["0", &upstream]).await? else {
                return Ok(());
            };
            assert_eq!(status(address, "/v1/models", Some(KEY)).await?, 404);
            assert_eq!(status(address, "/v1/chat/completions", None).await?, 401);
            let request = Request::post(format!("http://{address}/v1/chat/completions"))
                .header("x-portkey-api-key", KEY)
                .header("x-portkey-provider", "@openai-prod");
            let client = Client::builder(TokioExecutor::new()).build_http();
            let response = client.request(request.body(Full::<Bytes>::default())?).await?;
            reads_while_written(response, &mut streams).await
        })
        .await
    }

    #[tokio::test]
    async fn tonic() -> Outcome {
        soon(async {
            let Some(mut example) = start("tonic", &["--once"]).await? else { return Ok(()) };
            let refused = example.lines.next_line().await?.unwrap_or_default();
            assert!(refused.starts_with("without a key: ") && refused.contains("Invalid API Key"), "{refused}");
            assert_eq!(example.lines.next_line().await?.as_deref(), Some("with a key: hello, ci"));
            Ok(())
        })
        .await
    }
}

//! The stack that serves, made of settings.

mod attempt;
mod aws;
mod browser;
mod client;
mod edge;
mod exchange;
mod paced;
mod stack;
mod tokens;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{Either, Limited};
use hyper::body::Incoming;
use tower_layer::Layer;
use tower_portkey::{
    Forward,
    auth::{
        KeyError,
        jwt::{JwksError, JwtValidator},
    },
    body::FullOr,
    context::AwsError,
    forward::ClientError,
    limit::LocalCounters,
    rejection::{Asked, Kind, PortkeyJson, Rejection, refuse},
};
use tower_service::Service;

use crate::settings::Settings;
pub(crate) use attempt::Attempts;
use attempt::Counting;
pub(crate) use client::client;
pub(crate) use edge::refusal as edge_refusal;
pub(crate) use exchange::exchange;
use paced::Paced;
pub(crate) use stack::Layers;
use stack::{KeyedLayer, OpenLayer};
pub(crate) use tokens::Tokens;

/// The leaf: a request's body may have been read and changed on its way.
type Leaf = Counting<Forward<FullOr<RequestBody>>>;

/// A request's body, counted and timed.
type RequestBody = Limited<Paced<Incoming>>;

/// Everything behind the connection. A clone is some reference counts.
#[derive(Clone, Debug)]
enum Mode {
    Open(<OpenLayer as Layer<Leaf>>::Service),
    Required(<KeyedLayer as Layer<Leaf>>::Service),
}

/// The gateway: the library's stack, and two pages of its own.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    mode: Mode,
    tokens: Tokens,
    counters: LocalCounters,
    /// Where it listens.
    own: Arc<[SocketAddr]>,
    /// How long a provider may be silent.
    silence: Duration,
    /// Whether only this machine is meant to come in, with nothing but its address to show for it.
    local: bool,
}

/// The body of an answer.
pub(crate) type GatewayBody =
    Either<<<OpenLayer as Layer<Leaf>>::Service as Serve>::Body, <<KeyedLayer as Layer<Leaf>>::Service as Serve>::Body>;

/// Names the body of a service's responses.
pub(crate) trait Serve:
    Service<Request<RequestBody>, Response = Response<Self::Body>, Error = Infallible>
{
    type Body: Body<Data = Bytes>;
}

impl<S, B> Serve for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    type Body = B;
}

/// Why a gateway can't be built.
#[derive(Debug)]
pub(crate) enum BuildError {
    Keys(KeyError),
    Tokens(JwksError),
    Client(ClientError),
    Aws(AwsError),
}

impl Gateway {
    /// The gateway of these settings, which counts here what callers and entries use, and listens at the addresses `own`.
    pub(crate) fn new(
        settings: &Settings,
        counters: LocalCounters,
        own: impl Into<Arc<[SocketAddr]>>,
    ) -> Result<Self, BuildError> {
        Self::build(settings, counters, own.into(), None)
    }

    /// The same in place of this one, whose fetched key sets and counters it keeps.
    fn after(&self, settings: &Settings) -> Result<Self, BuildError> {
        Self::build(settings, self.counters.clone(), Arc::clone(&self.own), Some(&self.tokens))
    }

    fn build(
        settings: &Settings,
        counters: LocalCounters,
        own: Arc<[SocketAddr]>,
        before: Option<&Tokens>,
    ) -> Result<Self, BuildError> {
        let client = client::client(settings, &own).map_err(BuildError::Client)?;
        let tokens = Tokens::new(&settings.jwt, &client, before).map_err(BuildError::Tokens)?;
        let sign = aws::sign(&settings.aws, client.clone()).map_err(BuildError::Aws)?;
        let exchange = exchange(&settings.tokens, client.clone());
        let leaf = Counting(Forward::new(client).allow_set_cookie(settings.upstream.allow_set_cookie));
        let layers = Layers::new(settings, tokens.validator.clone(), counters.clone(), sign, exchange)?;
        let mode = match layers {
            Layers::Open(layer) => Mode::Open(layer.layer(leaf)),
            Layers::Required(layer) => Mode::Required(layer.layer(leaf)),
        };
        let silence = settings.upstream.first_byte.max(settings.upstream.idle);
        Ok(Self { mode, tokens, counters, own, silence, local: is_local(settings) })
    }

    /// Who is let in by a token.
    pub(crate) fn tokens(&self) -> &JwtValidator {
        &self.tokens.validator
    }

    /// Answers a request. Always: what fails is an answer, too.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<GatewayBody> {
        if let Some((status, rejection)) = edge::refusal(&request, self.local) {
            let mut answer = refused(rejection);
            *answer.status_mut() = status;
            return answer;
        }
        if let Some(page) = health(&request) {
            return page;
        }
        let root = request.uri().path() == "/" && matches!(*request.method(), Method::GET | Method::HEAD);
        let request = request.map(|body| Limited::new(Paced::new(body), edge::BODY_BYTES));
        // Every layer of the stack is ready at any time: nothing in it holds requests back.
        let response = match self.mode.clone() {
            Mode::Open(mut stack) => stack.call(request).await.map(|response| response.map(Either::Left)),
            Mode::Required(mut stack) => stack.call(request).await.map(|response| response.map(Either::Right)),
        };
        let response = match response {
            Ok(response) => response,
            Err(never) => match never {},
        };
        // The page at `/` is for whoever passed authentication, like every path but the one below.
        let nothing_there = response.extensions().get().is_some_and(|found: &Rejection| found.kind() == Kind::NotFound);
        if root && nothing_there { page("text/plain; charset=utf-8", "portkey-gateway\n") } else { response }
    }
}

/// Whether only this machine is meant to come in.
pub(crate) fn is_local(settings: &Settings) -> bool {
    settings.keys.is_none() && !settings.allow_open_on_network
}

/// `GET /v1/health`: the one route without authentication, matched exactly.
pub(crate) fn health<B>(request: &Request<B>) -> Option<Response<GatewayBody>> {
    let asked = request.uri().path() == "/v1/health" && matches!(*request.method(), Method::GET | Method::HEAD);
    let text =
        concat!(r#"{"status":"success","message":"Server is healthy","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    asked.then(|| page("application/json", text))
}

fn refused(rejection: Rejection) -> Response<GatewayBody> {
    refuse(&PortkeyJson, rejection, &Asked::default(), http::Extensions::new())
        .map(|text| Either::Left(FullOr::full(text)))
}

fn page(content_type: &'static str, text: &'static str) -> Response<GatewayBody> {
    let mut response = Response::new(Either::Left(FullOr::full(text)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys(error) => error.fmt(f),
            Self::Tokens(error) => error.fmt(f),
            Self::Client(error) => error.fmt(f),
            Self::Aws(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

/// The gateway in use, which a reload replaces for the requests that come after it.
#[derive(Debug)]
pub(crate) struct Current(arc_swap::ArcSwap<Gateway>);

impl Current {
    pub(crate) fn new(gateway: Gateway) -> Self {
        Self(arc_swap::ArcSwap::from_pointee(gateway))
    }

    /// How long a provider may be silent.
    pub(crate) fn silence(&self) -> Duration {
        self.0.load().silence
    }

    /// Replaces it by the gateway of these settings.
    pub(crate) fn replace(&self, settings: &Settings) -> Result<(), BuildError> {
        self.0.store(Arc::new(self.0.load().after(settings)?));
        Ok(())
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<GatewayBody> {
        let gateway = self.0.load_full();
        gateway.answer(request).await
    }
}

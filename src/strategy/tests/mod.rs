//! The service with configs made by hand, over a leaf that answers by list.

mod answers;
mod lasting;
mod requests;

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::StrategyLayer;
use crate::{
    body::FullOr,
    context::{
        Branch, Breaker, Choice, Condition, ConfigObject, ConfigTree, Field, Metadata, Mode, Model, Operand, Params,
        PortkeyHeaders, ProviderRef, Query, RequestConfig, Retry, Stage, Test, TraceId,
    },
    json::Members,
    rejection::{Asked, Kind, PortkeyJson, Rejection, refuse},
};

type Answered = Response<FullOr<FullOr<Unread>>>;

/// What the leaf saw.
#[derive(Debug)]
struct Seen {
    path: String,
    retries: u32,
    model: Option<String>,
    length: Option<HeaderValue>,
    body: Bytes,
    after: Duration,
}

/// What the leaf does with the next request.
#[derive(Clone, Copy, Debug)]
enum Act {
    Answer(u16),
    AnswerWith(u16, &'static str, &'static str),
    Refuse(Kind),
    Fail,
}
use Act::{Answer, AnswerWith, Fail, Refuse};

/// Does what its list says, then answers 200.
#[derive(Clone)]
struct Leaf {
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    began: Instant,
}

/// A body that nobody may read.
#[derive(Debug)]
struct Unread;

impl Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("read")
    }
}

impl Leaf {
    fn new(acts: &[Act]) -> Self {
        let acts = Arc::new(Mutex::new(acts.iter().copied().collect()));
        Self { acts, seen: Arc::default(), began: Instant::now() }
    }

    fn paths(&self) -> String {
        let seen = self.seen.lock().expect("seen");
        seen.iter().map(|seen| format!("{}+{}", seen.path, seen.retries)).collect::<Vec<_>>().join(" ")
    }

    fn waits(&self) -> Vec<u128> {
        self.seen.lock().expect("seen").iter().map(|seen| seen.after.as_millis()).collect()
    }
}

impl<B: Body<Data = Bytes>> Service<Request<FullOr<B>>> for Leaf {
    type Response = Response<FullOr<Unread>>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<FullOr<B>>) -> Self::Future {
        let config = request.extensions().get::<RequestConfig>().expect("a config");
        assert_eq!(config.stage, Stage::Chosen);
        self.seen.lock().expect("seen").push(Seen {
            path: config.path().to_owned(),
            retries: config.attempt.retries,
            model: config.model.body.as_deref().map(str::to_owned),
            length: request.headers().get("content-length").cloned(),
            body: request.body().as_full().unwrap_or_default(),
            after: self.began.elapsed(),
        });
        let act = self.acts.lock().expect("acts").pop_front().unwrap_or(Answer(200));
        let (status, header) = match act {
            Answer(status) => (status, None),
            AnswerWith(status, name, value) => (status, Some((name, value))),
            Fail => return std::future::ready(Err("failed")),
            Refuse(kind) => {
                let response = refuse(&PortkeyJson, Rejection::new(kind), &Asked::default(), Extensions::new());
                return std::future::ready(Ok(response.map(FullOr::full)));
            }
        };
        let mut response = Response::builder().status(status).header("x-portkey-retry-attempt-count", "theirs");
        if let Some((name, value)) = header {
            response = response.header(name, value);
        }
        std::future::ready(Ok(response.body(FullOr::inner(Unread)).expect("a response")))
    }
}

fn object(path: &str) -> ConfigObject {
    ConfigObject { path: HeaderValue::from_str(path).expect(path), ..ConfigObject::default() }
}

fn retry(attempts: u32, codes: Option<&[u16]>) -> Option<Arc<Retry>> {
    Some(Arc::new(Retry { attempts, on_status_codes: codes.map(<[u16]>::to_vec), use_retry_after: true }))
}

fn group(path: &str, mode: Mode, targets: Vec<ConfigObject>) -> ConfigObject {
    let choice = |object: ConfigObject| {
        let name = object.path.to_str().ok().map(Into::into);
        Choice { name, weight: 1.0, object: Arc::new(object) }
    };
    let targets = targets.into_iter().map(choice).collect();
    ConfigObject { branch: Some(Branch { mode, targets }), ..object(path) }
}

fn fallback(targets: Vec<ConfigObject>) -> ConfigObject {
    group("config", Mode::Fallback { on_status_codes: None }, targets)
}

fn two() -> Vec<ConfigObject> {
    vec![object("config.targets[0]"), object("config.targets[1]")]
}

fn params(text: &str) -> Params {
    let Members(members) = serde_json::from_str(text).expect(text);
    let set = members.into_iter().map(|(name, value)| (name.into(), value.to_owned())).collect();
    Params { set, ..Params::default() }
}

/// A config that has come past `ModelLayer`.
fn named(root: ConfigObject) -> RequestConfig {
    let tree = ConfigTree {
        root: Arc::new(root),
        slugs: Vec::new(),
        changes_body: true,
        may_resend: true,
        reads_params: true,
        models_in_paths: false,
        has_deployments: false,
        saved: true,
    };
    let model = Model { body: Some("m".into()), ..Model::default() };
    RequestConfig { tree: Some(Arc::new(tree)), stage: Stage::Named, model, ..RequestConfig::default() }
}

fn ask(config: RequestConfig, path: &str, body: &'static str) -> Request<FullOr<Full<Bytes>>> {
    let mut request = Request::new(FullOr::full(Bytes::from_static(body.as_bytes())));
    (*request.method_mut(), *request.uri_mut()) = (Method::POST, path.parse().expect(path));
    let metadata = Metadata::from_json(br#"{"team":"a"}"#);
    request.extensions_mut().insert(PortkeyHeaders::new(Vec::new(), TraceId::generate(), metadata));
    request.extensions_mut().insert(config);
    request
}

fn chat(root: ConfigObject) -> Request<FullOr<Full<Bytes>>> {
    ask(named(root), "/v1/chat/completions", r#"{"model":"m"}"#)
}

/// Sends a request whose config is on its way, with the clock that stands still unless somebody waits.
async fn send<B: Body<Data = Bytes>>(leaf: &Leaf, request: Request<FullOr<B>>) -> Result<Answered, &'static str> {
    let mut service = StrategyLayer::new().layer(leaf.clone());
    std::future::poll_fn(|cx| Service::<Request<FullOr<B>>>::poll_ready(&mut service, cx)).await?;
    service.call(request).await
}

fn header<'a>(answer: &'a Answered, name: &str) -> &'a str {
    answer.headers().get(name).map_or("-", |value| value.to_str().expect("text"))
}

fn kind(answer: &Answered) -> Option<Kind> {
    answer.extensions().get::<Rejection>().map(Rejection::kind)
}

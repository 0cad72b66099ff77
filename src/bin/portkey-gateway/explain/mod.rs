//! `explain`: how a request would be decided, step by step. Nothing is sent, and no secret is shown.

mod aws;
mod leaf;
mod mask;
mod steps;
mod tokens;

use std::{convert::Infallible, error::Error, future::poll_fn, path::PathBuf, process::ExitCode};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Full};
use tower_layer::Layer;
use tower_portkey::{context::Route, limit::LocalCounters};
use tower_service::Service;

use crate::{
    fail,
    gateway::{self, Layers, Tokens},
    log::say,
    settings::Settings,
};
use leaf::Leaf;
use mask::Masks;

/// The request in question.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A header of the request; may be given many times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The model in the request's body. Without it, the body is empty.
    #[arg(long)]
    model: Option<String>,
    /// The request's path, and query if it has one.
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// The request's method.
    #[arg(long, default_value = "POST")]
    method: String,
}

/// 0 where the request would be sent, 1 where it is refused, 2 where settings or arguments are wrong.
pub(crate) fn run(explain: &Explain) -> ExitCode {
    let settings = match Settings::read(&explain.config) {
        Ok(settings) => settings,
        Err(error) => return fail(&error.to_string()),
    };
    let request = match explain.request() {
        Ok(request) => request,
        Err(why) => return fail(&why),
    };
    let masks = Masks::of(&request);
    for line in mask::request(&request) {
        say(&line);
    }
    match answered(&settings, request, &masks) {
        Ok(code) => code,
        Err(error) => fail(&error.to_string()),
    }
}

/// The layers, as `serve` builds them, with nothing counted yet. Key sets that have a URL are fetched, for tokens can't be judged without.
fn layers(settings: &Settings) -> Result<Layers, Box<dyn Error>> {
    let client = gateway::client(settings, &[])?;
    let tokens = Tokens::new(&settings.jwt, &client, None)?;
    Ok(Layers::new(settings, tokens.validator, LocalCounters::new(), aws::sign()?, tokens::exchange())?)
}

fn answered(settings: &Settings, request: Request<Full<Bytes>>, masks: &Masks) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(page) = gateway::health(&request) {
        say(&format!("answered by the gateway itself: {}", page.status()));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some((status, rejection)) = gateway::edge_refusal(&request, gateway::is_local(settings)) {
        say(&format!("refused before the first layer: {} {}", status.as_u16(), masks.line(rejection.message())));
        return Ok(ExitCode::FAILURE);
    }
    steps::start(masks.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let leaf = Leaf::default();
    let (status, text) = runtime.block_on(async {
        Ok::<_, Box<dyn Error>>(match layers(settings)? {
            Layers::Open(layer) => ask(layer.layer(leaf.clone()), request).await,
            Layers::Required(layer) => ask(layer.layer(leaf.clone()), request).await,
        })
    })?;
    Ok(match leaf.reached() {
        Some(lines) => {
            lines.iter().for_each(|line| say(&masks.line(line)));
            ExitCode::SUCCESS
        }
        None => {
            say(&format!("refused: {status} {}", masks.line(&text)));
            ExitCode::FAILURE
        }
    })
}

/// Status and text of the answer.
async fn ask<S, B>(mut stack: S, request: Request<Full<Bytes>>) -> (u16, String)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let answer = async {
        poll_fn(|cx| stack.poll_ready(cx)).await?;
        stack.call(request).await
    };
    let (head, body) = match answer.await {
        Ok(response) => response.into_parts(),
        Err(never) => match never {},
    };
    let text = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    (head.status.as_u16(), String::from_utf8_lossy(&text).into_owned())
}

impl Explain {
    /// The request, or what is wrong with the arguments. Repeats no value of a header.
    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let method = Method::try_from(self.method.as_str()).map_err(|_| "--method is no method of HTTP".to_owned())?;
        let uri = Uri::try_from(self.path.as_str()).map_err(|_| "--path is no path".to_owned())?;
        // Some providers' languages have no chat without a question.
        let messages = serde_json::json!([{ "role": "user", "content": "…" }]);
        let body =
            self.model.as_ref().map(|model| serde_json::json!({ "model": model, "messages": messages }).to_string());
        let mut request = Request::new(Full::from(body.unwrap_or_default()));
        for (index, line) in self.headers.iter().enumerate() {
            let wrong = || format!("the {}. header is not of the form 'name: value'", index + 1);
            let (name, value) = line.split_once(':').ok_or_else(wrong)?;
            let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
            let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| wrong())?;
            request.headers_mut().append(name, value);
        }
        let headers = request.headers_mut();
        headers.entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
        if self.model.is_some() {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        let is_realtime = method == Method::GET && Route::of(&method, uri.path()).is_realtime();
        if is_realtime && !headers.contains_key(header::UPGRADE) {
            handshake(headers);
        }
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        Ok(request)
    }
}

/// What every client of the realtime API sends.
fn handshake(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_KEY, "AAAAAAAAAAAAAAAAAAAAAA=="),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

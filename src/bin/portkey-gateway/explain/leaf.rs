//! The end of the stack: nothing is sent from here.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    Extensions, Request, Response,
    header::{CONTENT_LENGTH, HOST},
};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Empty};
use serde_json::Value;
use tower_portkey::context::{CredentialSource, Entry, Handshake, HostOrigin, Owner, Principal, RequestConfig, Target};
use tower_service::Service;

use super::mask;
use crate::limits::words;

/// Answers 200, and remembers what would have been sent. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf(Arc<Mutex<Option<Vec<String>>>>);

impl Leaf {
    /// The request that got here, in lines.
    pub(super) fn reached(&self) -> Option<Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<B> Service<Request<B>> for Leaf
where
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reached = Arc::clone(&self.0);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            // The client writes them anew.
            head.headers.remove(HOST);
            head.headers.remove(CONTENT_LENGTH);
            tower_portkey::header::strip_hop_by_hop(&mut head.headers);
            let mut lines = vec![format!("would be sent: {} {}", head.method, mask::url(&head.uri))];
            lines.extend(head.extensions.get::<Target>().map(target));
            lines.extend(head.extensions.get::<Handshake>().map(|_| "    as a WebSocket".to_owned()));
            lines.extend(mask::headers(&head.headers));
            lines.extend(limits(&head.extensions));
            lines.extend(model(&body).map(|model| format!("    model in the body: {model}")));
            *reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
            Ok(Response::new(Empty::new()))
        })
    }
}

fn target(target: &Target) -> String {
    let host = match target.origin() {
        HostOrigin::Catalog => "its own host",
        HostOrigin::Operator => "the operator's host",
        HostOrigin::Caller => "the caller's host",
        HostOrigin::TrustedCaller => "the caller's host, which is trusted",
    };
    let credential = match target.credential_source() {
        Some(CredentialSource::Stored) => "a stored credential",
        Some(CredentialSource::Caller) => "the caller's credential",
        None => "no credential",
    };
    format!("    {} at {host}, with {credential}", target.provider().as_str())
}

/// What is counted for the request.
fn limits(facts: &Extensions) -> impl Iterator<Item = String> {
    let caller = facts.get::<Principal>().map(Principal::rules);
    let entry = facts.get::<RequestConfig>().and_then(RequestConfig::entry).map(Entry::rules);
    let all = [("caller", caller, Owner::Key), ("workspace", caller, Owner::Workspace), ("entry", entry, Owner::Entry)];
    all.into_iter()
        .filter_map(|(whose, rules, owner)| Some(format!("    limits of the {whose}: {}", words(rules?, owner)?)))
}

fn model(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["model"].as_str().map(str::to_owned)
}

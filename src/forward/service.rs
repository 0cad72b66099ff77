use std::{
    error::Error,
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, Version,
    header::{CONTENT_LENGTH, HOST},
};
use http_body::Body;
use tower_service::Service;

use super::{
    body::{ForwardBody, OutgoingBody},
    client::{Client, Pools},
    future::ForwardFuture,
    response::Cookies,
    upgrade,
};
use crate::{
    context::{Handshake, PortkeyHeaders, Target},
    header::{self, CDN_LOOP},
    rejection::{Kind, Rejection},
};

/// Sends requests to their [`Target`]. See the [module](super).
///
/// `B` is the request's body. A clone is two reference counts and shares the connections.
pub struct Forward<B> {
    client: Client,
    pools: Arc<Pools<OutgoingBody<B>>>,
    cookies: Cookies,
}

impl<B> Forward<B>
where
    B: Body<Data = Bytes> + Send,
{
    /// A leaf that sends by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { pools: Arc::new(client.pools()), client, cookies: Cookies::Dropped }
    }

    /// Lets a provider's `set-cookie` through to callers; dropped unless allowed, because a cookie that comes for a stored
    /// credential is a session of its owner's. One that repeats the credential never passes.
    #[must_use]
    pub fn allow_set_cookie(mut self, allow: bool) -> Self {
        self.cookies = if allow { Cookies::Allowed } else { Cookies::Dropped };
        self
    }
}

impl<B> Service<Request<B>> for Forward<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Response = Response<ForwardBody>;
    type Error = Rejection;
    type Future = ForwardFuture;

    /// Always ready: connections are made per request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ForwardFuture {
        let facts = mem::take(request.extensions_mut());
        let Some(target) = facts.get::<Target>() else {
            return ForwardFuture::refused(Rejection::misassembled("ResolveLayer"));
        };
        // The credential is on the request by now: it goes nowhere but to the host it was bound to.
        let uri = request.uri();
        if uri.scheme() != Some(target.scheme()) || uri.authority() != Some(target.authority()) {
            return ForwardFuture::refused(Rejection::misassembled("ResolveLayer: the URI is not the target's"));
        }
        if target.is_unsigned() {
            return ForwardFuture::refused(Rejection::misassembled("SignLayer"));
        }
        let (origin, limit) = (target.origin(), target.timeout());
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().remove(HOST);
        header::strip_hop_by_hop(request.headers_mut());
        // RFC 9110, section 8.6: these methods say so where they carry nothing; servers answer 411 to those that don't.
        if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) && request.body().is_end_stream() {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let portkey = facts.get::<PortkeyHeaders>();
        if target.may_loop() {
            let hops = portkey.map_or(0, PortkeyHeaders::hops);
            let Some(mark) = header::HOPS.get(usize::from(hops)) else {
                return ForwardFuture::refused(Rejection::new(Kind::LoopDetected));
            };
            request.headers_mut().insert(CDN_LOOP, mark.clone());
        }
        if *request.method() == Method::GET && facts.get::<Handshake>().is_some() {
            return upgrade::ask(request, facts, &self.client, self.cookies);
        }
        let consumed = portkey.and_then(PortkeyHeaders::consumed).cloned();
        let request = request.map(|body| OutgoingBody { body, consumed });
        ForwardFuture::sent(self.pools.of(origin).request(request), facts, limit, &self.client, self.cookies)
    }
}

impl<B> Clone for Forward<B> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), pools: Arc::clone(&self.pools), cookies: self.cookies }
    }
}

impl<B> fmt::Debug for Forward<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("client", &self.client).finish_non_exhaustive()
    }
}

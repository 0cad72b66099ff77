use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, ResponseFuture};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{
    body::ForwardBody,
    client::Client,
    echo::Sent,
    error,
    response::{self, Cookies},
    upgrade,
};
use crate::{
    context::{HostOrigin, PortkeyHeaders, RequestConfig, Target},
    rejection::Rejection,
};

pin_project! {
    /// A provider's answer. Dropping it cancels the exchange.
    pub struct ForwardFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = Projected]
    enum State {
        Sent {
            #[pin]
            response: ResponseFuture,
            #[pin]
            deadline: Sleep,
            // The request's own limit, where that is the shorter one.
            own_limit: Option<Duration>,
            idle: Duration,
            cookies: Cookies,
            facts: Extensions,
        },
        Refused { rejection: Option<Rejection> },
    }
}

impl ForwardFuture {
    pub(super) fn sent(
        response: ResponseFuture,
        facts: Extensions,
        limit: Option<Duration>,
        client: &Client,
        cookies: Cookies,
    ) -> Self {
        let first_byte = client.first_byte_timeout();
        let own_limit = limit.filter(|limit| *limit <= first_byte);
        let deadline = sleep(own_limit.unwrap_or(first_byte));
        let idle = client.idle_timeout();
        Self { state: State::Sent { response, deadline, own_limit, idle, cookies, facts } }
    }

    pub(super) fn refused(rejection: Rejection) -> Self {
        Self { state: State::Refused { rejection: Some(rejection) } }
    }
}

impl Future for ForwardFuture {
    type Output = Result<Response<ForwardBody>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Sent { response, deadline, own_limit, idle, cookies, facts } => {
                if let Poll::Ready(answer) = response.poll(cx) {
                    return Poll::Ready(answered(answer, mem::take(facts), *idle, *cookies));
                }
                if deadline.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let origin = facts.get::<Target>().map_or(HostOrigin::Caller, Target::origin);
                let late = own_limit.map_or_else(|| error::late(origin), error::exceeded);
                Poll::Ready(Err(marked(late, mem::take(facts))))
            }
            Projected::Refused { rejection } => match rejection.take() {
                Some(rejection) => Poll::Ready(Err(rejection)),
                None => Poll::Pending,
            },
        }
    }
}

fn answered(
    answer: Result<Response<Incoming>, legacy::Error>,
    mut facts: Extensions,
    idle: Duration,
    cookies: Cookies,
) -> Result<Response<ForwardBody>, Rejection> {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => {
            let origin = facts.get::<Target>().map_or(HostOrigin::Caller, Target::origin);
            return Err(marked(error::failed(error, origin), facts));
        }
    };
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switches {
        if let Err(rejection) = upgrade::begin(&mut response, &mut facts) {
            return Err(marked(rejection, facts));
        }
    }
    // HTTP/1.0 ends a body by closing. Passed on with that version, a stream that broke would end like a whole one.
    *response.version_mut() = Version::HTTP_11;
    let mut sent = Sent::default();
    if let Some(target) = facts.get::<Target>() {
        sent = Sent::of(target);
        response::clean(response.headers_mut(), &sent, cookies);
        for (name, value) in response::marks(target, facts.get::<PortkeyHeaders>(), facts.get::<RequestConfig>()) {
            response.headers_mut().insert(name, value);
        }
    }
    if switches {
        upgrade::mark(response.headers_mut());
    }
    // The provider's own extensions (an upgrade, how the connection went) don't concern the caller.
    mem::swap(response.extensions_mut(), &mut facts);
    Ok(response.map(|body| ForwardBody::new(body, idle, sent)))
}

/// The refusal with the headers that the provider's answer would have had.
fn marked(rejection: Rejection, facts: Extensions) -> Rejection {
    let marks = facts
        .get::<Target>()
        .map(|target| response::marks(target, facts.get::<PortkeyHeaders>(), facts.get::<RequestConfig>()));
    let marked =
        marks.into_iter().flatten().fold(rejection, |rejection, (name, value)| rejection.with_header(name, value));
    marked.with_facts(facts)
}

impl fmt::Debug for ForwardFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardFuture").finish_non_exhaustive()
    }
}

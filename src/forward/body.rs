use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::{
    echo::Sent,
    pause::Pause,
    response::{self, Cookies},
};
use crate::{context::Credential, header};

pin_project! {
    /// A provider's body, passed through frame by frame. Where it pauses longer than it may, or breaks off, the stream
    /// ends as an error: never as if it were complete.
    #[derive(Debug)]
    pub struct ForwardBody {
        #[pin]
        body: Incoming,
        pause: Pause,
        sent: Sent,
    }
}

impl ForwardBody {
    /// `sent` is what must not come back.
    pub(super) fn new(body: Incoming, limit: Duration, sent: Sent) -> Self {
        Self { body, pause: Pause::new(limit), sent }
    }
}

pin_project! {
    /// A caller's body on its way out. What may not be a header may not be a trailer.
    #[derive(Debug)]
    pub(super) struct OutgoingBody<B> {
        #[pin]
        pub(super) body: B,
        // The gateway key, which goes under no name.
        pub(super) consumed: Option<Credential>,
    }
}

impl<B: Body<Data = Bytes>> Body for OutgoingBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let consumed = this.consumed.as_ref();
        this.body.poll_frame(cx).map_ok(|frame| change_trailers(frame, |trailers| strip(trailers, consumed)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn strip(trailers: &mut HeaderMap, consumed: Option<&Credential>) {
    let stays_here = |name: &HeaderName, value: &HeaderValue| {
        header::never_forwarded(name)
            || header::is_hop_by_hop(name)
            || consumed.is_some_and(|key| key.is_repeated_by(value.as_bytes()))
    };
    let gone: Vec<HeaderName> =
        trailers.iter().filter(|(name, value)| stays_here(name, value)).map(|(name, _)| name.clone()).collect();
    for name in gone {
        trailers.remove(name);
    }
}

fn change_trailers(frame: Frame<Bytes>, change: impl FnOnce(&mut HeaderMap)) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            change(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            this.pause.end();
            let sent = &*this.sent;
            let clean = |frame| change_trailers(frame, |trailers| response::clean(trailers, sent, Cookies::Dropped));
            return Poll::Ready(frame.map(|frame| frame.map(clean).map_err(|error| StreamError(Some(error)))));
        }
        this.pause.poll_exceeded(cx).map(|()| Some(Err(StreamError(None))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A provider's stream that broke off or paused too long.
#[derive(Debug)]
pub struct StreamError(Option<hyper::Error>);

impl StreamError {
    /// Whether the stream paused too long, rather than broke off.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_timeout() {
            "the provider's stream paused too long"
        } else {
            "the provider's stream broke off"
        })
    }
}

impl Error for StreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_keep_to_the_rules_of_headers() {
        let key = Credential::from_raw(&HeaderValue::from_static("pk-gateway-key-canary")).expect("a credential");
        let mut trailers = HeaderMap::new();
        for (name, value) in [
            ("x-checksum", "abc"),
            ("x-repeat", "Bearer pk-gateway-key-canary"),
            ("x-api-key", "other"),
            ("x-portkey-config", "{}"),
            ("connection", "close"),
        ] {
            trailers.insert(name, HeaderValue::from_static(value));
        }
        strip(&mut trailers, Some(&key));
        assert_eq!(trailers.keys().collect::<Vec<_>>(), ["x-checksum"]);
    }
}

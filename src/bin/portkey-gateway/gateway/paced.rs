//! A client that stops sending in the middle of its request.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_portkey::forward::Pause;

/// Between two chunks of a request's body, while somebody waits for the next.
const PAUSE: Duration = Duration::from_secs(60);

pin_project! {
    /// A body that ends as an error when nothing more of it comes.
    #[derive(Debug)]
    pub(crate) struct Paced<B> {
        #[pin]
        body: B,
        pause: Pause,
    }
}

impl<B> Paced<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, pause: Pause::new(PAUSE) }
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            this.pause.end();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        this.pause.poll_exceeded(cx).map(|()| Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

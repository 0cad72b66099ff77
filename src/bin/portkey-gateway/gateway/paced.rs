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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, channel::Channel};
    use tokio::time::{advance, timeout};

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_ends_as_an_error_and_a_slow_one_does_not() {
        let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
        let mut body = Paced::new(body);
        for _ in 0..3 {
            assert!(timeout(PAUSE / 2, body.frame()).await.is_err(), "a pause that may be");
            advance(PAUSE / 4).await;
            sender.send_data(Bytes::from("x")).await.expect("room");
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        }
        let ended = timeout(2 * PAUSE, body.frame()).await.expect("an end").expect("a frame");
        assert!(ended.is_err());
        drop(sender);
    }
}

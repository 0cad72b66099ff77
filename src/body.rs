//! The body of a response that is either the inner service's or a short text of a layer's own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Either a body that passes through untouched, or one chunk of bytes.
    ///
    /// Frames, size hint and end of stream of the inner body are its own: nothing is buffered, boxed or copied.
    #[derive(Debug)]
    pub struct FullOr<B> {
        #[pin]
        side: Side<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum Side<B> {
        Full { chunk: Option<Bytes> },
        Inner { #[pin] body: B },
    }
}

impl<B> FullOr<B> {
    /// A body of exactly these bytes.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { side: Side::Full { chunk: (!bytes.is_empty()).then_some(bytes) } }
    }

    /// A body that passes through.
    #[must_use]
    pub fn inner(body: B) -> Self {
        Self { side: Side::Inner { body } }
    }
}

impl<B: Body<Data = Bytes>> Body for FullOr<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().side.project() {
            Projected::Full { chunk } => Poll::Ready(chunk.take().map(|bytes| Ok(Frame::data(bytes)))),
            Projected::Inner { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.side {
            Side::Full { chunk } => chunk.is_none(),
            Side::Inner { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.side {
            Side::Full { chunk } => SizeHint::with_exact(chunk.as_ref().map_or(0, Bytes::len) as u64),
            Side::Inner { body } => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Empty, Full};

    #[tokio::test]
    async fn hints_and_bytes_are_those_of_the_side_it_is() {
        let own = FullOr::<Empty<Bytes>>::full("four");
        assert_eq!(own.size_hint().exact(), Some(4));
        assert!(!own.is_end_stream());
        assert_eq!(own.collect().await.map(http_body_util::Collected::to_bytes), Ok(Bytes::from("four")));

        let nothing = FullOr::<Empty<Bytes>>::full("");
        assert!(nothing.is_end_stream());

        let inner = FullOr::inner(Full::new(Bytes::from("seven!!")));
        assert_eq!(inner.size_hint().exact(), Some(7));
        assert_eq!(inner.collect().await.map(http_body_util::Collected::to_bytes), Ok(Bytes::from("seven!!")));
    }
}

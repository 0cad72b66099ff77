//! A body that is either somebody else's or one chunk of bytes.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Either a body that passes through untouched, or one chunk of bytes, or a body of which some chunks were read already.
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
        Begun { front: VecDeque<Bytes>, #[pin] rest: B },
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

    /// These chunks, and then the rest of the body they were read from.
    #[must_use]
    pub fn begun(front: VecDeque<Bytes>, rest: B) -> Self {
        Self { side: Side::Begun { front, rest } }
    }

    /// The bytes, where the body is one chunk of them.
    #[must_use]
    pub fn as_full(&self) -> Option<Bytes> {
        match &self.side {
            Side::Full { chunk } => Some(chunk.clone().unwrap_or_default()),
            Side::Inner { .. } | Side::Begun { .. } => None,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for FullOr<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().side.project() {
            Projected::Full { chunk } => Poll::Ready(chunk.take().map(|bytes| Ok(Frame::data(bytes)))),
            Projected::Inner { body } => body.poll_frame(cx),
            Projected::Begun { front, rest } => match front.pop_front() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => rest.poll_frame(cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.side {
            Side::Full { chunk } => chunk.is_none(),
            Side::Inner { body } => body.is_end_stream(),
            Side::Begun { front, rest } => front.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.side {
            Side::Full { chunk } => SizeHint::with_exact(chunk.as_ref().map_or(0, Bytes::len) as u64),
            Side::Inner { body } => body.size_hint(),
            Side::Begun { front, rest } => {
                let read = front.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
                let (rest, mut hint) = (rest.size_hint(), SizeHint::new());
                hint.set_lower(rest.lower().saturating_add(read));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
                    hint.set_upper(upper);
                }
                hint
            }
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

        let front = VecDeque::from([Bytes::from("fo"), Bytes::from("ur")]);
        let begun = FullOr::begun(front, Full::new(Bytes::from("seven!!")));
        assert_eq!(begun.size_hint().exact(), Some(11));
        assert_eq!(begun.as_full(), None);
        assert_eq!(begun.collect().await.map(http_body_util::Collected::to_bytes), Ok(Bytes::from("fourseven!!")));

        let inner = FullOr::inner(Full::new(Bytes::from("seven!!")));
        assert_eq!(inner.size_hint().exact(), Some(7));
        assert_eq!(inner.collect().await.map(http_body_util::Collected::to_bytes), Ok(Bytes::from("seven!!")));
    }
}

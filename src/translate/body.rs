use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{bedrock::Rewrite, error::TranslateError};
use crate::budget::Share;

pin_project! {
    /// An answer's body: as it came, translated as a whole, or translated while it comes.
    ///
    /// A stream is read no faster than this is polled. What one read brings is translated at once and goes on as one
    /// piece; beyond it, the part of one frame is held (16 MiB at most, and more than 64 KiB of it within the layer's budget).
    #[derive(Debug)]
    pub struct TranslateBody<B> {
        #[pin]
        side: Side<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum Side<B> {
        Inner { #[pin] body: B },
        Full { chunk: Option<Bytes> },
        Stream { #[pin] body: B, stream: Box<Rewrite>, share: Share, end: End },
    }
}

/// What comes after what was said last.
#[derive(Debug)]
enum End {
    NotYet,
    /// The error waits until the event that tells of it could be sent: a server that fails drops what it holds.
    Told(TranslateError),
    Error(TranslateError),
    Done,
}

impl<B> TranslateBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self { side: Side::Inner { body } }
    }

    pub(super) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { side: Side::Full { chunk: (!bytes.is_empty()).then_some(bytes) } }
    }

    /// What a stream holds beyond the usual is taken from `share`.
    pub(super) fn stream(body: B, stream: Rewrite, share: Share) -> Self {
        Self { side: Side::Stream { body, stream: Box::new(stream), share, end: End::NotYet } }
    }
}

impl<B> Body for TranslateBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = TranslateError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TranslateError>>> {
        match self.project().side.project() {
            Projected::Inner { body } => body.poll_frame(cx).map_err(TranslateError::body),
            Projected::Full { chunk } => Poll::Ready(chunk.take().map(|bytes| Ok(Frame::data(bytes)))),
            Projected::Stream { body, stream, share, end } => poll_stream(body, stream, share, end, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.side {
            Side::Inner { body } => body.is_end_stream(),
            Side::Full { chunk } => chunk.is_none(),
            Side::Stream { end, .. } => matches!(end, End::Done),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.side {
            Side::Inner { body } => body.size_hint(),
            Side::Full { chunk } => SizeHint::with_exact(chunk.as_ref().map_or(0, Bytes::len) as u64),
            Side::Stream { .. } => SizeHint::default(),
        }
    }
}

fn poll_stream<B>(
    mut body: Pin<&mut B>,
    stream: &mut Rewrite,
    share: &mut Share,
    end: &mut End,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, TranslateError>>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        match std::mem::replace(end, End::Done) {
            End::NotYet => *end = End::NotYet,
            End::Told(error) => {
                *end = End::Error(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            End::Error(error) => return Poll::Ready(Some(Err(error))),
            End::Done => return Poll::Ready(None),
        }
        let came = ready!(body.as_mut().poll_frame(cx));
        if stream.is_over() {
            // All is said. The body was asked once more, so that a connection that is through with it can be kept.
            *end = End::Done;
            return Poll::Ready(None);
        }
        let mut out = Vec::new();
        let fault = match came {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let pushed = stream.push(&data, &mut out);
                    let held = pushed.and_then(|()| match share.resize(stream.room()) {
                        true => Ok(()),
                        false => Err(stream.give_up(&mut out)),
                    });
                    held.err().map(TranslateError::stream)
                }
                Err(_trailers) => None,
            },
            Some(Err(error)) => {
                let _ = stream.end(&mut out);
                Some(TranslateError::body(error))
            }
            None => {
                let fault = stream.end(&mut out).err().map(TranslateError::stream);
                *end = End::Done;
                fault
            }
        };
        if let Some(error) = fault {
            *end = End::Told(error);
        }
        if !out.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
        }
    }
}

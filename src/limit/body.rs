use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{bill::End, ticket::Ticket};

pin_project! {
    /// An answer's body. Every frame is passed on as it comes; where tokens or cost are counted, it is read in passing.
    #[derive(Debug)]
    pub struct LimitBody<B, C> {
        #[pin]
        body: B,
        // Boxed, so that an answer that nobody counts doesn't carry the room.
        ticket: Option<Box<Ticket<C>>>,
    }
}

impl<B, C> LimitBody<B, C> {
    pub(super) fn new(body: B, ticket: Option<Box<Ticket<C>>>) -> Self {
        Self { body, ticket }
    }
}

impl<B: Body<Data = Bytes>, C> Body for LimitBody<B, C> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        if let Some(ticket) = this.ticket {
            let end = match &frame {
                None => Some(End::Whole),
                Some(Err(_)) => Some(End::Cut),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        ticket.read(data);
                    }
                    // Who knows that this was the last frame doesn't ask for another.
                    this.body.is_end_stream().then_some(End::Whole)
                }
            };
            if let Some(end) = end {
                ticket.end(end);
                *this.ticket = None;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

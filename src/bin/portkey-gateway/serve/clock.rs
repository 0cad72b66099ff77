//! How long a client may take: for a request's head, between requests, and to read what it asked for.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// From the first byte of a request, or from the connection's start, to the end of the head.
const HEAD: Duration = Duration::from_secs(10);
/// Between the end of an answer and the next request.
const IDLE: Duration = Duration::from_secs(75);
/// For the client to take some of an answer.
const WRITE: Duration = Duration::from_secs(120);

/// What the requests of one connection tell its clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    started: AtomicUsize,
    ended: AtomicUsize,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Clock>);

impl Clock {
    pub(crate) fn start(self: &Arc<Self>) -> InFlight {
        self.started.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    fn is_busy(&self) -> bool {
        self.started.load(Ordering::Relaxed) != self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that ends as an error when its client takes too long.
///
/// The timer is set again only where the limit comes nearer, and looked at when it fires: a connection that is in use
/// pays for reading the time now and then, and for nothing else.
#[derive(Debug)]
pub(crate) struct Clocked<I> {
    io: I,
    clock: Arc<Clock>,
    /// Whether a head is being read.
    in_head: bool,
    /// Requests that had started when somebody last had to wait for bytes.
    seen: usize,
    /// HTTP/2 by prior knowledge: frames come at any time, and whether a head is whole is for the protocol to say.
    multiplexed: Option<bool>,
    /// Whether bytes came since somebody last had to wait for some.
    is_new: bool,
    limit: Instant,
    timer: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
    is_stalled: bool,
}

impl<I> Clocked<I> {
    pub(crate) fn new(io: I, clock: Arc<Clock>) -> Self {
        let limit = Instant::now() + HEAD;
        let timer = Box::pin(sleep_until(limit));
        Self {
            io,
            clock,
            in_head: true,
            seen: 0,
            multiplexed: None,
            is_new: false,
            limit,
            timer,
            stalled: None,
            is_stalled: false,
        }
    }

    /// Bytes came.
    fn received(&mut self, bytes: &[u8]) {
        self.multiplexed.get_or_insert_with(|| bytes.starts_with(b"PRI"));
        self.is_new = true;
    }

    /// Nothing more is there to read: how long may that last?
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let new = std::mem::take(&mut self.is_new);
        let started = self.clock.started.load(Ordering::Relaxed);
        let made_a_request = std::mem::replace(&mut self.seen, started) != started;
        if made_a_request || (new && self.multiplexed == Some(true)) {
            self.in_head = false;
            self.limit = Instant::now() + IDLE;
        } else if new && !self.in_head && !self.clock.is_busy() {
            // Bytes that made no request yet: the next head has begun.
            self.in_head = true;
            self.limit = Instant::now() + HEAD;
        }
        if self.limit < self.timer.deadline() {
            self.timer.as_mut().reset(self.limit);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.clock.is_busy() {
                self.limit = now + IDLE;
            } else if self.limit <= now {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(self.limit);
        }
        Poll::Pending
    }

    fn writes<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_stalled = false;
            return written;
        }
        let limit = Instant::now() + WRITE;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(limit)));
        if !std::mem::replace(&mut self.is_stalled, true) {
            stalled.as_mut().reset(limit);
        }
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Clocked<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buf) {
            this.received(&buf.filled()[before..]);
            return Poll::Ready(read);
        }
        this.waits(cx).map(Err)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Clocked<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.writes(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.writes(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{advance, timeout};

    const MOMENT: Duration = Duration::from_millis(1);

    fn connection() -> (DuplexStream, Clocked<DuplexStream>, Arc<Clock>) {
        let (client, server) = duplex(64);
        let clock = Arc::new(Clock::default());
        (client, Clocked::new(server, Arc::clone(&clock)), clock)
    }

    /// Whether reading ends, and how, within `time`.
    async fn read(io: &mut Clocked<DuplexStream>, time: Duration) -> Option<io::Result<usize>> {
        let mut buffer = [0; 64];
        timeout(time, io.read(&mut buffer)).await.ok()
    }

    fn timed_out(read: Option<io::Result<usize>>) -> bool {
        read.is_some_and(|read| read.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_from_the_start_ends_after_the_heads_time() {
        let (_client, mut io, _) = connection();
        assert!(read(&mut io, HEAD - MOMENT).await.is_none());
        assert!(timed_out(read(&mut io, 2 * MOMENT).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dribbled_head_ends_after_the_heads_time() {
        let (mut client, mut io, clock) = connection();
        for _ in 0..9 {
            client.write_all(b"G").await.expect("room");
            assert!(matches!(read(&mut io, MOMENT).await, Some(Ok(1))));
            assert!(read(&mut io, Duration::from_secs(1)).await.is_none());
        }
        assert!(timed_out(read(&mut io, Duration::from_secs(2)).await));
        drop(clock);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_more_time_and_within_one_no_limit() {
        let (mut client, mut io, clock) = connection();
        client.write_all(b"GET").await.expect("room");
        assert!(matches!(read(&mut io, MOMENT).await, Some(Ok(3))));
        let request = clock.start();
        assert!(read(&mut io, 10 * IDLE).await.is_none(), "a request in flight has its own limits");
        drop(request);
        assert!(timed_out(read(&mut io, 2 * IDLE).await));

        let (mut client, mut io, clock) = connection();
        client.write_all(b"GET").await.expect("room");
        read(&mut io, MOMENT).await;
        drop(clock.start());
        assert!(read(&mut io, IDLE - Duration::from_secs(1)).await.is_none());
        client.write_all(b"G").await.expect("room");
        assert!(matches!(read(&mut io, MOMENT).await, Some(Ok(1))));
        assert!(read(&mut io, HEAD - Duration::from_secs(1)).await.is_none(), "a new head has its time");
        assert!(timed_out(read(&mut io, Duration::from_secs(2)).await));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http_2_are_no_heads() {
        let (mut client, mut io, _clock) = connection();
        client.write_all(b"PRI * HTTP/2.0").await.expect("room");
        read(&mut io, MOMENT).await;
        assert!(read(&mut io, IDLE - Duration::from_secs(1)).await.is_none());
        client.write_all(b"frame").await.expect("room");
        read(&mut io, MOMENT).await;
        assert!(read(&mut io, IDLE - Duration::from_secs(1)).await.is_none());
        assert!(timed_out(read(&mut io, Duration::from_secs(2)).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_left() {
        let (_client, mut io, _clock) = connection();
        let all = timeout(2 * WRITE, io.write_all(&[0; 1024])).await.expect("an end");
        assert!(all.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut));
        advance(MOMENT).await;
    }
}

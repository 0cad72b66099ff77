//! How long a client may take: for a request's head, between requests, and to read what it asked for.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::gateway::Attempts;

/// From the first byte of a request, or from the connection's start, to the end of the head.
const HEAD: Duration = Duration::from_secs(10);
/// Between the end of an answer and the next request.
const IDLE: Duration = Duration::from_secs(75);
/// For the client to take some of an answer.
const WRITE: Duration = Duration::from_secs(120);

/// What a client of HTTP/2 says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the requests of one connection tell its clock.
#[derive(Debug)]
pub(crate) struct Clock {
    started: AtomicUsize,
    ended: AtomicUsize,
    /// Signs of life of all requests: a start, an end, another try to send it, an answer's body that was asked for more.
    signs: Arc<AtomicUsize>,
    /// How long requests may show no sign of life. Longer than a provider may be silent.
    stall: Duration,
    /// Whether the connection has become a WebSocket, which has a limit of its own.
    is_upgraded: AtomicBool,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Clock>);

impl Clock {
    /// `silence` is how long a provider may be silent.
    pub(crate) fn new(silence: Duration) -> Self {
        let zero = || AtomicUsize::new(0);
        Self {
            started: zero(),
            ended: zero(),
            signs: Arc::default(),
            stall: silence + WRITE,
            is_upgraded: AtomicBool::new(false),
        }
    }

    pub(crate) fn start(self: &Arc<Self>) -> InFlight {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.signs.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    fn is_busy(&self) -> bool {
        self.started.load(Ordering::Relaxed) != self.ended.load(Ordering::Relaxed)
    }
}

impl InFlight {
    /// For the layers below to count signs of life of their own: what waits for one provider after the other is no
    /// client that is slow.
    pub(crate) fn attempts(&self) -> Attempts {
        Attempts(Arc::clone(&self.0.signs))
    }

    /// The connection becomes a WebSocket once this request is answered.
    pub(crate) fn upgrades(&self) {
        self.0.is_upgraded.store(true, Ordering::Relaxed);
    }

    /// The client takes more of the answer.
    pub(crate) fn is_alive(&self) {
        self.0.signs.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.is_alive();
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that ends as an error when its client takes too long.
///
/// The timer is set again only where the limit comes nearer, and looked at when it fires: a connection that is in use
/// pays for reading the time now and then, and for nothing else.
#[derive(Debug)]
pub(crate) struct Clocked<I, G = ()> {
    io: I,
    clock: Arc<Clock>,
    /// What is held as long as the connection is open.
    _open: G,
    /// Whether a head is being read.
    in_head: bool,
    /// Requests that had started when somebody last had to wait for bytes.
    seen: usize,
    /// Whether there were requests in flight, likewise.
    was_busy: bool,
    /// Signs of life when the limit was last set.
    signs: usize,
    /// How much of the preface of HTTP/2 has come; `None` once something else came.
    preface: Option<usize>,
    /// Whether bytes came since somebody last had to wait for some.
    is_new: bool,
    limit: Instant,
    timer: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
    is_stalled: bool,
}

impl<I, G> Clocked<I, G> {
    pub(crate) fn new(io: I, clock: Arc<Clock>, open: G) -> Self {
        let limit = Instant::now() + HEAD;
        let timer = Box::pin(sleep_until(limit));
        Self {
            io,
            clock,
            _open: open,
            in_head: true,
            seen: 0,
            was_busy: false,
            signs: 0,
            preface: Some(0),
            is_new: false,
            limit,
            timer,
            stalled: None,
            is_stalled: false,
        }
    }

    /// Bytes came.
    fn received(&mut self, bytes: &[u8]) {
        if let Some(came) = self.preface.filter(|came| *came < PREFACE.len()) {
            let wanted = &PREFACE[came..];
            let first = &bytes[..bytes.len().min(wanted.len())];
            self.preface = wanted.starts_with(first).then_some(came + first.len());
        }
        self.is_new |= !bytes.is_empty();
    }

    /// HTTP/2 by prior knowledge: frames come at any time, and whether a head is whole is for the protocol to say.
    fn is_multiplexed(&self) -> bool {
        self.preface == Some(PREFACE.len())
    }

    /// Nothing more is there to read: how long may that last?
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.clock.is_upgraded.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let new = std::mem::take(&mut self.is_new);
        let started = self.clock.started.load(Ordering::Relaxed);
        let made_a_request = std::mem::replace(&mut self.seen, started) != started;
        let busy = self.clock.is_busy();
        let became_idle = std::mem::replace(&mut self.was_busy, busy) && !busy;
        if made_a_request || became_idle || (self.in_head && self.is_multiplexed()) {
            self.in_head = false;
            self.limit = Instant::now() + IDLE;
        } else if new && !self.in_head && !self.is_multiplexed() && !busy {
            // Bytes that made no request yet: the next head has begun.
            self.in_head = true;
            // Signs of the requests before say nothing about this head.
            self.signs = self.clock.signs.load(Ordering::Relaxed);
            self.limit = Instant::now() + HEAD;
        }
        if self.limit < self.timer.deadline() {
            self.timer.as_mut().reset(self.limit);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let signs = self.clock.signs.load(Ordering::Relaxed);
            let alive = std::mem::replace(&mut self.signs, signs) != signs;
            if alive {
                self.limit = now + if busy { self.clock.stall } else { IDLE };
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

impl<I: AsyncRead + Unpin, G: Unpin> AsyncRead for Clocked<I, G> {
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

impl<I: AsyncWrite + Unpin, G: Unpin> AsyncWrite for Clocked<I, G> {
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
        let clock = Arc::new(Clock::new(10 * IDLE));
        (client, Clocked::new(server, Arc::clone(&clock), ()), clock)
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
        for part in [&PREFACE[..1], &PREFACE[1..]] {
            client.write_all(part).await.expect("room");
            read(&mut io, MOMENT).await;
        }
        assert!(read(&mut io, IDLE / 2).await.is_none());
        client.write_all(b"ping").await.expect("room");
        read(&mut io, MOMENT).await;
        assert!(read(&mut io, IDLE / 2 - Duration::from_secs(1)).await.is_none());
        assert!(timed_out(read(&mut io, Duration::from_secs(2)).await), "pings are no requests");
    }

    #[tokio::test(start_paused = true)]
    async fn what_only_begins_like_the_preface_is_a_head() {
        let (mut client, mut io, _clock) = connection();
        client.write_all(b"PRIX /v1/x HTTP/1.1\r\n").await.expect("room");
        read(&mut io, MOMENT).await;
        for _ in 0..4 {
            assert!(read(&mut io, Duration::from_secs(2)).await.is_none());
            client.write_all(b"x").await.expect("room");
            read(&mut io, MOMENT).await;
        }
        assert!(timed_out(read(&mut io, Duration::from_secs(3)).await));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_a_sign_of_life_end_with_their_connection() {
        let (mut client, mut io, clock) = connection();
        client.write_all(PREFACE).await.expect("room");
        read(&mut io, MOMENT).await;
        let request = clock.start();
        assert!(read(&mut io, clock.stall - Duration::from_secs(1)).await.is_none());
        request.is_alive();
        assert!(read(&mut io, clock.stall - Duration::from_secs(1)).await.is_none());
        request.attempts().0.fetch_add(1, Ordering::Relaxed);
        assert!(read(&mut io, clock.stall - Duration::from_secs(1)).await.is_none());
        assert!(timed_out(read(&mut io, clock.stall + IDLE).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_became_a_websocket_may_be_silent() {
        let (mut client, mut io, clock) = connection();
        client.write_all(b"GET").await.expect("room");
        read(&mut io, MOMENT).await;
        let request = clock.start();
        request.upgrades();
        drop(request);
        assert!(read(&mut io, 10 * IDLE).await.is_none());
        client.write_all(b"frame").await.expect("room");
        read(&mut io, MOMENT).await;
        assert!(read(&mut io, 10 * IDLE).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_left() {
        let (_client, mut io, _clock) = connection();
        let all = timeout(2 * WRITE, io.write_all(&[0; 1024])).await.expect("an end");
        assert!(all.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut));
        advance(MOMENT).await;
    }
}

//! The accept loop: our own, because timers and limits have to be set on every connection.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};

use super::{
    access,
    clock::{Clock, Clocked},
};
use crate::gateway::Current;

/// Connections at a time. Those that come while there are so many wait in the system's queue.
const CONNECTIONS: u64 = 10_000;
/// Files that are kept for everything but connections.
const SPARE_FILES: u64 = 128;
/// The head of a request: bytes of all its header lines, over HTTP/1.1 and HTTP/2 alike.
const HEAD_BYTES: usize = 32 * 1024;
const HEADERS: usize = 100;
const STREAMS: u32 = 100;

/// A listening gateway.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on an address; port 0 picks a free one.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("{address} can't be listened on: {error}")))?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves by the gateway that is current, until `stop` says how long requests in flight may still take.
    pub(crate) async fn serve(self, current: Arc<Current>, stop: impl Future<Output = Duration>) {
        let builder = Arc::new(builder());
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(places()));
        let (open, mut closed) = mpsc::channel::<()>(1);
        let mut stop = pin!(stop);
        let grace = loop {
            let (stream, place) = tokio::select! {
                grace = &mut stop => break grace,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let (builder, current, watcher) = (Arc::clone(&builder), Arc::clone(&current), graceful.watcher());
            let open = Open { _place: place, _open: open.clone() };
            tokio::spawn(async move {
                let clock = Arc::new(Clock::new(current.silence()));
                let io = TokioIo::new(Clocked::new(stream, Arc::clone(&clock), open));
                let service = service_fn(move |request: Request<Incoming>| {
                    access::answer(Arc::clone(&current), clock.start(), request)
                });
                if let Err(error) = watcher.watch(builder.serve_connection_with_upgrades(io, service)).await {
                    tracing::debug!(error, "connection ended");
                }
            });
        };
        // New connections are refused from here on.
        drop((self.listener, open));
        // A connection that became a WebSocket is none of HTTP any more, but open.
        let over = async { tokio::join!(graceful.shutdown(), closed.recv()) };
        if timeout(grace, over).await.is_err() {
            tracing::warn!("requests in flight took longer than the grace and were cut");
        }
    }
}

/// What a connection holds until it is closed, also when it has become a WebSocket.
#[derive(Debug)]
struct Open {
    _place: Option<OwnedSemaphorePermit>,
    /// Nothing is sent: that the last one is gone says that all are closed.
    _open: mpsc::Sender<()>,
}

/// As many as there may be, and no more than there are files for: one to the client and one to its provider.
fn places() -> usize {
    let files = rlimit::increase_nofile_limit(2 * CONNECTIONS + SPARE_FILES).unwrap_or(1024);
    let places = (files.saturating_sub(SPARE_FILES) / 2).clamp(16, CONNECTIONS);
    if places < CONNECTIONS / 2 {
        tracing::warn!(files, places, "the limit on open files is low: fewer connections are served at a time");
    }
    usize::try_from(places).unwrap_or(16)
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a place in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match stream.set_nodelay(true) {
                Ok(()) => return (stream, place),
                Err(error) => tracing::debug!(%error, "connection ended"),
            },
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be given back rather than spin.
                tracing::error!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The time for a request's head and the time between requests are kept by `Clocked`, for both versions of HTTP.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

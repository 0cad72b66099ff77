//! HTTP/1.1 by hand over loopback sockets: what is sent and received is exactly what a test says.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The longest a test waits for anything that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The outcome of something that should happen soon.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(SOON, what).await.expect("nothing happened in time")
}

/// The same through a lock that a failed test may have left.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request or response as it stood on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) start: String,
    /// Every header line; names as they were written.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body ended where it said it would.
    pub(crate) whole: bool,
}

impl Message {
    /// The value of the only line of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let found = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there more than once: {:?}", self.headers);
        found
    }

    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(soon(TcpStream::connect(address)).await.expect("a connection"))
    }

    /// Writes; the other end may be gone already.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Hands everything on to another address from here on, and back.
    pub(crate) async fn bridge(mut self, to: SocketAddr) {
        let mut other = TcpStream::connect(to).await.expect("a connection");
        let _ = other.write_all(&self.buffer).await;
        let _ = tokio::io::copy_bidirectional(&mut self.stream, &mut other).await;
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        let request = request.as_ref();
        self.send(request).await;
        soon(self.response(request.starts_with(b"HEAD "))).await.expect("an answer")
    }

    /// The next request, with its body.
    pub(crate) async fn request(&mut self) -> Option<Message> {
        let mut message = self.head().await?;
        let framed = message.header("transfer-encoding").is_some() || message.header("content-length").is_some();
        message.whole = if framed { self.body(&mut message).await } else { true };
        Some(message)
    }

    /// The next response, with its body where it may have one.
    pub(crate) async fn response(&mut self, to_head: bool) -> Option<Message> {
        let mut message = self.head().await?;
        let bodiless = to_head || matches!(message.status(), 100..=199 | 204 | 304);
        message.whole = if bodiless { true } else { self.body(&mut message).await };
        Some(message)
    }

    /// First line and headers. `None` where the connection ends before.
    pub(crate) async fn head(&mut self) -> Option<Message> {
        let start = self.line().await?;
        let headers = self.fields().await?;
        Some(Message { start, headers, ..Message::default() })
    }

    /// The next chunk of a chunked body. `None` at its end and where it breaks off.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16).ok()?;
        let chunk = if size == 0 { return None } else { self.exactly(size).await? };
        self.line().await.filter(String::is_empty)?;
        Some(chunk)
    }

    /// Exactly so many bytes.
    pub(crate) async fn exactly(&mut self, size: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < size {
            self.more().await?;
        }
        let rest = self.buffer.split_off(size);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Waits until the other end is gone; what still comes is thrown away.
    pub(crate) async fn closed(&mut self) {
        while self.more().await.is_some() {
            self.buffer.clear();
        }
    }

    /// Says that nothing more will be sent, and waits for the other end.
    pub(crate) async fn finish(mut self) {
        let _ = self.stream.shutdown().await;
        let _ = tokio::time::timeout(SOON, self.closed()).await;
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a socket option");
    }

    async fn body(&mut self, message: &mut Message) -> bool {
        if message.header("transfer-encoding").is_some_and(|codings| codings.ends_with("chunked")) {
            return self.chunks(message).await.is_some();
        }
        let Some(length) = message.header("content-length").map(|length| length.parse().expect("a length")) else {
            while self.more().await.is_some() {}
            message.body = std::mem::take(&mut self.buffer);
            return true;
        };
        while self.buffer.len() < length && self.more().await.is_some() {}
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        message.body = std::mem::replace(&mut self.buffer, rest);
        message.body.len() == length
    }

    async fn chunks(&mut self, message: &mut Message) -> Option<()> {
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16).ok()?;
            if size == 0 {
                message.trailers = self.fields().await?;
                return Some(());
            }
            message.body.extend(self.exactly(size).await?);
            self.line().await.filter(String::is_empty)?;
        }
    }

    async fn fields(&mut self) -> Option<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(fields);
            }
            let (name, value) = line.split_once(':').expect("a header line");
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut seen = 0;
        loop {
            if let Some(end) = self.buffer[seen..].windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.buffer.split_off(seen + end + 2);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.truncate(seen + end);
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            seen = self.buffer.len().saturating_sub(1);
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<usize> {
        self.buffer.reserve(64 * 1024);
        self.stream.read_buf(&mut self.buffer).await.ok().filter(|read| *read > 0)
    }
}

/// A provider of the test's own making: every connection is served by its script.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Message>>,
}

/// A connection to the provider; the script's end.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    seen: Arc<Seen>,
}

impl Connection {
    /// The next request, with its body; it is kept for the test to look at.
    pub(crate) async fn request(&mut self) -> Option<Message> {
        let request = self.wire.request().await?;
        locked(&self.seen.requests).push(request.clone());
        Some(request)
    }

    /// The head of the next request; kept likewise.
    pub(crate) async fn head(&mut self) -> Option<Message> {
        let head = self.wire.head().await?;
        locked(&self.seen.requests).push(head.clone());
        Some(head)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes).await;
    }
}

impl Upstream {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Connection) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, seen) = (listener.local_addr().expect("an address"), Arc::new(Seen::default()));
        let counted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Connection { wire: Wire::new(stream), seen: Arc::clone(&counted) }));
            }
        });
        Self { address, seen }
    }

    /// Answers every request with these bytes.
    pub(crate) async fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer: Arc<[u8]> = answer.as_ref().into();
        Self::start(move |mut connection| {
            let answer = Arc::clone(&answer);
            async move {
                while connection.request().await.is_some() {
                    connection.send(&answer).await;
                }
            }
        })
        .await
    }

    /// The URL of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections came.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Every request that came.
    pub(crate) fn requests(&self) -> Vec<Message> {
        locked(&self.seen.requests).clone()
    }

    /// The only request that came.
    pub(crate) fn only_request(&self) -> Message {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

/// An address on loopback where nobody listens.
pub(crate) fn nobody() -> io::Result<SocketAddr> {
    // The port was free a moment ago; nothing else here asks for one by number.
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

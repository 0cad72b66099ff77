//! A WebSocket: the handshake goes out, and once both sides have agreed, bytes go back and forth as they are.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, Request, Response,
    header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, UPGRADE},
};
use http_body::Body;
use http_body_util::Full;
use hyper::{
    body::Incoming,
    upgrade::{self, OnUpgrade},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    time::{Instant, sleep_until, timeout},
};

use super::{client::Client, error, future::ForwardFuture, response::Cookies};
use crate::{
    context::{CredentialSource, Handshake, HostOrigin, PortkeyHeaders, ProviderId, Target, TraceId},
    rejection::{Kind, Rejection},
};

/// What both sides know of a handshake (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How long the caller's connection may take to become one of frames, once 101 was answered.
const HANDOVER: Duration = Duration::from_secs(10);
/// How long what is under way may take once one side has closed.
const LINGER: Duration = Duration::from_secs(5);
/// What one direction holds at most.
const BUFFER: usize = 16 * 1024;

/// How long a session may be silent, in both directions.
#[derive(Clone, Copy)]
struct Idle(Duration);

/// Asks the provider to open the WebSocket. The request has been stripped of what belongs to the caller's connection.
pub(super) fn ask<B: Body>(
    request: Request<B>,
    mut facts: Extensions,
    client: &Client,
    cookies: Cookies,
) -> ForwardFuture {
    let (Some(target), Some(handshake)) = (facts.get::<Target>(), facts.get::<Handshake>()) else {
        return ForwardFuture::refused(Rejection::misassembled("ExtractLayer"));
    };
    if facts.get::<OnUpgrade>().is_none() {
        let message = "The server in front of this gateway does not serve WebSockets";
        return ForwardFuture::refused(Rejection::new(Kind::NotImplemented).with_message(message));
    }
    let (mut head, body) = request.into_parts();
    if !body.is_end_stream() {
        let message = "A request that opens a WebSocket has no body";
        return ForwardFuture::refused(Rejection::new(Kind::InvalidRequest).with_message(message));
    }
    let stored = target.credential_source() == Some(CredentialSource::Stored);
    let consumed = facts.get::<PortkeyHeaders>().and_then(PortkeyHeaders::consumed);
    handshake.write(&mut head.headers, stored, consumed);
    let (origin, limit) = (target.origin(), target.timeout());
    facts.insert(Idle(client.session_idle_timeout()));
    let request = Request::from_parts(head, Full::<Bytes>::default());
    ForwardFuture::sent(client.session_pools().of(origin).request(request), facts, limit, client, cookies)
}

/// Takes the provider's word that it has switched: nothing has been passed on until now.
///
/// # Errors
///
/// Nobody asked for it, or it is no WebSocket's answer to this handshake.
pub(super) fn begin(answer: &mut Response<Incoming>, facts: &mut Extensions) -> Result<(), Rejection> {
    let origin = facts.get::<Target>().map_or(HostOrigin::Caller, Target::origin);
    let (Some(caller), Some(handshake)) = (facts.remove::<OnUpgrade>(), facts.get::<Handshake>()) else {
        return Err(error::switched(origin));
    };
    if !is_agreed(answer.headers(), handshake.key()) {
        return Err(error::switched(origin));
    }
    let idle = facts.get::<Idle>().map_or(LINGER, |idle| idle.0);
    let trace_id = facts.get::<PortkeyHeaders>().map(|headers| headers.trace_id().clone());
    let provider = facts.get::<Target>().map(|target| target.provider().clone());
    let upgrade = upgrade::on(answer);
    tokio::spawn(async move {
        let both = async { Ok::<_, hyper::Error>((caller.await?, upgrade.await?)) };
        // A caller that went away in between, or a server that doesn't hand its connection over.
        let Ok(Ok((caller, provider_side))) = timeout(HANDOVER, both).await else { return };
        let session = pipe(TokioIo::new(caller), TokioIo::new(provider_side), idle).await;
        tracing::info!(
            target: "tower_portkey::session",
            provider = provider.as_ref().map(ProviderId::as_str),
            trace_id = trace_id.as_ref().map(TraceId::as_str),
            sent = session.sent,
            received = session.received,
            seconds = session.lasted.as_secs(),
            ended_by = session.end,
        );
    });
    Ok(())
}

/// The headers of a connection that becomes a WebSocket. Its answer has no body, however long it says it is.
pub(super) fn mark(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// RFC 6455, section 4.1: what a client has to check of the answer.
fn is_agreed(headers: &HeaderMap, key: &HeaderValue) -> bool {
    let is = |name, expected: &[u8]| {
        let mut lines = headers.get_all(name).iter();
        matches!((lines.next(), lines.next()), (Some(line), None) if line.as_bytes().trim_ascii() == expected)
    };
    let upgrade = headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgrade && is(SEC_WEBSOCKET_ACCEPT, accept(key).as_bytes())
}

fn accept(key: &HeaderValue) -> String {
    let mut text = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    text.update(key.as_bytes());
    text.update(GUID);
    BASE64_STANDARD.encode(text.finish())
}

/// What became of a session. Bytes, as seen by the caller.
struct Session {
    sent: u64,
    received: u64,
    lasted: Duration,
    end: &'static str,
}

/// When bytes last moved, and how many did.
struct Meter {
    began: Instant,
    /// In milliseconds after that.
    last: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    /// Ends when nothing has moved for so long.
    async fn silence(&self, limit: Duration) {
        loop {
            let end = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed)) + limit;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    fn moved(&self, count: &AtomicU64, bytes: usize) {
        count.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }
}

/// Passes bytes on until a side closes. A WebSocket is never half open, so the other side is told at once, and gets what
/// was under way.
async fn pipe<C, P>(caller: C, provider: P, idle: Duration) -> Session
where
    C: AsyncRead + AsyncWrite,
    P: AsyncRead + AsyncWrite,
{
    let zero = || AtomicU64::new(0);
    let meter = Meter { began: Instant::now(), last: zero(), sent: zero(), received: zero() };
    let ((from_caller, to_caller), (from_provider, to_provider)) = (split(caller), split(provider));
    let mut up = pin!(copy(from_caller, to_provider, &meter, &meter.sent));
    let mut down = pin!(copy(from_provider, to_caller, &meter, &meter.received));
    let end = tokio::select! {
        _ = &mut up => {
            let _ = timeout(LINGER, &mut down).await;
            "caller"
        }
        _ = &mut down => {
            let _ = timeout(LINGER, &mut up).await;
            "provider"
        }
        () = meter.silence(idle) => "silence",
    };
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Session { sent: read(&meter.sent), received: read(&meter.received), lasted: meter.began.elapsed(), end }
}

/// Bytes are written as soon as they come, and none are read before they are written. The end is passed on, too.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    meter: &Meter,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let ended = loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) => break Ok(()),
            Ok(read) => read,
            Err(error) => break Err(error),
        };
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        meter.moved(count, read);
    };
    to.shutdown().await?;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[test]
    fn the_example_of_the_standard() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(!is_agreed(&headers, &key));
        headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(is_agreed(&headers, &key));
        headers.append(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(!is_agreed(&headers, &key));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_session_and_bytes_of_either_side_keep_it() {
        let idle = Duration::from_secs(60);
        let ((mut caller, left), (right, mut provider)) = (duplex(64), duplex(64));
        let piped = tokio::spawn(pipe(left, right, idle));
        for _ in 0..3 {
            tokio::time::sleep(idle / 2).await;
            caller.write_all(b"ping").await.expect("room");
            tokio::time::sleep(idle / 2).await;
            provider.write_all(b"pong!").await.expect("room");
            let mut both = [0; 4];
            provider.read_exact(&mut both).await.expect("what was sent");
            assert_eq!(&both, b"ping");
        }
        let session = piped.await.expect("an end");
        assert_eq!((session.sent, session.received, session.end), (12, 15, "silence"));
        assert_eq!(session.lasted, 3 * idle + idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_closes_ends_it_and_what_is_under_way_arrives() {
        let ((caller, left), (right, mut provider)) = (duplex(64), duplex(64));
        let piped = tokio::spawn(pipe(left, right, Duration::from_secs(60)));
        provider.write_all(b"last words").await.expect("room");
        provider.shutdown().await.expect("room");
        let (mut read, _write) = split(caller);
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await.expect("an end");
        assert_eq!(heard, b"last words");
        // The caller says nothing more, and doesn't close.
        let session = timeout(2 * LINGER, piped).await.expect("an end").expect("an end");
        assert_eq!(session.end, "provider");
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_takes_nothing_is_silent() {
        let ((mut caller, left), (right, _provider)) = (duplex(1024), duplex(16));
        let piped = tokio::spawn(pipe(left, right, Duration::from_secs(60)));
        caller.write_all(&[0; 512]).await.expect("room");
        assert_eq!(piped.await.expect("an end").end, "silence");
    }
}

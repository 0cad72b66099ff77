//! One request on its way to its signature.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, StatusCode, request::Parts};
use http_body::Body;

#[cfg(feature = "oracle")]
use super::oci;
use super::{credentials::KeysFuture, head::sign, layer::Settings, time::Stamp};
use crate::{
    body::FullOr,
    budget::Share,
    context::{AwsKeys, AwsSigning, HostOrigin, Signing, Target},
    guard::Decision,
    rejection::{Kind, Rejection},
    whole::Reader,
};

/// A refusal, and the head of the request that it answers.
pub(super) type Refused = (Rejection, Box<Parts>);

/// What is known of a request, and what is waited for.
pub(super) struct Job<B> {
    pub(super) head: Parts,
    body: FullOr<B>,
    signing: Signing,
    settings: Arc<Settings>,
    keys: Keys,
    /// The body's bytes.
    bytes: Option<Bytes>,
    reader: Reader,
}

/// A request that is on its way.
#[derive(Debug)]
pub(super) struct Sent {
    settings: Arc<Settings>,
    /// Whether what the host says about the time is believed.
    believed: bool,
    _share: Share,
}

impl Sent {
    /// Looks at the answer's head.
    pub(super) fn answered(&self, status: StatusCode, headers: &HeaderMap) {
        if self.believed && status == StatusCode::FORBIDDEN {
            self.settings.skew.learn(status, headers, self.settings.now());
        }
    }
}

enum Keys {
    /// They come with the signing.
    #[cfg(feature = "oracle")]
    Own,
    Waiting(KeysFuture),
    There(AwsKeys),
}

impl<B> Job<B>
where
    B: Body<Data = Bytes>,
{
    /// Begins with what is there already.
    pub(super) fn new(
        request: Request<FullOr<B>>,
        signing: Signing,
        settings: &Arc<Settings>,
    ) -> Result<Self, Refused> {
        let (head, body) = request.into_parts();
        let bytes = body.as_full().or_else(|| body.is_end_stream().then(Bytes::new));
        if bytes.as_ref().is_some_and(|bytes| bytes.len() > settings.limit) {
            return Err((Rejection::too_large(settings.limit), Box::new(head)));
        }
        let keys = match &signing {
            Signing::Aws(aws) => match settings.sources.keys(aws) {
                Decision::Now(Ok(keys)) => Keys::There(keys),
                Decision::Now(Err(rejection)) => return Err((rejection, Box::new(head))),
                Decision::Later(waiting) => Keys::Waiting(waiting),
            },
            #[cfg(feature = "oracle")]
            Signing::Oci(_) => Keys::Own,
            #[cfg(not(feature = "oracle"))]
            Signing::Oci(_) => {
                let refused = Rejection::new(Kind::NotImplemented).with_message("Oracle's signatures are not built in");
                return Err((refused, Box::new(head)));
            }
        };
        let reader = Reader::new(settings.limit, settings.budget.share());
        Ok(Self { head, body, signing, settings: Arc::clone(settings), keys, bytes, reader })
    }

    /// Whether nobody has to be waited for.
    pub(super) fn is_ready(&self) -> bool {
        !matches!(self.keys, Keys::Waiting(_)) && self.bytes.is_some()
    }

    /// Whether the body is not waited for yet.
    pub(super) fn waits_for_keys(&self) -> bool {
        matches!(self.keys, Keys::Waiting(_))
    }

    pub(super) fn read_timeout(&self) -> Duration {
        self.settings.read_timeout
    }

    /// Signs, with the time of now.
    pub(super) fn sign(mut self) -> Result<(Request<FullOr<B>>, Sent), Refused> {
        match self.put_on() {
            Ok(bytes) => {
                tracing::debug!(
                    target: "tower_portkey::decision",
                    step = "sign",
                    region = self.signing.aws().map(AwsSigning::region),
                    service = self.signing.aws().map(AwsSigning::service),
                    identity = self.signing.aws().map(|aws| tracing::field::debug(aws.identity())),
                    bytes = bytes.len(),
                );
                let target = self.head.extensions.get::<Target>();
                let believed =
                    target.is_none_or(|target| matches!(target.origin(), HostOrigin::Catalog | HostOrigin::Operator));
                let share = self.reader.into_share();
                let sent = Sent { settings: self.settings, believed, _share: share };
                Ok((Request::from_parts(self.head, FullOr::full(bytes)), sent))
            }
            Err(rejection) => Err((rejection, Box::new(self.head))),
        }
    }

    fn put_on(&mut self) -> Result<Bytes, Rejection> {
        let bytes = self.bytes.take().ok_or_else(|| Rejection::new(Kind::Internal))?;
        let always = self.settings.always.is_some();
        let target = self.head.extensions.remove::<Target>();
        let own = |name: &HeaderName| {
            always || target.as_ref().is_some_and(|target| target.headers().iter().any(|own| own.name == *name))
        };
        let (settings, now) = (&self.settings, self.settings.now());
        let sent = match (&self.signing, &self.keys) {
            (Signing::Aws(aws), Keys::There(keys)) => match Stamp::of(now) {
                Some(stamp) => sign(&mut self.head, &bytes, keys, aws.into(), &stamp, &settings.signing_keys, own),
                None => Err(Rejection::new(Kind::Internal)),
            },
            #[cfg(feature = "oracle")]
            (Signing::Oci(key), _) => oci::sign(&mut self.head, &bytes, key, now, &settings.oci_keys),
            _ => Err(Rejection::new(Kind::Internal)),
        };
        if let Some(mut target) = target {
            if let Ok(sent) = &sent {
                target.note_signed(sent.clone());
            }
            self.head.extensions.insert(target);
        }
        sent.map(|_| bytes)
    }
}

impl<B> Job<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    /// Waits for the keys first: where there are none, the body need not be read.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        if let Keys::Waiting(waiting) = &mut self.keys {
            self.keys = Keys::There(ready!(waiting.as_mut().poll(cx))?);
        }
        if self.bytes.is_none() {
            self.bytes = Some(ready!(self.reader.poll(Pin::new(&mut self.body), cx))?);
        }
        Poll::Ready(Ok(()))
    }
}

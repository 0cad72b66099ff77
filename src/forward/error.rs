//! What went wrong on the way to a provider, and what the caller is told.

use std::{error::Error, time::Duration};

use http_body_util::LengthLimitError;
use hyper_util::client::legacy;

use super::egress::{EgressError, EgressErrorKind};
use crate::{
    context::HostOrigin,
    rejection::{Kind, Rejection},
};

/// A failed exchange. For hosts that a caller named, every failure before the response has one status and one text,
/// so that the gateway tells little of what listens where.
pub(super) fn failed(error: legacy::Error, origin: HostOrigin) -> Rejection {
    let of_caller = is_of_caller(origin);
    let rejection = if caused_by(&error, <dyn Error>::is::<LengthLimitError>) {
        // A layer in front counts the body while it streams (`http_body_util::Limited`).
        Rejection::new(Kind::PayloadTooLarge)
    } else if caused_by(&error, is_of_the_body) {
        Rejection::new(Kind::InvalidRequest).with_message("The request's body broke off")
    } else if of_caller {
        Rejection::new(Kind::BadGateway)
    } else if !error.is_connect() {
        Rejection::new(Kind::BadGateway).with_message("The provider broke off before it answered")
    } else {
        match egress(&error) {
            Some(EgressErrorKind::Timeout) => {
                Rejection::new(Kind::GatewayTimeout).with_message("Connecting to the provider took too long")
            }
            Some(EgressErrorKind::Full | EgressErrorKind::Busy) => {
                Rejection::new(Kind::Unavailable).with_message("Too many connections to the provider are open")
            }
            Some(EgressErrorKind::Own) => {
                Rejection::new(Kind::LoopDetected).with_message("The provider's host is this gateway itself")
            }
            _ => Rejection::new(Kind::BadGateway),
        }
    };
    rejection.with_source(error)
}

/// Why there was no connection.
pub(super) fn egress(error: &(dyn Error + 'static)) -> Option<EgressErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<EgressError>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

/// No head of a response within the client's limit.
pub(super) fn late(origin: HostOrigin) -> Rejection {
    Rejection::new(if is_of_caller(origin) { Kind::BadGateway } else { Kind::GatewayTimeout })
}

/// A switch of protocols that nobody asked for.
pub(super) fn switched(origin: HostOrigin) -> Rejection {
    let rejection = Rejection::new(Kind::BadGateway);
    if is_of_caller(origin) { rejection } else { rejection.with_message("The provider switched protocols unasked") }
}

fn is_of_caller(origin: HostOrigin) -> bool {
    matches!(origin, HostOrigin::Caller | HostOrigin::TrustedCaller)
}

/// The limit of the request itself.
pub(super) fn exceeded(limit: Duration) -> Rejection {
    let message = format!("Request exceeded the timeout sent in the request: {}ms", limit.as_millis());
    Rejection::new(Kind::Timeout).with_message(message)
}

/// Whether it was the request's own body that failed.
fn is_of_the_body(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(|error: &hyper::Error| error.is_user() && error.source().is_some())
}

fn caused_by(error: &(dyn Error + 'static), is_it: impl Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_it(error) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_of_a_callers_host_reads_like_every_failure_of_it() {
        let refused = Rejection::new(Kind::BadGateway);
        for origin in [HostOrigin::Caller, HostOrigin::TrustedCaller] {
            for told in [late(origin), switched(origin)] {
                assert_eq!((told.kind(), told.message()), (refused.kind(), refused.message()));
            }
        }
        assert_eq!(late(HostOrigin::Catalog).kind(), Kind::GatewayTimeout);
        assert_eq!(late(HostOrigin::Operator).kind(), Kind::GatewayTimeout);
    }
}

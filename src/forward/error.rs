//! What went wrong on the way to a provider, and what the caller is told.

use std::{error::Error, time::Duration};

use hyper_util::client::legacy;

use super::egress::EgressError;
use crate::{
    context::HostOrigin,
    rejection::{Kind, Rejection},
};

/// A failed exchange. For hosts that a caller named, every failure to connect has one status and one text, so that the
/// gateway can't be used to find out what listens where.
pub(super) fn failed(error: legacy::Error, origin: HostOrigin) -> Rejection {
    let of_caller = matches!(origin, HostOrigin::Caller | HostOrigin::TrustedCaller);
    let rejection = if !error.is_connect() {
        Rejection::new(Kind::BadGateway).with_message("The provider broke off before it answered")
    } else if timed_out(&error) && !of_caller {
        Rejection::new(Kind::GatewayTimeout).with_message("Connecting to the provider took too long")
    } else {
        Rejection::new(Kind::BadGateway)
    };
    rejection.with_source(error)
}

/// The limit of the request itself.
pub(super) fn exceeded(limit: Duration) -> Rejection {
    let message = format!("Request exceeded the timeout sent in the request: {}ms", limit.as_millis());
    Rejection::new(Kind::Timeout).with_message(message)
}

fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(EgressError::Timeout)) {
            return true;
        }
        next = error.source();
    }
    false
}

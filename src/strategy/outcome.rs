//! What came of an attempt (pure).

use http::{Response, StatusCode};

use crate::rejection::{Kind, Rejection};

/// How an attempt ended, as far as what happens next depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The status, of which a refusal may show another one (gRPC: always 200).
    pub(super) status: u16,
    pub(super) source: Source,
}

/// Who made the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Provider,
    /// Nobody: the provider could not be reached, broke off, or was silent.
    Network,
    /// Nobody within the time that the request itself set.
    Limit,
    /// The gateway refused to ask this target for this request. Another one may do, the same one won't.
    Refusal,
    /// The gateway asks this target for nobody now, because its entry is used up or expired.
    Lapsed,
    /// The gateway itself failed: no target will do.
    Exception,
}

impl Outcome {
    /// An error is one of the network: everything else is a response.
    pub(super) fn of<B, E>(result: &Result<Response<B>, E>) -> Self {
        let Ok(response) = result else {
            return Self { status: StatusCode::BAD_GATEWAY.as_u16(), source: Source::Network };
        };
        match response.extensions().get::<Rejection>().map(Rejection::kind) {
            None => Self { status: response.status().as_u16(), source: Source::Provider },
            Some(kind) => Self { status: kind.status().as_u16(), source: Source::of(kind) },
        }
    }

    /// Whether it is one of these statuses. A provider that can't be reached counts as 500, too, which is what Portkey's
    /// gateway makes of it, and what lists are written for. An answer of 2xx is none of them, whatever the list says: it is
    /// paid for, and who throws it away to ask again would not be charged for it.
    pub(super) fn is_one_of(self, codes: &[u16]) -> bool {
        let listed = codes.contains(&self.status) || (self.source == Source::Network && codes.contains(&500));
        listed && !(self.source == Source::Provider && self.is_success())
    }

    /// An answer of 2xx, or a WebSocket that was opened.
    pub(super) fn is_success(self) -> bool {
        (200..300).contains(&self.status) || self.status == StatusCode::SWITCHING_PROTOCOLS.as_u16()
    }
}

impl Source {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::BadGateway | Kind::GatewayTimeout => Self::Network,
            Kind::Timeout => Self::Limit,
            Kind::EntryExhausted | Kind::EntryExpired => Self::Lapsed,
            Kind::Misassembled | Kind::Internal | Kind::NotImplemented | Kind::Unavailable => Self::Exception,
            _ => Self::Refusal,
        }
    }

    /// Whether the same target could answer otherwise when it is asked again.
    pub(super) fn may_change(self) -> bool {
        matches!(self, Self::Provider | Self::Network | Self::Limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::{Asked, PortkeyJson, refuse};

    #[test]
    fn a_refusal_is_told_from_an_answer_by_its_kind() {
        for (kind, source) in [
            (Kind::BadGateway, Source::Network),
            (Kind::GatewayTimeout, Source::Network),
            (Kind::Timeout, Source::Limit),
            (Kind::Misassembled, Source::Exception),
            (Kind::Internal, Source::Exception),
            (Kind::NotImplemented, Source::Exception),
            (Kind::Unavailable, Source::Exception),
            (Kind::InvalidRequest, Source::Refusal),
            (Kind::KeyExhausted, Source::Refusal),
            (Kind::ModelNotAllowed, Source::Refusal),
            (Kind::EntryExhausted, Source::Lapsed),
            (Kind::EntryExpired, Source::Lapsed),
        ] {
            for grpc in [false, true] {
                let asked = Asked { grpc, ..Asked::default() };
                let response = refuse(&PortkeyJson, Rejection::new(kind), &asked, http::Extensions::new());
                let outcome = Outcome::of(&Ok::<_, ()>(response));
                assert_eq!(outcome, Outcome { status: kind.status().as_u16(), source }, "{kind:?}, gRPC: {grpc}");
            }
        }
        let answered = Outcome::of(&Ok::<_, ()>(Response::new(())));
        assert!(!answered.is_one_of(&[200, 500]), "what was answered is paid for");
        assert_eq!(Outcome::of(&Err::<Response<()>, _>(())), Outcome { status: 502, source: Source::Network });
        assert_eq!(Outcome::of(&Ok::<_, ()>(Response::new(()))), Outcome { status: 200, source: Source::Provider });
    }
}

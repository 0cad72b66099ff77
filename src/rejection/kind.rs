//! The kinds of refusal: status, gRPC code, Portkey's error code and text of each.

use http::StatusCode;

/// How a refusal reads on the wire (wire contract: Portkey's "body shapes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"status":"failure","message":"Portkey Error: … Error Code: …","error":{…}}`.
    Account(&'static str),
    /// `{"status":"failure","message":"…"}`, with `errors` where a validation found some.
    Plain,
    /// `{"status":"failure","message":"…","error":{"message":"…","code":"…"}}`.
    Coded(&'static str),
    /// `{"status":"failure","error":{"code":"…","message":"…","field":"…"},"message":"…"}`.
    Named,
    /// `{"error":{"message":"…","type":"…","param":null,"code":…}}`.
    OpenAi(&'static str, Option<&'static str>),
    /// `{"message":"Not Found","ok":false}`.
    NotFound,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $code:literal $status:ident, grpc $grpc:literal, $shape:expr, $text:literal;)+) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $(
                $(#[$doc])*
                #[doc = concat!("HTTP ", stringify!($code), ", gRPC ", stringify!($grpc), ".")]
                $kind,
            )+
        }

        impl Kind {
            /// The status over HTTP.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status,)+
                }
            }

            /// The status over gRPC.
            #[must_use]
            pub const fn grpc_code(self) -> u8 {
                match self {
                    $(Self::$kind => $grpc,)+
                }
            }

            /// The text the caller reads where the refusal has no text of its own.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)+
                }
            }

            pub(super) const fn shape(self) -> Shape {
                match self {
                    $(Self::$kind => $shape,)+
                }
            }
        }
    };
}

use Shape::{Account, Coded, Named, NotFound as Unknown, OpenAi, Plain};

kinds! {
    /// No credential was shown.
    MissingKey: 401 UNAUTHORIZED, grpc 16, Account("03"), "Invalid API Key";
    /// The credential is none of ours.
    InvalidKey: 401 UNAUTHORIZED, grpc 16, Account("03"), "Invalid API Key";
    /// The key's time is over.
    KeyExpired: 401 UNAUTHORIZED, grpc 16, Account("01"), "Portkey API Key Expired";
    /// The workspace's time is over.
    WorkspaceExpired: 401 UNAUTHORIZED, grpc 16, Account("01"), "Portkey Workspace Expired";
    /// The key's usage limit is used up.
    KeyExhausted: 412 PRECONDITION_FAILED, grpc 8, Account("04"), "Portkey API Key Usage Limit Exceeded";
    /// The workspace's usage limit is used up.
    WorkspaceExhausted: 412 PRECONDITION_FAILED, grpc 8, Account("04"), "Portkey Workspace Usage Limit Exceeded";
    /// The key is used faster than it may be.
    KeyRateLimited: 429 TOO_MANY_REQUESTS, grpc 8, Account("05"), "apikey rate limit exceded";
    /// The workspace is used faster than it may be.
    WorkspaceRateLimited: 429 TOO_MANY_REQUESTS, grpc 8, Account("05"), "workspace rate limit exceeded";
    /// The credential lacks the scope.
    Forbidden: 403 FORBIDDEN, grpc 7, Account("033"), "Forbidden!";
    /// The provider entry's usage limit is used up.
    EntryExhausted: 412 PRECONDITION_FAILED, grpc 8, OpenAi("virtual_key_exhaust_error", Some("04")), "Portkey Virtual Key Usage Limit Exceeded";
    /// The provider entry's time is over.
    EntryExpired: 401 UNAUTHORIZED, grpc 16, OpenAi("virtual_key_expired_error", Some("01")), "Portkey Virtual Key Expired";
    /// The provider entry is used faster than it may be.
    EntryRateLimited: 429 TOO_MANY_REQUESTS, grpc 8, OpenAi("virtual_key_rate_limit_error", None), "Portkey Virtual Key Rate Limit Exceeded";
    /// The provider entry is not for this model.
    ModelNotAllowed: 412 PRECONDITION_FAILED, grpc 7, OpenAi("model_not_allowed_error", None), "Model is not allowed for this integration";
    /// The request can't be understood, or asks for what it may not have.
    InvalidRequest: 400 BAD_REQUEST, grpc 3, Plain, "Invalid request";
    /// The caller brings what has to be stored (saved-only mode).
    InlineBlocked: 400 BAD_REQUEST, grpc 3, Named, "Only saved resources may be named";
    /// Nothing is served there.
    NotFound: 404 NOT_FOUND, grpc 12, Unknown, "Not Found";
    /// The body is longer than may be buffered.
    PayloadTooLarge: 413 PAYLOAD_TOO_LARGE, grpc 8, Plain, "Payload size exceeds the limit";
    /// The time that the request itself set is over.
    Timeout: 408 REQUEST_TIMEOUT, grpc 4, OpenAi("timeout_error", None), "Request exceeded the timeout sent in the request";
    /// Understood and valid, but not served here.
    NotImplemented: 501 NOT_IMPLEMENTED, grpc 12, Plain, "Not implemented";
    /// The provider could not be reached, or broke off.
    BadGateway: 502 BAD_GATEWAY, grpc 14, Plain, "The provider could not be reached";
    /// The provider did not answer in time.
    GatewayTimeout: 504 GATEWAY_TIMEOUT, grpc 4, Plain, "The provider did not answer in time";
    /// The request comes back to where it was sent from.
    LoopDetected: 508 LOOP_DETECTED, grpc 9, Plain, "The request has passed through too many gateways";
    /// A store that decides can't answer now.
    Unavailable: 503 SERVICE_UNAVAILABLE, grpc 14, Coded("503"), "Service temporarily unavailable";
    /// A layer misses the fact that another should have left: the server is put together wrong.
    Misassembled: 500 INTERNAL_SERVER_ERROR, grpc 13, Plain, "The server is misconfigured";
    /// Something failed that should not.
    Internal: 500 INTERNAL_SERVER_ERROR, grpc 13, Plain, "Something went wrong";
}

impl Kind {
    /// Whether the gateway itself, not the provider, is why a server error is told: such an answer carries
    /// `x-portkey-gateway-exception: true`, and Portkey's SDKs don't send the request again.
    #[must_use]
    pub const fn is_exception(self) -> bool {
        matches!(
            self,
            Self::NotImplemented
                | Self::BadGateway
                | Self::GatewayTimeout
                | Self::LoopDetected
                | Self::Unavailable
                | Self::Misassembled
                | Self::Internal
        )
    }
}

//! Which headers a caller may have forwarded.

use http::HeaderName;

use crate::header;

/// The list's own name, which Portkey refuses with a text of its own.
const LIST: &str = "x-portkey-forward-headers";

/// Why a header is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotForwardable {
    /// The list names itself.
    List,
    /// This is no name of a header.
    Invalid,
    /// The gateway's own, a connection's, a signature's, a metadata service's, or a credential.
    Never,
}

impl NotForwardable {
    /// The text for the caller.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::List => "forward_headers must not contain the 'x-portkey-forward-headers' header",
            Self::Invalid => "Invalid header name",
            Self::Never => "This header is never forwarded",
        }
    }
}

/// The header of that name, if a caller's copy of it may reach a provider.
pub(crate) fn forwardable(name: &str) -> Result<HeaderName, NotForwardable> {
    let name = name.trim_matches([' ', '\t']);
    if name.eq_ignore_ascii_case(LIST) {
        return Err(NotForwardable::List);
    }
    let header = HeaderName::try_from(name).map_err(|_| NotForwardable::Invalid)?;
    if header::never_forwarded(&header) || header == http::header::TE {
        return Err(NotForwardable::Never);
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_own_headers_pass_and_the_rest_does_not() {
        for name in ["x-custom", "X-Real-IP", "openai-beta", " x-custom ", "x_custom", "x-amzn-trace-id", "trailer"] {
            let found = forwardable(name).expect(name);
            assert_eq!(found.as_str(), name.trim().to_ascii_lowercase());
        }
        for name in ["", " ", ":authority", ":path", "a b", "a\r\nb", "a\0", "é", "x-a,x-b"] {
            assert_eq!(forwardable(name), Err(NotForwardable::Invalid), "{name:?}");
        }
        for name in ["x-portkey-forward-headers", "X-Portkey-Forward-Headers "] {
            assert_eq!(forwardable(name), Err(NotForwardable::List), "{name:?}");
        }
        for name in [
            "x-portkey-api-key",
            "X-PORTKEY-anything",
            "x_portkey_config",
            "x-portkey_config",
            "authorization",
            "Cookie",
            "x-api-key",
            "x_api_key",
            "api-key",
            "x-goog-api-key",
            "proxy-authorization",
            "connection",
            "keep-alive",
            "te",
            "upgrade",
            "transfer-encoding",
            "Transfer_Encoding",
            "host",
            "content-length",
            "content_length",
            "expect",
            "x-amz-date",
            "X_Amz_Security_Token",
            "metadata",
            "metadata-flavor",
            "x-aws-ec2-metadata-token",
            "x-aws-ec2-metadata-token-ttl-seconds",
            "x-google-metadata-request",
            "http2-settings",
        ] {
            assert_eq!(forwardable(name), Err(NotForwardable::Never), "{name:?}");
        }
    }
}

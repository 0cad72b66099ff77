//! Why a token was refused: for the audit, never for the caller.

use std::fmt;

use crate::rejection::{Kind, Rejection};

/// Why a token was refused. What the caller reads is the same for most of them; the reason stands in the audit event and
/// in the [`source`](std::error::Error::source) of the [`Rejection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwtError {
    /// Longer than 8 KiB.
    TooLong,
    /// Not three parts of base64url, in the one spelling that it allows.
    Encoding,
    /// The header is no JSON object, or a member stands there twice or has the wrong type.
    Header,
    /// `alg` is not allowed.
    Algorithm,
    /// `typ` is not the one that is asked for.
    Type,
    /// No `kid`, or one that is empty or longer than 128 bytes.
    KeyId,
    /// `crit`, `b64` or `zip`: an extension that is not understood.
    Extension,
    /// The payload is no JSON object, or a claim stands there twice or has the wrong type.
    Claims,
    /// Several organisations, and the token names none.
    NoOrganisation,
    /// The organisation that the token names is not known.
    UnknownOrganisation,
    /// The organisation's key set has no such key.
    UnknownKey,
    /// The key is one of another algorithm.
    KeyAlgorithm,
    /// The signature is not the key's.
    Signature,
    /// `exp` is missing or its time is over.
    Expired,
    /// `nbf` is yet to come.
    NotYetValid,
    /// `iss` is missing or another.
    Issuer,
    /// `aud` is missing or another.
    Audience,
    /// `sub` is missing.
    NoSubject,
    /// `sub` is none of those that are let in.
    SubjectNotAllowed,
    /// The workspace is none of those that are let in.
    WorkspaceNotAllowed,
    /// A limit in the token is used up.
    Exhausted,
    /// The token was revoked.
    Revoked,
    /// There is no key set yet, or none any more.
    NoKeySet,
}

impl JwtError {
    /// What the caller is told.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::SubjectNotAllowed | Self::WorkspaceNotAllowed => Kind::Forbidden,
            Self::Exhausted => Kind::KeyExhausted,
            Self::NoKeySet => Kind::Unavailable,
            _ => Kind::InvalidKey,
        }
    }

    /// The refusal of `token`, told to the audit.
    pub(super) fn refuse(self, token: &str) -> Rejection {
        tracing::warn!(target: AUDIT, token = %Masked(token), error = %self, "a token was refused");
        match self.kind() {
            Kind::Unavailable => Rejection::unavailable(self),
            kind => Rejection::new(kind).with_source(self),
        }
    }
}

/// Where decisions about callers are told.
pub(super) const AUDIT: &str = "tower_portkey::audit";

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the token is too long",
            Self::Encoding => "the token is not three parts of canonical base64url",
            Self::Header => "the header can't be read",
            Self::Algorithm => "the algorithm is not allowed",
            Self::Type => "the header's typ is not allowed",
            Self::KeyId => "the header has no kid, or not a good one",
            Self::Extension => "the header asks for an extension",
            Self::Claims => "the claims can't be read",
            Self::NoOrganisation => "the token names no organisation, and there are several",
            Self::UnknownOrganisation => "the organisation is not known",
            Self::UnknownKey => "the signing key was not found",
            Self::KeyAlgorithm => "the signing key is for another algorithm",
            Self::Signature => "the signature is wrong",
            Self::Expired => "the token has expired, or doesn't say when it will",
            Self::NotYetValid => "the token is not valid yet",
            Self::Issuer => "the issuer is not allowed",
            Self::Audience => "the audience is not allowed",
            Self::NoSubject => "the token has no subject",
            Self::SubjectNotAllowed => "the subject is not allowed",
            Self::WorkspaceNotAllowed => "the workspace is not allowed",
            Self::Exhausted => "a limit of the token is used up",
            Self::Revoked => "the token was revoked",
            Self::NoKeySet => "there is no key set to check the token with",
        })
    }
}

impl std::error::Error for JwtError {}

/// A token as logs may show it: two characters at each end.
struct Masked<'a>(&'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Short texts would be told whole, or nearly.
        if self.0.len() < 16 || !self.0.is_ascii() {
            return f.write_str("****");
        }
        write!(f, "{}****{}", &self.0[..2], &self.0[self.0.len() - 2..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_of_a_token_is_shown_and_nothing_of_a_short_one() {
        for (token, shown) in
            [("eyJhbGciOiJub25lIn0.e30.xxbt", "ey****bt"), ("a.b.c", "****"), ("", "****"), ("éééééééééééééé", "****")]
        {
            assert_eq!(Masked(token).to_string(), shown);
        }
    }
}

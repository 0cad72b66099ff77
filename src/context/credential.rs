//! A credential as it stood in a header.

use std::fmt;

use http::HeaderValue;

use crate::secret::Secret;

/// What a caller showed: the text behind the scheme, still sharing the header's own bytes.
///
/// A clone is one reference count. Debug shows nothing; the header value is marked sensitive.
#[derive(Clone)]
pub struct Credential {
    line: HeaderValue,
    start: usize,
}

impl Credential {
    /// The whole value is the credential, as in `x-portkey-api-key`. `None` where it is empty or holds a byte outside
    /// visible ASCII and space.
    #[must_use]
    pub fn from_raw(value: &HeaderValue) -> Option<Self> {
        Self::starting_at(value, 0)
    }

    /// The value of `authorization`, without the scheme `Bearer` in any case (RFC 9110, section 11.1) if it has it;
    /// every other scheme counts as part of the text. `None` as for [`from_raw`](Credential::from_raw).
    #[must_use]
    pub fn from_authorization(value: &HeaderValue) -> Option<Self> {
        Self::starting_at(value, scheme_length(value.as_bytes(), b"bearer"))
    }

    /// A stored credential, ready to be put on requests. `None` where no header may carry it.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        Self::starting_at(&secret.header_value("")?, 0)
    }

    /// The text itself. Never log, format or store what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.line.to_str().map_or("", |line| line[self.start..].trim_ascii_end())
    }

    /// This credential without the scheme `scheme` (any case) in front of it, if it has one. `None` where nothing else
    /// is left.
    #[must_use]
    pub fn without_scheme(self, scheme: &str) -> Option<Self> {
        let start = self.start + scheme_length(&self.line.as_bytes()[self.start..], scheme.as_bytes());
        let stripped = Self { line: self.line, start };
        (!stripped.expose().is_empty()).then_some(stripped)
    }

    /// Whether `text` has this credential in it. Texts of fewer than 8 bytes are no secrets, and not looked for.
    #[must_use]
    pub fn is_repeated_by(&self, text: &[u8]) -> bool {
        let secret = self.expose().as_bytes();
        secret.len() >= 8 && text.len() >= secret.len() && memchr::memmem::find(text, secret).is_some()
    }

    /// The second of two words, where it is long enough to be the secret itself and the first one a scheme, whatever its
    /// name. What repeats the whole repeats this, too.
    #[cfg(feature = "client")]
    #[must_use]
    pub(crate) fn behind_scheme(mut self) -> Self {
        // Few have a space in them: the others end here.
        if memchr::memchr(b' ', &self.line.as_bytes()[self.start..]).is_none() {
            return self;
        }
        let text = self.expose();
        match text.split_once(' ') {
            Some((scheme, secret)) if secret.len() >= 8 && !scheme.is_empty() && !secret.contains(' ') => {
                self.start += text.len() - secret.len();
            }
            _ => {}
        }
        self
    }

    /// `prefix` and the text as a sensitive header value. Where the caller's header already reads like that, its
    /// bytes are shared.
    #[must_use]
    pub fn header_value(&self, prefix: &str) -> HeaderValue {
        let line = self.line.as_bytes();
        if line.len() - self.start == self.expose().len() && line[..self.start] == *prefix.as_bytes() {
            return self.line.clone();
        }
        // Both parts are visible ASCII, so the value is always there; an empty one would be refused upstream.
        Secret::from(self.expose()).header_value(prefix).unwrap_or_else(|| HeaderValue::from_static(""))
    }

    fn starting_at(value: &HeaderValue, start: usize) -> Option<Self> {
        let text = value.as_bytes().get(start..)?;
        let start = start + text.iter().take_while(|byte| **byte == b' ').count();
        let text = text.trim_ascii();
        if text.is_empty() || !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return None;
        }
        let mut line = value.clone();
        line.set_sensitive(true);
        Some(Self { line, start })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// How many bytes `scheme` and the spaces after it take at the front of `line`; 0 where it is not there.
fn scheme_length(line: &[u8], scheme: &[u8]) -> usize {
    match line.split_at_checked(scheme.len()) {
        Some((head, tail)) if head.eq_ignore_ascii_case(scheme) => match tail.first() {
            None => line.len(),
            Some(b' ') => scheme.len() + tail.iter().take_while(|byte| **byte == b' ').count(),
            Some(_) => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &'static str) -> Option<String> {
        Credential::from_authorization(&HeaderValue::from_static(value)).map(|found| found.expose().to_owned())
    }

    #[test]
    fn bearer_is_known_in_any_case_and_nothing_else_is() {
        for (line, expected) in [
            ("Bearer k", Some("k")),
            ("bearer k", Some("k")),
            ("BEARER   k  ", Some("k")),
            ("k", Some("k")),
            ("Bearerk", Some("Bearerk")),
            ("Basic dTpw", Some("Basic dTpw")),
            ("Bearer", None),
            ("Bearer ", None),
            ("", None),
        ] {
            assert_eq!(text(line).as_deref(), expected, "{line:?}");
        }
        let value = HeaderValue::from_bytes("Bearer é".as_bytes()).expect("opaque bytes are a header value");
        assert!(Credential::from_authorization(&value).is_none());
    }

    #[test]
    fn the_line_is_shared_where_it_reads_the_same() {
        let line = HeaderValue::from_static("Bearer k");
        let found = Credential::from_authorization(&line).expect("a credential");
        assert_eq!(found.header_value("Bearer "), "Bearer k");
        assert_eq!(found.header_value("Token "), "Token k");
        assert_eq!(found.header_value(""), "k");
        assert!(found.header_value("Bearer ").is_sensitive() && found.header_value("Key ").is_sensitive());
        assert_eq!(format!("{found:?}"), "Credential");

        let raw = Credential::from_raw(&HeaderValue::from_static("token  abc")).expect("a credential");
        assert!(raw.is_repeated_by(b"x=token  abc;") && !raw.is_repeated_by(b"token abc"));
        assert_eq!(raw.without_scheme("Token").expect("text is left").header_value("Token "), "Token abc");
        #[cfg(feature = "client")]
        for (line, expected) in [
            ("Bearer abcdefgh", "abcdefgh"),
            ("Bearer abc", "Bearer abc"),
            ("abcdefgh  ", "abcdefgh"),
            ("of three words", "of three words"),
        ] {
            let whole = Credential::from_raw(&HeaderValue::from_static(line)).expect("a credential");
            assert_eq!(whole.behind_scheme().expose(), expected);
        }
        let scheme_only = Credential::from_raw(&HeaderValue::from_static("Token ")).expect("a credential");
        assert!(scheme_only.without_scheme("token").is_none());
    }
}

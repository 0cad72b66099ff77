//! Whether a provider's text repeats what went out with the request (pure).

use std::borrow::Cow;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use http::{
    HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use memchr::{memchr, memmem};

use crate::context::{Credential, Target};

/// The shortest text that is looked for within others. A shorter one, such as the `none` of a local model, is found
/// where it stands alone.
const SECRET: usize = 8;
/// How often a text may have been percent-encoded: a URL within a URL within a URL.
const ENCODED: usize = 3;

/// What went out with a request and must not come back: the credential, the secret headers of an entry, and what a
/// signature put on.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    credential: Option<Credential>,
    headers: Vec<Credential>,
}

impl Sent {
    pub(super) fn of(target: &Target) -> Self {
        // What an entry says in headers of these names is no secret, and the provider's own answer may well say the same.
        let plain = |name: &HeaderName| [ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT].contains(name);
        let secret = target.headers().iter().filter(|header| header.value.is_sensitive() && !plain(&header.name));
        let headers = secret.filter_map(|header| Credential::from_raw(&header.value));
        let headers = headers.chain(target.signed().iter().cloned()).map(Credential::behind_scheme).collect();
        Self { credential: target.credential().cloned().map(Credential::behind_scheme), headers }
    }
}

/// Looks for the secrets of one request in one head, or in its trailers.
pub(super) struct Echo<'s> {
    /// Read once, because every line is asked for it.
    credential: &'s [u8],
    headers: &'s [Credential],
    /// The least room that one of them takes in base64.
    shortest: usize,
    /// Made when a text comes that could hold them.
    in_base64: Option<Vec<String>>,
}

impl<'s> Echo<'s> {
    pub(super) fn of(sent: &'s Sent) -> Self {
        let credential = sent.credential.as_ref().map_or(&b""[..], |credential| credential.expose().as_bytes());
        let headers = &*sent.headers;
        let shortest = long(credential, headers).map(|secret| core_length(secret.len())).min().unwrap_or(usize::MAX);
        Self { credential, headers, shortest, in_base64: None }
    }

    /// As it is; percent-encoded, as in a `location` that repeats a query; or within base64, at whatever place.
    pub(super) fn is_in(&mut self, text: &[u8]) -> bool {
        let mut text = Cow::Borrowed(text);
        for _ in 0..=ENCODED {
            if self.is_plainly_in(&text) || self.is_in_base64(&text) {
                return true;
            }
            if memchr(b'%', &text).is_none() {
                return false;
            }
            text = Cow::Owned(percent_encoding::percent_decode(&text).collect());
        }
        false
    }

    fn is_plainly_in(&self, text: &[u8]) -> bool {
        let credential = if self.credential.len() >= SECRET {
            text.len() >= self.credential.len() && memmem::find(text, self.credential).is_some()
        } else {
            // Behind a scheme, or without one.
            !self.credential.is_empty()
                && text.trim_ascii().rsplit(|byte| *byte == b' ').next() == Some(self.credential)
        };
        credential || self.headers.iter().any(|secret| secret.is_repeated_by(text))
    }

    fn is_in_base64(&mut self, text: &[u8]) -> bool {
        // Most values end here: a credential takes more room than they have in one piece.
        let shortest = self.shortest;
        if text.len() < shortest || !text.split(|byte| !is_base64(*byte)).any(|run| run.len() >= shortest) {
            return false;
        }
        let (credential, headers) = (self.credential, self.headers);
        let needles = self.in_base64.get_or_insert_with(|| long(credential, headers).flat_map(cores).collect());
        needles.iter().any(|needle| memmem::find(text, needle.as_bytes()).is_some())
    }
}

/// Those that are looked for within others.
fn long<'s>(credential: &'s [u8], headers: &'s [Credential]) -> impl Iterator<Item = &'s [u8]> {
    let headers = headers.iter().map(|secret| secret.expose().as_bytes());
    [credential].into_iter().chain(headers).filter(|secret| secret.len() >= SECRET)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// How many letters of base64 a secret of this length decides by itself, at least.
const fn core_length(length: usize) -> usize {
    (length - 2) / 3 * 4
}

/// What base64 makes of a secret, whatever stands before and behind it: three letters for each place that it can begin
/// at within three bytes, in both alphabets.
fn cores(secret: &[u8]) -> impl Iterator<Item = String> {
    (0..3).flat_map(move |skipped| {
        let whole = (secret.len() - skipped) / 3 * 3;
        let part = &secret[skipped..skipped + whole];
        let (plain, url) = (STANDARD_NO_PAD.encode(part), URL_SAFE_NO_PAD.encode(part));
        let other = (url != plain).then_some(url);
        [Some(plain), other].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn sent(secret: &str) -> Sent {
        let line = HeaderValue::from_str(secret).expect("a value");
        Sent { credential: Credential::from_raw(&line), headers: Vec::new() }
    }

    fn is_in(secret: &str, text: &str) -> bool {
        Echo::of(&sent(secret)).is_in(text.as_bytes())
    }

    #[test]
    fn a_secret_is_found_in_every_dress() {
        const SECRET: &str = "sk-canary/0123+456?";
        for text in [
            SECRET,
            "you sent 'Bearer sk-canary/0123+456?'",
            "https://h.example/?key=sk-canary%2F0123%2B456%3F",
            "https://h.example/?next=https%3A%2F%2Fa%3Fkey%3Dsk-canary%252F0123%252B456%253F",
            "c2stY2FuYXJ5LzAxMjMrNDU2Pw==",
            "QmVhcmVyIHNrLWNhbmFyeS8wMTIzKzQ1Nj8=",
            "token=QmVhcmVyIHNrLWNhbmFyeS8wMTIzKzQ1Nj8, more",
            "dXNlcjpzay1jYW5hcnkvMDEyMys0NTY_",
        ] {
            assert!(is_in(SECRET, text), "{text}");
        }
        for text in ["", "sk-canary", "sk-canary/0123 456?", "c2stb3RoZXIvMDEyMys0NTY=", "%", "%zz%25%25%25%25%25"] {
            assert!(!is_in(SECRET, text), "{text}");
        }
    }

    #[test]
    fn a_short_one_is_found_where_it_stands_alone() {
        for (text, found) in [("none", true), ("Bearer none", true), ("nonesuch", false), ("none of them", false)] {
            assert_eq!(is_in("none", text), found, "{text}");
        }
        assert!(!Echo::of(&Sent::default()).is_in(b"anything"));
    }

    proptest! {
        #[test]
        fn base64_hides_nothing(secret in "[!-~]{8,60}", before in "[ -~]{0,9}", behind in "[ -~]{0,9}", url: bool) {
            let text = [before.as_str(), &secret, &behind].concat();
            let text = if url { URL_SAFE_NO_PAD.encode(text) } else { STANDARD_NO_PAD.encode(text) };
            prop_assert!(is_in(&secret, &text));
        }
    }
}

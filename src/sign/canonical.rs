//! The canonical form of a request, which is what a signature is over (pure).
//!
//! Source: AWS, "Create a signed AWS API request" (Signature Version 4), with the normal form of paths of RFC 3986,
//! section 5.2.4.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::context::is_aws_signature_param;

/// Everything but RFC 3986's unreserved characters.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for whole paths.
const PATH: &AsciiSet = &STRICT.remove(b'/');

/// What a path becomes before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathStyle {
    /// Encoded once more than on the wire. Every service but S3 asks for it.
    pub(super) double: bool,
    /// Without dot segments and empty ones. Every service but S3 asks for it.
    pub(super) normal: bool,
}

impl PathStyle {
    /// As this service asks for.
    pub(super) fn of(service: &str) -> Self {
        let plain = !matches!(service, "s3" | "s3-outposts" | "s3-object-lambda" | "s3express");
        Self { double: plain, normal: plain }
    }
}

/// What is signed of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// As on the wire.
    pub(super) path: &'a str,
    pub(super) style: PathStyle,
    /// In its canonical form ([`query`]).
    pub(super) query: &'a str,
    /// Sorted by name; lines of one name stand together, in their order.
    pub(super) headers: &'a [(&'a str, &'a [u8])],
    /// SHA-256 of the body, in hexadecimal.
    pub(super) payload: &'a str,
}

impl Signed<'_> {
    /// The whole text.
    pub(super) fn text(&self) -> Vec<u8> {
        let values: usize = self.headers.iter().map(|(name, value)| 2 * name.len() + value.len() + 3).sum();
        let about = self.method.len() + 2 * self.path.len() + self.query.len() + values + self.payload.len() + 8;
        let mut text = Vec::with_capacity(about);
        text.extend_from_slice(self.method.as_bytes());
        text.push(b'\n');
        let path = if self.style.normal { normal(self.path) } else { Cow::Borrowed(self.path) };
        if self.style.double {
            // Most of a path needs no encoding, so it comes in few pieces.
            for piece in percent_encode(path.as_bytes(), PATH) {
                text.extend_from_slice(piece.as_bytes());
            }
        } else {
            text.extend_from_slice(path.as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(self.query.as_bytes());
        text.push(b'\n');
        let mut last = "";
        for (index, (name, value)) in self.headers.iter().enumerate() {
            if *name == last {
                text.push(b',');
            } else {
                if index > 0 {
                    text.push(b'\n');
                }
                text.extend_from_slice(name.as_bytes());
                text.push(b':');
            }
            trimmed(&mut text, value);
            last = name;
        }
        text.extend_from_slice(b"\n\n");
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                text.push(b';');
            }
            text.extend_from_slice(name.as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(self.payload.as_bytes());
        text
    }

    /// The names of the headers, once each.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let mut last = "";
        self.headers.iter().map(|(name, _)| *name).filter(move |name| std::mem::replace(&mut last, name) != *name)
    }
}

/// A query in the encoding that is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// What goes out: the caller's parameters in their order.
    pub(super) wire: String,
    /// What is signed: the same, sorted.
    pub(super) canonical: String,
}

/// Writes every parameter in one encoding, so that whoever checks the signature can't read it in another. Parameters of a
/// signature (`X-Amz-…`, `AWSAccessKeyId`, `Signature`) are taken away.
pub(super) fn query(given: &str) -> Query {
    let mut query = Query::default();
    let mut pairs = Vec::new();
    for pair in given.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
        let name = decoded(name);
        if is_aws_signature_param(&name) {
            continue;
        }
        let name = percent_encode(&name, STRICT).to_string();
        let encoded = value.map(|value| percent_encode(&decoded(value), STRICT).to_string());
        query.wire.extend([if query.wire.is_empty() { "" } else { "&" }, &name]);
        if let Some(value) = &encoded {
            query.wire.extend(["=", value]);
        }
        pairs.push((name, encoded.unwrap_or_default()));
    }
    pairs.sort_unstable();
    for (name, value) in &pairs {
        query.canonical.extend([if query.canonical.is_empty() { "" } else { "&" }, name, "=", value]);
    }
    query
}

fn decoded(text: &str) -> Vec<u8> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode(spaced.as_bytes()).collect()
}

/// A value without the spaces around it, and with one for several inside.
fn trimmed(text: &mut Vec<u8>, value: &[u8]) {
    let value = value.trim_ascii();
    if !value.windows(2).any(|pair| pair == b"  ") {
        text.extend_from_slice(value);
        return;
    }
    let mut space = false;
    for byte in value {
        let is_space = *byte == b' ';
        if !(is_space && space) {
            text.push(*byte);
        }
        space = is_space;
    }
}

fn normal(path: &str) -> Cow<'_, str> {
    if path.is_empty() {
        return Cow::Borrowed("/");
    }
    let dotted = |segment: &str| matches!(segment, "." | "..");
    if path.starts_with('/') && !path.contains("//") && !path.split('/').any(dotted) {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let open = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
    let mut normal = String::with_capacity(path.len() + 1);
    for segment in &kept {
        normal.extend(["/", segment]);
    }
    if normal.is_empty() || open {
        normal.push('/');
    }
    Cow::Owned(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_twice_but_for_s3() {
        let text = |service, path| {
            let style = PathStyle::of(service);
            let signed = Signed { method: "POST", path, style, query: "", headers: &[("host", b"h")], payload: "0" };
            String::from_utf8(signed.text()).expect("text").lines().nth(1).map(str::to_owned).expect("a path")
        };
        for (path, bedrock, s3) in [
            ("/model/a%3A0/converse", "/model/a%253A0/converse", "/model/a%3A0/converse"),
            ("/model/a:0/converse", "/model/a%3A0/converse", "/model/a:0/converse"),
            ("/model/arn%3Aaws%2Fx/invoke", "/model/arn%253Aaws%252Fx/invoke", "/model/arn%3Aaws%2Fx/invoke"),
            ("/", "/", "/"),
            ("/a//b/./c/../d", "/a/b/d", "/a//b/./c/../d"),
            ("/a/", "/a/", "/a/"),
            ("/..", "/", "/.."),
            ("/a/b/.", "/a/b/", "/a/b/."),
        ] {
            assert_eq!(text("bedrock", path), bedrock, "{path}");
            assert_eq!(text("s3", path), s3, "{path}");
        }
    }

    #[test]
    fn queries_have_one_encoding_and_no_foreign_signature() {
        for (given, wire, canonical) in [
            ("", "", ""),
            ("attributes", "attributes", "attributes="),
            ("b=2&a=1&a=0", "b=2&a=1&a=0", "a=0&a=1&b=2"),
            ("a=x+y&&b=c%2fd:e", "a=x%20y&b=c%2Fd%3Ae", "a=x%20y&b=c%2Fd%3Ae"),
            ("a=%zz&b=%ff", "a=%25zz&b=%FF", "a=%25zz&b=%FF"),
            ("a-b=1&a=1", "a-b=1&a=1", "a=1&a-b=1"),
            ("X-Amz-Signature=1&x%2Damz-Date=2&Signature=3&AWSAccessKeyId=4&x=5", "x=5", "x=5"),
        ] {
            assert_eq!(query(given), Query { wire: wire.into(), canonical: canonical.into() }, "{given}");
        }
    }

    #[test]
    fn values_are_trimmed_and_lines_joined() {
        let headers: &[(&str, &[u8])] = &[("a", b"  x   y "), ("a", b"z"), ("b", b"\"q   r\"")];
        let style = PathStyle { double: true, normal: true };
        let signed = Signed { method: "GET", path: "", style, query: "", headers, payload: "0" };
        let text = String::from_utf8(signed.text()).expect("text");
        assert_eq!(text, "GET\n/\n\na:x y,z\nb:\"q r\"\n\na;b\n0");
    }
}

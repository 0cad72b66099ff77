//! A credential in the query (pure).

use http::{
    Uri,
    uri::{InvalidUri, PathAndQuery},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

/// Everything but RFC 3986's unreserved characters.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `uri` with the parameter `name` set to `value`, and every parameter of that name that the caller sent taken away.
/// Without a value, they are only taken away.
pub(super) fn set(uri: &Uri, name: &str, value: Option<&str>) -> Result<Uri, http::Error> {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !is_named(pair, name));
    let mut text = Zeroizing::new(uri.path().to_owned());
    let mut sign = '?';
    for pair in kept {
        text.push(sign);
        text.push_str(pair);
        sign = '&';
    }
    if let Some(value) = value {
        text.push(sign);
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, VALUE));
    }
    let target: Result<PathAndQuery, InvalidUri> = text.parse();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target?);
    Ok(Uri::from_parts(parts)?)
}

fn is_named(pair: &str, name: &str) -> bool {
    let found = pair.split('=').next().unwrap_or_default();
    percent_decode_str(found).eq(name.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_own_parameter_goes_in_every_spelling() {
        for (uri, expected) in [
            ("https://h/p", "https://h/p?key=a%2Fb"),
            ("https://h/p?alt=sse", "https://h/p?alt=sse&key=a%2Fb"),
            ("https://h/p?key=evil&a=1&%6bey=evil&key", "https://h/p?a=1&key=a%2Fb"),
            ("https://h/p?keys=1&monkey=2", "https://h/p?keys=1&monkey=2&key=a%2Fb"),
        ] {
            let uri: Uri = uri.parse().expect("a URI");
            assert_eq!(set(&uri, "key", Some("a/b")).expect("a URI").to_string(), expected);
        }
        let uri: Uri = "https://h/p?key=evil&a=1".parse().expect("a URI");
        assert_eq!(set(&uri, "key", None).expect("a URI").to_string(), "https://h/p?a=1");
    }
}

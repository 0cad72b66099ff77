//! Where, outside of the body, a request names a model (pure).

use std::{borrow::Cow, ops::Range};

use http::Uri;
use percent_encoding::percent_decode_str;

use super::rewrite::{Spelling, front, split};

/// The `model` of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InQuery {
    /// The slug that it begins with.
    pub(super) slug: Option<Box<str>>,
    /// Where in the query that slug stands, up to the model: what is to be cut out.
    pub(super) cut: Option<Range<usize>>,
}

/// The query names several models, and an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// The entry that a query names: `?model=@slug/model`.
pub(super) fn in_query(query: &str) -> Result<InQuery, Ambiguous> {
    let (mut found, mut count, mut at) = (InQuery::default(), 0, 0);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(name) == "model" {
            count += 1;
            if let Some((slug, _)) = split(&decoded(value)) {
                let start = at + pair.len() - value.len();
                let cut = front(value.as_bytes(), Spelling::Percent).map(|length| start..start + length);
                found = InQuery { slug: Some(slug.into()), cut };
            }
        }
        at += pair.len() + 1;
    }
    if found.slug.is_some() && count > 1 { Err(Ambiguous) } else { Ok(found) }
}

/// The same target without that part of its query.
pub(super) fn without(uri: &Uri, cut: &Range<usize>) -> Option<Uri> {
    let query = uri.query()?;
    let target = format!("{}?{}{}", uri.path(), query.get(..cut.start)?, query.get(cut.end..)?);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_slug_is_cut_out_of_the_query() {
        for (query, slug, left) in [
            ("model=@a/b", Some("a"), "model=b"),
            ("x=%31&model=%40a%2Fb%2fc&y=@a/b", Some("a"), "x=%31&model=b%2fc&y=@a/b"),
            ("mod%65l=@a/b", Some("a"), "mod%65l=b"),
            ("model=@a", Some("a"), "model=@a"),
            ("model=@/b", Some(""), "model=b"),
            ("model=@cf/b", None, "model=@cf/b"),
            ("model=b&model=c", None, "model=b&model=c"),
            ("models=@a/b&Model=@a/b", None, "models=@a/b&Model=@a/b"),
            ("", None, ""),
            ("model", None, "model"),
        ] {
            let found = in_query(query).expect(query);
            assert_eq!(found.slug.as_deref(), slug, "{query}");
            let uri: Uri = format!("/v1/models?{query}").parse().expect(query);
            let uri = found.cut.map_or(uri.clone(), |cut| without(&uri, &cut).expect("a target"));
            assert_eq!(uri.to_string(), format!("/v1/models?{left}"));
        }
        for query in ["model=@a/b&model=c", "model=c&model=@a/b", "model=@a/b&model=@a/b"] {
            assert_eq!(in_query(query), Err(Ambiguous), "{query}");
        }
        let uri: Uri = "http://gateway.test:80/v1/x?model=@a/b".parse().expect("a URL");
        assert_eq!(without(&uri, &(6..9)).expect("a URL").to_string(), "http://gateway.test:80/v1/x?model=b");
    }

    proptest! {
        #[test]
        fn any_query_is_answered(query in "([&=;/]|model|@|%40|%2[fF]|[a-c%])*") {
            if let Ok(uri) = format!("/v1/x?{query}").parse::<Uri>() {
                if let Ok(InQuery { cut: Some(cut), .. }) = in_query(uri.query().unwrap_or_default()) {
                    prop_assert!(without(&uri, &cut).is_some_and(|left| left.to_string().len() + cut.len() == uri.to_string().len()));
                }
            }
        }
    }
}

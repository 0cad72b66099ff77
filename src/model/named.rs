//! Who names the provider of a request: config, headers, body or query (wire contract 2.7; pure).

use super::places::{Ambiguous, InQuery, in_query};
use crate::{
    context::{Branch, ConfigObject, Entry, PortkeyHeaders, ProviderId, ProviderRef, RequestConfig},
    rejection::{Kind, Rejection},
};

/// What the caller says about the provider, beside the config.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// Whether bodies and queries are looked at: entries can be named in them.
    pub(super) reads: bool,
    /// Whether it counts: the config leaves the provider to the caller.
    counts: bool,
    /// The slug that counts, once it is known.
    slug: Option<(Source, Box<str>)>,
    /// The built-in provider, which every slug wins over.
    plain: Option<ProviderId>,
    /// Whether the built-in provider of the headers has the model in its URLs.
    pub(super) has_models_in_paths: bool,
    /// What the query says, which wins over nothing but that.
    pub(super) query: InQuery,
}

/// Where a slug or provider was found, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Header,
    Body,
    Query,
}

impl Source {
    /// In a word, for logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Body => "body",
            Self::Query => "query",
        }
    }
}

/// Reads the headers, as `ConfigLayer` found them, and the query. `hosted`: a caller was authenticated; entries belong to
/// callers. `none`: there are no entries.
pub(super) fn read(
    config: &RequestConfig,
    portkey: &PortkeyHeaders,
    hosted: bool,
    none: bool,
    query: Option<&str>,
) -> Result<Caller, Rejection> {
    let reads = hosted && !none;
    let query = query.filter(|_| reads).map(in_query).transpose().map_err(|Ambiguous| {
        Rejection::new(Kind::InvalidRequest).with_message("The query must not name its model twice")
    })?;
    let counts = config.tree.as_ref().is_none_or(|tree| leaves_open(&tree.root));
    let (slug, plain) = match config.named.as_ref().filter(|_| counts) {
        Some(ProviderRef::Slug(slug)) => (Some((Source::Header, slug.clone())), None),
        Some(ProviderRef::Id(id)) => (None, Some(id.clone())),
        None => (None, None),
    };
    let has_models_in_paths =
        plain.as_ref().is_some_and(|id: &ProviderId| id.has_models_in_paths(|name| portkey.text(name)));
    Ok(Caller { reads, counts, slug, plain, has_models_in_paths, query: query.unwrap_or_default() })
}

/// Whether the config leaves the provider to the caller: it names none at all, or says so somewhere.
fn leaves_open(object: &ConfigObject) -> bool {
    object.provider.is_none() && object.branch.is_none() || passes(object)
}

/// Whether the config says somewhere that the caller's own provider is asked.
pub(super) fn passes(object: &ConfigObject) -> bool {
    let below = |branch: &Branch| branch.targets.iter().any(|target| passes(&target.object));
    object.passthrough || object.branch.as_ref().is_some_and(below)
}

impl Caller {
    /// The slug that counts so far.
    pub(super) fn slug(&self) -> Option<&str> {
        self.slug.as_ref().map(|(_, slug)| &**slug)
    }

    /// Whether body or query may still say which entry it is.
    fn is_open(&self) -> bool {
        self.reads && self.counts && self.slug.is_none()
    }

    /// Whether only the body can say where the request is to go.
    pub(super) fn needs_the_body(&self) -> bool {
        self.is_open() && self.plain.is_none() && self.query.slug.is_none()
    }

    /// Whether the query names the entry, unless the body does.
    pub(super) fn waits_for_the_body(&self) -> bool {
        self.is_open() && self.query.slug.is_some()
    }

    /// Takes what the body names, or else the query.
    pub(super) fn settle(&mut self, body: Option<Box<str>>) {
        if self.is_open() {
            let query = self.query.slug.take().map(|slug| (Source::Query, slug));
            self.slug = body.map(|slug| (Source::Body, slug)).or(query);
        }
    }

    /// What counts, and where it was found, where the config leaves it to the caller.
    pub(super) fn named(&mut self) -> (Option<Source>, Option<ProviderRef>) {
        match self.slug.take() {
            Some((source, slug)) => (Some(source), Some(ProviderRef::Slug(slug))),
            None => (self.plain.as_ref().map(|_| Source::Header), self.plain.clone().map(ProviderRef::Id)),
        }
    }
}

/// Whether an entry can have this slug.
pub(super) fn can_be_a_slug(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=Entry::MAX_SLUG_BYTES).contains(&text.len()) && text.bytes().all(plain) && !text.contains("..")
}

/// The refusal of slugs that this workspace doesn't know. At most 255 bytes of each are told.
pub(super) fn unknown<'a>(slugs: impl IntoIterator<Item = &'a str>) -> Rejection {
    let short = |slug: &'a str| {
        let end = (0..=slug.len().min(Entry::MAX_SLUG_BYTES)).rev().find(|end| slug.is_char_boundary(*end));
        &slug[..end.unwrap_or_default()]
    };
    let slugs: Vec<_> = slugs.into_iter().map(short).collect();
    Rejection::new(Kind::InvalidRequest).with_message(format!("Following keys are not valid: {}", slugs.join(", ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_can_be_a_slug_is_what_an_entry_takes(text in "[a-c.@/é_-]{0,4}|[a.]{254,257}") {
            let openai = ProviderId::parse("openai").expect("a provider");
            prop_assert_eq!(can_be_a_slug(&text), Entry::new(&*text, openai).is_ok(), "{}", text);
        }
    }

    #[test]
    fn unknown_slugs_are_told_in_part() {
        let long = "é".repeat(200);
        let message = unknown(["a", &long]).message().to_owned();
        assert_eq!(message, format!("Following keys are not valid: a, {}", "é".repeat(127)));
    }
}

//! What a line of the catalog says.

use http::Method;

use crate::header::PortkeyHeader;

/// The base of providers that have no address of their own: whoever uses them names one.
pub(super) const CUSTOM_HOST: &str = "{custom_host}";

/// One provider, as data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    /// The provider's id.
    pub(super) id: &'static str,
    /// The base of its own routes: `https://host/path`, perhaps with `{fields}`, or [`CUSTOM_HOST`].
    pub(super) base: &'static str,
    /// What stands between that base and a path that does not begin with a version segment itself. It belongs to the
    /// operation, so it stays where another base takes the base's place.
    pub(super) prefix: &'static str,
    /// Where the credential goes on those routes.
    pub(super) auth: Auth,
    /// Whether requests may go without a credential.
    pub(super) optional: bool,
    /// Further headers.
    pub(super) headers: &'static [Extra],
    /// The OpenAI-compatible endpoint, where it is not the base itself.
    pub(super) compat: Option<Compat>,
    /// Paths that don't go where the others go. The first that fits counts.
    pub(super) branches: &'static [Branch],
    /// Operations of an OpenAI client that the provider offers only in its own way, and the path that does (below
    /// `/v1`; empty where there is not the one).
    pub(super) native_only: &'static [(At, &'static str)],
    /// Whether an OpenAI client has any use of it. If not, all of [`OPENAI`] counts as `native_only`.
    pub(super) speaks_openai: bool,
    /// Credentials that are shown in another way.
    pub(super) token: Option<Token>,
    /// Headers of the caller's that are credentials of this provider's, and go along as they are.
    pub(super) passes: &'static [&'static str],
    /// Whether a second `/v1` behind a base that ends in one is dropped.
    pub(super) collapses_v1: bool,
    /// Whether Portkey reads the row's fields from headers, beside the config. Where a config names no provider, such
    /// headers count, and the config's own members don't (wire contract 2.3).
    pub(super) fields_in_headers: bool,
    /// The field in which a caller may name a base URL, beside the custom host. The paths below it begin with `/v1`.
    pub(super) base_url_field: Option<PortkeyHeader>,
}

/// Tokens beside keys: known by how they begin, shown as `authorization: Bearer …`, together with a word in a header that is
/// a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// How they begin.
    pub(super) front: &'static str,
    /// The header, in lower case.
    pub(super) header: &'static str,
    /// The word.
    pub(super) word: &'static str,
}

/// The way a credential is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Auth {
    /// In a header (lower case), behind a prefix.
    Header(&'static str, &'static str),
    /// As a parameter of the query.
    Query(&'static str),
    /// In a signature of AWS's.
    #[cfg(feature = "bedrock")]
    Signature,
    /// In a signature of Oracle's.
    #[cfg(feature = "oracle")]
    OciSignature,
    /// Not at all.
    None,
}

/// `authorization: Bearer …`.
pub(super) const BEARER: Auth = Auth::Header("authorization", "Bearer ");

/// A header of the provider's. The field's value counts before the fixed one; with neither, it is not sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    /// The name, in lower case.
    pub(super) name: &'static str,
    /// The field.
    pub(super) field: Option<PortkeyHeader>,
    /// The fixed value.
    pub(super) value: Option<&'static str>,
}

/// A header with a fixed value.
pub(super) const fn fixed(name: &'static str, value: &'static str) -> Extra {
    Extra { name, field: None, value: Some(value) }
}

/// A header with the value of a field.
pub(super) const fn from(name: &'static str, field: PortkeyHeader) -> Extra {
    Extra { name, field: Some(field), value: None }
}

/// An OpenAI-compatible endpoint: exactly these paths go there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compat {
    /// Its base.
    pub(super) base: &'static str,
    /// The paths, appended to it.
    pub(super) paths: &'static [&'static str],
    /// Where the credential goes there.
    pub(super) auth: Auth,
}

/// Paths with a way of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    /// Which.
    pub(super) at: At,
    /// What stands in place of the part that [`At`] found. No prefix comes before it.
    pub(super) to: &'static str,
    /// A base of their own.
    pub(super) base: Option<&'static str>,
    /// Only where this field is `true`.
    pub(super) flag: Option<PortkeyHeader>,
    /// Only where this field is given.
    pub(super) given: Option<PortkeyHeader>,
}

/// This path and those below it go to the base as they are, without the prefix.
pub(super) const fn bare(path: &'static str) -> Branch {
    Branch { at: At::Under(path), to: path, base: None, flag: None, given: None }
}

/// This path and those below it go to `to` at another base.
pub(super) const fn away(path: &'static str, to: &'static str, base: &'static str) -> Branch {
    Branch { at: At::Under(path), to, base: Some(base), flag: None, given: None }
}

/// Which paths (below `/v1`).
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// This one and those below it.
    Under(&'static str),
    /// Exactly this one, by POST.
    Post(&'static str),
    /// Those with this text in them.
    With(&'static str),
}

impl At {
    /// What follows the part of the path that fits: nothing for [`Post`](At::Post), all of it for [`With`](At::With).
    pub(super) fn tail<'a>(self, method: &Method, rest: &'a str) -> Option<&'a str> {
        match self {
            Self::Under(path) => rest.strip_prefix(path).filter(|tail| tail.is_empty() || tail.starts_with('/')),
            Self::Post(path) => (method == Method::POST && rest == path).then_some(""),
            Self::With(text) => rest.contains(text).then_some(rest),
        }
    }

    /// The text.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Under(text) | Self::Post(text) | Self::With(text) => text,
        }
    }
}

/// What an OpenAI client may POST without naming an object.
pub(super) const OPENAI: [&str; 9] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/generations",
    "/images/edits",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    "/responses",
];

/// A provider that takes `authorization: Bearer …` and speaks OpenAI's language on every route.
pub(super) const fn bearer(id: &'static str, base: &'static str, prefix: &'static str) -> Spec {
    Spec {
        id,
        base,
        prefix,
        auth: BEARER,
        optional: false,
        headers: &[],
        compat: None,
        branches: &[],
        native_only: &[],
        speaks_openai: true,
        token: None,
        passes: &[],
        collapses_v1: false,
        fields_in_headers: true,
        base_url_field: None,
    }
}

/// A provider with nothing for an OpenAI client.
pub(super) const fn native(id: &'static str, base: &'static str, prefix: &'static str) -> Spec {
    Spec { speaks_openai: false, ..bearer(id, base, prefix) }
}

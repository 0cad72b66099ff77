//! The checks of Portkey's request validator, in its order (wire contract 2.4; pure).

use http::{HeaderName, HeaderValue, header::CONTENT_TYPE, request::Parts};

use super::{
    decode::{NotForwardable, forwardable},
    inline,
};
use crate::{
    context::{Asked, NamedHost, PortkeyHeaders, Principal, ProviderIds, ProviderRef, Route, Workspace},
    header::PortkeyHeader,
    host::{CustomHost, HostErrorKind, TrustedHosts},
    rejection::{Kind, Rejection},
};

/// What the headers say, all but the config.
#[derive(Debug)]
pub(super) struct Read<'h> {
    pub(super) asked: Asked,
    /// The list of headers to forward, which is the last of the checks.
    pub(super) forward: Result<(), Rejection>,
    /// The provider or entry that a header names.
    pub(super) named: Option<ProviderRef>,
    pub(super) source: Source<'h>,
    /// Whether the caller was authenticated: then there are stored entries and saved configs.
    pub(super) hosted: bool,
}

/// Where the config is.
#[derive(Debug)]
pub(super) enum Source<'h> {
    None,
    /// JSON in the header.
    Inline(&'h HeaderValue),
    /// A saved one. If it is not `required`, one that is not there is none.
    Saved {
        id: &'h str,
        workspace: Workspace<'h>,
        required: bool,
    },
}

/// Reads and checks the headers. The rules that know stored entries and saved configs hold where a caller was
/// authenticated; otherwise those of the open source gateway.
pub(super) fn read<'h>(
    head: &'h Parts,
    trusted: &TrustedHosts,
    providers: &ProviderIds,
    saved_only: bool,
) -> Result<Read<'h>, Rejection> {
    let portkey = head.extensions.get::<PortkeyHeaders>().ok_or_else(|| Rejection::misassembled("ExtractLayer"))?;
    let caller = head.extensions.get::<Principal>();
    let route = Route::of(&head.method, head.uri.path());
    if route.rest().is_none() {
        return Err(Rejection::new(Kind::NotFound));
    }
    if saved_only {
        inline::check(portkey)?;
    }
    let content_type = head.headers.get(CONTENT_TYPE);
    if (caller.is_none() || route.is_unified()) && !content_type.is_none_or(is_served_type) {
        return Err(refused("Invalid content type passed"));
    }

    let provider = portkey.provider();
    let source = source(portkey.value(PortkeyHeader::Config), caller)?;
    // Who was authenticated may name the provider in the body, or in a saved config, too.
    if caller.is_none() && provider.is_none() && matches!(source, Source::None) {
        return Err(refused("Either x-portkey-config or x-portkey-provider header is required"));
    }
    let provider = match provider {
        // The header knows the built-in ones only.
        Some(Err(_)) => match portkey.text(PortkeyHeader::Provider).and_then(|id| providers.parse(id)) {
            Some(own) => Some(ProviderRef::Id(own)),
            None => return Err(refused("Invalid provider passed")),
        },
        Some(Ok(ProviderRef::Slug(_))) if caller.is_none() => return Err(refused("Invalid provider passed")),
        Some(Ok(provider)) => Some(provider),
        None => None,
    };
    let custom_host = portkey.text(PortkeyHeader::CustomHost).map(|url| {
        named_host(url, trusted, caller.is_some()).map_err(|error| refused("Invalid custom host").with_source(error))
    });
    let listed = portkey.value(PortkeyHeader::ForwardHeaders).is_some();
    let forward = listed.then(|| portkey.forward_headers().map(forwarded).collect::<Result<_, _>>()).transpose();
    let custom_host = custom_host.transpose()?;
    let (forward_headers, forward) = forward.map_or_else(|refused| (None, Err(refused)), |list| (list, Ok(())));
    let asked = Asked { custom_host, forward_headers, request_timeout: portkey.request_timeout() };
    // An entry comes before a provider, whichever header names it (wire contract 2.7).
    let named = match (provider, portkey.text(PortkeyHeader::VirtualKey).filter(|_| caller.is_some())) {
        (Some(slug @ ProviderRef::Slug(_)), _) => Some(slug),
        (_, Some(slug)) => Some(ProviderRef::Slug(slug.into())),
        (provider, None) => provider,
    };
    Ok(Read { asked, forward, named, source, hosted: caller.is_some() })
}

/// The header's config, or else the default of the key, or else that of the workspace (wire contract 2.7).
fn source<'h>(header: Option<&'h HeaderValue>, caller: Option<&'h Principal>) -> Result<Source<'h>, Rejection> {
    let Some(caller) = caller else { return Ok(header.map_or(Source::None, Source::Inline)) };
    let default = caller.default_config();
    if header.is_some() && default.is_some() && !caller.allows_config_override() {
        return Err(refused("Cannot override default config set for this API key."));
    }
    let saved = |id, required| Source::Saved { id, workspace: caller.place(), required };
    Ok(match header {
        Some(value) if value.as_bytes().starts_with(b"pc-") => match value.to_str().ok().filter(|id| is_id(id)) {
            Some(id) => saved(id, true),
            None => return Err(unknown_id()),
        },
        Some(value) => Source::Inline(value),
        None => default.map_or(Source::None, |default| saved(default.id(), default.is_required())),
    })
}

/// An id is looked up by resolvers that may put it into a path: nothing but letters, digits, `_` and `-`.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    id.len() > 3 && id.len() <= 255 && id.starts_with("pc-") && id.bytes().all(plain)
}

/// There is no such saved config, or it is somebody else's.
pub(super) fn unknown_id() -> Rejection {
    refused("Invalid config id passed")
}

/// A host that a caller or config names. `may_defer` says that an entry could allow what the trusted hosts don't.
pub(super) fn named_host(
    url: &str,
    trusted: &TrustedHosts,
    may_defer: bool,
) -> Result<NamedHost, crate::host::HostError> {
    let host = match CustomHost::parse(url, trusted) {
        Ok(host) => Some(host),
        Err(error) if may_defer && error.kind() == HostErrorKind::NotTrusted => None,
        Err(error) => return Err(error),
    };
    Ok(NamedHost { text: url.into(), host })
}

fn forwarded(name: &str) -> Result<HeaderName, Rejection> {
    forwardable(name).map_err(|why| match why {
        NotForwardable::List => refused(why.text()),
        NotForwardable::Invalid | NotForwardable::Never => {
            refused("x-portkey-forward-headers names a header that is never forwarded, or none at all")
        }
    })
}

/// Portkey compares exactly: case counts, and so does a space before `;`.
fn is_served_type(value: &HeaderValue) -> bool {
    let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    value.is_empty() || kind == b"application/json" || kind == b"multipart/form-data" || kind.starts_with(b"audio")
}

pub(super) fn refused(message: &'static str) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(message)
}

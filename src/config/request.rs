//! The checks of Portkey's request validator, in its order (wire contract 2.4; pure).

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header::CONTENT_TYPE, request::Parts};

use super::decode::{Asks, NotForwardable, decode, forwardable};
use crate::{
    context::{ConfigObject, PortkeyHeaders, Principal, ProviderRef, RequestConfig, Route},
    header::PortkeyHeader,
    host::{CustomHost, TrustedHosts},
    rejection::{Kind, Rejection},
};

/// What the request asks for. `hosted` rules, which know stored entries and saved configs, hold where a caller was
/// authenticated; otherwise those of the open source gateway.
pub(super) fn read(head: &Parts, trusted: &TrustedHosts) -> Result<RequestConfig, Rejection> {
    let portkey = head.extensions.get::<PortkeyHeaders>().ok_or_else(|| Rejection::misassembled("ExtractLayer"))?;
    let hosted = head.extensions.get::<Principal>().is_some();
    let route = Route::of(&head.method, head.uri.path());
    if route.rest().is_none() {
        return Err(Rejection::new(Kind::NotFound));
    }
    let content_type = head.headers.get(CONTENT_TYPE);
    if (!hosted || route.is_unified()) && !content_type.is_none_or(is_served_type) {
        return Err(refused("Invalid content type passed"));
    }

    let provider = portkey.provider();
    let config = portkey.value(PortkeyHeader::Config);
    let virtual_key = hosted && portkey.value(PortkeyHeader::VirtualKey).is_some();
    if config.is_none() && provider.is_none() && !virtual_key {
        return Err(refused("Either x-portkey-config or x-portkey-provider header is required"));
    }
    match &provider {
        Some(Err(_)) => return Err(refused("Invalid provider passed")),
        Some(Ok(ProviderRef::Slug(_))) if !hosted => return Err(refused("Invalid provider passed")),
        Some(Ok(_)) | None => {}
    }
    let custom_host = portkey.text(PortkeyHeader::CustomHost).map(|url| custom_host(url, trusted)).transpose()?;
    let asked = Asks {
        provider_header: provider.is_some() || virtual_key,
        slugs: hosted,
        host: &|url| CustomHost::parse(url, trusted).is_ok(),
    };
    let object = config.map(|config| object(config, hosted, &asked)).transpose()?;
    let forward = portkey.forward_headers().map(forwarded).collect::<Result<Vec<_>, _>>()?;

    Ok(effective(portkey, object, custom_host, forward, trusted))
}

/// Headers win over the config; lists are replaced, not merged.
fn effective(
    portkey: &PortkeyHeaders,
    object: Option<ConfigObject>,
    custom_host: Option<CustomHost>,
    forward: Vec<HeaderName>,
    trusted: &TrustedHosts,
) -> RequestConfig {
    let of_config = || object.as_ref()?.custom_host.as_ref().and_then(|url| CustomHost::parse(url, trusted).ok());
    let custom_host = custom_host.or_else(of_config);
    let forward_headers = if portkey.value(PortkeyHeader::ForwardHeaders).is_some() {
        forward
    } else {
        object.as_ref().and_then(|object| object.forward_headers.clone()).unwrap_or_default()
    };
    let of_config = object.as_ref().and_then(|object| object.request_timeout);
    let request_timeout = portkey.request_timeout().or(of_config);
    RequestConfig { object: object.map(Arc::new), custom_host, forward_headers, request_timeout, params_seen: false }
}

/// JSON in the header. An id (`pc-…`) names a saved config, of which no layer knows any yet.
fn object(config: &HeaderValue, hosted: bool, asked: &Asks<'_>) -> Result<ConfigObject, Rejection> {
    if hosted && config.as_bytes().starts_with(b"pc-") {
        return Err(refused("Invalid config id passed"));
    }
    Ok(decode(config.as_bytes(), asked)?)
}

fn custom_host(url: &str, trusted: &TrustedHosts) -> Result<CustomHost, Rejection> {
    CustomHost::parse(url, trusted).map_err(|error| refused("Invalid custom host").with_source(error))
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

fn refused(message: &'static str) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(message)
}

//! The base that takes the place of a provider's own, and who named it (pure).

use super::{bound::Bound, catalog::Row, layer::Settings, template};
use crate::{
    context::{Entry, HostOrigin, NamedHost, PortkeyHeaders, RequestConfig},
    header::PortkeyHeader,
    host::CustomHost,
    rejection::{Kind, Rejection},
};

/// A base, and who named it. Without one, the catalog's own counts.
type Base = (Option<CustomHost>, HostOrigin);

/// Finds the base of an attempt.
///
/// A stored credential and somebody else's host never come together here: an entry's goes to its provider's own domain, to
/// the operator's hosts and to those that the entry allows; a saved config's to its provider's own domain, to the
/// operator's hosts and to the one in the same config.
pub(super) fn base(
    row: &Row,
    bound: &Bound<'_>,
    portkey: &PortkeyHeaders,
    config: &RequestConfig,
    settings: &Settings,
) -> Result<Base, Rejection> {
    let by_header = config.asked.custom_host.is_some();
    let field = |name| bound.field(row, portkey, name);
    match (config.named_host(), bound) {
        (Some(named), Bound::Entry(entry)) => {
            let elsewhere = entry.custom_host().is_some() || settings.base_url(row).is_some();
            return with_entry(row, entry, named, by_header, elsewhere, field);
        }
        (Some(named), Bound::Config { object, saved: true }) if object.holds_a_credential() => {
            return match (by_header, judged(named)?) {
                (false, host) => Ok(of_operator(host)),
                (true, host)
                    if object.custom_host.is_none()
                        && settings.base_url(row).is_none()
                        && row.is_own_host(&host, field) =>
                {
                    Ok((Some(host), HostOrigin::Catalog))
                }
                (true, _) => Err(not_bound("x-portkey-custom-host")),
            };
        }
        (Some(named), _) => return Ok(of_caller(judged(named)?)),
        (None, Bound::Entry(entry)) if entry.custom_host().is_some() => {
            return Ok((entry.custom_host().cloned(), HostOrigin::Operator));
        }
        (None, _) => {}
    }
    if let Some(name) = row.base_url_field() {
        if let Some(base) = by_field(row, bound, portkey, name, settings)? {
            return Ok(base);
        }
    }
    Ok(match settings.base_url(row) {
        Some(url) => (Some(url.clone()), HostOrigin::Operator),
        None => (None, HostOrigin::Catalog),
    })
}

/// A host that was named for a request with an entry's credential. The provider's own domain is not the credential's where
/// the operator says that the provider is `elsewhere`.
fn with_entry<'f>(
    row: &Row,
    entry: &Entry,
    named: &NamedHost,
    by_header: bool,
    elsewhere: bool,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<Base, Rejection> {
    if let Some(host) = named.host.as_ref().filter(|host| !elsewhere && row.is_own_host(host, field)) {
        return Ok((Some(host.clone()), HostOrigin::Catalog));
    }
    match entry.allowed_hosts().admit(&named.text) {
        Some(host) => Ok((Some(host), HostOrigin::Operator)),
        None if named.host.is_none() => Err(invalid()),
        None => Err(not_bound(if by_header { "x-portkey-custom-host" } else { "custom_host" })),
    }
}

/// A base in the field of a provider's own.
fn by_field(
    row: &Row,
    bound: &Bound<'_>,
    portkey: &PortkeyHeaders,
    name: PortkeyHeader,
    settings: &Settings,
) -> Result<Option<Base>, Rejection> {
    if let (Bound::Entry(entry), true) = (bound, portkey.value(name).is_some()) {
        if entry.field(name).is_none_or(|own| Some(own) != portkey.value(name)) {
            return Err(template::refuse(name, "can't be combined with a stored credential"));
        }
    }
    let Some(url) = bound.field(row, portkey, name) else { return Ok(None) };
    let refused = |error| template::refuse(name, "is no host that may be named").with_source(error);
    Ok(Some(match bound {
        Bound::Entry(_) => (Some(CustomHost::operator(url).map_err(refused)?), HostOrigin::Operator),
        Bound::Config { object, saved: true } if object.holds_a_credential() => {
            of_operator(CustomHost::parse(url, &settings.trusted_hosts).map_err(refused)?)
        }
        _ => of_caller(CustomHost::parse(url, &settings.trusted_hosts).map_err(refused)?),
    }))
}

fn judged(named: &NamedHost) -> Result<CustomHost, Rejection> {
    named.host.clone().ok_or_else(invalid)
}

fn of_caller(host: CustomHost) -> Base {
    let origin = if host.is_trusted() { HostOrigin::TrustedCaller } else { HostOrigin::Caller };
    (Some(host), origin)
}

/// A host that was stored beside its credential. It was checked like a caller's, so it is dialled like one.
fn of_operator(host: CustomHost) -> Base {
    let origin = if host.is_trusted() { HostOrigin::Operator } else { HostOrigin::Catalog };
    (Some(host), origin)
}

fn invalid() -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message("Invalid custom host")
}

fn not_bound(named_in: &str) -> Rejection {
    Rejection::new(Kind::InvalidRequest)
        .with_message(format!("A stored credential can't be sent to the host in {named_in}"))
}

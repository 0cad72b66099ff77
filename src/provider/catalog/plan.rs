//! From a row and a request to a URL, a place for the credential, and headers.

use http::{
    HeaderValue, Method,
    header::{CONTENT_TYPE, USER_AGENT},
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    Row,
    base::Base,
    spec::{At, OPENAI},
};
use crate::{
    context::{Placement, ProviderHeader},
    header::PortkeyHeader,
    host::CustomHost,
    provider::{own::Provider, template::refuse},
    rejection::{Kind, Rejection},
};

/// Where a request goes, and what goes with it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `https`, unless another base says otherwise.
    pub(crate) scheme: Scheme,
    /// Host and port.
    pub(crate) authority: Authority,
    /// The path at the provider, with the base's query and the caller's.
    pub(crate) path_and_query: PathAndQuery,
    /// Where the credential goes on this route.
    pub(crate) placement: Placement,
    /// Further headers of the provider's.
    pub(crate) headers: Vec<ProviderHeader>,
}

/// Plans a request for the provider of `row`.
///
/// `rest` is the path below `/v1` and begins with a slash; `caller` is the whole of what the caller sent. Both are kept
/// byte for byte. `field` gives the values of the provider's fields. `base` takes the place of the base, whichever it
/// would be.
///
/// # Errors
///
/// A field or host that the row needs is missing or bad: [`Kind::InvalidRequest`]. The provider offers the operation in
/// its own way only: [`Kind::NotImplemented`].
pub(crate) fn plan<'f>(
    row: &Row,
    method: &Method,
    rest: &str,
    caller: &PathAndQuery,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    base: Option<&CustomHost>,
) -> Result<Plan, Rejection> {
    if let Some(own) = &row.own {
        return of_own(row, &**own, method, rest, caller, base);
    }
    let field = |header| field(header).filter(|value| !value.is_empty());
    let way = way(row, method, rest, field)?;
    let once = |base: &str, tail| if row.spec.collapses_v1 { without_second_v1(base, tail) } else { tail };
    let (scheme, authority, path_and_query) = match (base, way.base) {
        (Some(host), _) => {
            let tail = once(host.path(), way.tail);
            let path = join(caller, [host.path(), way.head, tail], host.query())?;
            (host.scheme().clone(), host.authority().clone(), path)
        }
        (None, Base::Fixed(scheme, authority, path)) => {
            (scheme.clone(), authority.clone(), join(caller, [path, way.head, once(path, way.tail)], None)?)
        }
        (None, Base::Template(template)) => {
            let path = join(caller, [&template.path(field)?, way.head, way.tail], None)?;
            (Scheme::HTTPS, template.authority(field)?, path)
        }
        (None, Base::Named(header)) => return Err(refuse(*header, "is required")),
        (None, Base::Broken) => return Err(Rejection::new(Kind::Internal)),
    };
    let headers = headers(row, method, field)?;
    Ok(Plan { scheme, authority, path_and_query, placement: way.placement.clone(), headers })
}

/// Plans a request for a provider that the catalog doesn't have. Whatever it says, the host is the base's.
fn of_own(
    row: &Row,
    own: &dyn Provider,
    method: &Method,
    rest: &str,
    caller: &PathAndQuery,
    base: Option<&CustomHost>,
) -> Result<Plan, Rejection> {
    let host = base.unwrap_or_else(|| own.base_url());
    let path = own.path(method, rest)?;
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err(Rejection::new(Kind::Internal));
    }
    Ok(Plan {
        scheme: host.scheme().clone(),
        authority: host.authority().clone(),
        path_and_query: join(caller, [host.path(), &path, ""], host.query())?,
        placement: row.placement.clone(),
        headers: own.headers().to_vec(),
    })
}

/// Clients that were given a base with `/v1` in it write that segment twice.
fn without_second_v1<'a>(base: &str, tail: &'a str) -> &'a str {
    let rest = tail.strip_prefix("/v1").filter(|rest| rest.starts_with('/') && base.ends_with("/v1"));
    rest.unwrap_or(tail)
}

/// A base and what is appended to it.
struct Way<'a> {
    base: &'a Base,
    placement: &'a Placement,
    head: &'a str,
    tail: &'a str,
}

fn way<'a, 'f>(
    row: &'a Row,
    method: &Method,
    rest: &'a str,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<Way<'a>, Rejection> {
    let (spec, placement) = (row.spec, &row.placement);
    if let Some(base @ Base::Named(header)) = &row.named {
        if field(*header).is_some() {
            return Ok(Way { base, placement, head: prefix("/v1", rest), tail: rest });
        }
    }
    if let Some((operation, route)) = native_only(row, method, rest) {
        return Err(not_offered(spec.id, operation, route));
    }
    if let (Some(compat), Some((base, placement))) = (&spec.compat, &row.compat) {
        if compat.paths.contains(&rest) {
            return Ok(Way { base, placement, head: "", tail: rest });
        }
    }
    for (branch, base) in spec.branches.iter().zip(&row.branches) {
        if let Some(tail) = branch.at.tail(method, rest) {
            let asked = branch.flag.is_none_or(|flag| field(flag) == Some("true"));
            if asked && branch.given.is_none_or(|name| field(name).is_some()) {
                return Ok(Way { base: base.as_ref().unwrap_or(&row.base), placement, head: branch.to, tail });
            }
        }
    }
    Ok(Way { base: &row.base, placement, head: prefix(spec.prefix, rest), tail: rest })
}

/// The prefix, unless the path brings a version segment of its own.
fn prefix<'a>(prefix: &'a str, rest: &str) -> &'a str {
    if prefix.is_empty() || is_versioned(rest) { "" } else { prefix }
}

/// Whether a path begins with `/v1`, `/v2beta` and the like.
fn is_versioned(rest: &str) -> bool {
    let segment = rest.split('/').nth(1).unwrap_or_default().as_bytes();
    matches!(segment, [b'v', b'0'..=b'9', more @ ..] if more.iter().all(u8::is_ascii_alphanumeric))
}

/// The operation that the provider offers in its own way only, and that way.
fn native_only<'a>(row: &Row, method: &Method, rest: &'a str) -> Option<(&'a str, &'static str)> {
    let of_row = row.spec.native_only.iter().find(|(at, _)| at.tail(method, rest).is_some());
    if let Some((at, route)) = of_row {
        return Some((at.text(), route));
    }
    let unspoken = !row.spec.speaks_openai && OPENAI.iter().any(|path| At::Post(path).tail(method, rest).is_some());
    unspoken.then_some((rest, ""))
}

pub(super) fn not_offered(id: &str, operation: &str, route: &str) -> Rejection {
    let instead = match route {
        "" => "its own routes".to_owned(),
        route => format!("its own route {route}"),
    };
    Rejection::new(Kind::NotImplemented)
        .with_message(format!("{id} does not offer {operation}; call {instead} under /v1"))
}

/// The parts of a path in their order, and behind them the base's query and the caller's.
pub(super) fn join(caller: &PathAndQuery, parts: [&str; 3], query: Option<&str>) -> Result<PathAndQuery, Rejection> {
    let own = caller.path();
    let same = parts.iter().try_fold(own, |left, part| left.strip_prefix(part)).is_some_and(str::is_empty);
    if same && query.is_none() {
        return Ok(caller.clone());
    }
    let mut text = String::with_capacity(
        parts.iter().map(|part| part.len()).sum::<usize>()
            + query.map_or(0, |query| query.len() + 1)
            + (caller.as_str().len() - own.len())
            + 1,
    );
    text.extend(parts);
    if text.is_empty() {
        text.push('/');
    }
    match query {
        None => text.push_str(caller.as_str().get(own.len()..).unwrap_or_default()),
        Some(query) => {
            text.extend(["?", query]);
            if let Some(callers) = caller.query().filter(|query| !query.is_empty()) {
                text.extend(["&", callers]);
            }
        }
    }
    PathAndQuery::try_from(text).map_err(|error| {
        Rejection::new(Kind::InvalidRequest).with_message("The path can't be sent to the provider").with_source(error)
    })
}

pub(super) fn headers<'f>(
    row: &Row,
    method: &Method,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<Vec<ProviderHeader>, Rejection> {
    let mut headers = Vec::new();
    let bodiless = matches!(*method, Method::GET | Method::HEAD | Method::DELETE);
    for header in row.headers.iter().filter(|header| !bodiless || header.name != CONTENT_TYPE) {
        let given = header.field.and_then(|name| Some((name, field(name)?)));
        let value = match given {
            Some((name, text)) => Some(
                HeaderValue::from_str(text).map_err(|_| refuse(name, "holds a character that no header may carry"))?,
            ),
            None => header.value.clone(),
        };
        // The one default that stands in for a caller's own: what says who calls is the gateway.
        let replaces = given.is_some() || header.name == USER_AGENT;
        headers.extend(value.map(|value| ProviderHeader { name: header.name.clone(), value, replaces }));
    }
    Ok(headers)
}

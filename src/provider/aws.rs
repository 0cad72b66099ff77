//! Who signs a request for AWS, or which key it shows (pure).

use http::{request::Parts, uri::PathAndQuery};

use super::{
    bound::Bound,
    catalog::{AwsAsked, AwsPlan, Row, aws_plan},
    layer::Settings,
    template::refuse,
};
use crate::{
    context::{
        AwsError, AwsIdentity, AwsKeys, AwsRole, AwsSigning, Credential, CredentialSource, Entry, Placement,
        PortkeyHeaders, Principal, RequestConfig, Route, Stage,
    },
    header::{PortkeyHeader, X_API_KEY},
    host::CustomHost,
    rejection::{Kind, Rejection},
    secret::Secret,
};

/// What a request that may be signed goes out with.
pub(super) enum Shown<T = AwsIdentity> {
    /// A key of the service's own, as a bearer token.
    Key(Credential, CredentialSource),
    /// A signature of this one's.
    Signature(T, CredentialSource),
}

/// `authorization: Bearer …`.
pub(super) fn bearer() -> Placement {
    Placement::bearer()
}

/// Where a key goes in place of a signature.
pub(super) fn placement(row: &Row) -> Placement {
    match row.id() {
        "claude-platform-aws" => Placement::Header { name: X_API_KEY, prefix: "".into() },
        _ => bearer(),
    }
}

/// Where the request goes, with the region and the service of its signature.
pub(super) fn plan<'f>(
    row: &Row,
    head: &Parts,
    caller: &PathAndQuery,
    config: &RequestConfig,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
    base: Option<&CustomHost>,
    settings: &Settings,
) -> Result<AwsPlan, Rejection> {
    let route = Route::of(&head.method, head.uri.path());
    if route.asks_a_model() && config.stage == Stage::Read && row.provider().has_models_in_paths() {
        // The model is part of the path.
        return Err(Rejection::misassembled("ModelLayer"));
    }
    let asked = AwsAsked {
        method: &head.method,
        rest: route.rest().unwrap_or_default(),
        caller,
        unified: route.is_unified(),
        model: config.model.body.as_deref(),
        stream: config.model.stream,
    };
    aws_plan(row, &asked, field, base, settings.aws_domain.as_deref())
}

/// Finds out who signs. Roles and the gateway's own identity are for entries alone: a caller who could name them would
/// act as the gateway.
pub(super) fn shown(
    bound: &Bound<'_>,
    head: &Parts,
    row: &Row,
    portkey: &PortkeyHeaders,
    settings: &Settings,
) -> Result<Shown, Rejection> {
    use PortkeyHeader::{AwsAccessKeyId, AwsAuthType, AwsSecretAccessKey, AwsSessionToken};

    let field = |name| bound.field(row, portkey, name).filter(|value| !value.is_empty());
    let has_keys = field(AwsAccessKeyId).is_some() || field(AwsSecretAccessKey).is_some();
    let keys = || {
        let missing = |name| missing(bound, name);
        let id = field(AwsAccessKeyId).ok_or_else(|| missing(AwsAccessKeyId))?;
        let secret = field(AwsSecretAccessKey).ok_or_else(|| missing(AwsSecretAccessKey))?;
        AwsKeys::new(id, Secret::from(secret), field(AwsSessionToken).map(Secret::from))
            .map_err(|error| bad(bound, error))
    };
    let source = bound.source();
    let own_key = match bound {
        Bound::Entry(entry) => entry.credential().is_some(),
        Bound::Config { object, .. } => object.api_key.is_some(),
        Bound::Headers { .. } => false,
    };
    match (field(AwsAuthType), bound) {
        (Some("assumedRole"), Bound::Entry(entry)) => {
            let base = if has_keys { Some(keys()?) } else { None };
            let role = role(entry, base, head, portkey, settings, field)?;
            Ok(Shown::Signature(AwsIdentity::Role(role), source))
        }
        (Some("serviceRole"), Bound::Entry(_)) => Ok(Shown::Signature(AwsIdentity::Ambient, source)),
        (Some("assumedRole" | "serviceRole"), _) => {
            Err(refuse(AwsAuthType, "may be assumedRole or serviceRole in a provider entry only"))
        }
        // A key that stands where nothing else could be meant needs no word for it.
        (kind, _) if kind == Some("apiKey") || (!has_keys && own_key) => {
            match bound.credential(head, row, &bearer())? {
                Some((key, source)) => Ok(Shown::Key(key, source)),
                None => Err(missing(bound, AwsAccessKeyId)),
            }
        }
        _ => Ok(Shown::Signature(AwsIdentity::Keys(keys()?), source)),
    }
}

/// The role of an entry.
fn role<'f>(
    entry: &Entry,
    base: Option<AwsKeys>,
    head: &Parts,
    portkey: &PortkeyHeaders,
    settings: &Settings,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<AwsRole, Rejection> {
    let bound = Bound::Entry(entry);
    let arn = field(PortkeyHeader::AwsRoleArn).ok_or_else(|| missing(&bound, PortkeyHeader::AwsRoleArn))?;
    let mut role = AwsRole::new(arn).map_err(|error| bad(&bound, error))?;
    if let Some(id) = field(PortkeyHeader::AwsExternalId) {
        role = role.with_external_id(id).map_err(|error| bad(&bound, error))?;
    }
    if let Some(keys) = base {
        role = role.with_base(keys);
    }
    let place = head.extensions.get::<Principal>().map(Principal::place);
    let (organisation, workspace) = place.map_or(("", ""), |place| (place.organisation, place.workspace));
    // No name has a line break in it that the others could be mistaken for: the lengths stand in front.
    let slug = entry.slug();
    role =
        role.with_tenant(&format!("{}\n{organisation}\n{}\n{workspace}\n{slug}", organisation.len(), workspace.len()));
    for name in &settings.aws_session_tags {
        if let Some(value) = portkey.metadata().get(name) {
            role = role.with_tag(name, value);
        }
    }
    Ok(role)
}

/// Whether the gateway key, which has let the caller in, would go out in a signature.
pub(super) fn leaves(key: &Credential, identity: &AwsIdentity) -> bool {
    let AwsIdentity::Keys(keys) = identity else { return false };
    let token = keys.session_token().map(Secret::expose);
    let out = [Some(keys.access_key_id()), token];
    out.into_iter().flatten().any(|text| text == key.expose() || key.is_repeated_by(text.as_bytes()))
}

/// How a request is signed.
pub(super) fn signing(identity: AwsIdentity, region: &str, service: &str) -> Result<AwsSigning, Rejection> {
    AwsSigning::new(identity, region, service)
        .map_err(|error| Rejection::new(Kind::InvalidRequest).with_message(error.to_string()))
}

pub(super) fn missing(bound: &Bound<'_>, name: PortkeyHeader) -> Rejection {
    match bound {
        Bound::Entry(entry) => Rejection::new(Kind::InvalidRequest).with_message(format!(
            "The provider entry {} holds no {}",
            entry.slug(),
            name.field().unwrap_or_default()
        )),
        Bound::Config { .. } | Bound::Headers { .. } => refuse(name, "is required"),
    }
}

fn bad(bound: &Bound<'_>, error: AwsError) -> Rejection {
    let rejection = Rejection::new(Kind::InvalidRequest);
    match bound {
        Bound::Entry(entry) => rejection.with_message(format!("The provider entry {}: {error}", entry.slug())),
        Bound::Config { .. } | Bound::Headers { .. } => {
            // The text begins with "the AWS …".
            rejection.with_message(format!("Invalid credential: {error}"))
        }
    }
}

#[cfg(test)]
mod tests;

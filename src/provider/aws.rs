//! Who signs a request for AWS, or which key it shows (pure).

mod reach;

use http::{request::Parts, uri::PathAndQuery};
use percent_encoding::percent_decode_str;

use super::{
    bound::{Bound, tenancy},
    catalog::{AwsAsked, AwsPlan, Row, aws_plan},
    layer::Settings,
    template::refuse,
};
use crate::{
    context::{
        AwsError, AwsIdentity, AwsKeys, AwsRole, AwsSigning, Credential, CredentialSource, Entry, Placement,
        PortkeyHeaders, Principal, RequestConfig, Route, Stage, is_aws_signature_param,
    },
    header::{PortkeyHeader, X_API_KEY},
    host::CustomHost,
    rejection::{Kind, Rejection},
    secret::Secret,
};

pub(super) use reach::{may_reach, models};

/// What a request that may be signed goes out with.
pub(super) enum Shown<T = AwsIdentity> {
    /// A key of the service's own, as a bearer token.
    Key(Credential, CredentialSource),
    /// A signature of this one's.
    Signature(T, CredentialSource),
}

/// Where a key goes in place of a signature.
pub(super) fn placement(row: &Row) -> Placement {
    match row.id() {
        "claude-platform-aws" => Placement::Header { name: X_API_KEY, prefix: "".into() },
        _ => Placement::bearer(),
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
    if route.asks_a_model() && config.stage == Stage::Read && row.id() == "bedrock" {
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
            let role = role(entry, base, head, settings, field)?;
            Ok(Shown::Signature(AwsIdentity::Role(role), source))
        }
        (Some("serviceRole"), Bound::Entry(_)) => Ok(Shown::Signature(AwsIdentity::Ambient, source)),
        (Some("assumedRole" | "serviceRole"), _) => {
            Err(refuse(AwsAuthType, "may be assumedRole or serviceRole in a provider entry only"))
        }
        // A key that stands where nothing else could be meant needs no word for it.
        (kind @ (Some("apiKey") | None), _) if kind.is_some() || (!has_keys && own_key) => {
            match bound.credential(head, row, &Placement::bearer())? {
                Some((key, source)) => Ok(Shown::Key(key, source)),
                None => Err(missing(bound, AwsAccessKeyId)),
            }
        }
        (Some("accessKey") | None, _) => Ok(Shown::Signature(AwsIdentity::Keys(keys()?), source)),
        // A word that is misspelled must not sign as somebody else than was meant.
        (Some(_), _) => {
            let message = "is one of accessKey, apiKey, assumedRole and serviceRole";
            Err(match bound {
                Bound::Entry(entry) => Rejection::new(Kind::InvalidRequest)
                    .with_message(format!("The provider entry {}: aws_auth_type {message}", entry.slug())),
                Bound::Config { .. } | Bound::Headers { .. } => refuse(AwsAuthType, message),
            })
        }
    }
}

/// The role of an entry.
fn role<'f>(
    entry: &Entry,
    base: Option<AwsKeys>,
    head: &Parts,
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
    let who = head.extensions.get::<Principal>();
    role = role.with_tenant(&tenancy(head, &bound));
    // Of a request's own metadata none: AWS's policies ask about tags.
    for name in &settings.aws_session_tags {
        if let Some(value) = who.and_then(|who| who.metadata().get(name)) {
            role = role.with_tag(name, value);
        }
    }
    Ok(role)
}

/// Without the parameters of a presigned URL: beside a key they would be a second credential. Where a request is signed, its
/// signer takes them away.
pub(super) fn without_signature(target: PathAndQuery) -> Result<PathAndQuery, Rejection> {
    let is_param = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        is_aws_signature_param(&percent_decode_str(&name.replace('+', " ")).collect::<Vec<u8>>())
    };
    let Some(query) = target.query().filter(|query| query.split('&').any(|pair| is_param(&pair))) else {
        return Ok(target);
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_param(pair)).collect();
    let sign = if kept.is_empty() { "" } else { "?" };
    let kept = [target.path(), sign, &kept.join("&")].concat();
    PathAndQuery::try_from(kept).map_err(|error| Rejection::new(Kind::Internal).with_source(error))
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

//! Who signs a request for Oracle's cloud, or which key it shows (pure).

use http::request::Parts;

use super::{
    aws::{Shown, missing},
    bound::Bound,
    catalog::Row,
    resolve::gateway_key,
};
use crate::{
    context::{OciKey, Placement, PortkeyHeaders},
    header::PortkeyHeader,
    rejection::{Kind, Rejection},
    secret::Secret,
};

/// Finds out who signs. Without a word about a key of OCI's, the credential is an API key of the service's own.
pub(super) fn shown(
    bound: &Bound<'_>,
    head: &Parts,
    row: &Row,
    portkey: &PortkeyHeaders,
) -> Result<Shown<OciKey>, Rejection> {
    use PortkeyHeader::{OracleFingerprint, OracleKeyPassphrase, OraclePrivateKey, OracleTenancy, OracleUser};

    let field = |name| bound.field(row, portkey, name).filter(|value| !value.is_empty());
    let parts = [OracleTenancy, OracleUser, OracleFingerprint, OraclePrivateKey];
    if parts.into_iter().all(|name| field(name).is_none()) {
        return match bound.credential(head, row, &Placement::bearer())? {
            Some((key, source)) => Ok(Shown::Key(key, source)),
            None => Err(missing(bound, OraclePrivateKey)),
        };
    }
    let part = |name| field(name).ok_or_else(|| missing(bound, name));
    let [tenancy, user, fingerprint, private] = parts;
    let (tenancy, user, fingerprint) = (part(tenancy)?, part(user)?, part(fingerprint)?);
    let passphrase = field(OracleKeyPassphrase).map(Secret::from);
    let key = OciKey::new(tenancy, user, fingerprint, Secret::from(part(private)?), passphrase);
    let key = key.map_err(|error| Rejection::new(Kind::InvalidRequest).with_message(error.to_string()))?;
    if portkey.consumed().is_some_and(|consumed| consumed.is_repeated_by(key.id().as_bytes())) {
        return Err(gateway_key());
    }
    Ok(Shown::Signature(key, bound.source()))
}

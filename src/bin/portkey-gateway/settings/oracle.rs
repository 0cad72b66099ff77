//! What an entry of Oracle's has to hold.

use tower_portkey::{
    Secret,
    context::{OciError, OciKey, ProviderId},
    header::PortkeyHeader,
    sign::check_oci_key,
};

/// The fields of an entry by which requests are signed.
#[derive(Debug, Default)]
pub(super) struct Fields {
    tenancy: Option<Secret>,
    user: Option<Secret>,
    fingerprint: Option<Secret>,
    private_key: Option<Secret>,
    passphrase: Option<Secret>,
}

impl Fields {
    /// Notes a field, if it is one of these.
    pub(super) fn note(&mut self, header: PortkeyHeader, value: &Secret) {
        let field = match header {
            PortkeyHeader::OracleTenancy => &mut self.tenancy,
            PortkeyHeader::OracleUser => &mut self.user,
            PortkeyHeader::OracleFingerprint => &mut self.fingerprint,
            PortkeyHeader::OraclePrivateKey => &mut self.private_key,
            PortkeyHeader::OracleKeyPassphrase => &mut self.passphrase,
            _ => return,
        };
        // An empty field is none, as everywhere.
        *field = Some(value.clone()).filter(|value| !value.is_empty());
    }

    /// Whether the entry holds a key of a user's. A part of one is a mistake.
    pub(super) fn signs(&self, provider: &ProviderId) -> Result<bool, (&'static str, String)> {
        let parts = [
            ("oracle_tenancy", &self.tenancy),
            ("oracle_user", &self.user),
            ("oracle_fingerprint", &self.fingerprint),
            ("oracle_private_key", &self.private_key),
        ];
        if provider.as_str() != "oracle" || parts.iter().all(|(_, part)| part.is_none()) {
            return Ok(false);
        }
        let [Some(tenancy), Some(user), Some(fingerprint), Some(private)] = parts.map(|(_, part)| part.as_ref()) else {
            let missing = parts.iter().find(|(_, part)| part.is_none()).map_or("oracle_tenancy", |(name, _)| name);
            return Err((missing, "is missing beside the other parts of the key".to_owned()));
        };
        let key = OciKey::new(
            tenancy.expose(),
            user.expose(),
            fingerprint.expose(),
            private.clone(),
            self.passphrase.clone(),
        );
        let key = key.map_err(|error| {
            let member = match error {
                OciError::Tenancy => "oracle_tenancy",
                OciError::User => "oracle_user",
                OciError::Fingerprint => "oracle_fingerprint",
                _ => "oracle_private_key",
            };
            (member, error.to_string())
        })?;
        check_oci_key(&key).map_err(|refused| ("oracle_private_key", refused.message().to_owned()))?;
        Ok(true)
    }
}

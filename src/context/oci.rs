//! Who signs a request for Oracle's cloud.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::secret::Secret;

/// The key of a user of Oracle Cloud Infrastructure, by which requests are signed. A clone is one reference count; Debug
/// shows nothing.
///
/// ```
/// use tower_portkey::{Secret, context::OciKey};
///
/// let (tenancy, user) = ("ocid1.tenancy.oc1..aaaa", "ocid1.user.oc1..bbbb");
/// let fingerprint = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
/// let key = || Secret::from("-----BEGIN PRIVATE KEY-----\nMIIE…\n-----END PRIVATE KEY-----");
/// assert!(OciKey::new(tenancy, user, fingerprint, Secret::from("no PEM"), None).is_err());
/// assert!(OciKey::new("a\", b=\"", user, fingerprint, key(), None).is_err());
/// ```
#[derive(Clone)]
pub struct OciKey(Arc<Parts>);

struct Parts {
    id: Box<str>,
    private_key: Secret,
    passphrase: Option<Secret>,
}

impl OciKey {
    /// The longest private key, in bytes of its PEM.
    pub const MAX_KEY_BYTES: usize = 16 * 1024;

    /// The OCIDs of tenancy and user, the key's fingerprint (16 bytes in hexadecimal, with colons between), the private key
    /// as PEM, whose line breaks may be written `\n`, and the passphrase of one that is encrypted.
    ///
    /// # Errors
    ///
    /// One of them is something else. Whether the key can be read is found out where it is used.
    pub fn new(
        tenancy: &str,
        user: &str,
        fingerprint: &str,
        private_key: Secret,
        passphrase: Option<Secret>,
    ) -> Result<Self, OciError> {
        let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let ocid = |text: &str| text.starts_with("ocid1.") && text.len() <= 255 && text.bytes().all(part);
        if !ocid(tenancy) {
            return Err(OciError::Tenancy);
        }
        if !ocid(user) {
            return Err(OciError::User);
        }
        let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fingerprint.split(':').count() != 16 || !fingerprint.split(':').all(pair) {
            return Err(OciError::Fingerprint);
        }
        let pem = private_key.expose();
        if pem.len() > Self::MAX_KEY_BYTES || !pem.is_ascii() || !pem.trim_start().starts_with("-----BEGIN ") {
            return Err(OciError::PrivateKey);
        }
        let id = format!("{tenancy}/{user}/{fingerprint}").into();
        Ok(Self(Arc::new(Parts { id, private_key, passphrase })))
    }

    /// `tenancy/user/fingerprint`. It goes out in every signature.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The private key as PEM. It never goes out.
    #[must_use]
    pub fn private_key(&self) -> &Secret {
        &self.0.private_key
    }

    /// What the private key is encrypted by.
    #[must_use]
    pub fn passphrase(&self) -> Option<&Secret> {
        self.0.passphrase.as_ref()
    }
}

impl fmt::Debug for OciKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OciKey")
    }
}

/// What is wrong with a key of OCI's. Names the part; never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OciError {
    /// The tenancy's OCID.
    Tenancy,
    /// The user's OCID.
    User,
    /// The fingerprint.
    Fingerprint,
    /// The private key.
    PrivateKey,
}

impl fmt::Display for OciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tenancy => "oracle_tenancy is no OCID",
            Self::User => "oracle_user is no OCID",
            Self::Fingerprint => "oracle_fingerprint is made of 16 bytes in hexadecimal with colons between",
            Self::PrivateKey => "oracle_private_key is no PEM of at most 16 KiB",
        })
    }
}

impl std::error::Error for OciError {}

/// A PEM as the value of a header, where no line break may be: each is written `\n`.
pub(crate) fn one_line(pem: &str) -> Cow<'_, str> {
    if pem.contains('\n') { pem.replace("\r\n", "\n").replace('\n', "\\n").into() } else { pem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_key_reads_as_something_else() {
        let print = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
        let pem = "-----BEGIN PRIVATE KEY-----\ncanary";
        let made = |tenancy: &str, user: &str, print: &str, pem: &str| {
            OciKey::new(tenancy, user, print, Secret::from(pem), Some(Secret::from("canary")))
        };
        let key = made("ocid1.tenancy.oc1..a", "ocid1.user.oc1..b", print, pem).expect("a key");
        assert_eq!(key.id(), format!("ocid1.tenancy.oc1..a/ocid1.user.oc1..b/{print}"));
        assert!(!format!("{key:?}").contains("canary"));
        for bad in ["", "tenancy", "ocid1.a/b", "ocid1.a\"", "ocid1.a b", "ocid1.a,b", "ocid1.ä", "ocid1.a\n"] {
            assert_eq!(made(bad, "ocid1.b", print, pem).err(), Some(OciError::Tenancy), "{bad:?}");
            assert_eq!(made("ocid1.a", bad, print, pem).err(), Some(OciError::User), "{bad:?}");
        }
        let long = format!("{print}:00");
        for bad in ["", "20", &print[..46], &long, &print.replace(':', "\""), &print.replace("20", "zz")] {
            assert_eq!(made("ocid1.a", "ocid1.b", bad, pem).err(), Some(OciError::Fingerprint), "{bad:?}");
        }
        let long = format!("{pem}{}", "x".repeat(OciKey::MAX_KEY_BYTES));
        for bad in ["", "key", "-----BEGIN ä", &long] {
            assert_eq!(made("ocid1.a", "ocid1.b", print, bad).err(), Some(OciError::PrivateKey));
        }
        assert_eq!(one_line("a\r\nb\nc"), "a\\nb\\nc");
    }
}

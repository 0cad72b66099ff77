//! How a request is signed.

use super::{AwsSigning, OciKey};

/// A signature over the whole request, in the cloud's own way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Signing {
    /// AWS's Signature Version 4.
    Aws(AwsSigning),
    /// Oracle Cloud Infrastructure's request signatures.
    Oci(OciKey),
}

impl Signing {
    /// AWS's.
    #[must_use]
    pub fn aws(&self) -> Option<&AwsSigning> {
        match self {
            Self::Aws(signing) => Some(signing),
            Self::Oci(_) => None,
        }
    }
}

impl From<AwsSigning> for Signing {
    fn from(signing: AwsSigning) -> Self {
        Self::Aws(signing)
    }
}

impl From<OciKey> for Signing {
    fn from(key: OciKey) -> Self {
        Self::Oci(key)
    }
}

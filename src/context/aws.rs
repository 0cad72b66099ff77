//! Who signs a request for AWS, for which region and service.

use std::{fmt, sync::Arc};

use crate::{host::is_host_label, secret::Secret};

/// The domain of AWS's endpoints in this region.
///
/// ```
/// use tower_portkey::context::aws_domain;
///
/// assert_eq!(aws_domain("us-gov-west-1"), "amazonaws.com");
/// assert_eq!(aws_domain("cn-north-1"), "amazonaws.com.cn");
/// ```
#[must_use]
pub fn aws_domain(region: &str) -> &'static str {
    const PARTITIONS: [(&str, &str); 6] = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("us-iso-", "c2s.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    PARTITIONS.iter().find(|(front, _)| region.starts_with(front)).map_or("amazonaws.com", |(_, domain)| domain)
}

/// Whether a parameter of a query, decoded, is part of a signature of AWS's: `X-Amz-…`, `AWSAccessKeyId`, `Signature`.
#[cfg(feature = "bedrock")]
pub(crate) fn is_aws_signature_param(name: &[u8]) -> bool {
    let begins = name.get(..6).is_some_and(|front| front.eq_ignore_ascii_case(b"x-amz-"));
    begins || name.eq_ignore_ascii_case(b"awsaccesskeyid") || name.eq_ignore_ascii_case(b"signature")
}

/// An access key of AWS's, with its session token where it is a temporary one. A clone is one reference count; Debug
/// shows nothing.
///
/// ```
/// use tower_portkey::{Secret, context::AwsKeys};
///
/// assert!(AwsKeys::new("AKIDEXAMPLE", Secret::from("wJalrXUtnFEMI"), None).is_ok());
/// assert!(AwsKeys::new("AKID, Signature=0", Secret::from("wJalrXUtnFEMI"), None).is_err());
/// # Ok::<(), tower_portkey::context::AwsError>(())
/// ```
#[derive(Clone)]
pub struct AwsKeys(Arc<Parts>);

struct Parts {
    id: Box<str>,
    secret: Secret,
    token: Option<Secret>,
}

impl AwsKeys {
    /// The key id, 1 to 128 letters, digits and `_`; the secret, 1 to 512 bytes of visible ASCII; the session token, 1 to
    /// 16,384 of them.
    ///
    /// # Errors
    ///
    /// One of them is something else.
    pub fn new(id: &str, secret: Secret, token: Option<Secret>) -> Result<Self, AwsError> {
        let fits = |text: &str, most: usize, good: fn(&u8) -> bool| {
            (1..=most).contains(&text.len()) && text.as_bytes().iter().all(good)
        };
        if !fits(id, 128, |byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return Err(AwsError::AccessKeyId);
        }
        if !fits(secret.expose(), 512, u8::is_ascii_graphic) {
            return Err(AwsError::SecretAccessKey);
        }
        if token.as_ref().is_some_and(|token| !fits(token.expose(), 16_384, u8::is_ascii_graphic)) {
            return Err(AwsError::SessionToken);
        }
        Ok(Self(Arc::new(Parts { id: id.into(), secret, token })))
    }

    /// The id of the key. It goes out in every signature.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.0.id
    }

    /// The secret. It never goes out.
    #[must_use]
    pub fn secret_access_key(&self) -> &Secret {
        &self.0.secret
    }

    /// The session token, which goes out with every request.
    #[must_use]
    pub fn session_token(&self) -> Option<&Secret> {
        self.0.token.as_ref()
    }
}

/// A role that is assumed before a request is signed. A clone is one reference count; Debug shows nothing.
#[derive(Clone)]
pub struct AwsRole(Arc<Role>);

#[derive(Clone)]
struct Role {
    arn: Box<str>,
    external_id: Option<Box<str>>,
    base: Option<AwsKeys>,
    tenant: Box<str>,
    tags: Vec<(Box<str>, Box<str>)>,
}

impl AwsRole {
    /// A role that the gateway's own identity assumes.
    ///
    /// # Errors
    ///
    /// The ARN is none of a role: `arn:{partition}:iam::{12 digits}:role/{path and name}`.
    pub fn new(arn: &str) -> Result<Self, AwsError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [front, partition, "iam", "", account, name] = parts[..] else { return Err(AwsError::RoleArn) };
        let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let aws = partition == "aws" || (partition.starts_with("aws-") && is_host_label(partition));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@/-".contains(&byte);
        let named = name.strip_prefix("role/").is_some_and(|name| !name.is_empty() && name.bytes().all(fits));
        if front != "arn" || !aws || !digits || !named || arn.len() > 2048 {
            return Err(AwsError::RoleArn);
        }
        let role = Role { arn: arn.into(), external_id: None, base: None, tenant: Box::default(), tags: Vec::new() };
        Ok(Self(Arc::new(role)))
    }

    /// Sets the external id.
    ///
    /// # Errors
    ///
    /// It is something else than 2 to 1224 letters, digits and `_+=,.@:/-`.
    pub fn with_external_id(self, id: &str) -> Result<Self, AwsError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
        if !(2..=1224).contains(&id.len()) || !id.bytes().all(fits) {
            return Err(AwsError::ExternalId);
        }
        Ok(self.change(|role| role.external_id = Some(id.into())))
    }

    /// Sets the keys that assume the role, in place of the gateway's own identity.
    #[must_use]
    pub fn with_base(self, keys: AwsKeys) -> Self {
        self.change(|role| role.base = Some(keys))
    }

    /// Sets on whose behalf it is assumed. Sessions are never shared between two of them.
    #[must_use]
    pub fn with_tenant(self, tenant: &str) -> Self {
        self.change(|role| role.tenant = tenant.into())
    }

    /// Adds a session tag; at most 50 count. Characters that STS takes in no tag become `_`, and names longer than 128 and
    /// values longer than 256 characters are cut.
    #[must_use]
    pub fn with_tag(self, name: &str, value: &str) -> Self {
        let fit = |text: &str, most| -> Box<str> {
            let known = |letter: char| letter.is_alphanumeric() || " _.:/=+-@".contains(letter);
            text.chars().take(most).map(|letter| if known(letter) { letter } else { '_' }).collect::<String>().into()
        };
        self.change(|role| {
            if role.tags.len() < 50 && !name.is_empty() && role.tags.iter().all(|(known, _)| **known != *name) {
                role.tags.push((fit(name, 128), fit(value, 256)));
            }
        })
    }

    /// The role's ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.0.arn
    }

    /// The external id.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// The keys that assume it; `None` for the gateway's own identity.
    #[must_use]
    pub fn base(&self) -> Option<&AwsKeys> {
        self.0.base.as_ref()
    }

    /// On whose behalf it is assumed.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// The session tags.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.tags.iter().map(|(name, value)| (&**name, &**value))
    }

    fn change(mut self, change: impl FnOnce(&mut Role)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// Who signs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AwsIdentity {
    /// These keys.
    Keys(AwsKeys),
    /// A session of this role.
    Role(AwsRole),
    /// The gateway's own identity: the machine's, the container's, the environment's.
    Ambient,
}

/// How a request for AWS is signed.
#[derive(Clone, Debug)]
pub struct AwsSigning {
    identity: AwsIdentity,
    region: Box<str>,
    service: Box<str>,
}

impl AwsSigning {
    /// Signs as this identity, for a service of a region. Both become lower case.
    ///
    /// # Errors
    ///
    /// Region or service are no host labels ([`is_host_label`]).
    pub fn new(identity: AwsIdentity, region: &str, service: &str) -> Result<Self, AwsError> {
        if !is_host_label(region) {
            return Err(AwsError::Region);
        }
        if !is_host_label(service) {
            return Err(AwsError::Service);
        }
        let lower = |text: &str| text.to_ascii_lowercase().into_boxed_str();
        Ok(Self { identity, region: lower(region), service: lower(service) })
    }

    /// Who signs.
    #[must_use]
    pub fn identity(&self) -> &AwsIdentity {
        &self.identity
    }

    /// The region, such as `us-east-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service's signing name, such as `bedrock`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }
}

/// What is wrong with a credential, a role or a scope of AWS's. Names the part; never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsError {
    /// The access key id.
    AccessKeyId,
    /// The secret access key.
    SecretAccessKey,
    /// The session token.
    SessionToken,
    /// The role's ARN.
    RoleArn,
    /// The external id.
    ExternalId,
    /// The region.
    Region,
    /// The service.
    Service,
    /// The domain of endpoints.
    Domain,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKeyId => "the AWS access key id is made of 1 to 128 letters, digits and `_`",
            Self::SecretAccessKey => "the AWS secret access key is made of 1 to 512 bytes of visible ASCII",
            Self::SessionToken => "the AWS session token is made of 1 to 16384 bytes of visible ASCII",
            Self::RoleArn => "the AWS role is no ARN of a role",
            Self::ExternalId => "the AWS external id is made of 2 to 1224 letters, digits and `_+=,.@:/-`",
            Self::Region => "the AWS region may hold letters, digits and inner hyphens only",
            Self::Service => "the AWS service may hold letters, digits and inner hyphens only",
            Self::Domain => "the domain of AWS's endpoints is no domain",
        })
    }
}

impl std::error::Error for AwsError {}

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsKeys")
    }
}

impl fmt::Debug for AwsRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsRole")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_nothing_that_would_read_as_something_else() {
        let keys = |id: &str, secret: &str, token: &str| {
            AwsKeys::new(id, Secret::from(secret), Some(Secret::from(token))).err()
        };
        assert_eq!(keys("AKIA_1", "a/b+c", "t=="), None);
        for id in ["", "AKID/x", "AKID, SignedHeaders=", "AKID\r\n", "ä"] {
            assert_eq!(keys(id, "s", "t"), Some(AwsError::AccessKeyId), "{id:?}");
        }
        for bad in ["", "a b", "a\n", "ä"] {
            assert_eq!(keys("AKID", bad, "t"), Some(AwsError::SecretAccessKey), "{bad:?}");
            assert_eq!(keys("AKID", "s", bad), Some(AwsError::SessionToken), "{bad:?}");
        }
        let keys = AwsKeys::new("AKIDcanary", Secret::from("canary"), Some(Secret::from("canary"))).expect("keys");
        let signing = AwsSigning::new(AwsIdentity::Keys(keys), "US-East-1", "Bedrock").expect("labels");
        assert_eq!((signing.region(), signing.service()), ("us-east-1", "bedrock"));
        assert!(!format!("{signing:?}").contains("canary"));
    }

    #[test]
    fn roles_and_external_ids_have_their_grammars() {
        for arn in [
            "arn:aws:iam::123456789012:role/portkey",
            "arn:aws-us-gov:iam::123456789012:role/a/b+c=d,e.f@g-h_i",
            "arn:aws-cn:iam::123456789012:role/x",
        ] {
            assert!(AwsRole::new(arn).is_ok(), "{arn}");
        }
        for arn in [
            "",
            "x",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/x&Action=GetCallerIdentity",
            "arn:aws:sts::123456789012:role/x",
            "arn:evil:iam::123456789012:role/x",
            "arn:aws:iam::123456789012:role/x y",
        ] {
            assert_eq!(AwsRole::new(arn).err(), Some(AwsError::RoleArn), "{arn}");
        }
        let role = AwsRole::new("arn:aws:iam::123456789012:role/x").expect("a role");
        assert!(role.clone().with_external_id("a:b/c").is_ok());
        for id in ["", "a", "a&b", "a b"] {
            assert_eq!(role.clone().with_external_id(id).err(), Some(AwsError::ExternalId), "{id}");
        }
        let tagged = role.with_tag("team", "a&b").with_tag("team", "again");
        assert_eq!(tagged.tags().collect::<Vec<_>>(), [("team", "a_b")]);
    }
}

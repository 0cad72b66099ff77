//! `[aws]`, and what an entry of AWS's has to hold.

use serde::Deserialize;
use toml::Spanned;
use tower_portkey::{
    ResolveLayer, Secret,
    context::{AwsError, AwsIdentity, AwsKeys, AwsRole, AwsSigning, ProviderId},
    header::PortkeyHeader,
    host::CustomHost,
};

use super::{error::Problem, file::File};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AwsTable {
    endpoint_domain: Option<Spanned<String>>,
    session_tags: Vec<String>,
}

/// How AWS is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aws {
    /// The domain of its endpoints, in place of the region's own.
    pub(crate) endpoint_domain: Option<String>,
    /// Metadata that become tags of the sessions of assumed roles.
    pub(crate) session_tags: Vec<String>,
    /// Where STS answers, in place of the region's own.
    pub(crate) sts: Option<CustomHost>,
}

pub(super) fn read(file: &File) -> Result<Aws, Problem> {
    let table = &file.aws;
    if let Some(domain) = &table.endpoint_domain {
        let good = ResolveLayer::new().aws_endpoint_domain(domain.get_ref());
        good.map_err(|error| Problem::new(Some(domain.span()), "aws.endpoint_domain", error.to_string()))?;
    }
    let sts = file.upstream.base_url.get("sts").map(|url| {
        let host = CustomHost::operator(url.get_ref());
        host.map_err(|error| Problem::new(Some(url.span()), "upstream.base_url.sts", error.to_string()))
    });
    Ok(Aws {
        endpoint_domain: table.endpoint_domain.as_ref().map(|domain| domain.get_ref().clone()),
        session_tags: table.session_tags.clone(),
        sts: sts.transpose()?,
    })
}

/// The fields of an entry that say who signs.
#[derive(Debug, Default)]
pub(super) struct Fields {
    kind: Option<Secret>,
    id: Option<Secret>,
    secret: Option<Secret>,
    token: Option<Secret>,
    role: Option<Secret>,
    external_id: Option<Secret>,
    region: Option<Secret>,
}

/// A field, and what is wrong with it.
type Wrong = (&'static str, String);

impl Fields {
    /// Notes a field, if it is one of these.
    pub(super) fn note(&mut self, header: PortkeyHeader, value: &Secret) {
        let field = match header {
            PortkeyHeader::AwsAuthType => &mut self.kind,
            PortkeyHeader::AwsAccessKeyId => &mut self.id,
            PortkeyHeader::AwsSecretAccessKey => &mut self.secret,
            PortkeyHeader::AwsSessionToken => &mut self.token,
            PortkeyHeader::AwsRoleArn => &mut self.role,
            PortkeyHeader::AwsExternalId => &mut self.external_id,
            PortkeyHeader::AwsRegion => &mut self.region,
            _ => return,
        };
        // An empty field is none, as everywhere.
        *field = Some(value.clone()).filter(|value| !value.expose().is_empty());
    }

    /// Whether the entry has somebody who signs. `api_key`: whether it holds a key beside these.
    pub(super) fn signs(&self, provider: &ProviderId, api_key: bool) -> Result<bool, Wrong> {
        if !matches!(provider.as_str(), "bedrock" | "sagemaker" | "bedrock-mantle" | "claude-platform-aws") {
            return Ok(false);
        }
        if let Some(region) = &self.region {
            let signing = AwsSigning::new(AwsIdentity::Ambient, region.expose(), "bedrock");
            signing.map_err(|error| ("aws_region", error.to_string()))?;
        }
        let keys = self.keys()?;
        match self.kind.as_ref().map_or("accessKey", Secret::expose) {
            "accessKey" => Ok(keys),
            "apiKey" if api_key => Ok(true),
            "apiKey" => Err(("aws_auth_type", "apiKey needs an api_key".to_owned())),
            "assumedRole" => {
                self.role()?;
                if keys { Ok(true) } else { ambient() }
            }
            "serviceRole" => ambient(),
            _ => Err(("aws_auth_type", "is accessKey, apiKey, assumedRole or serviceRole".to_owned())),
        }
    }

    /// Whether there are keys. Half of them is a mistake.
    fn keys(&self) -> Result<bool, Wrong> {
        let (id, secret) = match (&self.id, &self.secret) {
            (Some(id), Some(secret)) => (id, secret),
            (Some(_), None) => return Err(("aws_access_key_id", "needs an aws_secret_access_key".to_owned())),
            (None, Some(_)) => return Err(("aws_secret_access_key", "needs an aws_access_key_id".to_owned())),
            (None, None) if self.token.is_some() => {
                return Err(("aws_session_token", "needs an aws_access_key_id".to_owned()));
            }
            (None, None) => return Ok(false),
        };
        let made = AwsKeys::new(id.expose(), secret.clone(), self.token.clone());
        made.map(|_| true).map_err(|error| {
            let member = match error {
                AwsError::AccessKeyId => "aws_access_key_id",
                AwsError::SecretAccessKey => "aws_secret_access_key",
                _ => "aws_session_token",
            };
            (member, error.to_string())
        })
    }

    fn role(&self) -> Result<(), Wrong> {
        let missing = || ("aws_auth_type", "assumedRole needs an aws_role_arn".to_owned());
        let arn = self.role.as_ref().ok_or_else(missing)?;
        let role = AwsRole::new(arn.expose()).map_err(|error| ("aws_role_arn", error.to_string()))?;
        if let Some(id) = &self.external_id {
            role.with_external_id(id.expose()).map_err(|error| ("aws_external_id", error.to_string()))?;
        }
        Ok(())
    }
}

/// The gateway's own identity.
fn ambient() -> Result<bool, Wrong> {
    let why = "the gateway's own identity at AWS is not available in this build (feature aws-ambient)";
    if cfg!(feature = "aws-ambient") { Ok(true) } else { Err(("aws_auth_type", why.to_owned())) }
}

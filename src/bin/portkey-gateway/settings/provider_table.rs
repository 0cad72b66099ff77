//! A table of `[[providers]]`, as it stands in the file: members of the gateway's own, and any field of a provider's.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use toml::Spanned;

use super::{
    file::State,
    limits::{Listed, RateTable, UsageTable},
    secret::{FieldRef, SecretRef},
    tokens::DeploymentTable,
};

#[derive(Debug)]
pub(crate) struct ProviderTable {
    pub(super) slug: Spanned<String>,
    pub(super) provider: Spanned<String>,
    pub(super) members: Members,
    /// By their names in a config object.
    pub(super) fields: Vec<(Spanned<String>, Spanned<FieldRef>)>,
}

/// What may be left out.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(super) organisation: Option<String>,
    pub(super) workspaces: Option<Spanned<Vec<String>>>,
    pub(super) api_key: Option<Spanned<SecretRef>>,
    pub(super) custom_host: Option<Spanned<String>>,
    pub(super) deployments: Option<Spanned<Vec<DeploymentTable>>>,
    pub(super) models: Option<Spanned<Vec<String>>>,
    pub(super) allowed_hosts: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) aws_control_plane: bool,
    pub(super) status: State,
    pub(super) expires_at: Option<Spanned<String>>,
    pub(super) custom_headers: Headers,
    pub(super) rate_limits: Option<Listed<RateTable>>,
    pub(super) usage_limits: Option<Listed<UsageTable>>,
}

/// Headers by name, in the file's order.
#[derive(Debug, Default)]
pub(crate) struct Headers(pub(super) Vec<(Spanned<String>, Spanned<SecretRef>)>);

impl<'de> Deserialize<'de> for ProviderTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TableVisitor)
    }
}

struct TableVisitor;

/// By hand: a derived reader forgets in which line it found what it doesn't know by name.
impl<'de> Visitor<'de> for TableVisitor {
    type Value = ProviderTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of a provider")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProviderTable, A::Error> {
        let (mut slug, mut provider, mut members, mut fields) = (None, None, Members::default(), Vec::new());
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            match name.get_ref().as_str() {
                "slug" => slug = Some(map.next_value()?),
                "provider" => provider = Some(map.next_value()?),
                "organisation" => members.organisation = Some(map.next_value()?),
                "workspaces" => members.workspaces = Some(map.next_value()?),
                "api_key" => members.api_key = Some(map.next_value()?),
                "custom_host" => members.custom_host = Some(map.next_value()?),
                "deployments" => members.deployments = Some(map.next_value()?),
                "models" => members.models = Some(map.next_value()?),
                "aws_control_plane" => members.aws_control_plane = map.next_value()?,
                "allowed_hosts" => members.allowed_hosts = Some(map.next_value()?),
                "status" => members.status = map.next_value()?,
                "expires_at" => members.expires_at = Some(map.next_value()?),
                "custom_headers" => members.custom_headers = map.next_value()?,
                "rate_limits" => members.rate_limits = Some(map.next_value()?),
                "usage_limits" => members.usage_limits = Some(map.next_value()?),
                _ => fields.push((name, map.next_value()?)),
            }
        }
        let slug = slug.ok_or_else(|| A::Error::missing_field("slug"))?;
        let provider = provider.ok_or_else(|| A::Error::missing_field("provider"))?;
        Ok(ProviderTable { slug, provider, members, fields })
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some(header) = map.next_entry()? {
            headers.push(header);
        }
        Ok(Headers(headers))
    }
}

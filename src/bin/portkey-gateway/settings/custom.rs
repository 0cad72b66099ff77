//! `[[custom_providers]]`: providers that the catalog doesn't have.

use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use toml::Spanned;
use tower_portkey::{
    context::{Placement, ProviderId, ProviderIds},
    host::CustomHost,
    provider::{Provider, ProviderSpec},
};

use super::{error::Problem, provider_table::Headers, secret::SecretRef};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomTable {
    id: Spanned<String>,
    base_url: Spanned<String>,
    credential: Option<Spanned<Credential>>,
    #[serde(default)]
    credential_optional: bool,
    openai_prefix: Option<Spanned<String>>,
    #[serde(default)]
    headers: Headers,
}

/// Where the credential goes.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected \"bearer\", \"none\", { header = \"…\", prefix = \"…\" } or { query = \"…\" }"
)]
enum Credential {
    Word(Word),
    Header {
        header: String,
        #[serde(default)]
        prefix: String,
    },
    Query {
        query: String,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Bearer,
    None,
}

/// The ids that the file may name.
pub(super) fn ids(all: &[ProviderSpec]) -> ProviderIds {
    all.iter().map(Provider::id).collect()
}

pub(super) fn custom(tables: &[Spanned<CustomTable>]) -> Result<Vec<ProviderSpec>, Problem> {
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let table = table.get_ref();
        if !known.insert(table.id.get_ref()) {
            let why = "another provider of this table has this id";
            return Err(Problem::new(Some(table.id.span()), format!("custom_providers[{index}].id"), why));
        }
        all.push(one(index, table)?);
    }
    Ok(all)
}

fn one(index: usize, table: &CustomTable) -> Result<ProviderSpec, Problem> {
    let report =
        |span, member: &str, why: String| Problem::new(Some(span), format!("custom_providers[{index}].{member}"), why);
    let id = ProviderId::own(table.id.get_ref()).map_err(|error| report(table.id.span(), "id", error.to_string()))?;
    let base = CustomHost::operator(table.base_url.get_ref())
        .map_err(|error| report(table.base_url.span(), "base_url", error.to_string()))?;
    let mut spec = ProviderSpec::new(id, base);
    if let Some(credential) = &table.credential {
        let wrong = |why: String| report(credential.span(), "credential", why);
        spec = match credential.get_ref() {
            Credential::Word(Word::Bearer) => spec,
            Credential::Word(Word::None) => spec.without_credential(),
            Credential::Query { query } => {
                spec.credential_in_query(query.clone()).map_err(|error| wrong(error.to_string()))?
            }
            Credential::Header { header, prefix } => {
                let name = header_name(header).ok_or_else(|| wrong("no header may have this name".to_owned()))?;
                spec.credential_in_header(name, prefix.clone()).map_err(|error| wrong(error.to_string()))?
            }
        };
    }
    if table.credential_optional {
        spec = spec.credential_optional();
    }
    if let Some(prefix) = &table.openai_prefix {
        let result = spec.openai_prefix(prefix.get_ref());
        spec = result.map_err(|error| report(prefix.span(), "openai_prefix", error.to_string()))?;
    }
    for (header, value) in &table.headers.0 {
        let member = format!("headers.{}", header.get_ref());
        let text = value.get_ref().read().map_err(|why| report(value.span(), &member, why))?;
        let mut line = HeaderValue::from_str(text.expose())
            .map_err(|_| report(value.span(), &member, "no header may carry the value".to_owned()))?;
        // What stands elsewhere than in the file is a secret.
        line.set_sensitive(!matches!(value.get_ref(), SecretRef::Literal(_)));
        let name = header_name(header.get_ref());
        let name = name.ok_or_else(|| report(header.span(), &member, "no header may have this name".to_owned()))?;
        spec = spec.header(name, line).map_err(|error| report(header.span(), &member, error.to_string()))?;
    }
    Ok(spec)
}

fn header_name(text: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(text.as_bytes()).ok()
}

/// In words, for `check`.
pub(crate) fn describe(spec: &ProviderSpec) -> String {
    let url = spec.base_url();
    let credential = match spec.placement() {
        Placement::Header { name, prefix } => format!("credential in {name}{}", behind(&prefix)),
        Placement::Query { param } => format!("credential in the query as {param}"),
        _ => "no credential".to_owned(),
    };
    let optional = if spec.is_optional() { ", optional" } else { "" };
    let headers: Vec<_> = spec.headers().iter().map(|header| header.name.as_str()).collect();
    let headers = if headers.is_empty() { String::new() } else { format!("; headers {}", headers.join(" ")) };
    let (scheme, authority, path) = (url.scheme(), url.authority(), url.path());
    format!("{} ({scheme}://{authority}{path}; {credential}{optional}{headers})", spec.id().as_str())
}

fn behind(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!(" behind {}", prefix.trim_end()) }
}

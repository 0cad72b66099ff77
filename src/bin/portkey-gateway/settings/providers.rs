//! `[[providers]]`: stored credentials, by slug.

use std::ops::Range;

use toml::Spanned;
use tower_portkey::{
    ResolveLayer,
    context::{Entry, EntryError, ProviderIds},
    header::{PortkeyHeader, is_secret},
    host::{AllowedHosts, CustomHost, HostError},
};

use super::{
    audience::Audience,
    aws,
    error::Problem,
    keys::moment,
    limits, oracle,
    provider_table::{Members, ProviderTable},
    tokens,
};

/// An entry, and what the library doesn't tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) entry: Entry,
    pub(crate) seen_by: Audience,
    /// Whether it holds a credential.
    pub(crate) credential: bool,
    /// As the operator wrote them.
    pub(crate) allowed_hosts: Vec<String>,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

/// Makes problems of one table, by member.
type Report<'a> = &'a dyn Fn(Range<usize>, &str, String) -> Problem;

pub(super) fn providers(tables: &[Spanned<ProviderTable>], ids: &ProviderIds) -> Result<Vec<Provider>, Problem> {
    let mut all: Vec<Provider> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let name = format!("providers[{index}]");
        let report = |span, member: &str, why: String| Problem::new(Some(span), format!("{name}.{member}"), why);
        let provider = provider(&name, table, ids, &report)?;
        let slug = provider.entry.slug();
        let alike = |other: &Provider| other.entry.slug() == slug && other.seen_by.overlaps(&provider.seen_by);
        if let Some(first) = all.iter().position(alike) {
            let why = format!("some workspace would see two entries of this slug: this one and providers[{first}]");
            return Err(report(table.get_ref().slug.span(), "slug", why));
        }
        all.push(provider);
    }
    Ok(all)
}

fn provider(
    name: &str,
    table: &Spanned<ProviderTable>,
    ids: &ProviderIds,
    report: Report<'_>,
) -> Result<Provider, Problem> {
    let (span, table) = (table.span(), table.get_ref());
    let (slug, id, members) = (&table.slug, &table.provider, &table.members);
    let Some(known) = ids.parse(id.get_ref()) else {
        return Err(report(id.span(), "provider", "there is no provider of this id".to_owned()));
    };
    if known.is_built_in() && !ResolveLayer::serves(&known) {
        return Err(report(id.span(), "provider", "this provider is not available in this build".to_owned()));
    }
    let wrong = |span: Range<usize>, member: &str, error: &EntryError| report(span, member, reason(error));
    let mut entry =
        Entry::new(slug.get_ref().as_str(), known.clone()).map_err(|error| wrong(slug.span(), "slug", &error))?;
    let mut credential = false;
    if let Some(key) = &members.api_key {
        let text = key.get_ref().read().map_err(|why| report(key.span(), "api_key", why))?;
        credential = !text.is_empty();
        entry = entry.with_api_key(text).map_err(|error| wrong(key.span(), "api_key", &error))?;
    }
    let (mut signer, mut oracle, mut shown) =
        (aws::Fields::default(), oracle::Fields::default(), tokens::Fields::default());
    for (field, value) in &table.fields {
        let member = field.get_ref();
        let Some(header) = PortkeyHeader::from_field(member) else {
            let why = "no setting of an entry, and no field of a provider, has this name";
            return Err(report(field.span(), member, why.to_owned()));
        };
        let text = value.get_ref().0.read().map_err(|why| report(value.span(), member, why))?;
        if matches!(header, PortkeyHeader::HuggingfaceBaseUrl | PortkeyHeader::AzureFoundryUrl) {
            CustomHost::operator(text.expose()).map_err(|error| report(value.span(), member, error.to_string()))?;
        }
        signer.note(header, &text);
        oracle.note(header, &text);
        shown.note(header, &text);
        entry = entry.with_field(member, &text).map_err(|error| wrong(value.span(), member, &error))?;
    }
    let wrong_field = |(member, why): (&'static str, String)| {
        let found = table.fields.iter().find(|(field, _)| field.get_ref() == member);
        report(found.map_or(id.span(), |(field, _)| field.span()), member, why)
    };
    let mut versions = false;
    if let Some(tables) = &members.deployments {
        let all = tokens::deployments(tables, &known).map_err(|why| report(tables.span(), "deployments", why))?;
        versions = !all.is_empty() && all.iter().all(|own| own.api_version().is_some());
        entry = entry.with_deployments(all);
    }
    let signs = signer.signs(&known, credential).map_err(wrong_field)? | oracle.signs(&known).map_err(wrong_field)?;
    let hosted = members.custom_host.is_some();
    credential |= signs | shown.shows(&known, credential, hosted, versions).map_err(wrong_field)?;
    for (header, value) in &members.custom_headers.0 {
        let member = format!("custom_headers.{}", header.get_ref());
        let text = value.get_ref().read().map_err(|why| report(value.span(), &member, why))?;
        entry = entry.with_header(header.get_ref(), &text).map_err(|error| wrong(header.span(), &member, &error))?;
        credential |= header.get_ref().parse().is_ok_and(|name| is_secret(&name));
    }
    let seen_by = Audience::read(name, members.organisation.as_ref(), members.workspaces.as_ref())?;
    let entry = counted(bounded(with_hosts(entry, members, report)?, members, report)?, &seen_by, members, report)?;
    let allowed_hosts = members.allowed_hosts.iter().flat_map(Spanned::get_ref);
    let allowed_hosts = allowed_hosts.map(|host| host.get_ref().trim().to_owned()).collect();
    Ok(Provider { entry, seen_by, credential, allowed_hosts, span })
}

fn with_hosts(mut entry: Entry, members: &Members, report: Report<'_>) -> Result<Entry, Problem> {
    if let Some(host) = &members.custom_host {
        let result = entry.with_custom_host(host.get_ref());
        entry = result.map_err(|error| report(host.span(), "custom_host", reason(&error)))?;
    }
    let Some(hosts) = &members.allowed_hosts else { return Ok(entry) };
    for (index, host) in hosts.get_ref().iter().enumerate() {
        AllowedHosts::parse([host.get_ref()]).map_err(|error| {
            // Its own text speaks of a trusted host.
            let why = HostError::from(error.kind()).to_string();
            report(host.span(), &format!("allowed_hosts[{index}]"), why)
        })?;
    }
    let hosts = AllowedHosts::parse(hosts.get_ref().iter().map(Spanned::get_ref))
        .map_err(|error| report(hosts.span(), "allowed_hosts", error.to_string()))?;
    Ok(entry.with_allowed_hosts(hosts))
}

/// Rate and usage limits. Entries that share a slug are never seen by the same callers, and never share counters.
fn counted(entry: Entry, seen_by: &Audience, members: &Members, report: Report<'_>) -> Result<Entry, Problem> {
    let (usage, rates) = limits::limits(members.usage_limits.as_ref(), members.rate_limits.as_ref(), report)?;
    let name = seen_by.name(entry.slug());
    Ok(entry.with_limits(usage, rates).with_counter_key(name))
}

/// Models, operations, status and end.
fn bounded(mut entry: Entry, members: &Members, report: Report<'_>) -> Result<Entry, Problem> {
    if let Some(models) = &members.models {
        if models.get_ref().is_empty() {
            let why = "names at least one model; leave it out for all of them";
            return Err(report(models.span(), "models", why.to_owned()));
        }
        entry = entry.with_models(models.get_ref().iter().map(String::as_str));
    }
    if members.aws_control_plane {
        entry = entry.with_aws_control_plane();
    }
    if let Some(end) = &members.expires_at {
        let moment = moment(end.get_ref()).map_err(|why| report(end.span(), "expires_at", why.to_owned()))?;
        entry = entry.with_expiry(moment);
    }
    Ok(entry.with_status(members.status.into()))
}

/// The error's text without the name that stands before it anyway.
fn reason(error: &EntryError) -> String {
    match error {
        EntryError::Value(_) => "no header may carry the value".to_owned(),
        EntryError::Header(_) => "an entry can't set this header".to_owned(),
        EntryError::Host(error) => error.to_string(),
        other => other.to_string(),
    }
}

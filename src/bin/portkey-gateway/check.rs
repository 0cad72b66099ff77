//! `check`: what would be served, or what is wrong.

use std::{error::Error, path::Path, process::ExitCode};

use tower_portkey::{
    GatewayKey,
    context::{Owner, Principal},
    limit::LocalCounters,
    provider::Provider as OwnProvider,
};

use crate::{
    fail, limits,
    log::say,
    settings::{Config, JwtSettings, Provider, Settings, describe_custom},
};

pub(crate) fn run(path: &Path) -> ExitCode {
    match read(path) {
        Ok(settings) => {
            for line in describe(&settings) {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

/// The settings, where the counters that they name can be put back, too.
fn read(path: &Path) -> Result<Settings, Box<dyn Error>> {
    let settings = Settings::read(path)?;
    if let Some((snapshot, _)) = &settings.limits.snapshot {
        limits::restore(snapshot, &LocalCounters::new())?;
    }
    Ok(settings)
}

fn describe(settings: &Settings) -> Vec<String> {
    let mut lines = vec![format!("listen      {}", settings.listen)];
    match &settings.keys {
        None => lines.push("mode        open: callers bring the provider's credential".to_owned()),
        Some(keys) => lines.push(format!("mode        required: {} keys", keys.len())),
    }
    if settings.saved_only {
        lines.push("saved only  callers name entries and saved configs, and nothing of their own".to_owned());
    }
    lines.extend(settings.keys.iter().flatten().map(key));
    lines.extend(settings.jwt.iter().map(|jwt| format!("jwt         {}", jwt.describe())));
    lines.extend(settings.workspaces.samples().iter().map(workspace));
    lines.extend(settings.custom_providers.iter().map(|own| format!("custom      {}", describe_custom(own))));
    lines.extend(settings.providers.iter().map(|found| provider(found, settings)));
    lines.extend(settings.configs.iter().map(config));
    for (name, (_, url)) in &settings.base_urls {
        lines.push(format!("base URL    {name}: {}://{}{}", url.scheme(), url.authority(), url.path()));
    }
    if let Some(url) = &settings.aws.sts {
        lines.push(format!("base URL    sts: {}://{}{}", url.scheme(), url.authority(), url.path()));
    }
    for (name, url) in settings.tokens.set() {
        lines.push(format!("base URL    {name}: {}://{}{}", url.scheme(), url.authority(), url.path()));
    }
    if let Some(domain) = &settings.aws.endpoint_domain {
        lines.push(format!("aws         endpoints below {domain}"));
    }
    let trusted = &settings.trusted_host_texts;
    lines.push(format!(
        "trusted     {}",
        if trusted.is_empty() { "no private host".to_owned() } else { trusted.join(" ") }
    ));
    let upstream = &settings.upstream;
    if let Some((_, url)) = &upstream.proxy {
        lines.push(format!("proxy       {url}"));
    }
    lines.push(format!(
        "time limits connect {:?}, first byte {:?}, idle {:?}, WebSocket idle {:?}, shutdown {:?}",
        upstream.connect, upstream.first_byte, upstream.idle, upstream.session_idle, settings.grace
    ));
    lines.extend(counting(settings));
    let of_tokens = settings.jwt.iter().flat_map(JwtSettings::warnings);
    lines.extend(of_tokens.map(|warning| format!("warning     {warning}")));
    lines.extend(settings.warnings.iter().map(|warning| format!("warning     {warning}")));
    lines.push("settings are good".to_owned());
    lines
}

fn key(key: &GatewayKey) -> String {
    let who = key.principal();
    let scopes: Vec<_> = who.scopes().collect();
    let config = who.default_config().map_or_else(String::new, |config| {
        let locked = if who.allows_config_override() { "" } else { ", locked" };
        format!(", config {}{locked}", config.id())
    });
    let limits = limits::words(who.rules(), Owner::Key).map_or_else(String::new, |words| format!(", limits {words}"));
    format!(
        "key         {} (organisation {}, workspace {}, scopes {}{config}{limits})",
        who.subject(),
        who.organisation(),
        who.workspace(),
        scopes.join(" ")
    )
}

fn workspace(somebody: &Principal) -> String {
    let config = somebody.default_config().map_or_else(String::new, |config| format!(", config {}", config.id()));
    let limits = limits::words(somebody.rules(), Owner::Workspace);
    let limits = limits.map_or_else(|| "no limits".to_owned(), |words| format!("limits {words}"));
    format!("workspace   {} (organisation {}, {limits}{config})", somebody.workspace(), somebody.organisation())
}

/// Where limits are kept and told, where the file says something about it.
fn counting(settings: &Settings) -> Vec<String> {
    let snapshot = settings
        .limits
        .snapshot
        .as_ref()
        .map(|(path, interval)| format!("counters    kept in {}, written every {interval:?}", path.display()));
    let admin = settings.admin_listen.map(|address| format!("admin       {address}: limits and metrics"));
    snapshot.into_iter().chain(admin).collect()
}

fn provider(Provider { entry, seen_by, credential, allowed_hosts, .. }: &Provider, settings: &Settings) -> String {
    let id = entry.provider().as_str();
    let custom = settings.custom_providers.iter().find(|own| own.id() == entry.provider());
    let own = settings.base_urls.get(id).map(|(_, url)| url).or_else(|| custom.map(OwnProvider::base_url));
    let host = match entry.custom_host().or(own) {
        Some(url) => format!("{}://{}{}", url.scheme(), url.authority(), url.path()),
        None => "the provider's own host".to_owned(),
    };
    let models = match entry.models() {
        Some(models) => match models.count() {
            1 => "1 model".to_owned(),
            count => format!("{count} models"),
        },
        None => "every model".to_owned(),
    };
    let mut line = format!("provider    @{} ({id}; {seen_by}; {host}; {models}", entry.slug());
    if !allowed_hosts.is_empty() {
        line.push_str(&format!("; allowed hosts {}", allowed_hosts.join(" ")));
    }
    if let Some(words) = limits::words(entry.rules(), Owner::Entry) {
        line.push_str(&format!("; limits {words}"));
    }
    line.push_str(if *credential { ")" } else { "; no credential)" });
    line
}

fn config(Config { saved, seen_by, shape, .. }: &Config) -> String {
    let slugs: Vec<_> = saved.slugs().map(|slug| format!("@{slug}")).collect();
    let entries = if slugs.is_empty() { "no entries".to_owned() } else { format!("entries {}", slugs.join(" ")) };
    format!("config      {} ({shape}; {seen_by}; {entries})", saved.id())
}

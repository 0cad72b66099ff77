//! `check`: what would be served, or what is wrong.

use std::{path::Path, process::ExitCode};

use tower_portkey::GatewayKey;

use crate::{
    fail,
    log::say,
    settings::{Config, JwtSettings, Provider, Settings},
};

pub(crate) fn run(path: &Path) -> ExitCode {
    match Settings::read(path) {
        Ok(settings) => {
            for line in describe(&settings) {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn describe(settings: &Settings) -> Vec<String> {
    let mut lines = vec![format!("listen      {}", settings.listen)];
    match &settings.keys {
        None => lines.push("mode        open: callers bring the provider's credential".to_owned()),
        Some(keys) => lines.push(format!("mode        required: {} keys", keys.len())),
    }
    lines.extend(settings.keys.iter().flatten().map(key));
    lines.extend(settings.jwt.iter().map(|jwt| format!("jwt         {}", jwt.describe())));
    lines.extend(settings.providers.iter().map(|found| provider(found, settings)));
    lines.extend(settings.configs.iter().map(config));
    for (name, (_, url)) in &settings.base_urls {
        lines.push(format!("base URL    {name}: {}://{}{}", url.scheme(), url.authority(), url.path()));
    }
    if let Some(url) = &settings.aws.sts {
        lines.push(format!("base URL    sts: {}://{}{}", url.scheme(), url.authority(), url.path()));
    }
    if let Some(domain) = &settings.aws.endpoint_domain {
        lines.push(format!("aws         endpoints below {domain}"));
    }
    let trusted = &settings.trusted_host_texts;
    lines.push(format!(
        "trusted     {}",
        if trusted.is_empty() { "no private host".to_owned() } else { trusted.join(" ") }
    ));
    let upstream = settings.upstream;
    lines.push(format!(
        "time limits connect {:?}, first byte {:?}, idle {:?}, shutdown {:?}",
        upstream.connect, upstream.first_byte, upstream.idle, settings.grace
    ));
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
    format!(
        "key         {} (organisation {}, workspace {}, scopes {}{config})",
        who.subject(),
        who.organisation(),
        who.workspace(),
        scopes.join(" ")
    )
}

fn provider(Provider { entry, seen_by, credential, allowed_hosts, .. }: &Provider, settings: &Settings) -> String {
    let id = entry.provider().as_str();
    let own = settings.base_urls.get(id).map(|(_, url)| url);
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
    line.push_str(if *credential { ")" } else { "; no credential)" });
    line
}

fn config(Config { saved, seen_by, shape, .. }: &Config) -> String {
    let slugs: Vec<_> = saved.slugs().map(|slug| format!("@{slug}")).collect();
    let entries = if slugs.is_empty() { "no entries".to_owned() } else { format!("entries {}", slugs.join(" ")) };
    format!("config      {} ({shape}; {seen_by}; {entries})", saved.id())
}

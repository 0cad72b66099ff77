//! The settings file.

mod audience;
mod aws;
mod configs;
mod custom;
mod error;
mod file;
mod jwt;
mod keys;
mod limits;
mod oracle;
mod provider_table;
mod providers;
mod review;
mod secret;
mod tokens;
mod upstream;
mod workspaces;

pub(crate) use aws::Aws;
pub(crate) use configs::Config;
pub(crate) use custom::describe as describe_custom;
pub(crate) use error::SettingsError;
pub(crate) use jwt::{JwtSettings, KeySource};
pub(crate) use limits::Limits;
pub(crate) use providers::Provider;
pub(crate) use tokens::{Tokens, azure_workload, google_identity};
pub(crate) use upstream::Upstream;
pub(crate) use workspaces::Workspaces;

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};

use toml::Spanned;
use tower_portkey::{
    GatewayKey,
    context::ProviderId,
    host::{CustomHost, TrustedHosts},
    limit::PriceTable,
    provider::ProviderSpec,
};

use error::Problem;
use file::{File, Mode};
use review::Review;

/// What the gateway serves, with everything the file refers to read.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The address to serve on.
    pub(crate) listen: SocketAddr,
    /// Whether open mode may be served on an address that is not loopback.
    pub(crate) allow_open_on_network: bool,
    /// The keys that let a caller in; `None` where everybody is let in.
    pub(crate) keys: Option<Vec<GatewayKey>>,
    /// The organisations whose tokens let a caller in, too.
    pub(crate) jwt: Vec<JwtSettings>,
    /// What holds for everybody of a workspace.
    pub(crate) workspaces: Workspaces,
    /// Providers that the catalog doesn't have.
    pub(crate) custom_providers: Vec<ProviderSpec>,
    /// Stored credentials.
    pub(crate) providers: Vec<Provider>,
    /// Saved configs.
    pub(crate) configs: Vec<Config>,
    /// Whether callers may name stored entries and saved configs only.
    pub(crate) saved_only: bool,
    /// Hosts that callers may name although they are private.
    pub(crate) trusted_hosts: TrustedHosts,
    /// The same, as the operator wrote them.
    pub(crate) trusted_host_texts: Vec<String>,
    /// The operator's own base URLs, by provider.
    pub(crate) base_urls: BTreeMap<String, (ProviderId, CustomHost)>,
    /// How limits are counted and kept.
    pub(crate) limits: Limits,
    /// What tokens cost.
    pub(crate) prices: PriceTable,
    /// Where limits and metrics are told.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// How AWS is reached.
    pub(crate) aws: Aws,
    /// Where tokens are asked for.
    pub(crate) tokens: Tokens,
    /// How long requests in flight may take to finish when the gateway stops.
    pub(crate) grace: Duration,
    /// How providers are reached.
    pub(crate) upstream: Upstream,
    /// What is allowed, and most likely not meant; each with file and line.
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Reads a file, and everything it refers to.
    ///
    /// # Errors
    ///
    /// Names file, line and key; never a value.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path).map_err(|error| Problem::new(None, "", error.to_string()).at(path, ""))?;
        Self::parse(path, &text)
    }

    /// Without a file: everybody is let in, on loopback.
    ///
    /// # Errors
    ///
    /// None with the defaults; the reader of files has the last word.
    pub(crate) fn without_file() -> Result<Self, SettingsError> {
        Self::parse(Path::new("defaults"), "mode = \"open\"")
    }

    /// Reads a file's text. `path` is what errors call it.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let at = |problem: Problem| problem.at(path, text);
        let file: File = toml::from_str(text).map_err(|error| at(Problem::of_toml(&error)))?;
        let (mut settings, warnings) = Self::from_file(&file).map_err(at)?;
        settings.warnings = warnings.into_iter().map(|warning| at(warning).to_string()).collect();
        Ok(settings)
    }

    fn from_file(file: &File) -> Result<(Self, Vec<Problem>), Problem> {
        file.refuse_unavailable()?;
        let trusted_host_texts = file.trusted_hosts.get_ref().clone();
        let trusted_hosts = TrustedHosts::parse(&trusted_host_texts)
            .map_err(|error| Problem::new(Some(file.trusted_hosts.span()), "trusted_hosts", error.to_string()))?;
        let upstream = file.upstream.read()?;
        let base_urls = file.upstream.base_urls()?;
        let aws = aws::read(file)?;
        let tokens = Tokens::read(file)?;
        let custom_providers = custom::custom(&file.custom_providers)?;
        let ids = custom::ids(&custom_providers);
        let providers = providers::providers(&file.providers, &ids)?;
        let configs = configs::configs(&file.configs, &trusted_hosts, &ids)?;
        let workspaces = workspaces::workspaces(&file.workspaces, &configs)?;
        let limits = Limits::from(&file.limits);
        let prices = limits::prices(&file.prices)?;
        let (keys, jwt) = match file.mode {
            Mode::Open => (None, Vec::new()),
            Mode::Required => (
                Some(keys::keys(&file.keys, &configs, &workspaces)?),
                jwt::read(&file.jwt, &trusted_hosts)?
                    .into_iter()
                    .map(|own| own.within(limits.token_counters, workspaces.clone()))
                    .collect(),
            ),
        };
        let admin_listen = admin_listen(file)?;
        let listen = *file.listen.get_ref();
        if keys.is_none() && !listen.ip().is_loopback() && !file.allow_open_on_network {
            let why = "open mode on an address that is not loopback needs allow_open_on_network = true";
            return Err(Problem::new(Some(file.listen.span()), "listen", why));
        }
        let saved_only = saved_only(file)?;
        let mut warnings = if keys.is_none() { unused_in_open_mode(file) } else { file.unpriced() };
        let principals: Vec<_> = keys.iter().flatten().map(GatewayKey::principal).collect();
        warnings.extend(
            Review {
                principals: &principals,
                tokens: &jwt,
                workspaces: if keys.is_some() { &file.workspaces } else { &[] },
                providers: &providers,
                configs: &configs,
            }
            .warnings(),
        );
        let settings = Self {
            listen,
            allow_open_on_network: file.allow_open_on_network,
            keys,
            jwt,
            workspaces,
            custom_providers,
            providers,
            configs,
            saved_only,
            trusted_hosts,
            trusted_host_texts,
            base_urls,
            limits,
            prices,
            admin_listen,
            aws,
            tokens,
            grace: Duration::from_secs(file.shutdown_grace_seconds),
            upstream,
            warnings: Vec::new(),
        };
        Ok((settings, warnings))
    }
}

/// What only callers who were authenticated can make use of.
fn unused_in_open_mode(file: &File) -> Vec<Problem> {
    let first = [
        ("jwt", file.jwt.first().map(Spanned::span), "nobody is asked for a token in open mode"),
        ("keys", file.keys.first().map(Spanned::span), "nobody is asked for a key in open mode"),
        ("workspaces", file.workspaces.first().map(Spanned::span), "nobody belongs to a workspace in open mode"),
        ("providers", file.providers.first().map(Spanned::span), "nobody can name an entry in open mode"),
        ("configs", file.configs.first().map(Spanned::span), "nobody can name a saved config in open mode"),
    ];
    first.into_iter().filter_map(|(name, span, why)| Some(Problem::new(Some(span?), name, why))).collect()
}

/// In open mode nothing is saved, and every request would be refused.
fn saved_only(file: &File) -> Result<bool, Problem> {
    match &file.saved_only {
        Some(on) if *on.get_ref() && file.mode == Mode::Open => {
            Err(Problem::new(Some(on.span()), "saved_only", "needs mode = \"required\": nothing is saved in open mode"))
        }
        on => Ok(on.as_ref().is_some_and(|on| *on.get_ref())),
    }
}

/// Whoever reaches the address may read who has which limits.
fn admin_listen(file: &File) -> Result<Option<SocketAddr>, Problem> {
    let Some(admin) = &file.admin_listen else { return Ok(None) };
    if !admin.get_ref().ip().is_loopback() && !file.allow_admin_on_network {
        let why =
            "an address that is not loopback needs allow_admin_on_network = true: nobody is asked who he is there";
        return Err(Problem::new(Some(admin.span()), "admin_listen", why));
    }
    Ok(Some(*admin.get_ref()))
}

#[cfg(test)]
mod tests;

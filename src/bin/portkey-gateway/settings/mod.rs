//! The settings file.

mod error;
mod file;
mod secret;

pub(crate) use error::SettingsError;

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};

use tower_portkey::{
    GatewayKey,
    context::{Principal, ProviderId, Status},
    host::{CustomHost, TrustedHosts},
};

use error::Problem;
use file::{File, KeyTable, Mode, State};

/// What the gateway serves, with everything the file refers to read.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The address to serve on.
    pub(crate) listen: SocketAddr,
    /// Whether open mode may be served on an address that is not loopback.
    pub(crate) allow_open_on_network: bool,
    /// The keys that let a caller in; `None` where everybody is let in.
    pub(crate) keys: Option<Vec<GatewayKey>>,
    /// Hosts that callers may name although they are private.
    pub(crate) trusted_hosts: TrustedHosts,
    /// The operator's own base URLs, by provider.
    pub(crate) base_urls: BTreeMap<String, (ProviderId, CustomHost)>,
    /// How long requests in flight may take to finish when the gateway stops.
    pub(crate) grace: Duration,
    /// Time limits towards providers.
    pub(crate) upstream: Upstream,
}

/// Time limits towards providers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upstream {
    /// Until a connection stands.
    pub(crate) connect: Duration,
    /// Until the head of a response is there.
    pub(crate) first_byte: Duration,
    /// Between two chunks of a response.
    pub(crate) idle: Duration,
}

impl Settings {
    /// Reads a file, and everything it refers to.
    ///
    /// # Errors
    ///
    /// Names file, line and key; never a value.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let at = |problem: Problem, text: &str| problem.at(path, text);
        let text = fs::read_to_string(path).map_err(|error| at(Problem::new(None, "", error.to_string()), ""))?;
        Self::parse(&text).map_err(|problem| at(problem, &text))
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let file: File = toml::from_str(text).map_err(|error| Problem::of_toml(&error))?;
        file.refuse_unavailable()?;
        let trusted_hosts = TrustedHosts::parse(file.trusted_hosts.get_ref())
            .map_err(|error| Problem::new(Some(file.trusted_hosts.span()), "trusted_hosts", error.to_string()))?;
        let base_urls = base_urls(&file)?;
        let keys = match file.mode {
            Mode::Open => None,
            Mode::Required => Some(keys(&file)?),
        };
        let listen = *file.listen.get_ref();
        if keys.is_none() && !listen.ip().is_loopback() && !file.allow_open_on_network {
            let why = "open mode on an address that is not loopback needs allow_open_on_network = true";
            return Err(Problem::new(Some(file.listen.span()), "listen", why));
        }
        let upstream = Upstream {
            connect: Duration::from_millis(file.upstream.connect_timeout_ms.get()),
            first_byte: Duration::from_millis(file.upstream.first_byte_timeout_ms.get()),
            idle: Duration::from_millis(file.upstream.idle_timeout_ms.get()),
        };
        let grace = Duration::from_secs(file.shutdown_grace_seconds);
        let allow_open_on_network = file.allow_open_on_network;
        Ok(Self { listen, allow_open_on_network, keys, trusted_hosts, base_urls, grace, upstream })
    }

    /// Without a file: everybody is let in, on loopback.
    ///
    /// # Errors
    ///
    /// None with the defaults; the reader of files has the last word.
    pub(crate) fn without_file() -> Result<Self, SettingsError> {
        Self::parse("mode = \"open\"").map_err(|problem| problem.at(Path::new("defaults"), ""))
    }
}

impl Settings {
    /// Those of the demo: free ports, and some providers at an address on loopback.
    pub(crate) fn for_demo(keys: Option<Vec<GatewayKey>>, provider: SocketAddr) -> Result<Self, SettingsError> {
        let text = format!(
            "listen = \"127.0.0.1:0\"\nmode = \"open\"\ntrusted_hosts = [\"{provider}\"]\n[upstream.base_url]\n\
             openai = \"http://{provider}/v1\"\nanthropic = \"http://{provider}/v1\"\ngoogle = \"http://{provider}\""
        );
        let settings = Self::parse(&text).map_err(|problem| problem.at(Path::new("demo"), &text))?;
        Ok(Self { keys, ..settings })
    }
}

fn base_urls(file: &File) -> Result<BTreeMap<String, (ProviderId, CustomHost)>, Problem> {
    let mut urls = BTreeMap::new();
    for (name, url) in &file.upstream.base_url {
        let problem = |why: String| Problem::new(Some(url.span()), format!("upstream.base_url.{name}"), why);
        let Some(id) = ProviderId::parse(name) else {
            let why = if name == "sts" { "not available in this build" } else { "there is no provider of this id" };
            return Err(problem(why.to_owned()));
        };
        if !tower_portkey::ResolveLayer::serves(id) {
            return Err(problem("this provider is not available in this build".to_owned()));
        }
        let host = CustomHost::operator(url.get_ref()).map_err(|error| problem(error.to_string()))?;
        urls.insert(name.clone(), (id, host));
    }
    Ok(urls)
}

fn keys(file: &File) -> Result<Vec<GatewayKey>, Problem> {
    let mut ids = std::collections::HashSet::new();
    let keys = file.keys.iter().enumerate().map(|(index, table)| {
        let name = |member: &str| format!("keys[{index}].{member}");
        let span = table.span();
        let table = table.get_ref();
        if table.id.is_empty() || !ids.insert(table.id.as_str()) {
            return Err(Problem::new(Some(span), name("id"), "an id is not empty and stands once"));
        }
        let principal = principal(table).map_err(|why| Problem::new(Some(span.clone()), name("expires_at"), why))?;
        match (&table.key, &table.key_sha256) {
            (Some(secret), None) => {
                let text = secret.read().map_err(|why| Problem::new(Some(span.clone()), name("key"), why))?;
                GatewayKey::new(text, principal)
                    .map_err(|error| Problem::new(Some(span), name("key"), error.to_string()))
            }
            (None, Some(hex)) => GatewayKey::from_sha256(hex, principal)
                .map_err(|error| Problem::new(Some(span), name("key_sha256"), error.to_string())),
            _ => Err(Problem::new(Some(span), name("key"), "give either key or key_sha256")),
        }
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    // Built and thrown away: two entries with one key are found here, not at the first request.
    tower_portkey::auth::KeySet::new(keys.iter().cloned())
        .map_err(|error| Problem::new(None, "keys", error.to_string()))?;
    Ok(keys)
}

fn principal(table: &KeyTable) -> Result<Principal, String> {
    let principal = Principal::new(table.id.as_str())
        .with_organisation(table.organisation.as_str())
        .with_workspace(table.workspace.as_str())
        .with_scopes(&table.scopes)
        .with_status(match table.status {
            State::Active => Status::Active,
            State::Exhausted => Status::Exhausted,
            State::Expired => Status::Expired,
            State::Archived => Status::Archived,
        });
    let Some(end) = &table.expires_at else { return Ok(principal) };
    let end: jiff::Timestamp = end.parse().map_err(|_| "not a time like 2027-01-01T00:00:00Z".to_owned())?;
    Ok(principal.with_expiry(end.into()))
}

#[cfg(test)]
mod tests;

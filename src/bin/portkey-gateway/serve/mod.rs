//! `serve`: listen, answer, read settings again, stop in order.

mod access;
mod admin;
mod clock;
mod server;
mod signals;

pub(crate) use server::Server;

use std::{error::Error, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tower_portkey::limit::LocalCounters;

use crate::{
    gateway::{Current, Gateway},
    limits::{self, Keeper},
    log,
    settings::Settings,
};
use admin::Admin;
use signals::{Signal, Signals};

/// Serves until a signal ends it.
pub(crate) async fn run(config: Option<PathBuf>, listen: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
    let settings = read(config.as_ref())?;
    let address = listen.unwrap_or(settings.listen);
    may_serve(&settings, address)?;
    let signals = Signals::listen()?;
    let counters = LocalCounters::new();
    if let Some((path, _)) = &settings.limits.snapshot {
        let count = limits::restore(path, &counters)?;
        tracing::info!(count, "counters of limits put back");
    }
    let server = Server::bind(address).await?;
    let admin = match settings.admin_listen {
        Some(address) => Some(Admin::bind(address, counters.clone()).await?),
        None => None,
    };
    let bound = server.address();
    let own: Vec<_> = [bound].into_iter().chain(admin.as_ref().map(Admin::address)).collect();
    let current = Arc::new(Current::new(Gateway::new(&settings, counters.clone(), own)?));
    // A place that can't be written to is known now, not when the counters are lost.
    let keeper = match &settings.limits.snapshot {
        Some((path, interval)) => {
            limits::save(path, &counters)?;
            Some(Keeper::start(path.clone(), *interval, counters))
        }
        None => None,
    };
    log::say(&format!("listening on http://{bound}"));
    if let Some(admin) = admin {
        log::say(&format!("limits and metrics on http://{}", admin.address()));
        tokio::spawn(admin.serve());
    }
    server.serve(Arc::clone(&current), until_stopped(signals, config, settings, bound, current)).await;
    if let Some(keeper) = keeper {
        keeper.finish().await;
    }
    Ok(())
}

/// Reloads when told to, and ends with the time that requests in flight have left.
async fn until_stopped(
    mut signals: Signals,
    config: Option<PathBuf>,
    first: Settings,
    bound: SocketAddr,
    current: Arc<Current>,
) -> Duration {
    let mut grace = first.grace;
    while signals.next().await == Signal::Reload {
        match reload(config.as_ref(), bound, &current) {
            Ok(settings) => {
                grace = settings.grace;
                if (&settings.limits.snapshot, settings.admin_listen) != (&first.limits.snapshot, first.admin_listen) {
                    tracing::warn!("limits.snapshot and admin_listen stay as they were until the next start");
                }
                tracing::info!("settings read again");
            }
            Err(error) => tracing::error!(%error, "settings not read: the old ones stay in force"),
        }
    }
    grace
}

/// The rules of a start hold for a reload, on the address that is being served: an edit must not open a door.
fn reload(config: Option<&PathBuf>, bound: SocketAddr, current: &Current) -> Result<Settings, Box<dyn Error>> {
    let settings = read(config)?;
    may_serve(&settings, bound)?;
    current.replace(&settings)?;
    Ok(settings)
}

fn may_serve(settings: &Settings, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    if settings.keys.is_none() && !settings.allow_open_on_network && !address.ip().is_loopback() {
        return Err("open mode on an address that is not loopback needs allow_open_on_network = true".into());
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    if settings.keys.as_ref().is_some_and(Vec::is_empty) && settings.jwt.is_empty() {
        tracing::warn!("neither key nor organisation is defined: every request will be answered 401");
    }
    Ok(())
}

fn read(config: Option<&PathBuf>) -> Result<Settings, Box<dyn Error>> {
    Ok(config.map_or_else(Settings::without_file, |path| Settings::read(path))?)
}

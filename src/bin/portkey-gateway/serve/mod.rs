//! `serve`: listen, answer, read settings again, stop in order.

mod access;
mod clock;
mod server;
mod signals;

pub(crate) use server::Server;

use std::{error::Error, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    gateway::{Current, Gateway},
    log,
    settings::Settings,
};
use signals::{Signal, Signals};

/// Serves until a signal ends it.
pub(crate) async fn run(config: Option<PathBuf>, listen: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
    let settings = read(config.as_ref())?;
    let address = listen.unwrap_or(settings.listen);
    may_serve(&settings, address)?;
    let signals = Signals::listen()?;
    let current = Arc::new(Current::new(Gateway::new(&settings)?));
    let server = Server::bind(address, Arc::clone(&current)).await?;
    log::say(&format!("listening on http://{}", server.address()));
    let bound = server.address();
    server.serve(until_stopped(signals, config, settings.grace, bound, current)).await;
    Ok(())
}

/// Reloads when told to, and ends with the time that requests in flight have left.
async fn until_stopped(
    mut signals: Signals,
    config: Option<PathBuf>,
    mut grace: Duration,
    bound: SocketAddr,
    current: Arc<Current>,
) -> Duration {
    while signals.next().await == Signal::Reload {
        match reload(config.as_ref(), bound, &current) {
            Ok(settings) => {
                grace = settings.grace;
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

//! The client of these settings, through which everything goes out.

use std::net::SocketAddr;

use tower_portkey::forward::{Client, ClientError};

use crate::settings::Settings;

/// A client that never dials the addresses `own`, where this process listens.
pub(crate) fn client(settings: &Settings, own: &[SocketAddr]) -> Result<Client, ClientError> {
    let upstream = &settings.upstream;
    let builder = Client::builder()
        .connect_timeout(upstream.connect)
        .first_byte_timeout(upstream.first_byte)
        .idle_timeout(upstream.idle)
        .session_idle_timeout(upstream.session_idle)
        .connections_per_host(upstream.per_host)
        .connections_per_caller_host(upstream.per_caller_host)
        .own_addresses(own.iter().copied());
    match &upstream.proxy {
        Some((proxy, _)) => builder.proxy(proxy.clone()).build(),
        None => builder.build(),
    }
}

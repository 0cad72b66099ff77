//! Credentials that are exchanged for tokens: who asks, and the gateway's own identities.

use tower_portkey::{ExchangeLayer, exchange::FetchToken};

use crate::settings::{Tokens, azure_workload, google_identity};

/// Exchanges by these settings; `fetch` asks for the tokens. What the environment doesn't have, no entry uses: the settings
/// were read with it.
pub(crate) fn exchange(tokens: &Tokens, fetch: impl FetchToken + 'static) -> ExchangeLayer {
    let mut layer = ExchangeLayer::new().fetch(fetch).azure_managed(true);
    if let Ok(workload) = azure_workload() {
        layer = layer.azure_workload(workload);
    }
    if let Ok(identity) = google_identity() {
        layer = layer.google_identity(identity);
    }
    let Tokens { entra, google, azure_metadata, google_metadata } = tokens.clone();
    layer = entra.into_iter().fold(layer, ExchangeLayer::entra_endpoint);
    layer = google.into_iter().fold(layer, ExchangeLayer::google_endpoint);
    layer = azure_metadata.into_iter().fold(layer, ExchangeLayer::azure_metadata_endpoint);
    google_metadata.into_iter().fold(layer, ExchangeLayer::google_metadata_endpoint)
}

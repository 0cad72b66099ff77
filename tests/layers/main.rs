//! Every layer by one request at a time: what the caller is answered, and what the service below sees.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers are tests, too.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod auth;
#[cfg(feature = "exchange")]
mod azure;
mod binding;
mod config;
#[cfg(feature = "exchange")]
mod exchange;
mod extract;
mod forwarding;
mod headers;
mod inject;
mod json;
mod model;
mod models;
#[cfg(feature = "oracle")]
mod oracle;
mod own;
mod params;
mod providers;
mod rescue;
mod resolve;
mod saved;
mod saved_only;
mod scope;
mod stack;
mod standing;
mod strategy;
mod templates;
mod urls;
#[cfg(feature = "exchange")]
mod vertex;

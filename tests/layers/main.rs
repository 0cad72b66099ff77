//! Every layer by one request at a time: what the caller is answered, and what the service below sees.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers are tests, too.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod auth;
mod binding;
mod config;
mod extract;
mod forwarding;
mod headers;
mod inject;
mod json;
mod model;
mod oracle;
mod own;
mod params;
mod providers;
mod rescue;
mod resolve;
mod saved;
mod scope;
mod stack;
mod standing;
mod strategy;
mod templates;
mod urls;

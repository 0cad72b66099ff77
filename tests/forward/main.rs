//! The leaf against real sockets: what reaches a provider, what comes back, and what becomes of every failure.
//!
//! Providers are scripts over raw TCP and TLS on loopback; the stack in front is `RescueLayer`, `InjectLayer`, `Forward`
//! with targets made by hand.

#![cfg(feature = "client")]
#![allow(clippy::expect_used, clippy::panic)] // Helpers are tests, too.

mod cancel;
mod clean;
mod egress;
mod failures;
mod harness;
mod messages;
#[path = "../support/net.rs"]
#[allow(dead_code)] // Each test binary uses its own part.
mod net;
mod pools;
mod streams;
mod tls;
mod upgrade;

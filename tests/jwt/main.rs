//! JWT authentication: the layer, and key sets that are fetched from real servers on loopback.

#![allow(clippy::expect_used, clippy::panic)] // Helpers are tests, too.

mod faults;
mod harness;
mod layer;
#[path = "../support/net.rs"]
#[allow(dead_code)] // Each test binary uses its own part.
mod net;
mod rotation;
mod storm;
#[path = "../support/mod.rs"]
mod support;

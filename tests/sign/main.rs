//! Signatures for AWS over real sockets: what arrives is verified by AWS's own signer; STS is a script that counts.

#![cfg(all(feature = "bedrock", feature = "client"))]
#![allow(clippy::expect_used, clippy::panic)] // Helpers are tests, too.

mod ambient;
mod bodies;
mod callers;
mod entries;
#[path = "../support/net.rs"]
#[allow(dead_code)] // Each test binary uses its own part.
mod net;
mod readiness;
mod roles;
mod verify;
mod wire;

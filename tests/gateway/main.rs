//! The binary as its users run it: settings files, signals, exit codes, and raw bytes on its socket.

#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, clippy::panic)] // Helpers are tests, too.

mod access_log;
mod auth;
mod bedrock;
mod bodies;
mod commands;
mod custom;
mod egress;
mod exchange;
mod explain;
mod fallback;
mod framing;
mod heads;
mod hosts;
mod http2;
mod lifecycle;
mod limits;
mod models;
#[path = "../support/net.rs"]
#[allow(dead_code)] // Each test binary uses its own part.
mod net;
mod process;
mod realtime;
mod stored;
mod tokens;
#[path = "../sign/verify.rs"]
#[allow(dead_code)]
mod verify;

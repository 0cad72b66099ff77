//! Limits by requests from outside: what passes, what is refused and how that reads, and what is counted in the end.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers are tests, too.

#[path = "../support/mod.rs"]
mod support;

mod callers;
mod entries;
mod harness;
mod overshoot;
mod settle;
mod shared;

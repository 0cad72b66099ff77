//! Logs on stderr: text on a terminal, JSON otherwise; `RUST_LOG` filters.

use std::{
    io::{IsTerminal as _, Write as _},
    panic,
};

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging, at `level` where `RUST_LOG` says nothing. Panics are logged by their place only: their text could
/// hold anything.
pub(crate) fn start(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    }
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

/// Prints a line for people or scripts. A reader that went away is not our business.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints an error for people.
pub(crate) fn say_error(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "error: {line}");
}

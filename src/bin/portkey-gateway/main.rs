//! `portkey-gateway`: a small self-hosted gateway made of the layers of `tower-portkey`.
//!
//! This is the library's first user: it reads settings, builds the stack and serves it, through the public API alone.

mod check;
mod demo;
mod explain;
mod gateway;
mod limits;
mod log;
mod serve;
mod settings;
mod token;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// A self-hosted gateway with Portkey's authentication. Without a command, serves.
#[derive(Debug, Parser)]
#[command(name = "portkey-gateway", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve requests until SIGTERM or SIGINT; SIGHUP reads the settings again.
    Serve(Serve),
    /// Read the settings and everything they refer to, and print what would be served. Uses no network.
    Check {
        /// The settings file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print how a request would be decided, step by step. Sends nothing and shows no secret.
    Explain(explain::Explain),
    /// Print where each limit of a running gateway stands, as its admin listener says.
    Limits {
        /// The settings file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// What the gateway makes of a token.
    #[command(subcommand)]
    Jwt(token::Jwt),
    /// Start a local provider and a gateway, and send one request in every authentication mode. Uses loopback only.
    Demo {
        /// Stop after the requests instead of staying up until Ctrl-C.
        #[arg(long)]
        once: bool,
    },
}

#[derive(Debug, Default, clap::Args)]
struct Serve {
    /// The settings file. Without it: open mode on loopback, callers bring the provider's credential.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to serve on, instead of the settings' (127.0.0.1:8787 where neither is given).
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    match &command {
        Command::Check { config } => return check::run(config),
        Command::Explain(request) => return explain::run(request),
        Command::Limits { config } => return limits::run(config),
        Command::Serve(_) | Command::Demo { .. } | Command::Jwt(_) => {}
    }
    log::start(if matches!(command, Command::Demo { .. } | Command::Jwt(_)) { "warn" } else { "info" });
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime can't be started: {error}")),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Serve(Serve { config, listen }) => serve::run(config, listen).await.map(|()| ExitCode::SUCCESS),
            Command::Demo { once } => demo::run(once).await.map(|()| ExitCode::SUCCESS),
            Command::Jwt(token::Jwt::Explain(asked)) => token::run(&asked).await,
            Command::Check { .. } | Command::Explain(_) | Command::Limits { .. } => Ok(ExitCode::SUCCESS),
        }
    });
    match done {
        Ok(code) => code,
        Err(error) => fail(&error.to_string()),
    }
}

/// Says what is wrong. 2 is the exit code of everything that the operator has to mend.
fn fail(message: &str) -> ExitCode {
    log::say_error(message);
    ExitCode::from(2)
}

//! `jwt explain`: what a token would get, and why it would be refused.

use std::{error::Error, io::Read as _, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use tokio::time::{Instant, sleep};
use tower_portkey::{auth::jwt::JwtOrganisation, limit::LocalCounters};

use crate::{gateway::Gateway, log::say, settings::Settings};

#[derive(Debug, Subcommand)]
pub(crate) enum Jwt {
    /// Say, claim by claim, what a token would get, and why it would be refused. The signature is checked; key sets with
    /// a URL are fetched for that. Exit code 1: refused.
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The token; `-` reads it from standard input.
    token: String,
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(crate) async fn run(asked: &Explain) -> Result<ExitCode, Box<dyn Error>> {
    let mut token = asked.token.clone();
    if token == "-" {
        token.clear();
        std::io::stdin().read_to_string(&mut token)?;
    }
    let gateway = Gateway::new(&Settings::read(&asked.config)?, LocalCounters::new(), [])?;
    let validator = gateway.tokens();
    if validator.organisations().is_empty() {
        return Err("the settings let nobody in by a token: there is no [[jwt]] in required mode".into());
    }
    let until = Instant::now() + Duration::from_secs(5);
    let is_asked = |own: &JwtOrganisation| own.jwks().status().is_none_or(|status| status.fetches > 0);
    while !validator.organisations().iter().all(is_asked) && Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
    }
    let explained = validator.explain(token.trim());
    for step in &explained.steps {
        let mark = if step.fault.is_some() { "no" } else { "ok" };
        let why = step.fault.map(|fault| format!(": {fault}")).unwrap_or_default();
        say(&format!("{mark}  {:13} {}{why}", step.what, step.found));
    }
    Ok(match explained.outcome {
        Ok(who) => {
            let scopes: Vec<_> = who.scopes().collect();
            let (subject, organisation, workspace) = (who.subject(), who.organisation(), who.workspace());
            say(&format!(
                "let in as {subject}, organisation {organisation}, workspace {workspace}, scopes {}",
                scopes.join(" ")
            ));
            ExitCode::SUCCESS
        }
        Err(fault) => {
            say(&format!("refused with {}: {fault}", fault.kind().status().as_u16()));
            ExitCode::FAILURE
        }
    })
}

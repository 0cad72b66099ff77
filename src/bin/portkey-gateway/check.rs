//! `check`: what would be served, or what is wrong.

use std::{path::Path, process::ExitCode};

use crate::{
    fail,
    log::say,
    settings::{Settings, SettingsError},
};

pub(crate) fn run(path: &Path) -> ExitCode {
    let settings: Result<Settings, SettingsError> = Settings::read(path);
    match settings {
        Ok(settings) => {
            for line in describe(&settings) {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn describe(settings: &Settings) -> Vec<String> {
    let mut lines = vec![format!("listen      {}", settings.listen)];
    match &settings.keys {
        None => lines.push("mode        open: callers bring the provider's credential".to_owned()),
        Some(keys) => {
            lines.push(format!("mode        required: {} keys", keys.len()));
            for key in keys {
                let who = key.principal();
                let scopes: Vec<_> = who.scopes().collect();
                lines.push(format!(
                    "key         {} (organisation {}, workspace {}, scopes {})",
                    who.subject(),
                    who.organisation(),
                    who.workspace(),
                    scopes.join(" ")
                ));
            }
        }
    }
    for (name, (_, url)) in &settings.base_urls {
        lines.push(format!("base URL    {name}: {}://{}{}", url.scheme(), url.authority(), url.path()));
    }
    lines.push("settings are good".to_owned());
    lines
}

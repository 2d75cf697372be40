//! `daybook keys`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::output;
use crate::args::KeysCommand;
use daybook_agent::keyfile::Keys;

pub(super) fn run(command: KeysCommand) -> Result<ExitCode> {
    match command {
        KeysCommand::New { actor, out } => {
            let keys = Keys::create(&out, &actor)?;
            output::line(&format!("{} for {}", out.display(), keys.actor));
            show(&keys, None);
        }
        KeysCommand::Show { file, origin } => show(&Keys::read(&file)?, origin.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(keys: &Keys, origin: Option<&str>) {
    if let Some(origin) = origin {
        let registration = json!({ "actor": keys.actor.to_string(), "keys": keys.registration(origin) });
        return output::line(&registration.to_string());
    }
    output::line(&format!("  event   {}", keys.event.public().thumbprint()));
    if let Some(access) = &keys.access {
        output::line(&format!("  access  {}", access.public().thumbprint()));
    }
}

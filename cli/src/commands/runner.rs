//! `daybook runner`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use daybook_agent::runner::{self, Config, Status};
use tracing::info;

use super::{doctor, output, program};
use crate::args::{RunnerArgs, RunnerCommand};

pub(super) async fn run(args: RunnerArgs) -> Result<ExitCode> {
    let config = Config::read(&args.config)?;
    match args.command.unwrap_or(RunnerCommand::Run) {
        RunnerCommand::Run => serve(config).await?,
        RunnerCommand::Status(args) => return status(&config, args.json),
        RunnerCommand::Doctor(args) => return doctor::show(&runner::examine(&config).await, args.json),
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> Result<()> {
    let ready = || {
        info!("Asking the relay for jobs");
        program::is_ready();
    };
    let farewell = "what runs is ended too, and begun anew by the next start";
    program::run(farewell, |stop| runner::run(config, stop, ready)).await
}

fn status(config: &Config, as_json: bool) -> Result<ExitCode> {
    let Some(status) = Status::read(&config.spool)? else {
        bail!("no runner has run with the spool {} yet", config.spool.display());
    };
    if as_json {
        output::line(&serde_json::to_string(&status)?);
    } else {
        let how = if status.is_fresh() { "runs" } else { "does not run" };
        output::line(&format!(
            "The runner {how}; {} as of {}",
            status.engine, status.at
        ));
        for job in &status.running {
            output::line(&format!("{job}  its workflow runs"));
        }
        for (job, why) in &status.troubles {
            output::line(&format!("{job}  stands still: {why}"));
        }
        if let Some(why) = &status.relay {
            output::line(&format!("The relay cannot be asked: {why}"));
        }
    }
    let is_well = status.is_fresh() && status.troubles.is_empty() && status.relay.is_none();
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

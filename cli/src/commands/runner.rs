//! `daybook runner`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use daybook_agent::runner::{self, Config, Status};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::serve::Ends;
use super::{doctor, output};
use crate::args::{RunnerArgs, RunnerCommand};
use crate::service;

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
    let mut ends = Ends::listen()?;
    let stop = CancellationToken::new();
    let serving = runner::run(config, stop.clone(), || {
        info!("Asking the relay for jobs");
        tokio::spawn(service::ready());
        service::keep_watchdog();
    });
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = ends.next() => {}
    }
    service::stopping().await;
    info!("Ending: what runs is ended too, and tried again by the next start");
    stop.cancel();
    tokio::select! {
        ended = serving => ended,
        () = ends.next() => bail!("told a second time: ending at once"),
    }
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

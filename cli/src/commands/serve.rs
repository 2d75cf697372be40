//! `daybook init`, `daybook serve` and `daybook migrate`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::output;
use crate::args::{HubArgs, InitArgs, ServeArgs};
use crate::config::{Config, Secrets};
use crate::hub::{self, Consent, Hub};

fn read(args: HubArgs) -> Result<(Config, Secrets)> {
    let config = Config::read(&args.config)?;
    Ok((
        config,
        Secrets {
            database_url: args.database_url,
            log_key: args.log_key,
        },
    ))
}

pub(super) async fn init(args: InitArgs) -> Result<ExitCode> {
    let (config, secrets) = read(args.hub)?;
    let founding = hub::found(&config, &secrets, &args.name).await?;
    output::line(&format!("The log {} is founded.", config.origin));
    output::line(&format!("  verifier key  {}", founding.log_key));
    output::line(&format!("  rule table    {}", founding.table));
    output::line(&format!("  keys          {}", config.key_dir.display()));
    output::line("Give the verifier key to those who are to check the log, by another road than this hub.");
    output::line(&format!(
        "Move {} to a place of its own: it speaks for the operator.",
        hub::OPERATOR_FILE
    ));
    output::line("Then run `daybook serve`.");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn serve(args: ServeArgs) -> Result<ExitCode> {
    let consent = Consent {
        trust_database: args.trust_database,
    };
    let (config, secrets) = read(args.hub)?;
    let hub = Hub::start(&config, &secrets, consent).await?;
    wait_for_end().await?;
    info!("Ending: what waits is committed and published first");
    tokio::select! {
        ended = hub.stop() => ended?,
        second = wait_for_end() => {
            second?;
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn migrate(args: HubArgs) -> Result<ExitCode> {
    let url = args
        .database_url
        .context("`migrate` is for your own PostgreSQL: set DATABASE_URL")?;
    let config = url
        .parse()
        .context("DATABASE_URL is not a PostgreSQL connection string")?;
    let version = daybook_store::migrate(&config).await?;
    output::line(&format!("The schema has version {version}."));
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn wait_for_end() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

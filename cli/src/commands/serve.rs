//! `daybook init` and `daybook serve`.

use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::output;
use crate::args::{HubArgs, InitArgs, ServeArgs};
use crate::config::{Config, Secrets};
use crate::hub::{self, Consent, Hub};
use crate::service;
use daybook_agent::random;

pub(super) fn read(args: HubArgs) -> Result<(Config, Secrets)> {
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
    let founding = hub::found(&config, &secrets, &args.name, random::now()).await?;
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
        max_batch: None,
    };
    let (config, secrets) = read(args.hub)?;
    // Listened to from here on without a gap: a second signal that comes close after the first must not be lost.
    let mut ends = Ends::listen()?;
    let hub = tokio::select! {
        started = Hub::start(&config, &secrets, consent) => started?,
        () = ends.next() => return Ok(ExitCode::FAILURE),
    };
    service::ready().await;
    // Until the process ends: a hub that hangs while it ends is ended by systemd.
    service::keep_watchdog();
    ends.next().await;
    service::stopping().await;
    info!("Ending: what waits is committed and published first");
    tokio::select! {
        ended = hub.stop() => ended?,
        () = ends.next() => {
            warn!("Told a second time: ending at once");
            // Not by returning: that would wait for whatever hangs, such as a disk.
            std::process::exit(1);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C and SIGTERM.
pub(crate) struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// From now on neither ends the process by itself.
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

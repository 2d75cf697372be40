//! `daybook relay`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use daybook_agent::relay::{self, Config, Status};
use jiff::Timestamp;
use tracing::info;

use super::{doctor, output, program};
use crate::args::{OutboundArgs, RelayArgs, RelayCommand};

pub(super) async fn run(args: RelayArgs) -> Result<ExitCode> {
    let config = Config::read(&args.config)?;
    match args.command.unwrap_or(RelayCommand::Run) {
        RelayCommand::Run => serve(config).await?,
        RelayCommand::Status(args) => return status(&config, args.json),
        RelayCommand::Outbound(args) => outbound(&config, &args)?,
        RelayCommand::Hold(args) => {
            relay::hold_all(&config, &args.reason)?;
            output::line(
                "Everything is held: nothing is begun, signed off or released until `daybook relay resume --all`.",
            );
        }
        RelayCommand::Resume(_) => {
            let was_held = relay::release_hold(&config)?;
            output::line(if was_held {
                "What was held goes on."
            } else {
                "Nothing was held."
            });
        }
        RelayCommand::Report => {
            relay::ask_report(&config)?;
            output::line("The relay reports its counts within seconds, or when it starts.");
        }
        RelayCommand::Doctor(args) => return doctor::show(&relay::examine(&config).await, args.json),
        RelayCommand::GoLive => {
            relay::go_live(&config)?;
            output::line(
                "From its next start on this relay is live: events and results leave. Restart it now.",
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> Result<()> {
    let is_shadow = config.mode() == relay::Mode::Shadow;
    let farewell = "what is under way is taken up again by the next start";
    let start = |stop| {
        relay::run(config, stop, move |address, _| {
            info!("Listening on {address} for the controlled zone");
            if is_shadow {
                info!("In the shadow: everything is done and signed, and nothing is sent");
            }
            program::is_ready();
        })
    };
    program::run(farewell, start).await
}

fn status(config: &Config, as_json: bool) -> Result<ExitCode> {
    let Some(status) = Status::read(config)? else {
        bail!(
            "no relay has run with the spool {} yet",
            config.folder().display()
        );
    };
    let code = if status.is_running() && status.messages.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    if as_json {
        output::line(&serde_json::to_string(&status)?);
        return Ok(code);
    }
    let state = if status.is_running() {
        "runs"
    } else {
        "does not run"
    };
    let mode = if status.is_shadow {
        ", in the shadow: nothing is sent"
    } else {
        ""
    };
    output::line(&format!(
        "The relay of {} {state}{mode}; as of {}.",
        config.tre,
        time(status.at)
    ));
    if let Some(hold) = &status.hold {
        output::line(&format!(
            "Everything is held ({}) since {}.",
            hold.code,
            time(hold.since)
        ));
    }
    let seen = status
        .seen
        .map_or_else(|| "nothing".to_owned(), |seen| format!("{seen} entries"));
    output::line(&format!(
        "Seen of the log: {seen}. Events to be sent: {}; sent and not proved yet: {}.",
        status.unsent, status.unproved
    ));
    if let Some(witness) = &status.witness {
        let size = witness.size.unwrap_or(0);
        output::line(&format!(
            "As the witness {}: cosigned {size} entries.",
            witness.key
        ));
    }
    for message in &status.messages {
        output::line(&format!(
            "! {}, since {}: {}",
            message.about,
            time(message.since),
            message.text
        ));
    }
    for job in &status.jobs {
        let proved = format!("{} of {} events proved", job.proved, job.events);
        output::line(&format!(
            "  {}  {:<18} {proved}; waits for: {}",
            job.id, job.state, job.waits_for
        ));
    }
    Ok(code)
}

fn outbound(config: &Config, args: &OutboundArgs) -> Result<()> {
    let (leaving, questions) = relay::outbound(config)?;
    if args.json {
        for one in &leaving {
            output::line(&serde_json::to_string(one)?);
        }
        return Ok(());
    }
    for (at, one) in leaving.iter().enumerate() {
        let state = if one.has_left { "has left" } else { "has not left" };
        output::line(&format!("{}. [{}, {state}] {}", at + 1, one.kind, one.words));
        if !args.words {
            output::line(&format!("  bytes ({}): {}", one.file, one.bytes));
        }
    }
    output::line(questions);
    Ok(())
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

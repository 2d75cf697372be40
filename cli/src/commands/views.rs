//! `daybook rebuild` and `daybook views`: filling views anew, comparing them with the log, dropping old versions.

use std::io::{IsTerminal as _, stderr, stdin};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use daybook_store::Address;
use daybook_store::project::{self, ProjectError, Stored, View};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::serve::read;
use super::{NOT_READY, output};
use crate::args::{HubArgs, PruneArgs, RebuildArgs, ViewsCommand, ViewsListArgs};
use crate::hub::Database;

/// The exit status of a misuse.
const MISUSE: u8 = 2;

/// A database that is there already: nothing here makes one.
async fn open(args: HubArgs) -> Result<Database> {
    let (config, secrets) = read(args)?;
    ensure!(
        secrets.database_url.is_some() || config.data_dir.join("pg").is_dir(),
        "there is no database in {}; set DATABASE_URL, or correct `data_dir`",
        config.data_dir.display()
    );
    Database::as_it_is(&config, &secrets).await
}

pub(super) async fn rebuild(args: RebuildArgs) -> Result<ExitCode> {
    let known = daybook_views::all();
    let is_wanted =
        |view: &&Arc<dyn View>| args.views.is_empty() || args.views.iter().any(|name| name == view.name());
    let unknown = args
        .views
        .iter()
        .find(|name| !known.iter().any(|view| view.name() == name.as_str()));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = known.iter().map(|view| view.name()).collect();
        output::error(&anyhow::anyhow!(
            "there is no view {unknown}; there are {}",
            names.join(", ")
        ));
        return Ok(ExitCode::from(MISUSE));
    }
    let views: Vec<_> = known.iter().filter(is_wanted).cloned().collect();
    let database = open(args.hub).await?;
    let outcome = each(&database.config(), &views, args.check, args.json).await;
    database.stop().await?;
    match outcome {
        Ok(status) => Ok(status),
        Err(error) if is_passing(&error) => {
            output::error(&error.into());
            Ok(ExitCode::from(NOT_READY))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_passing(error: &ProjectError) -> bool {
    matches!(error, ProjectError::Busy | ProjectError::InUse(_))
}

/// Rebuilds or checks one view after the other; goes on after one that differs, so that all are named.
async fn each(
    address: &Address,
    views: &[Arc<dyn View>],
    is_check: bool,
    is_json: bool,
) -> Result<ExitCode, ProjectError> {
    let mut differing = 0;
    for view in views {
        let bar = bar(view.name(), is_json);
        let told = |done: u64, goal: u64| {
            bar.set_length(goal);
            bar.set_position(done);
        };
        let (size, difference) = if is_check {
            project::check(address, view.as_ref(), told).await?
        } else {
            (project::rebuild(address, view.as_ref(), told).await?, None)
        };
        bar.finish_and_clear();
        differing += usize::from(difference.is_some());
        let name = view.name();
        output::line(&if is_json {
            let difference = difference.map(|difference| difference.to_string());
            json!({ "view": name, "version": view.version(), "size": size, "difference": difference })
                .to_string()
        } else {
            match (difference, is_check) {
                (Some(difference), _) => format!("{name}  differs at {size} entries: {difference}"),
                (None, true) => format!("{name}  is what the first {size} entries say"),
                (None, false) => format!("{name}  rebuilt from {size} entries"),
            }
        });
    }
    if differing > 0 && !is_json {
        output::line(
            "`daybook rebuild` with the names of these views puts them right; what changed them is another question.",
        );
    }
    Ok(if differing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn bar(name: &str, is_quiet: bool) -> ProgressBar {
    let target = if is_quiet || !stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(None, target).with_message(name.to_owned());
    match ProgressStyle::with_template("{msg:12} {wide_bar} {human_pos}/{human_len} entries, {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(super) async fn run(command: ViewsCommand) -> Result<ExitCode> {
    match command {
        ViewsCommand::List(args) => list(args).await,
        ViewsCommand::Prune(args) => prune(args).await,
    }
}

async fn list(args: ViewsListArgs) -> Result<ExitCode> {
    let database = open(args.hub).await?;
    let stored = project::list(&database.config(), &daybook_views::all()).await;
    database.stop().await?;
    for stored in stored? {
        output::line(&if args.json {
            json!({
                "schema": stored.schema, "view": stored.view, "version": stored.version, "size": stored.size,
                "copy": stored.is_copy, "current": stored.is_ours, "read": stored.is_read,
            })
            .to_string()
        } else {
            format!(
                "{:24} {:>10} entries  {}",
                stored.schema,
                stored.size,
                describe(&stored)
            )
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(stored: &Stored) -> &'static str {
    match stored {
        Stored { is_copy: true, .. } => "a copy that a rebuild or a check left or is filling",
        Stored {
            is_ours: true,
            is_read: true,
            ..
        } => "current, read by a hub that runs",
        Stored { is_ours: true, .. } => "current",
        Stored { is_read: true, .. } => "another version, read by a hub that runs",
        Stored { .. } => "another version, read by nobody: `daybook views prune` drops it",
    }
}

async fn prune(args: PruneArgs) -> Result<ExitCode> {
    let database = open(args.hub).await?;
    let outcome = drop_old(&database.config(), args.yes).await;
    database.stop().await?;
    outcome
}

async fn drop_old(address: &Address, is_agreed: bool) -> Result<ExitCode> {
    let views = daybook_views::all();
    let old: Vec<String> = project::list(address, &views)
        .await?
        .into_iter()
        .filter(|stored| !stored.is_ours && !stored.is_read)
        .map(|stored| stored.schema)
        .collect();
    if old.is_empty() {
        output::line("Nothing to drop: every version is current, or read by a hub that runs.");
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("These are read by nobody: {}.", old.join(", ")));
    if !is_agreed {
        if !stdin().is_terminal() {
            output::error(&anyhow::anyhow!(
                "say --yes to drop them where nobody can be asked"
            ));
            return Ok(ExitCode::from(MISUSE));
        }
        output::line(
            "Drop them? They can be filled again from the log by the program that reads them. [y/N]",
        );
        let mut answer = String::new();
        stdin()
            .read_line(&mut answer)
            .context("no answer could be read")?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            output::line("Nothing was dropped.");
            return Ok(ExitCode::FAILURE);
        }
    }
    let dropped = project::prune(address, &views, &old).await?;
    output::line(&format!("Dropped: {}.", dropped.join(", ")));
    Ok(ExitCode::SUCCESS)
}

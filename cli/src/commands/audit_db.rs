//! `daybook audit-db`: whether everything in the database follows from the entries.

mod packets;
mod progress;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use daybook_store::StoreError;
use daybook_store::audit::{Audit, AuditError, Finding, Options, Progress, Report};
use daybook_store::project;
use tokio::sync::watch;

use super::serve::read;
use super::{NOT_READY, output};
use crate::args::AuditDbArgs;
use crate::config::{Config, Secrets};
use crate::hub::{self, Database};

pub(super) async fn run(args: AuditDbArgs) -> Result<ExitCode> {
    let (config, secrets) = read(args.hub)?;
    let is_private = secrets.database_url.is_none();
    ensure!(
        !is_private || config.data_dir.join("pg").is_dir(),
        "there is no database in {}; set DATABASE_URL, or correct `data_dir`",
        config.data_dir.display()
    );
    let database = Database::as_it_is(&config, &secrets).await?;
    let wanted = Wanted {
        digests: args.packets,
        views: args.views,
        is_quiet: args.json,
    };
    let outcome = check(&config, &secrets, &database, &wanted).await;
    database.stop().await?;
    let report = match outcome {
        Ok(report) => report,
        Err(error) if error.downcast_ref::<AuditError>().is_some_and(is_passing) => {
            output::error(&error);
            return Ok(ExitCode::from(NOT_READY));
        }
        Err(error) => return Err(error),
    };
    if args.json {
        output::line(&serde_json::to_string(&Answer::new(&report))?);
    } else {
        show(&config.origin, &report);
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What more is looked at than the database's own tables.
struct Wanted {
    digests: bool,
    views: bool,
    is_quiet: bool,
}

async fn check(config: &Config, secrets: &Secrets, database: &Database, wanted: &Wanted) -> Result<Report> {
    let log_key = hub::log_signer(config, secrets)?.verifier().clone();
    let audit = Audit::open(Options {
        config: database.config(),
        origin: config.origin.clone(),
        log_key,
        guard_path: Some(config.guard_path.clone()),
        scratch_folder: std::env::temp_dir(),
    });
    let audit = audit.await?;
    let (told, heard) = watch::channel(Progress::default());
    let shown = tokio::spawn(progress::show(heard, wanted.is_quiet));
    let report = audit.run(&told).await;
    drop(told);
    // It only draws; it has ended, or something is wrong with the terminal.
    drop(shown.await);
    let mut report = report?;
    let store = hub::packet_store(config)?;
    packets::check(&audit, &store, wanted.digests, &mut report).await?;
    drop(audit);
    if wanted.views {
        views(database, &mut report).await?;
    }
    Ok(report)
}

/// Fills a copy of each view and compares it with the live one.
async fn views(database: &Database, report: &mut Report) -> Result<()> {
    let address = database.config();
    for view in daybook_views::all().iter() {
        let (_, difference) = project::check(&address, view.as_ref(), |_, _| {})
            .await
            .context("the views")?;
        if let Some(difference) = difference {
            let finding = Finding::new("view", view.name(), "row", difference, "what the log says");
            report.add(finding);
        }
    }
    Ok(())
}

/// Whether the database cannot be reached, which may pass.
fn is_passing(error: &AuditError) -> bool {
    match error {
        AuditError::Store(StoreError::Pool(_) | StoreError::Silent(_)) => true,
        // Without a code it does not come from the server but from the way there.
        AuditError::Store(StoreError::Postgres(error)) => error.code().is_none(),
        _ => false,
    }
}

/// The report as JSON.
#[derive(serde::Serialize)]
struct Answer<'a> {
    holds: bool,
    total: u64,
    #[serde(flatten)]
    report: &'a Report,
}

impl<'a> Answer<'a> {
    fn new(report: &'a Report) -> Self {
        Self {
            holds: report.holds(),
            total: report.total(),
            report,
        }
    }
}

fn show(origin: &str, report: &Report) {
    let Report {
        entries,
        streams,
        checkpoints,
        tiles,
        openings,
        ..
    } = report;
    output::line(&format!(
        "{origin}: {entries} entries, {streams} streams, {checkpoints} checkpoints, {tiles} full tiles, {openings} openings"
    ));
    if let Some(root) = &report.root {
        output::line(&format!("root of the entries: {root}"));
    }
    let Some(first) = report.findings.first() else {
        output::line("holds: everything in the database follows from the entries");
        return;
    };
    output::line(&format!("does not hold: {first}"));
    output::line(&format!("{} findings, by table and column:", report.total()));
    for (kind, count) in &report.counts {
        output::line(&format!("  {count:>8}  {kind}"));
    }
    for finding in report.findings.iter().skip(1) {
        output::line(&format!("- {finding}"));
    }
    let left = report.total().saturating_sub(report.findings.len() as u64);
    if left > 0 {
        output::line(&format!("- and {left} more"));
    }
}

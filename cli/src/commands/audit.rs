//! `daybook audit`: reads a whole log from outside, checks and judges it, and compares what the hub shows.

mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_agent::random;
use daybook_audit::source::Source;
use daybook_audit::{Audit, Options, Progress, Report, Severity, vouch};
use daybook_core::note::Note;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::watch;
use tracing::warn;

use super::{output, verify};
use crate::args::AuditArgs;

/// How long a webhook may take.
const WEBHOOK: Duration = Duration::from_secs(10);

pub(super) async fn run(args: AuditArgs) -> Result<ExitCode> {
    let Some(every) = args.every else {
        let report = once(&args).await?;
        show(&args, &report)?;
        return Ok(status(&report));
    };
    // Alarms are told when they are new, not at every look.
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        match once(&args).await {
            Ok(report) => {
                let counts = report
                    .counts
                    .iter()
                    .filter(|(kind, _)| kind.severity() >= Severity::Warning);
                let counts: BTreeMap<String, u64> =
                    counts.map(|(kind, count)| (kind.to_string(), *count)).collect();
                let is_news = counts.iter().any(|(kind, count)| told.get(kind) != Some(count));
                show(&args, &report)?;
                if is_news {
                    alarm(&args, &report).await;
                }
                told = counts;
                if args.until_alarm && !report.holds() {
                    return Ok(status(&report));
                }
            }
            Err(error) => output::error(&error),
        }
        tokio::time::sleep(Duration::from_secs(every.max(1))).await;
    }
}

async fn once(args: &AuditArgs) -> Result<Report> {
    let policy = verify::policy(&args.trust)?;
    let log = policy
        .logs()
        .first()
        .context("the policy names no log")?
        .key
        .name()
        .to_string();
    let state = args.state.clone().map_or_else(|| default_state(&log), Ok)?;
    let anchors = match &args.anchors {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            vouch::parse_anchors(&text).map_err(|line| {
                anyhow::anyhow!("line {line} of {} is not `tre ID THUMBPRINT`", path.display())
            })?
        }
        None => vouch::Anchors::new(),
    };
    let others = args.since.iter().map(note).collect::<Result<_>>()?;
    let audit = Audit::new(Options {
        source: Source::new(&args.log)?,
        policy,
        state,
        anchors,
        others,
        lists: !args.no_lists,
        now: random::now(),
    })?;
    let (progress, bar) = Bar::start();
    let outcome = audit.run(&progress).await;
    bar.end(progress).await?;
    Ok(outcome?)
}

/// A bar that shows how far something is with the entries of a log.
pub(super) struct Bar {
    bar: ProgressBar,
    following: tokio::task::JoinHandle<()>,
}

impl Bar {
    pub(super) fn start() -> (watch::Sender<Progress>, Self) {
        let progress = watch::Sender::new(Progress::default());
        let bar = bar();
        let following = tokio::spawn(follow(bar.clone(), progress.subscribe()));
        (progress, Self { bar, following })
    }

    pub(super) async fn end(self, progress: watch::Sender<Progress>) -> Result<()> {
        drop(progress);
        self.following.await?;
        self.bar.finish_and_clear();
        Ok(())
    }
}

pub(super) fn note(path: &PathBuf) -> Result<Note> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Note::parse(&bytes).with_context(|| format!("{} is not a checkpoint", path.display()))
}

/// A folder of the person who audits, one for each log.
fn default_state(log: &str) -> Result<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".local/state")));
    let base = base.context("say with --state where the audit keeps what it needs to go on")?;
    Ok(base.join("daybook/audit").join(log.replace('/', "_")))
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} entries, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

async fn follow(bar: ProgressBar, mut progress: watch::Receiver<Progress>) {
    let mut is_first = true;
    while progress.changed().await.is_ok() {
        let now = *progress.borrow();
        bar.set_length(now.of);
        bar.set_position(now.done);
        if is_first {
            bar.reset_eta();
            is_first = false;
        }
    }
}

fn show(args: &AuditArgs, report: &Report) -> Result<()> {
    if args.json {
        output::line(&serde_json::to_string(report)?);
    } else {
        output::line(&report::words(report));
    }
    if let Some(path) = &args.metrics {
        // Beside and then over: whoever reads it sees the old or the new.
        let new = path.with_extension("new");
        fs::write(&new, report::metrics(report, random::now()))
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn alarm(args: &AuditArgs, report: &Report) {
    let Some(url) = &args.webhook else { return };
    let body = json!({
        "log": report.log, "entries": report.entries, "worst": report.worst(), "counts": report.counts,
        "findings": report.findings,
    });
    let sent = async {
        let client = reqwest::Client::builder().timeout(WEBHOOK).build()?;
        client.post(url).json(&body).send().await?.error_for_status()
    };
    if let Err(error) = sent.await {
        warn!(
            error = &error as &dyn std::error::Error,
            "The webhook was not told what was found"
        );
    }
}

fn status(report: &Report) -> ExitCode {
    if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

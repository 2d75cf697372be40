//! `daybook evidence`: all that a log says of one thing, in a zip that proves it.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use daybook_agent::client::Client;
use daybook_agent::keyfile::Keys;
use daybook_audit::evidence::gather::gather;
use daybook_audit::evidence::{Evidence, Subject};
use daybook_audit::source::{Source, openings_in};

use super::{audit, output, verify};
use crate::args::{EvidenceArgs, EvidenceKind};

pub(super) async fn run(args: EvidenceArgs) -> Result<ExitCode> {
    let policy = verify::policy(&args.trust)?;
    let subject = match args.kind {
        EvidenceKind::Job => Subject::Job(args.id),
        EvidenceKind::Submission => Subject::Submission(args.id),
        EvidenceKind::Project => Subject::Project(args.id),
    };
    ensure!(
        !args.out.exists(),
        "{} is there already; nothing is overwritten",
        args.out.display()
    );
    let source = Source::new(&args.log)?;
    let given = args.checkpoint.as_ref().map(audit::note).transpose()?;
    let (progress, bar) = audit::Bar::start();
    let gathered = gather(&source, &policy, given, subject, &progress).await;
    bar.end(progress).await?;
    let mut evidence = gathered?;
    if !args.closed {
        show_openings(&mut evidence, &source, &args).await?;
    }
    let zip = evidence.to_zip()?;
    // As whoever gets it will: what was read may not be what the log has signed.
    let (read, others) = Evidence::from_zip(&zip)?;
    let verdict = read.verify(&others, &policy);
    verify::tell(&verdict, false);
    if !verdict.holds() {
        output::line("Nothing was written: what the log serves does not hold. `daybook audit` says more.");
        return Ok(ExitCode::FAILURE);
    }
    let mut file =
        fs::File::create_new(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    file.write_all(&zip).and_then(|()| file.sync_all())?;
    output::line(&format!("{}: {} bytes", args.out.display(), zip.len()));
    Ok(ExitCode::SUCCESS)
}

/// The openings that the log's hub, or the copy, gives to whoever asks.
async fn show_openings(evidence: &mut Evidence, source: &Source, args: &EvidenceArgs) -> Result<()> {
    let sealed = evidence
        .entries
        .iter()
        .filter(|(_, entry)| entry.event.claims().digests().next().is_some());
    let indexes: Vec<u64> = sealed.map(|(index, _)| *index).collect();
    let origin = evidence
        .checkpoint
        .text()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let keys = args.key.as_deref().map(Keys::read).transpose()?;
    ensure!(
        keys.is_none() || matches!(source, Source::Hub(_)),
        "a copy has no sealed fields to show by a key; name the hub with --log"
    );
    let client = Client::new(&args.log)?;
    let mut shown = Vec::with_capacity(indexes.len());
    for index in indexes {
        let found = match &keys {
            Some(keys) => openings_in(&client.openings(Some((keys, &origin)), index).await?),
            None => source.published_openings(index).await?,
        };
        shown.push((index, found));
    }
    evidence.show(shown);
    Ok(())
}

//! `daybook export`: a static copy of a log.

use std::process::ExitCode;

use anyhow::Result;
use daybook_audit::export::export;
use daybook_audit::source::Source;

use super::{audit, output, verify};
use crate::args::ExportArgs;

pub(super) async fn run(args: ExportArgs) -> Result<ExitCode> {
    let policy = verify::policy(&args.trust)?;
    let source = Source::new(&args.log)?;
    let (progress, bar) = audit::Bar::start();
    let exported = export(&source, &policy, &args.out, !args.no_openings, &progress).await;
    bar.end(progress).await?;
    let done = exported?;
    output::line(&format!(
        "{}: {} entries, {} bundles fetched, published texts of {} entries",
        args.out.display(),
        done.entries,
        done.fetched,
        done.opened
    ));
    Ok(ExitCode::SUCCESS)
}

//! Reporting the TRE's own counts, on a schedule or when somebody asks.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::{Config, Relay};
use crate::random;
use crate::spool::{make_folder, write_whole};

/// How often it is looked whether a report is due or asked for.
const LOOK: Duration = Duration::from_secs(2);
/// The file by which somebody asks.
const ASKED: &str = "report-asked";

/// Asks the relay that runs, or the next one that does, to report its counts at once.
pub fn ask_report(config: &Config) -> Result<()> {
    let folder = config.folder();
    make_folder(&folder)?;
    Ok(write_whole(&folder.join(ASKED), b"")?)
}

pub(super) async fn run(relay: Arc<Relay>, stop: CancellationToken) {
    loop {
        match stop.run_until_cancelled(relay.report()).await {
            None => return,
            Some(Ok(())) => relay.health.clear("report"),
            Some(Err(error)) => {
                let text = format!("the TRE's counts are not reported: {error:#}");
                relay.health.say("report", text);
            }
        }
        let pause = tokio::time::sleep(LOOK);
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

impl Relay {
    async fn report(&self) -> Result<()> {
        let asked = self.desk.file(ASKED);
        let is_asked = asked.exists();
        let every = self.config.report.seconds();
        // A first report waits until there is something to count.
        let has_history = self.desk.has_history();
        let is_due = |last: Option<i64>| match last {
            Some(last) => random::now().saturating_sub(last) >= every,
            None => has_history,
        };
        if self.is_shadow() || !(is_asked || is_due(self.desk.reported().await)) {
            return Ok(());
        }
        if self.desk.report(|last| is_asked || is_due(last)).await? && is_asked {
            fs::remove_file(&asked)?;
        }
        Ok(())
    }
}

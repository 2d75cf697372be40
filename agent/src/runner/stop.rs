//! Stopping a job for good: what runs is ended, outputs are destroyed, and only then is it said.

use serde_json::json;

use super::RunnerError;
use super::advance::number;
use super::attempt::{CREDENTIALS, attempts};
use super::work::Runner;
use crate::engine::remove_tree;
use crate::link::wire::JobView;
use crate::random;
use crate::spool::SpoolError;

/// When all had stopped.
const STOPPED: &str = "stopped.json";

impl Runner {
    /// Stops a job. What cannot be confirmed to have ended is tried again, and nothing is said until it is.
    pub(super) async fn cancel(&mut self, view: &JobView) -> Result<(), RunnerError> {
        if !self.lease(view.id).await? {
            return Ok(());
        }
        let folder = self.folder(view.id)?;
        if let Some(running) = self.running.get(&view.id) {
            running.stop.cancel();
            if !running.task.is_finished() {
                // It tells when it has ended.
                return Ok(());
            }
            self.running.remove(&view.id);
        }
        if !folder.has(STOPPED) {
            for attempt in attempts(&folder)? {
                let work = Self::work_folder(&folder, attempt);
                self.engine.end_leftovers(&work).await?;
                let run = folder.file(&super::outcome::folder(attempt));
                remove_tree(&run).map_err(SpoolError::at(&run))?;
            }
            self.datasets.revoke(&folder.file(CREDENTIALS), view.id).await?;
            folder.remove_folder("sets")?;
            folder.write_json(STOPPED, &random::now())?;
        }
        let at = folder.read_json::<i64>(STOPPED)?.unwrap_or(0);
        if !self.is_due(at) {
            return Ok(());
        }
        let clear = json!({ "began": number(view, "attempts") > 0, "stopped": true, "destroyed": true });
        self.say(view, "cancelled", "job-cancelled", clear, Vec::new())
            .await
    }
}

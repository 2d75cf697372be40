//! What a runner is doing, as a file that `daybook runner status` reads.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::work::Runner;
use crate::spool::{Spool, SpoolError, write_whole};

const FILE: &str = "status.json";
/// Seconds after which nobody writes it any more.
const FRESH: i64 = 90;

/// What a runner is doing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// When this was so.
    pub at: Timestamp,
    /// Engine and version.
    pub engine: String,
    /// Jobs whose workflow runs now.
    pub running: Vec<Uuid>,
    /// Jobs that stand still, and why.
    pub troubles: BTreeMap<Uuid, String>,
    /// Why the relay cannot be asked.
    pub relay: Option<String>,
}

impl Status {
    pub(super) fn of(runner: &Runner, relay: Option<String>) -> Self {
        Self {
            at: Timestamp::now(),
            engine: runner.label.clone(),
            running: runner.running.keys().copied().collect(),
            troubles: runner.troubles.clone(),
            relay,
        }
    }

    pub(super) fn write(&self, spool: &Spool) -> Result<(), SpoolError> {
        let path = spool.folder().join(FILE);
        let text = serde_json::to_vec_pretty(self);
        write_whole(
            &path,
            &text.map_err(|error| SpoolError::Content(path.clone(), error))?,
        )
    }

    /// Reads what the runner with that spool wrote last; nothing if there never was one.
    pub fn read(spool: &Path) -> Result<Option<Self>, SpoolError> {
        let path = spool.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| SpoolError::Content(path, error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SpoolError::Io(path, error)),
        }
    }

    /// Whether somebody wrote it lately.
    pub fn is_fresh(&self) -> bool {
        Timestamp::now().as_second() - self.at.as_second() < FRESH
    }
}

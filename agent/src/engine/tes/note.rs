//! What is written down of a task, so that a runner that comes back can end it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::RunError;

const FILE: &str = "task.json";

/// A run at a task service.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Note {
    /// The run: its tag, and its folder in the storage.
    pub(super) run: Uuid,
    /// The task, once the service has named it.
    pub(super) task: Option<String>,
}

impl Note {
    pub(super) fn write(&self, work: &Path) -> Result<(), RunError> {
        let path = work.join(FILE);
        let text = serde_json::to_vec(self).map_err(|error| RunError::work(&path)(error.into()))?;
        let next = work.join("task.json.next");
        std::fs::write(&next, text).map_err(RunError::work(&next))?;
        std::fs::rename(&next, &path).map_err(RunError::work(&path))
    }

    pub(super) fn read(work: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(work.join(FILE)).ok()?).ok()
    }

    pub(super) fn forget(work: &Path) {
        // Where it stays it names a task that is over.
        let _ = std::fs::remove_file(work.join(FILE));
    }
}

//! The verifier keys of the log in a private cluster, kept beside it: `daybook doctor` compares the hub's key file with them
//! while the cluster does not run.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use daybook_agent::spool::write_whole;
use daybook_core::note::VerifierKey;
use tracing::warn;

use super::Database;

/// The file, in `data_dir`: it goes wherever the cluster goes.
const FILE: &str = "log.vkeys";

/// Writes down which keys the log in a private cluster names as its own. A hub works without.
pub(super) async fn remember(data_dir: &Path, database: &Database) {
    if !database.is_private() {
        return;
    }
    if let Err(error) = write(data_dir, database).await {
        warn!("The log's verifier keys could not be written down for `daybook doctor`: {error:#}");
    }
}

async fn write(data_dir: &Path, database: &Database) -> Result<()> {
    let keys = daybook_store::examine::named_keys(&database.config()).await?;
    let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let text = lines.join("\n") + "\n";
    let path = data_dir.join(FILE);
    if fs::read_to_string(&path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    write_whole(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// What was written down when a hub last started or ended; `None` where none has since this is done.
pub(crate) fn remembered(data_dir: &Path) -> Result<Option<Vec<VerifierKey>>> {
    let path = data_dir.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let keys: Result<Vec<VerifierKey>, _> = text.lines().map(str::parse).collect();
    let keys = keys.with_context(|| format!("{} is no list of verifier keys", path.display()))?;
    Ok(Some(keys).filter(|keys| !keys.is_empty()))
}

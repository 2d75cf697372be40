//! The TRE's own scanner over what was fetched.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::error::RetrieveError;

/// Characters kept of what the scanner says, as `workflow-retrieved` allows.
const SAID: usize = 4_000;

/// Runs the scanner over some files.
///
/// # Errors
/// [`RetrieveError::Scan`] if it objects, [`RetrieveError::Scanner`] if it did not run to its end.
pub(super) async fn scan(command: &str, limit: Duration, files: &[PathBuf]) -> Result<String, RetrieveError> {
    let broken = |what: String| RetrieveError::Scanner(format!("{command}: {what}"));
    let mut words = command.split_whitespace();
    let program = words
        .next()
        .ok_or_else(|| broken("the command is empty".to_owned()))?;
    let run = Command::new(program)
        .args(words)
        .args(files)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(limit, run)
        .await
        .map_err(|_| broken(format!("it took more than {} minutes", limit.as_secs() / 60)))?
        .map_err(|error| broken(error.to_string()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let plain = said
        .trim()
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    let said: String = plain.take(SAID).collect();
    if output.status.success() {
        return Ok(if said.is_empty() { "clean".to_owned() } else { said });
    }
    Err(RetrieveError::Scan {
        status: output.status.to_string(),
        said,
    })
}

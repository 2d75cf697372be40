//! What a runner that was killed may have left: processes of a run, and folders that a run made unreadable.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;

use super::{RunError, tree};

/// The file with the run's first process.
const NOTE: &str = "process";
/// How long the kernel may take to end what was killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes down which process leads the run.
pub(super) fn note(work: &Path, pid: Pid) -> Result<(), RunError> {
    let path = work.join(NOTE);
    let began = tree::began(pid).unwrap_or(0);
    fs::write(&path, format!("{} {began}\n", pid.as_raw_nonzero())).map_err(RunError::work(&path))
}

/// The run has ended.
pub(super) fn forget(work: &Path) {
    // Where it stays it names a process that is not there any more.
    let _ = fs::remove_file(work.join(NOTE));
}

/// Ends the processes of an interrupted run, and waits until they are dead.
pub(super) async fn end_processes(work: &Path) -> Result<(), RunError> {
    let Some((pid, began)) = noted(work) else {
        return Ok(());
    };
    let of_the_run = || tree::began(pid) == Some(began);
    let mut living: Vec<Pid> = Vec::new();
    if of_the_run() {
        living = tree::all(pid);
        tree::kill_all(pid);
    }
    let told: Vec<_> = living.iter().map(|pid| (*pid, tree::began(*pid))).collect();
    let gone = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while told
            .iter()
            .any(|(pid, began)| began.is_some() && tree::began(*pid) == *began)
        {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .map_err(|_| RunError::NotStopped(format!("process {} does not end", pid.as_raw_nonzero())))?;
    forget(work);
    Ok(())
}

fn noted(work: &Path) -> Option<(Pid, u64)> {
    let text = fs::read_to_string(work.join(NOTE)).ok()?;
    let (pid, began) = text.trim().split_once(' ')?;
    Some((Pid::from_raw(pid.parse().ok()?)?, began.parse().ok()?))
}

/// Removes a run's folder with all that a tool may have left in it; folders without any permission too.
///
/// # Errors
/// What the system says; none where there is no such folder.
pub fn remove_tree(folder: &Path) -> std::io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    if fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(next) = waiting.pop() {
        fs::set_permissions(&next, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_a_tool_closed_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir_all(run.join("a/b")).unwrap();
        fs::write(run.join("a/b/c"), "x").unwrap();
        fs::set_permissions(run.join("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(run.join("a"), fs::Permissions::from_mode(0o500)).unwrap();
        remove_tree(&run).unwrap();
        assert!(!run.exists());
        remove_tree(&run).unwrap();
    }

    #[tokio::test]
    async fn a_number_that_another_process_has_now_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut sleeper = std::process::Command::new("sleep").arg("86431").spawn().unwrap();
        fs::write(folder.path().join(NOTE), format!("{} 1\n", sleeper.id())).unwrap();
        end_processes(folder.path()).await.unwrap();
        assert!(sleeper.try_wait().unwrap().is_none());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}

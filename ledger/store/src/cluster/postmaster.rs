//! `postmaster.pid`: the server that runs on a data folder, whoever started it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::time::Instant;

use super::{ClusterError, Endpoint, STOP, pause};

const NAME: &str = "postmaster.pid";

/// A server that lives on a data folder.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) endpoint: Endpoint,
    /// Names this very process, so that a signal never hits a later one with the same id.
    handle: OwnedFd,
    pg: PathBuf,
}

/// What the lines of `postmaster.pid` say (PostgreSQL's `miscadmin.h`): 1 process id, 4 port, 5 socket folder.
#[derive(Debug, PartialEq, Eq)]
struct PidFile {
    pid: i32,
    port: u16,
    socket_dir: PathBuf,
}

fn parse(text: &str) -> Option<PidFile> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 0)?;
    let port = lines.nth(2)?.trim().parse().ok()?;
    let socket_dir = lines.next().filter(|line| !line.is_empty())?.into();
    Some(PidFile {
        pid,
        port,
        socket_dir,
    })
}

/// Finds the live server of a cluster's folder; `None` when there is none, or it is still writing its file.
pub(super) fn find(pg: &Path) -> Result<Option<Running>, ClusterError> {
    let path = pg.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ClusterError::file("read", path)(source)),
    };
    let Some(file) = parse(&text) else { return Ok(None) };
    let Some(handle) = Pid::from_raw(file.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return Ok(None);
    };
    // After a crash the id may be another process's; a server always works inside its own folder.
    if !works_in(file.pid, pg) {
        return Ok(None);
    }
    let endpoint = Endpoint {
        socket_dir: file.socket_dir,
        port: file.port,
    };
    Ok(Some(Running {
        pid: file.pid.cast_unsigned(),
        endpoint,
        handle,
        pg: pg.to_path_buf(),
    }))
}

fn works_in(pid: i32, pg: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == pg)
}

/// Removes a `postmaster.pid` whose process lives and is no server of this folder.
///
/// PostgreSQL itself copes with the file of a dead process, but believes one whose id another process of the same user
/// has now, as happens in containers, where ids repeat. Call it with the folder's lock held, after [`find`].
pub(super) fn remove_misleading(pg: &Path) -> Result<(), ClusterError> {
    let path = pg.join(NAME);
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(());
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse::<i32>().ok());
    let Some(pid) = pid.filter(|pid| *pid > 0) else {
        return Ok(());
    };
    if !Path::new(&format!("/proc/{pid}")).exists() || works_in(pid, pg) {
        return Ok(());
    }
    tracing::warn!(
        pid,
        "removed a postmaster.pid that names a process which is no PostgreSQL of this folder"
    );
    fs::remove_file(&path).map_err(ClusterError::file("remove", path))
}

impl Running {
    /// Asks for a fast shutdown; a server that has ended meanwhile is no error.
    pub(super) fn interrupt(&self) -> Result<(), ClusterError> {
        match pidfd_send_signal(&self.handle, Signal::INT) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(problem) => Err(ClusterError::file("stop the server of", &self.pg)(problem.into())),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        !works_in(self.pid.cast_signed(), &self.pg)
    }

    /// Waits until it has ended, at most as long as a shutdown may take.
    pub(super) async fn ended(&self, deadline: Instant) -> Result<(), ClusterError> {
        let until = deadline.min(Instant::now() + STOP);
        while !self.has_ended() {
            pause(until).await.ok_or_else(|| ClusterError::StillRunning {
                pid: self.pid,
                waited: STOP,
                log: self.pg.with_extension("log"),
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_file_are_read_by_place() {
        let whole = "4711\n/data/pg\n1795300000\n5432\n/run/daybook-01234567\n\n  1234  0\nready   \n";
        let expected = PidFile {
            pid: 4711,
            port: 5432,
            socket_dir: "/run/daybook-01234567".into(),
        };
        assert_eq!(parse(whole), Some(expected));
        for broken in [
            "",
            "4711\n",
            "0\n/d\n1\n5432\n/run\n",
            "-1\n/d\n1\n5432\n/run\n",
            "4711\n/d\n1\n5432\n\n",
        ] {
            assert_eq!(parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn id_of_another_process_is_no_server_and_its_file_goes() {
        let pg = tempfile::tempdir().unwrap();
        let path = pg.path().join(NAME);
        fs::write(&path, format!("{}\n/data\n1\n5432\n/run\n", std::process::id())).unwrap();
        assert!(find(pg.path()).unwrap().is_none());
        remove_misleading(pg.path()).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn file_of_a_dead_process_is_left_to_postgresql() {
        let pg = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        fs::write(
            pg.path().join(NAME),
            format!("{}\n/data\n1\n5432\n/run\n", child.id()),
        )
        .unwrap();
        assert!(find(pg.path()).unwrap().is_none());
        remove_misleading(pg.path()).unwrap();
        assert!(pg.path().join(NAME).exists());
    }
}

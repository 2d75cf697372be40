//! A process with all that it started, as `/proc` shows them.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The processes whose parent this one is.
pub(super) fn children(of: Pid) -> Vec<Pid> {
    let threads = format!("/proc/{}/task", of.as_raw_nonzero());
    let Ok(threads) = fs::read_dir(threads) else {
        return Vec::new();
    };
    let lists = threads
        .filter_map(Result::ok)
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let mut found = Vec::new();
    for list in lists {
        found.extend(
            list.split_whitespace()
                .filter_map(|id| Pid::from_raw(id.parse().ok()?)),
        );
    }
    found
}

/// The process and all below it.
pub(super) fn all(leader: Pid) -> Vec<Pid> {
    let mut found = vec![leader];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Kills the processes that the leader started: inside the sandbox that is the first of its namespace, and with it the
/// kernel kills all others; the leader then ends by itself, and only when they are gone.
pub(super) fn kill_started(leader: Pid) {
    for child in children(leader) {
        // Fails only where it has ended meanwhile.
        let _ = kill_process(child, Signal::KILL);
    }
}

/// Kills the leader's process group, and what it started.
pub(super) fn kill_all(leader: Pid) {
    kill_started(leader);
    let _ = kill_process_group(leader, Signal::KILL);
}

/// Memory that all of them hold for themselves, in bytes.
pub(super) fn memory(leader: Pid) -> u64 {
    all(leader).into_iter().map(own_memory).sum()
}

fn own_memory(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let kibibytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (kibibytes("RssAnon:") + kibibytes("RssShmem:")) * 1024
}

/// When a process began, in the kernel's ticks: with the id it names one process for ever.
pub(super) fn began(pid: Pid) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name, the second field, may hold spaces and brackets; the state comes after its last bracket.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let began = fields.nth(18)?.parse().ok()?;
    (state != "Z").then_some(began)
}

/// What lies in the folders, without following links: bytes that are used on the disk, and the number of files.
pub(super) fn disk(folders: &[&Path]) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let (mut bytes, mut files) = (0, 0);
    let mut waiting: Vec<_> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let Ok(data) = entry.metadata() else { continue };
            bytes += data.blocks() * 512;
            files += 1;
            if data.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    (bytes, files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_of_its_number() {
        let me = rustix::process::getpid();
        assert!(began(me).is_some());
        assert_eq!(began(me), began(me));
        assert!(memory(me) > 0);
    }

    #[test]
    fn links_are_not_followed_when_space_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![1; 10_000]).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        let (bytes, files) = disk(&[folder.path()]);
        assert_eq!(files, 2);
        assert!((10_000..100_000).contains(&bytes), "{bytes}");
    }
}

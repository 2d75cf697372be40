//! A program of the TRE's as a process that may be killed at any moment.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::bin::daybook_within;

/// How a program is started: the words before `daybook`, and those after it.
#[derive(Clone)]
pub(crate) struct Order {
    /// Such as `ip netns exec runner`; none for a plain process.
    pub(crate) within: Vec<String>,
    pub(crate) arguments: Vec<String>,
    /// Where its log goes, at its end.
    pub(crate) log: PathBuf,
}

/// A process of the binary. It is killed when this value goes.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Order {
    pub(crate) fn start(&self) -> Process {
        let log = File::options().append(true).create(true).open(&self.log).unwrap();
        let child = daybook_within(&self.within)
            .args(&self.arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            // What is logged at most: nothing of it may say what an output holds.
            .env("RUST_LOG", "info,daybook=trace,daybook_agent=trace")
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Process {
            child,
            log: self.log.clone(),
        }
    }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let text = self.log();
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("TRACE")).collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            eprintln!("{}:\n{}", self.log.display(), last.join("\n"));
        }
    }
}

/// A process as `/proc` shows it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) line: String,
}

/// Every process of this machine.
pub(crate) fn processes() -> Vec<Seen> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<i32>().ok()
    });
    // One that ends meanwhile has no files any more.
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields = stat.rsplit_once(") ")?.1;
        let (state, rest) = fields.split_once(' ')?;
        let parent = rest.split(' ').next()?.parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (state != "Z").then_some(Seen { pid, parent, line })
    })
    .collect()
}

/// What runs below a process, itself not counted.
pub(crate) fn descendants(pid: i32) -> Vec<Seen> {
    let mut family = vec![pid];
    let mut found = Vec::new();
    let mut rest = processes();
    loop {
        let (children, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|seen| family.contains(&seen.parent));
        if children.is_empty() {
            return found;
        }
        family.extend(children.iter().map(|seen| seen.pid));
        found.extend(children);
        rest = others;
    }
}

/// Processes that have to do with a folder: by their command line, or because it is mounted for them in a sandbox.
pub(crate) fn processes_of(folder: &Path) -> Vec<Seen> {
    let folder = folder.to_str().unwrap();
    let own = fs::read_link("/proc/self/ns/mnt").unwrap();
    processes()
        .into_iter()
        .filter(|seen| {
            let apart = fs::read_link(format!("/proc/{}/ns/mnt", seen.pid)).is_ok_and(|ns| ns != own);
            let mounts = || fs::read_to_string(format!("/proc/{}/mountinfo", seen.pid)).unwrap_or_default();
            seen.line.contains(folder) || (apart && mounts().contains(folder))
        })
        .collect()
}

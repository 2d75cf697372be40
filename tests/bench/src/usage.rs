//! What processes used of the processors and of memory, from `/proc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Processor time of the three parties since their start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// The hub.
    pub(crate) hub: Duration,
    /// PostgreSQL's processes together.
    pub(crate) postgres: Duration,
    /// The loader.
    pub(crate) loader: Duration,
}

impl Usage {
    /// Reads all three now.
    pub(crate) fn now(hub: u32, postmaster: u32, loader: u32) -> Result<Self> {
        let mut postgres = Stat::of(postmaster)?.with_ended_children();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process that ends between the two reads counts among the postmaster's ended children next time.
            if let Ok(stat) = Stat::of(pid)
                && stat.parent == postmaster
            {
                postgres += stat.own();
            }
        }
        Ok(Self {
            hub: Stat::of(hub)?.own(),
            postgres,
            loader: Stat::of(loader)?.own(),
        })
    }

    /// What was used since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            hub: self.hub.saturating_sub(before.hub),
            postgres: self.postgres.saturating_sub(before.postgres),
            loader: self.loader.saturating_sub(before.loader),
        }
    }
}

/// The fields of `/proc/<pid>/stat` that count here (`man 5 proc_pid_stat`).
struct Stat {
    parent: u32,
    /// User, system, and both of the children that ended; in clock ticks.
    ticks: [u64; 4],
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))?;
        // The name, in brackets, may hold anything.
        let (_, rest) = text.rsplit_once(')').context("no name in /proc/<pid>/stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |n: usize| -> Result<u64> {
            let text = fields.get(n - 3).context("a short /proc/<pid>/stat")?;
            Ok(text.parse()?)
        };
        Ok(Self {
            parent: u32::try_from(field(4)?)?,
            ticks: [field(14)?, field(15)?, field(16)?, field(17)?],
        })
    }

    fn own(&self) -> Duration {
        ticks(self.ticks[0] + self.ticks[1])
    }

    fn with_ended_children(&self) -> Duration {
        ticks(self.ticks.iter().sum())
    }
}

/// A tick of `/proc/<pid>/stat` is a hundredth of a second on every architecture of Linux that PostgreSQL runs on.
fn ticks(n: u64) -> Duration {
    Duration::from_millis(n * 10)
}

/// The most memory that a process ever held, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: u64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .context("no VmHWM in /proc/<pid>/status")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let own = std::process::id();
        let before = Usage::now(own, own, own).unwrap();
        let mut n = 0_u64;
        while Usage::now(own, own, own).unwrap().since(before).hub < Duration::from_millis(20) {
            n = n.wrapping_add(1);
        }
        assert!(n > 0);
        assert!(peak_memory(own).unwrap() > 100_000);
    }
}

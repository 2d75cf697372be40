//! Whether the hub can do all that it is for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use daybook_store::monitor::{Check, Monitor};
use serde_json::{Value, json};

use crate::app::now;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Entries that a view may be behind.
const MAX_LAG: u64 = 10_000;

/// A place on a disk that must not fill up.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What lies there: `data` or `guard`.
    pub place: &'static str,
    /// A folder on it.
    pub folder: PathBuf,
    /// Bytes that must be free.
    pub keep_free: u64,
}

impl Disk {
    /// Bytes that are free for this program; `None` where that cannot be told.
    pub(crate) fn free(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(&self.folder).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn check(&self) -> Check {
        let name = match self.place {
            "guard" => "disk of the guard",
            _ => "disk of the data",
        };
        match self.free() {
            Some(free) if free < self.keep_free => Check::bad(
                name,
                format!(
                    "{} MiB are free and {} MiB should be: make room, or soon nothing more can be stored.",
                    free >> 20,
                    self.keep_free >> 20
                ),
            ),
            Some(free) => Check::good(name, format!("{} MiB are free.", free >> 20)),
            None => Check::bad(name, "Its folder is gone, or cannot be looked at."),
        }
    }
}

/// Where a view stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailing {
    /// The view.
    pub name: String,
    /// Entries that it has taken in.
    pub size: u64,
    /// Whether it met what it does not know, and stays where it is.
    pub has_stopped: bool,
}

/// Tells where all views stand. Called often: it must not ask the database.
pub type Trail = Arc<dyn Fn() -> Vec<Trailing> + Send + Sync>;

/// What is looked at.
#[derive(Clone)]
pub(crate) struct Readiness {
    pub(crate) monitor: Monitor,
    pub(crate) disks: Arc<[Disk]>,
    pub(crate) trail: Option<Trail>,
}

impl Readiness {
    pub(crate) fn new(monitor: Monitor) -> Self {
        Self {
            monitor,
            disks: Arc::from([]),
            trail: None,
        }
    }

    /// Every check, in a fixed order.
    pub(crate) async fn look(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let log = tokio::time::timeout(PATIENCE, self.monitor.checks(now())).await;
        let silent = |_| {
            vec![Check::bad(
                "database",
                format!("It did not answer within {} s.", PATIENCE.as_secs()),
            )]
        };
        checks.extend(log.unwrap_or_else(silent));
        checks.extend(self.disks.iter().map(Disk::check));
        if let Some(trail) = &self.trail {
            checks.push(views(&trail(), self.monitor.figures().head_size));
        }
        checks
    }
}

fn views(trail: &[Trailing], head: u64) -> Check {
    let faults = trail.iter().filter_map(|view| {
        let lag = head.saturating_sub(view.size);
        if view.has_stopped {
            return Some(format!("{} has stopped, and the hub's log says why", view.name));
        }
        (lag > MAX_LAG).then(|| format!("{} is {lag} entries behind", view.name))
    });
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() {
        return Check::good("views", format!("At most {MAX_LAG} entries behind the log."));
    }
    Check::bad("views", format!("{}.", faults.join("; ")))
}

/// The checks as JSON.
pub(crate) fn to_json(checks: &[Check]) -> Value {
    let body = |check: &Check| json!({ "name": check.name, "holds": check.holds, "words": check.words });
    checks.iter().map(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, size: u64, has_stopped: bool) -> Trailing {
        Trailing {
            name: name.to_owned(),
            size,
            has_stopped,
        }
    }

    #[test]
    fn views_that_are_far_behind_or_stopped_are_named() {
        let head = 20_000;
        let good = [view("jobs", head, false), view("keys", head - MAX_LAG, false)];
        assert!(views(&good, head).holds);
        let behind = views(&[view("jobs", head, false), view("keys", 9_999, false)], head);
        assert!(!behind.holds && behind.words == "keys is 10001 entries behind.");
        let stopped = views(&[view("jobs", head, true)], head);
        assert!(!stopped.holds && stopped.words.contains("jobs has stopped"));
    }

    #[test]
    fn a_disk_without_room_or_folder_does_not_hold() {
        let disk = |folder: &str, keep_free| Disk {
            place: "data",
            folder: folder.into(),
            keep_free,
        };
        assert!(disk("/", 0).check().holds);
        assert!(!disk("/", u64::MAX).check().holds);
        assert!(!disk("/nowhere/at/all", 0).check().holds);
    }
}

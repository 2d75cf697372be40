//! Looking whether something can run here: what `doctor` commands find, and what to do about it. Nothing is changed.

use std::path::Path;

use rustix::fs::statvfs;
use serde::Serialize;

/// Below this much space, in bytes, work will soon stop.
const TOO_LITTLE: u64 = 512 * 1024 * 1024;
/// Below this somebody should look.
const LITTLE: u64 = 5 * 1024 * 1024 * 1024;
/// Seconds by which two clocks may differ without anybody looking, and by which nothing works any more: a hub admits five
/// minutes, and a token between two zones lives for one.
const DRIFT: i64 = 10;
const TOO_MUCH_DRIFT: i64 = 55;

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Ok,
    /// Somebody should look.
    Warn,
    /// It will not work.
    Fail,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was looked at, in a word.
    pub check: &'static str,
    /// How good it is.
    pub level: Level,
    /// What was found.
    pub says: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, says: impl Into<String>) -> Self {
        let (says, todo) = (says.into(), None);
        Self {
            check,
            level: Level::Ok,
            says,
            todo,
        }
    }

    /// Somebody should look, and do something.
    pub fn warn(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        let (says, todo) = (says.into(), Some(todo.into()));
        Self {
            check,
            level: Level::Warn,
            says,
            todo,
        }
    }

    /// It will not work before something is done.
    pub fn fail(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        let (says, todo) = (says.into(), Some(todo.into()));
        Self {
            check,
            level: Level::Fail,
            says,
            todo,
        }
    }

    /// For an error whose text says what to do.
    pub fn error(check: &'static str, error: &anyhow::Error) -> Self {
        let (says, todo) = (format!("{error:#}"), None);
        Self {
            check,
            level: Level::Fail,
            says,
            todo,
        }
    }

    /// It as a line for people.
    pub fn line(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        let todo = self
            .todo
            .as_ref()
            .map(|todo| format!("; {todo}"))
            .unwrap_or_default();
        format!("{level:<5} {:<14} {}{todo}", self.check, self.says)
    }
}

/// The space beside a folder, or beside the nearest one above it that exists.
pub fn space(path: &Path) -> Finding {
    let there = path
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("."));
    let Ok(found) = statvfs(there) else {
        return Finding::warn(
            "space",
            format!("the space in {} cannot be told", path.display()),
            "look with df",
        );
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let says = format!("{} MiB free in {}", free / (1024 * 1024), path.display());
    match free {
        0..TOO_LITTLE => Finding::fail(
            "space",
            says,
            "make room: where there is none, no new work is taken",
        ),
        TOO_LITTLE..LITTLE => Finding::warn("space", says, "make room"),
        _ => Finding::ok("space", says),
    }
}

/// How far another clock, in seconds since 1970, is from this machine's.
pub fn clock(whose: &str, theirs: i64, ours: i64) -> Finding {
    let drift = theirs.saturating_sub(ours).saturating_abs();
    let says = format!("this machine's differs from {whose} by {drift} s");
    match drift {
        0..=DRIFT => Finding::ok("clock", says),
        _ if drift < TOO_MUCH_DRIFT => Finding::warn("clock", says, "let both follow the same time server"),
        _ => Finding::fail(
            "clock",
            says,
            "let both follow the same time server: events and calls are refused",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_a_little() {
        let level = |theirs| clock("the hub's", theirs, 1000).level;
        assert_eq!((level(1010), level(990)), (Level::Ok, Level::Ok));
        assert_eq!((level(1011), level(946)), (Level::Warn, Level::Warn));
        assert_eq!((level(1055), level(i64::MIN)), (Level::Fail, Level::Fail));
    }
}

//! Folders, and the space in them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::config::Config;

/// Below this a hub will soon stop.
const TOO_LITTLE: u64 = 512 * 1024 * 1024;
/// Below this somebody should look.
const LITTLE: u64 = 5 * 1024 * 1024 * 1024;

pub(super) fn folders(config: &Config) -> Vec<Finding> {
    let guard = config.guard_path.parent().unwrap_or(Path::new("."));
    [
        ("data_dir", config.data_dir.as_path()),
        ("key_dir", &config.key_dir),
        ("guard_path", guard),
    ]
    .into_iter()
    .map(|(key, path)| folder(key, path, key == "key_dir"))
    .collect()
}

fn folder(key: &str, path: &Path, is_secret: bool) -> Finding {
    let shown = path.display();
    let Some(there) = nearest(path) else {
        return Finding::fail(
            "folders",
            format!("`{key}` {shown} cannot be reached"),
            "choose another path",
        );
    };
    if !there.is_dir() {
        return Finding::fail(
            "folders",
            format!("{} is no folder", there.display()),
            format!("choose another `{key}`"),
        );
    }
    if access(there, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let says = format!("{} cannot be written by the user who runs this", there.display());
        return Finding::fail("folders", says, format!("chown it, or choose another `{key}`"));
    }
    if there != path {
        return Finding::ok(
            "folders",
            format!("`{key}` {shown} will be made by `daybook init`"),
        );
    }
    let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode());
    if is_secret && mode & 0o077 != 0 {
        return Finding::warn(
            "folders",
            format!("others may look into {shown}"),
            format!("chmod 700 {shown}"),
        );
    }
    Finding::ok("folders", format!("`{key}` {shown} can be written"))
}

/// The path itself, or the first folder above it that exists.
fn nearest(path: &Path) -> Option<&Path> {
    let above = path.ancestors().map(|path| {
        if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        }
    });
    above.into_iter().find(|path| path.exists())
}

pub(super) fn space(config: &Config) -> Vec<Finding> {
    let guard = config.guard_path.parent().unwrap_or(Path::new("."));
    let mut folders = vec![config.data_dir.as_path(), guard];
    folders.retain(|path| nearest(path).is_some());
    folders
        .into_iter()
        .map(|path| match nearest(path).map(statvfs) {
            Some(Ok(found)) => judge_space(path, found.f_bavail.saturating_mul(found.f_frsize)),
            _ => Finding::warn(
                "space",
                format!("the space in {} cannot be told", path.display()),
                "look with df",
            ),
        })
        .collect()
}

fn judge_space(path: &Path, free: u64) -> Finding {
    let says = format!("{} MiB free in {}", free / (1024 * 1024), path.display());
    match free {
        0..TOO_LITTLE => Finding::fail("space", says, "make room: a full disk stops the hub"),
        TOO_LITTLE..LITTLE => Finding::warn("space", says, "make room"),
        _ => Finding::ok("space", says),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn little_space_is_a_warning_and_too_little_a_failure() {
        let judged = |free| judge_space(Path::new("/data"), free).level;
        assert_eq!(judged(TOO_LITTLE - 1), Level::Fail);
        assert_eq!(judged(TOO_LITTLE), Level::Warn);
        assert_eq!(judged(LITTLE), Level::Ok);
    }

    #[test]
    fn folder_is_looked_at_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        assert_eq!(super::folder("data_dir", &below, false).level, Level::Ok);
        assert!(!folder.path().join("a").exists());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(
            super::folder("data_dir", &file.join("x"), false).level,
            Level::Fail
        );
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(super::folder("key_dir", folder.path(), true).level, Level::Warn);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(super::folder("key_dir", folder.path(), true).level, Level::Ok);
    }
}

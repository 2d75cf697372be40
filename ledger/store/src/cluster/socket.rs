//! The folder of the server's socket: short, private, and checked before use.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use daybook_core::Hash;

use super::account::Account;
use super::{ClusterError, PORT};

/// A socket's path is at most 107 bytes on Linux (`sockaddr_un`); this leaves a margin.
const MAX_PATH: usize = 100;

/// The file in the folder that says whose it is: the path of the data folder.
const OWNER: &str = "data-folder";

/// Makes the folder, or takes over the one that a server before us left, and answers its path.
///
/// The name depends on the data folder's path alone and is short whatever that path's length. Everybody may write in
/// `/tmp`, so that an existing folder is used only if it is a real folder and ours.
pub(super) fn make_dir(
    data_dir: &Path,
    runtime_dir: Option<&Path>,
    account: &Account,
) -> Result<PathBuf, ClusterError> {
    let path = choose(data_dir, runtime_dir, account);
    if let Some(parent) = path.parent() {
        account.check_reach(parent)?;
    }
    if let Some(parent) = path.parent() {
        sweep(parent, account);
    }
    if fs::symlink_metadata(&path).is_err() {
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(ClusterError::file("make the folder", &path))?;
        account.give(&path)?;
    }
    let metadata = fs::symlink_metadata(&path).map_err(ClusterError::file("look at", &path))?;
    let unsafe_because = |problem| ClusterError::UnsafeSocketDir {
        path: path.clone(),
        problem,
    };
    if !metadata.is_dir() {
        return Err(unsafe_because("is no folder"));
    }
    if metadata.uid() != account.uid {
        return Err(unsafe_because("belongs to another user"));
    }
    // Only its owner can have loosened it, so it may be tightened again.
    if metadata.mode() & 0o7777 != 0o700 {
        fs::set_permissions(&path, Permissions::from_mode(0o700))
            .map_err(ClusterError::file("set the mode of", &path))?;
    }
    let owner = path.join(OWNER);
    fs::write(&owner, data_dir.as_os_str().as_bytes()).map_err(ClusterError::file("write", &owner))?;
    Ok(path)
}

/// Removes what servers left behind that were killed, and whose data folders are gone since: nobody would take them over.
fn sweep(parent: &Path, account: &Account) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let is_abandoned = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_ours = name.is_some_and(|name| name.starts_with("daybook-"))
            && fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == account.uid);
        // Without that file somebody may just be making it.
        let owner = fs::read(path.join(OWNER)).ok().filter(|owner| !owner.is_empty());
        let owner = owner.map(|owner| PathBuf::from(OsString::from_vec(owner)));
        // A folder that cannot be looked at is not one that is gone.
        is_ours && owner.is_some_and(|owner| owner.try_exists().is_ok_and(|exists| !exists))
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(is_abandoned) {
        for file in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
            drop(fs::remove_file(path.join(file)));
        }
        remove_dir(&path);
    }
}

/// Removes the folder of a server that has ended; one that is left behind is taken over by the next start.
pub(super) fn remove_dir(path: &Path) {
    drop(fs::remove_file(path.join(OWNER)));
    drop(fs::remove_dir(path));
}

fn choose(data_dir: &Path, runtime_dir: Option<&Path>, account: &Account) -> PathBuf {
    let hash = Hash::of(data_dir.as_os_str().as_bytes());
    let [a, b, c, d, ..] = hash.0;
    let name = format!("daybook-{a:02x}{b:02x}{c:02x}{d:02x}");
    if let Some(path) = runtime_dir
        .map(|parent| parent.join(&name))
        .filter(|path| fits(path))
    {
        return path;
    }
    if account.switch {
        Path::new("/run").join(name)
    } else {
        Path::new("/tmp").join(format!("{name}-{}", account.uid))
    }
}

/// Whether PostgreSQL takes the folder: absolute, short, and without the characters that its list of folders gives a
/// meaning.
fn fits(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    let longest = bytes.len() + format!("/.s.PGSQL.{PORT}.lock").len();
    folder.is_absolute()
        && longest < MAX_PATH
        && !bytes
            .iter()
            .any(|byte| b",\"'\\".contains(byte) || byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ourselves() -> Account {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        Account {
            uid,
            gid,
            name: "me".to_owned(),
            switch: false,
        }
    }

    #[test]
    fn path_is_short_whatever_the_data_folder() {
        let long = PathBuf::from(format!("/{}", "x/".repeat(1000)));
        for runtime_dir in [
            None,
            Some("/run/user/1000".into()),
            Some(long.clone()),
            Some("relative".into()),
        ] {
            let path = choose(&long, runtime_dir.as_deref(), &ourselves());
            assert!(fits(&path), "{}", path.display());
        }
        assert!(!fits(Path::new("/tmp/a,b")));
        let other = choose(Path::new("/other"), None, &ourselves());
        assert_ne!(choose(&long, None, &ourselves()), other);
    }

    #[test]
    fn planted_link_or_foreign_folder_is_refused_and_a_loose_one_tightened() {
        let runtime = tempfile::tempdir().unwrap();
        let runtime = runtime.path();
        let (data, me) = (Path::new("/data"), ourselves());
        let path = make_dir(data, Some(runtime), &me).unwrap();
        assert!(path.starts_with(runtime));

        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        make_dir(data, Some(runtime), &me).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);

        let somebody = Account {
            uid: me.uid + 1,
            ..me.clone()
        };
        let problem = make_dir(data, Some(runtime), &somebody).unwrap_err().to_string();
        assert!(problem.contains("belongs to another user"), "{problem}");

        remove_dir(&path);
        std::os::unix::fs::symlink(runtime, &path).unwrap();
        let problem = make_dir(data, Some(runtime), &me).unwrap_err().to_string();
        assert!(problem.contains("is no folder"), "{problem}");
    }

    #[test]
    fn leftovers_go_when_their_data_is_gone_and_no_others() {
        let (runtime, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let me = ourselves();
        let folder = |name: &str| {
            let folder = data.path().join(name);
            fs::create_dir(&folder).unwrap();
            let made = make_dir(&folder, Some(runtime.path()), &me).unwrap();
            fs::write(made.join(format!(".s.PGSQL.{PORT}.lock")), "4711").unwrap();
            (folder, made)
        };
        let (gone, kept) = (folder("gone"), folder("kept"));
        let (unmarked, other) = (
            runtime.path().join("daybook-00000000"),
            runtime.path().join("other"),
        );
        fs::create_dir(&unmarked).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(other.join(OWNER), "/nowhere/at/all").unwrap();
        fs::remove_dir(&gone.0).unwrap();
        folder("next");
        assert!(!gone.1.exists());
        assert!(kept.1.exists() && unmarked.exists() && other.exists());
    }
}

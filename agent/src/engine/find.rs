//! Where `cwltool` is.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Why there is no `cwltool` to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// The path that was given is no executable file.
    #[error("{} is not an executable file; give the path of cwltool, or none to look for it", .0.display())]
    NotExecutable(PathBuf),
    /// None of the usual places has it.
    #[error(
        "cwltool was not found in .venv/bin or on the PATH; run `make setup`, which installs it into .venv"
    )]
    NotFound,
}

/// Finds `cwltool`: the given path; else `.venv/bin/cwltool` in the current folder or, in development builds, in the
/// source tree; else the first on the `PATH`.
///
/// A given path is not replaced by another when it does not work.
///
/// # Errors
/// [`FindError`], which says what to do.
pub fn find_cwltool(explicit: Option<&Path>) -> Result<PathBuf, FindError> {
    let mut folders: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    if cfg!(debug_assertions) {
        folders.extend(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .parent()
                .map(Path::to_path_buf),
        );
    }
    search(explicit, &folders, std::env::var_os("PATH").as_deref())
}

fn search(explicit: Option<&Path>, folders: &[PathBuf], path: Option<&OsStr>) -> Result<PathBuf, FindError> {
    if let Some(given) = explicit {
        return absolute(given).ok_or_else(|| FindError::NotExecutable(given.to_path_buf()));
    }
    let in_venv = folders.iter().map(|folder| folder.join(".venv/bin/cwltool"));
    // An empty part of PATH means the current folder, which is no place to take programs from.
    let on_path = path
        .into_iter()
        .flat_map(std::env::split_paths)
        .filter(|folder| folder.is_absolute());
    let mut candidates = in_venv.chain(on_path.map(|folder| folder.join("cwltool")));
    candidates
        .find_map(|file| absolute(&file))
        .ok_or(FindError::NotFound)
}

/// The absolute path of an executable file; links stay, because a virtual environment is found by its own folder.
fn absolute(file: &Path) -> Option<PathBuf> {
    let metadata = file.metadata().ok()?;
    let executable = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
    executable.then(|| std::path::absolute(file).ok()).flatten()
}

/// What a program needs besides the system: itself, or the whole Python environment that it lies in with the Python that
/// this was made from.
pub(super) fn program_folders(program: &Path) -> Vec<PathBuf> {
    let root = program.parent().and_then(Path::parent);
    let Some(root) = root.filter(|root| root.join("pyvenv.cfg").is_file()) else {
        return vec![program.to_path_buf()];
    };
    let mut folders = vec![root.to_path_buf()];
    let settings = std::fs::read_to_string(root.join("pyvenv.cfg")).unwrap_or_default();
    let home = settings.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "home").then(|| PathBuf::from(value.trim()))
    });
    let python = home.as_deref().and_then(Path::parent);
    // A home of `/bin` would make that everything.
    folders.extend(
        python
            .filter(|folder| folder.parent().is_some())
            .map(Path::to_path_buf),
    );
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place(folder: &Path, file: &str, mode: u32) -> PathBuf {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_given_path_wins_then_the_environment_then_the_path() {
        let home = tempfile::tempdir().unwrap();
        let given = place(home.path(), "given", 0o755);
        let venv = place(home.path(), "repo/.venv/bin/cwltool", 0o755);
        let on_path = place(home.path(), "bin/cwltool", 0o755);
        let folders = [home.path().join("repo")];
        let path = home.path().join("bin").into_os_string();
        assert_eq!(search(Some(&given), &folders, Some(&path)).unwrap(), given);
        assert_eq!(search(None, &folders, Some(&path)).unwrap(), venv);
        assert_eq!(search(None, &[], Some(&path)).unwrap(), on_path);
    }

    #[test]
    fn what_cannot_be_executed_is_passed_over_and_the_error_says_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let plain = place(home.path(), "bin/cwltool", 0o644);
        let path = home.path().join("bin").into_os_string();
        let error = search(None, &[], Some(&path)).unwrap_err();
        assert!(error.to_string().contains("make setup"), "{error}");
        assert!(matches!(
            search(Some(&plain), &[], None),
            Err(FindError::NotExecutable(_))
        ));
    }
}

//! Where PostgreSQL's server programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ClusterError;

/// The oldest PostgreSQL that will do.
const MINIMUM: u32 = 15;

/// Where to look for programs.
#[derive(Clone, Debug)]
pub struct ProgramSearch {
    /// The folder with one folder per version and `bin` below each, as Debian and its kin lay it out.
    pub versions: PathBuf,
    /// Folders to look in after that, for `pg_config` and for `postgres` itself: normally those of `$PATH`.
    pub path: Vec<PathBuf>,
}

impl Default for ProgramSearch {
    fn default() -> Self {
        Self {
            versions: "/usr/lib/postgresql".into(),
            path: ["/usr/local/bin", "/usr/bin", "/bin"].map(Into::into).into(),
        }
    }
}

/// The programs that a cluster needs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) bin: PathBuf,
    pub(super) setpriv: PathBuf,
}

/// Finds programs of the version that the data folder asks for, or the newest when it is new.
pub(super) fn find(search: &ProgramSearch, wanted: Option<u32>) -> Result<Programs, ClusterError> {
    let mut candidates = versioned(&search.versions);
    let suits = |version: u32| wanted.map_or(version >= MINIMUM, |wanted| version == wanted);
    // Asking a program for its version costs a process, so only where the folder's name does not say it.
    if !candidates.iter().any(|(version, _)| suits(*version)) {
        candidates.extend(unversioned(&search.path));
    }
    candidates.sort();
    let newest = candidates.iter().map(|(version, _)| *version).max();
    let Some((_, bin)) = candidates.iter().rev().find(|(version, _)| suits(*version)) else {
        return Err(match (wanted, newest) {
            (Some(wanted), Some(_)) => ClusterError::OtherVersion {
                wanted,
                found: candidates
                    .iter()
                    .map(|(version, _)| version.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            },
            (_, older) => ClusterError::NoPrograms {
                minimum: MINIMUM,
                looked_in: places(search),
                older,
            },
        });
    };
    let setpriv = in_path(&search.path, "setpriv").ok_or(ClusterError::NoSetpriv)?;
    Ok(Programs {
        bin: bin.clone(),
        setpriv,
    })
}

fn places(search: &ProgramSearch) -> String {
    let path: Vec<String> = search
        .path
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    format!(
        "{}/*/bin, `pg_config --bindir`, {}",
        search.versions.display(),
        path.join(", ")
    )
}

fn versioned(versions: &Path) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(versions) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, bin)| is_complete(bin))
        .collect()
}

fn unversioned(path: &[PathBuf]) -> Vec<(u32, PathBuf)> {
    let told = in_path(path, "pg_config")
        .and_then(|program| output_of(&program, "--bindir"))
        .map(PathBuf::from);
    told.into_iter()
        .chain(path.iter().cloned())
        .filter(|bin| is_complete(bin))
        .filter_map(|bin| Some((major(&output_of(&bin.join("postgres"), "--version")?)?, bin)))
        .collect()
}

fn is_complete(bin: &Path) -> bool {
    ["postgres", "initdb"]
        .iter()
        .all(|program| bin.join(program).is_file())
}

fn in_path(path: &[PathBuf], program: &str) -> Option<PathBuf> {
    path.iter()
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

fn output_of(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(text: &str) -> Option<u32> {
    let version = text.split(' ').nth(2)?;
    let digits = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(path: &Path, prints: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn install(bin: &Path, version: &str) {
        script(&bin.join("initdb"), "");
        script(&bin.join("postgres"), &format!("postgres (PostgreSQL) {version}"));
    }

    /// An empty machine: a folder for versions and a path with nothing but `setpriv`.
    fn machine() -> (tempfile::TempDir, ProgramSearch) {
        let root = tempfile::tempdir().unwrap();
        let search = ProgramSearch {
            versions: root.path().join("versions"),
            path: vec![root.path().join("path")],
        };
        script(&search.path[0].join("setpriv"), "");
        (root, search)
    }

    #[test]
    fn newest_version_is_used_unless_the_folder_asks_for_another() {
        let (_root, search) = machine();
        for version in ["9", "14", "15", "16", "junk"] {
            install(&search.versions.join(version).join("bin"), version);
        }
        fs::create_dir_all(search.versions.join("17/bin")).unwrap();
        assert_eq!(find(&search, None).unwrap().bin, search.versions.join("16/bin"));
        assert_eq!(
            find(&search, Some(15)).unwrap().bin,
            search.versions.join("15/bin")
        );
        let problem = find(&search, Some(17)).unwrap_err().to_string();
        assert!(
            problem.contains("apt install postgresql-17") && problem.contains("9, 14, 15, 16"),
            "{problem}"
        );
    }

    #[test]
    fn pg_config_and_then_the_path_are_asked() {
        let (root, search) = machine();
        install(&search.path[0], "15.2");
        assert_eq!(find(&search, None).unwrap().bin, search.path[0]);
        script(
            &search.path[0].join("pg_config"),
            root.path().join("own").to_str().unwrap(),
        );
        install(&root.path().join("own"), "18beta1 (built by hand)");
        assert_eq!(find(&search, None).unwrap().bin, root.path().join("own"));
    }

    #[test]
    fn missing_or_old_programs_say_what_to_install() {
        let (_root, search) = machine();
        let problem = find(&search, None).unwrap_err().to_string();
        assert!(
            problem.contains("apt install postgresql`") && problem.contains("DATABASE_URL"),
            "{problem}"
        );
        install(&search.versions.join("13/bin"), "13.1");
        let problem = find(&search, None).unwrap_err().to_string();
        assert!(problem.contains("version 13 is too old"), "{problem}");
        install(&search.versions.join("15/bin"), "15.1");
        fs::remove_file(search.path[0].join("setpriv")).unwrap();
        assert!(matches!(find(&search, None), Err(ClusterError::NoSetpriv)));
    }
}

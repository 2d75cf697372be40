//! Checks of the repository itself: file sizes, generated documents, links.
//!
//! The checks are the tests of this package; here is what they share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Whether generated documents are to be written instead of compared (`make generate`).
pub fn generating() -> bool {
    std::env::var_os("DAYBOOK_GENERATE").is_some_and(|value| value == "1")
}

/// Every file that is committed, or would be by `git add --all`: paths relative to the root, sorted.
///
/// Without git (in an unpacked archive) all files but those in hidden folders and `target`.
pub fn files() -> Vec<PathBuf> {
    let root = root();
    let mut files = listed_by_git(&root).unwrap_or_else(|| walked(&root));
    // Git still lists what was deleted and not yet committed.
    files.retain(|path| root.join(path).is_file());
    files.sort();
    files.dedup();
    files
}

/// The text of a file of [`files`]; `None` when it is no UTF-8.
pub fn text(path: &Path) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

fn listed_by_git(root: &Path) -> Option<Vec<PathBuf>> {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    Some(names.split_terminator('\0').map(PathBuf::from).collect())
}

fn walked(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            // `.ci` is the one hidden folder that is ours.
            let skipped = name == "target" || (name.as_encoded_bytes().starts_with(b".") && name != ".ci");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !skipped => folders.push(path),
                // A worktree has a file of that name.
                Ok(kind) if kind.is_file() && name != ".git" => {
                    files.extend(path.strip_prefix(root).ok().map(Path::to_path_buf));
                }
                _ => {}
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_listing_find_this_file_and_nothing_built() {
        let this = Path::new("tests/repo/src/lib.rs");
        for listing in [files(), walked(&root())] {
            assert!(listing.iter().any(|path| path == this));
            assert!(
                !listing
                    .iter()
                    .any(|path| path.starts_with("target") || path.starts_with(".git"))
            );
        }
        assert!(text(this).unwrap().contains("both_ways_of_listing"));
    }
}

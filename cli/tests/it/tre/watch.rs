//! Seeing each step of a program the moment it is a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that come and go, or are written again and again, and the folder in which an engine works.
const NOT_STEPS: [&str; 5] = ["lock", "review.lock", "status.json", "checkpoint", "work"];

/// A spool, and which of its files were seen.
pub(crate) struct Watch {
    spool: PathBuf,
    seen: BTreeSet<String>,
}

impl Watch {
    /// From now on.
    pub(crate) fn over(spool: PathBuf) -> Self {
        let mut watch = Self {
            spool,
            seen: BTreeSet::new(),
        };
        while watch.next().is_some() {}
        watch
    }

    /// A step that was not there before, by its path in the spool.
    pub(crate) fn next(&mut self) -> Option<String> {
        let mut found = Vec::new();
        gather(&self.spool, &self.spool, &mut found);
        let new = found.into_iter().find(|path| !self.seen.contains(path))?;
        self.seen.insert(new.clone());
        Some(new)
    }
}

fn gather(folder: &Path, spool: &Path, found: &mut Vec<String>) {
    // A folder may go while it is read.
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap_or_default();
        if NOT_STEPS.contains(&name.as_str()) || Path::new(&name).extension().is_some_and(|end| end == "half")
        {
            continue;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => gather(&path, spool, found),
            Ok(_) => found.push(path.strip_prefix(spool).unwrap().display().to_string()),
            Err(_) => {}
        }
    }
}

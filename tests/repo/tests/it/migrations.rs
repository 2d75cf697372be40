//! Migrations are add-only: one that was released never changes.
//!
//! `migrations/checksums.txt` is in the form of `sha256sum`. `make generate` adds the lines of new files and never
//! touches the others. A migration that no release contains yet may still change: delete its line, then generate.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

const LIST: &str = "checksums.txt";

/// `(file name, SHA-256 in hexadecimal)` of every migration, by name.
fn migrations(folder: &Path) -> Vec<(String, String)> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = names
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "sql"))
        .map(|name| {
            let digest = Sha256::digest(fs::read(folder.join(&name)).unwrap());
            let hex = digest.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            });
            (name, hex)
        })
        .collect();
    files.sort();
    files
}

/// What is wrong in a folder of migrations; with `generate`, after the lines of new files were added.
fn problems(folder: &Path, generate: bool) -> Vec<String> {
    let files = migrations(folder);
    let mut list = fs::read_to_string(folder.join(LIST)).unwrap_or_default();
    if generate {
        for (name, hex) in &files {
            if !list
                .lines()
                .any(|line| line.split_once("  ").is_some_and(|(_, listed)| listed == name))
            {
                writeln!(list, "{hex}  {name}").unwrap();
            }
        }
        fs::write(folder.join(LIST), &list).unwrap();
    }
    let mut problems = Vec::new();
    for (index, (name, _)) in files.iter().enumerate() {
        let number = format!("V{:04}__", index + 1);
        let what = name
            .strip_prefix(&number)
            .and_then(|rest| rest.strip_suffix(".sql"));
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !what.is_some_and(|what| !what.is_empty() && what.chars().all(is_plain)) {
            problems.push(format!(
                "{name}: the next migration is called {number}<words_in_lower_case>.sql"
            ));
        }
    }
    for line in list.lines() {
        match line.split_once("  ") {
            Some((hex, name)) => match files.iter().find(|(file, _)| file == name) {
                Some((_, actual)) if actual == hex => {}
                Some(_) => problems.push(format!("{name} has changed; add another migration instead")),
                None => problems.push(format!("{name} is gone; migrations are never removed")),
            },
            None => problems.push(format!("{LIST}: not a line of sha256sum: {line:?}")),
        }
    }
    let missing = files
        .iter()
        .filter(|(name, _)| !list.lines().any(|line| line.ends_with(&format!("  {name}"))));
    problems.extend(missing.map(|(name, _)| format!("{name} is not in {LIST}: run `make generate`")));
    problems
}

#[test]
fn released_migrations_have_not_changed() {
    let folder = daybook_repo_tests::root().join("migrations");
    let problems = problems(&folder, daybook_repo_tests::generating());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn change_gap_removal_and_omission_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("V0001__log.sql", "a");
    write("V0002__more_tables.sql", "b");
    assert_eq!(problems(folder, false).len(), 2, "both are missing in the list");
    assert_eq!(problems(folder, true), Vec::<String>::new());
    let listed = fs::read_to_string(folder.join(LIST)).unwrap();

    write("V0001__log.sql", "changed");
    assert_eq!(
        problems(folder, true),
        ["V0001__log.sql has changed; add another migration instead"]
    );
    assert_eq!(
        fs::read_to_string(folder.join(LIST)).unwrap(),
        listed,
        "generating hides no change"
    );

    write("V0001__log.sql", "a");
    write("V0004__Gap.sql", "c");
    let found = problems(folder, false);
    assert!(
        found[0].contains("is called V0003__") && found[1].contains("make generate"),
        "{found:?}"
    );

    fs::remove_file(folder.join("V0004__Gap.sql")).unwrap();
    fs::remove_file(folder.join("V0002__more_tables.sql")).unwrap();
    assert_eq!(
        problems(folder, false),
        ["V0002__more_tables.sql is gone; migrations are never removed"]
    );
}

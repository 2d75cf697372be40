//! Pages and tables that are made from the rules and checked in.

use std::path::{Path, PathBuf};

use daybook_rules::{Table, document};

/// A path from the root of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Compares a file with what it should hold, or writes it when `DAYBOOK_GENERATE` is set.
pub(crate) fn golden(name: &str, expected: &str) {
    let path = path(name);
    if std::env::var_os("DAYBOOK_GENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{name} is out of date: run the tests again with DAYBOOK_GENERATE=1 and look at the difference"
    );
}

#[test]
fn the_page_of_events_is_that_of_the_table() {
    golden("docs/EVENTS.md", &document::events(Table::v1()));
}

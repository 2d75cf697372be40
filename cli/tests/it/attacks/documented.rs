//! The table of attacks in docs/THREATS.md: it names all that must be there, and tests that there are.

use std::path::{Path, PathBuf};

/// What the table has at least.
const ATTACKS: [&str; 20] = [
    "altered entry",
    "dropped entry",
    "inserted entry",
    "reordered stream",
    "forged author",
    "revoked key used later",
    "view that lies",
    "register page that lies",
    "hidden refusal",
    "split view to one TRE",
    "rollback after restore",
    "stolen log key",
    "colluding hub and one TRE",
    "back-dated event",
    "replay from another log",
    "hub that withholds an `approval-withdrawn`",
    "operator that makes a key for a TRE",
    "TRE restored from backup that cosigns a fork",
    "truncated log",
    "stale checkpoint served for ever",
];

/// Where tests are, and unit tests.
const PLACES: [&str; 7] = [
    "cli/tests/it",
    "agent/tests/it",
    "agent/src",
    "api/tests/it",
    "ledger/audit/tests/it",
    "ledger/store/tests/it",
    "ledger/store/src",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The rows of the table: cells without the bars.
fn rows() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(repository().join("docs/THREATS.md")).unwrap();
    let (_, rest) = text.split_once("\n## Attacks\n").unwrap();
    let rest = rest.split("\n## ").next().unwrap();
    let rows = rest.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| {
        let cells = line.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// Whether a test of that name is somewhere: `module::of::its::file::name`, or a file with the words of a test's title.
fn exists(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let (last, modules) = parts.split_last().unwrap();
    if let [file] = modules
        && Path::new(file).extension().is_some_and(|end| end == "mjs")
    {
        let text = std::fs::read_to_string(repository().join("tests/browser").join(file));
        return text.is_ok_and(|text| text.contains(last));
    }
    PLACES.iter().any(|place| {
        let file = repository()
            .join(place)
            .join(modules.join("/"))
            .with_extension("rs");
        std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {last}(")))
    })
}

#[test]
fn every_attack_is_in_the_table() {
    let rows = rows();
    for attack in ATTACKS {
        assert!(
            rows.iter().any(|row| row[0] == attack),
            "{attack:?} is no row of the table"
        );
    }
}

#[test]
fn every_row_names_a_test_that_there_is() {
    for row in rows() {
        let names: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| name.contains("::")).collect();
        assert!(!names.is_empty(), "{:?} names no test", row[0]);
        for name in names {
            assert!(
                exists(name),
                "{:?} names {name}, and there is no such test",
                row[0]
            );
        }
    }
}

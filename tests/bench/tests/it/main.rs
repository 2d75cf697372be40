//! The benchmark itself, over so few events that it is quick: it must run through, whatever it measures.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

#[test]
fn every_scenario_runs_through() {
    let outcome = Command::new(env!("CARGO_BIN_EXE_daybook-bench"))
        .args([
            "run",
            "--entries",
            "1100,4500",
            "--events",
            "1100",
            "--seconds",
            "1",
            "--rate",
            "200",
        ])
        .output()
        .unwrap();
    let (page, told) = (
        String::from_utf8_lossy(&outcome.stdout),
        String::from_utf8_lossy(&outcome.stderr),
    );
    assert!(outcome.status.success(), "{told}");
    for words in [
        "single posts, 512 connections",
        "alone: proofs",
        "the baseline",
        "Ceiling",
        "judge",
    ] {
        assert!(page.contains(words), "{words} is missing:\n{page}");
    }
}

#[test]
fn the_register_is_measured_from_a_seed_to_a_change_on_its_page() {
    let folder = tempfile::tempdir().unwrap();
    // The server's account must be able to come through.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let outcome = Command::new(env!("CARGO_BIN_EXE_daybook-bench"))
        .args([
            "site",
            "--projects",
            "20",
            "--jobs",
            "60",
            "--rate",
            "50",
            "--seconds",
            "2",
            "--folder",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&outcome.stdout);
    assert!(
        outcome.status.success(),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    for words in [
        "60 jobs",
        "| search with facets |",
        "the new version is on the page",
    ] {
        assert!(page.contains(words), "{words} is missing:\n{page}");
    }
}

//! The benchmark itself, over so few events that it is quick: it must run through, whatever it measures.

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

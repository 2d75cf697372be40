//! The command line itself: help, misuse, and answers that say what to do.

use clap::CommandFactory as _;
use daybook::args::Args;

use crate::bin::{run, stderr, stdout};

#[test]
fn the_definition_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn every_command_has_help() {
    for command in Args::command().get_subcommands() {
        let output = run(&[command.get_name(), "--help"]);
        assert_eq!(output.status.code(), Some(0), "{}", command.get_name());
        assert!(stdout(&output).contains("Usage:"), "{}", command.get_name());
    }
}

#[test]
fn misuse_is_2() {
    for args in [
        &["frobnicate"][..],
        &["verify"],
        &["submit", "--key", "x"],
        &["keys", "new", "--actor", "Bob", "--out", "x"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_hub_that_is_away_is_75() {
    let output = run(&[
        "track",
        "--hub",
        "http://127.0.0.1:9",
        "7d444840-9dc0-41d1-b245-5ffdce74fad2",
    ]);
    assert_eq!(output.status.code(), Some(75));
    assert!(
        stderr(&output).contains("cannot be reached"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_missing_configuration_says_what_to_do() {
    let output = run(&["serve", "--config", "/nowhere/daybook.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("daybook init"), "{}", stderr(&output));
}

#[test]
fn key_files_are_made_once_and_shown_without_their_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.json");
    let file = file.to_str().unwrap();
    let make = || run(&["keys", "new", "--actor", "tre/wessex/relay", "--out", file]);
    assert_eq!(make().status.code(), Some(0));
    let again = make();
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("never overwritten"), "{}", stderr(&again));
    let shown = run(&["keys", "show", file, "--origin", "log.example"]);
    let secret: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(stdout(&shown).contains("proof"));
    assert!(!stdout(&shown).contains(secret["event"]["d"].as_str().unwrap()));
}

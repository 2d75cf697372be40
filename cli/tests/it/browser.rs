//! The register in a real browser, before a demo that has run to its end: `tests/browser`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bin::daybook;

#[test]
fn the_site_is_what_a_browser_needs_it_to_be() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let suite = repository.join("tests/browser");
    assert!(
        suite.join("node_modules").is_dir(),
        "{}/node_modules is missing: run `make setup`",
        suite.display()
    );
    let mut demo = daybook()
        .args(["demo", "--listen", "127.0.0.1:0"])
        .current_dir(repository)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let found = BufReader::new(demo.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            told.push_str(&line);
            told.push('\n');
            let (_, address) = line.split_once("The public register is at ")?;
            Some(address.trim_end_matches('/').to_owned())
        });
    let output = found.map(|address| {
        Command::new("node")
            .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
            .args(["genuine.test.mjs", "pages.test.mjs"])
            .current_dir(&suite)
            .env("DAYBOOK_SITE", address)
            .output()
            .expect("node runs: `make setup` installs it")
    });
    let pid = rustix::process::Pid::from_child(&demo);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    demo.wait().unwrap();
    let output = output.unwrap_or_else(|| panic!("the demo did not come to its end:\n{told}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

//! A hub before programs in Python that share no code with it: libraries that others wrote, and the script of
//! docs/how-to/verify-without-daybook.md.

use std::process::{Command, Output};

use daybook_core::event::Event;
use serde_json::Value;

use crate::bin::{Serving, Site, run, stderr, stdout};
use crate::demo::{python, repository};
use crate::keys::grow;
use crate::witnesses::{add_to_config, new_witness, serve_witness, until};

fn script(path: &str, args: &[&str]) -> Output {
    Command::new(python())
        .arg(repository().join(path))
        .args(args)
        .output()
        .unwrap()
}

/// The entry of an index and its proof, as files.
fn kept(site: &Site, hub: &Serving, index: u64) -> [String; 2] {
    let [entry, proof] = ["jws", "tlog-proof"].map(|end| site.text(&format!("{index}.{end}")));
    let event: Value = hub.get(&format!("/v1/events/{index}"));
    std::fs::write(&entry, event["event"].as_str().unwrap()).unwrap();
    std::fs::write(&proof, hub.text(&format!("/v1/events/{index}/proof"))).unwrap();
    [proof, entry]
}

#[test]
fn programs_in_python_verify_the_log_of_a_hub_that_runs() {
    let site = Site::new();
    let log_key = site.init();
    let witness_key = new_witness(&site.path("witness"), "witness.example/one");
    let witness = serve_witness(&site.path("witness"), &log_key, &["--first-contact", "none"]).unwrap();
    let policy = format!(
        "log {log_key}\nwitness one {witness_key} {}\nquorum one\n",
        witness.url
    );
    std::fs::write(site.path("log.policy"), policy).unwrap();
    add_to_config(
        &site,
        &format!("[witnesses]\npolicy = \"{}\"\n", site.text("log.policy")),
    );
    let cose_key = site.path("keys/cose.key");
    std::fs::copy(site.path("keys/log.key"), &cose_key).unwrap();
    let refused = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(refused.contains("the log's own key"), "{refused}");
    std::fs::remove_file(&cose_key).unwrap();
    let receipts = run(&["keys", "cose", "--out", cose_key.to_str().unwrap()]);
    assert!(receipts.status.success(), "{}", stderr(&receipts));
    let receipts = stdout(&receipts);
    let (_, x) = receipts.trim_end().rsplit_once(' ').unwrap();
    let hub = site.serve();
    let old = site.text("old.checkpoint");
    let first: u64 = until("something is published", || {
        let note = hub.text("/log/checkpoint");
        std::fs::write(&old, &note).unwrap();
        note.lines().nth(1)?.parse().ok()
    });
    for id in ["main", "other"] {
        grow(&site, &hub, &log_key, id);
    }

    let library = |log_key: &str, witness_key: &str| {
        script(
            "tests/python/test_log.py",
            &[&hub.url, log_key, witness_key, &old],
        )
    };
    let held = library(&log_key, &witness_key);
    let said = stdout(&held);
    assert!(held.status.success(), "{said}{}", stderr(&held));
    assert!(
        said.contains("entries of it.example/log, cosigned") && said.contains(&format!("continues {first}")),
        "{said}"
    );

    let held = script("tests/python/test_cose.py", &[&hub.url, x]);
    assert!(held.status.success(), "{}{}", stdout(&held), stderr(&held));
    assert!(stdout(&held).contains("holds: receipts of"), "{}", stdout(&held));

    // The operator's key stands in entry 0, which it has signed as well as entry 2, the editor's role.
    let [zero, granted] = [0, 2].map(|index| kept(&site, &hub, index));
    let of = |files: &[&String]| {
        let files = files.iter().map(|file| file.as_str());
        let args: Vec<&str> = std::iter::once(log_key.as_str()).chain(files).collect();
        script("docs/how-to/verify.py", &args)
    };
    let itself = of(&[&zero[0], &zero[1]]);
    assert!(itself.status.success(), "{}{}", stdout(&itself), stderr(&itself));
    let held = of(&[&granted[0], &granted[1], &zero[0], &zero[1]]);
    assert!(held.status.success(), "{}{}", stdout(&held), stderr(&held));
    let event = Event::parse(&std::fs::read_to_string(&granted[1]).unwrap()).unwrap();
    let words = format!("{} by {}", event.claims().kind, event.claims().iss);
    assert!(stdout(&held).contains(&words), "{}", stdout(&held));
    // The proof of one entry says nothing of another.
    let swapped = of(&[&granted[0], &zero[1]]);
    assert_eq!(swapped.status.code(), Some(1), "{}", stdout(&swapped));
    assert!(hub.terminate());
}

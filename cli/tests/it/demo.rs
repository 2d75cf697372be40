//! The demo as a new user runs it, and its log before a judge who shares no code with ours.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use daybook_core::event::Event;

use crate::bin::{daybook, run, stderr, stdout};

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("DAYBOOK_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or_else(|| repository().join(".venv/bin/python"));
    assert!(
        python.exists(),
        "{} is missing: run `make setup`",
        python.display()
    );
    python
}

#[test]
fn a_demo_that_is_ended_while_it_begins_leaves_nothing_behind() {
    let folder = tempfile::Builder::new().prefix("daybook-it-").tempdir().unwrap();
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    }
    let mut demo = daybook()
        .args(["demo", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", folder.path())
        .current_dir(repository())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains(folder.path().to_str().unwrap()), "{first}");
    let pid = rustix::process::Pid::from_child(&demo);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(1), "it ends by itself");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_holds_and_the_second_judge_agrees() {
    let folder = tempfile::Builder::new().prefix("daybook-it-").tempdir().unwrap();
    let data = folder.path().join("demo");
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    }
    let output = daybook()
        .args(["demo", "--exit", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .current_dir(repository())
        .output()
        .unwrap();
    let text = stdout(&output);
    assert!(output.status.success(), "{text}\n{}", stderr(&output));
    for said in [
        "job-released",
        "disclosure-refused",
        "Results sent",
        "Results not sent",
        "160 jobs of 40 projects at 6 TREs",
        "all of it made up",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }

    let entries = std::fs::read_to_string(data.join("entries.txt")).unwrap();
    let events: Vec<Event> = entries.lines().map(|line| Event::parse(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event.claims().kind.as_str()).collect();
    for kind in [
        "log-opened",
        "policy-adopted",
        "job-submitted",
        "results-received",
        "disclosure-refused",
    ] {
        assert!(kinds.contains(&kind), "{kind}");
    }
    // What somebody typed stands in no entry. A name with its blank: three letters stand in digests by chance.
    for event in &events {
        let clear = serde_json::Value::Object(event.claims().data.clone()).to_string();
        for typed in ["Ada Example", "Asthma", "asthma", "Wessex", "fictional"] {
            assert!(!clear.contains(typed), "{typed} in {clear}");
        }
    }

    let judged = Command::new(python())
        .arg(repository().join("tests/judge/judge.py"))
        .arg("demo.daybook.example/log")
        .arg(data.join("entries.txt"))
        .output()
        .unwrap();
    assert!(judged.status.success(), "{}{}", stdout(&judged), stderr(&judged));
    let states: serde_json::Value = serde_json::from_str(stdout(&judged).trim()).unwrap();
    let all = states["states"].as_object().unwrap().iter();
    let jobs: Vec<_> = all.filter(|(name, _)| name.starts_with("job/")).collect();
    let of = |tre: &str| -> Vec<&str> {
        let its = jobs.iter().filter(|(_, value)| value["tre"] == tre);
        its.map(|(_, value)| value["state"].as_str().unwrap()).collect()
    };
    assert_eq!((of("wessex"), of("mercia")), (vec!["released"], vec!["withheld"]));
    assert_eq!(jobs.len() - 2, 160, "the seed's jobs");

    verify_files(&data, &text);
}

/// `daybook verify` on the demo's files: what holds, and what does not.
fn verify_files(data: &Path, text: &str) {
    let log_key = text.lines().find(|line| line.contains("verifier key")).unwrap();
    let log_key = log_key.split_whitespace().last().unwrap();
    let file = |name: &str| data.join("proofs").join(name).to_str().unwrap().to_owned();
    let verify = |entry: &str, proof: &str, key: &str| {
        run(&["verify", &file(proof), "--entry", &file(entry), "--log-key", key])
    };
    let good = verify("5.jws", "5.tlog-proof", log_key);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(
        stdout(&good).starts_with("holds: entry 5 of demo.daybook.example/log"),
        "{}",
        stdout(&good)
    );
    let wrong = verify("6.jws", "5.tlog-proof", log_key);
    assert_eq!(wrong.status.code(), Some(1), "another entry");
    assert!(stdout(&wrong).starts_with("does not hold"), "{}", stdout(&wrong));
    let other = "demo.daybook.example/log+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(
        verify("5.jws", "5.tlog-proof", other).status.code(),
        Some(2),
        "a key that is none is misuse"
    );
}

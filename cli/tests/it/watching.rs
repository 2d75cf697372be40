//! An auditor's program that goes on watching: webhook, metrics, exit status.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::NoteSigner;
use serde_json::Value;

use crate::bin::{Site, daybook, run, stderr};
use crate::witnesses::until;

/// How long an alarm may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A place that takes webhooks, and what was posted there.
fn webhook() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            // Whoever listened has gone when its test has ended.
            if told.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, heard)
}

/// Killed when it goes.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_fork_that_comes_while_an_auditor_watches_reaches_the_webhook_and_ends_the_program() {
    let site = Site::new();
    let key = site.init();
    let hub = site.serve();
    let (copy, metrics) = (site.text("copy"), site.path("audit.prom"));
    let exported = run(&["export", &hub.url, "--out", &copy, "--log-key", &key]);
    assert!(exported.status.success(), "{}", stderr(&exported));
    assert!(hub.terminate());
    let (url, heard) = webhook();
    let child = daybook()
        .args([
            "audit",
            &copy,
            "--log-key",
            &key,
            "--state",
            &site.text("state"),
            "--every",
            "1",
            "--until-alarm",
        ])
        .args(["--webhook", &url, "--metrics", metrics.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut watching = Watching(child);
    let quiet = until("the first look", || fs::read_to_string(&metrics).ok());
    assert!(
        quiet.contains("daybook_audit_findings{kind=\"log-forked\",severity=\"alarm\"} 0"),
        "{quiet}"
    );
    assert!(
        heard.try_recv().is_err(),
        "nothing is wrong, and nobody is told so"
    );

    // The log's own key signs another tree of that size.
    let seed = fs::read_to_string(site.path("keys/log.key")).unwrap();
    let seed = daybook_agent::keyfile::parse_seed(seed.trim()).unwrap();
    let signer = NoteSigner::from_seed("it.example/log".parse().unwrap(), &seed).unwrap();
    let path = site.path("copy/checkpoint");
    let note = fs::read_to_string(&path).unwrap();
    let entries: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    let other = Checkpoint::new("it.example/log", entries, Hash::of(b"another tree")).unwrap();
    let beside = site.path("checkpoint");
    fs::write(&beside, other.sign(&signer).unwrap().to_string()).unwrap();
    fs::rename(beside, path).unwrap();

    let alarm = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        (&alarm["worst"], &alarm["counts"]["log-forked"]),
        (&"alarm".into(), &1.into()),
        "{alarm}"
    );
    let ended = until("the program ends", || watching.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(1));
    let told = fs::read_to_string(&metrics).unwrap();
    assert!(
        told.contains("daybook_audit_findings{kind=\"log-forked\",severity=\"alarm\"} 1"),
        "{told}"
    );
}

//! A hub as a process: founding, serving, being killed, being given an older copy.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bin::{Serving, Site, run, serve_loudly, stdout};

/// Appends one `tre-invited` by the operator, and gives its index.
fn append(site: &Site, hub: &Serving, log_key: &str, tre: &str) -> u64 {
    try_append(site, hub, log_key, tre).unwrap()
}

/// The same; or what the program said instead.
fn try_append(site: &Site, hub: &Serving, log_key: &str, tre: &str) -> Result<u64, String> {
    let root = daybook_core::Hash::of(tre.as_bytes());
    let data = format!(r#"{{"tre":"{tre}","root":"{root}"}}"#);
    let (_, text) = site.operator_says(hub, log_key, "tre-invited", [&data, "{}"])?;
    let index = text.split("index ").nth(1).unwrap().split(' ').next().unwrap();
    Ok(index.parse().unwrap())
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

fn size(hub: &Serving) -> u64 {
    hub.get("/v1/events?limit=1")["tree_size"].as_u64().unwrap()
}

#[test]
fn a_founded_log_holds_its_three_first_events_and_init_again_adds_none() {
    let site = Site::new();
    let log_key = site.init();
    assert_eq!(site.init(), log_key);
    let hub = site.serve();
    let events = hub.get("/v1/events");
    assert_eq!(events["entries"].as_array().unwrap().len().min(3), 3);
    let index = append(&site, &hub, &log_key, "wessex");
    assert!(index >= 3);
    assert!(hub.terminate(), "SIGTERM ends a hub well");
}

#[test]
fn a_hub_killed_while_it_serves_forgets_nothing() {
    let site = Site::new();
    let log_key = site.init();
    let mut indexes = Vec::new();
    for round in 0..4 {
        let hub = site.serve();
        let index = append(&site, &hub, &log_key, &format!("tre-{round}"));
        hub.kill();
        indexes.push((round, index));
    }
    let hub = site.serve();
    for (round, index) in indexes {
        let entry = hub.get(&format!("/v1/events/{index}"));
        let event = daybook_core::event::Event::parse(entry["event"].as_str().unwrap()).unwrap();
        assert_eq!(event.claims().data["tre"], format!("tre-{round}"));
    }
}

#[test]
fn what_is_sealed_stands_in_no_log_whatever_is_asked_for() {
    let site = Site::new();
    let log_key = site.init();
    let log = site.path("hub.log");
    let hub = serve_loudly(&site.path("daybook.toml"), &log);
    let registrar = site.text("keys/registrar.json");
    assert!(
        run(&["keys", "new", "--actor", "registrar/main", "--out", &registrar])
            .status
            .success()
    );
    let shown = stdout(&run(&["keys", "show", &registrar, "--origin", "it.example/log"]));
    let keys: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let data = serde_json::json!({ "role": "registrar", "id": "main", "keys": keys["keys"] }).to_string();
    let sealed = r#"{"name":"canary-in-the-mine"}"#;
    let (signed, _) = site
        .operator_says(&hub, &log_key, "role-granted", [&data, sealed])
        .unwrap();
    assert!(hub.terminate());

    let signed: serde_json::Value = serde_json::from_slice(&signed).unwrap();
    let opening = signed["openings"][0].as_str().unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("TRACE") || said.contains("DEBUG"),
        "the log was asked to tell everything"
    );
    assert!(!said.contains("canary-in-the-mine") && !said.contains(opening));
}

#[test]
fn an_older_copy_of_the_data_is_refused_and_says_what_to_do() {
    let site = Site::new();
    let log_key = site.init();
    let (data, old) = (site.path("data"), site.path("old"));
    copy(&data, &old);
    let hub = site.serve();
    append(&site, &hub, &log_key, "wessex");
    assert!(hub.terminate());

    std::fs::rename(&data, site.path("newer")).unwrap();
    std::fs::rename(&old, &data).unwrap();
    let said = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(
        said.contains("older copy") && said.contains("Restore a newer copy"),
        "{said}"
    );
    // Nor does a person's word about the server help against a copy that is older.
    let said = Serving::start(&site.path("daybook.toml"), &["--trust-database"])
        .err()
        .unwrap();
    assert!(said.contains("older copy"), "{said}");

    std::fs::rename(&data, site.path("older")).unwrap();
    std::fs::rename(site.path("newer"), &data).unwrap();
    let hub = site.serve();
    assert!(size(&hub) > 2);
}

#[test]
fn a_lost_guard_needs_a_persons_word() {
    let site = Site::new();
    site.init();
    std::fs::remove_file(site.path("guard/guard.json")).unwrap();
    let said = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(said.contains("--trust-database"), "{said}");
    drop(Serving::start(&site.path("daybook.toml"), &["--trust-database"]).unwrap());
    drop(site.serve());
}

#[test]
fn the_database_server_is_started_again_when_it_dies() {
    let site = Site::new();
    let log_key = site.init();
    let hub = site.serve();
    kill_server(&site);
    let index = append_patiently(&site, &hub, &log_key);
    assert!(index >= 3);
}

#[test]
fn a_database_server_that_cannot_be_started_is_tried_again_until_it_can() {
    let site = Site::new();
    let log_key = site.init();
    let log = site.path("hub.log");
    let hub = serve_loudly(&site.path("daybook.toml"), &log);
    let (settings, away) = (site.path("data/pg/postgresql.conf"), site.path("away.conf"));
    std::fs::rename(&settings, &away).unwrap();
    kill_server(&site);
    let begin = Instant::now();
    while !std::fs::read_to_string(&log)
        .unwrap()
        .contains("cannot be started")
    {
        assert!(begin.elapsed() < Duration::from_mins(1), "nobody says so");
        std::thread::yield_now();
    }
    std::fs::rename(&away, &settings).unwrap();
    let index = append_patiently(&site, &hub, &log_key);
    assert!(index >= 3);
}

#[test]
fn a_hub_beside_another_on_one_folder_goes_on_when_that_ends() {
    let site = Site::new();
    let log_key = site.init();
    let owner = site.serve();
    let guest = site.serve();
    append(&site, &owner, &log_key, "mercia");
    assert!(owner.terminate());
    assert!(append_patiently(&site, &guest, &log_key) > 2);
    assert!(guest.terminate());
}

/// Ends the database server of a hub by force.
fn kill_server(site: &Site) {
    let pid = std::fs::read_to_string(site.path("data/pg/postmaster.pid")).unwrap();
    let pid = pid
        .lines()
        .next()
        .unwrap()
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Tries until the hub takes an event again, as a person would. What the hub says of itself may be a second old, so that
/// only the database's absence is forgiven.
fn append_patiently(site: &Site, hub: &Serving, log_key: &str) -> u64 {
    let begin = Instant::now();
    let mut last = String::from("it was never ready");
    while begin.elapsed() < Duration::from_mins(1) {
        if !hub.text("/readyz").contains("\"ready\":true") {
            continue;
        }
        match try_append(site, hub, log_key, "wessex") {
            Ok(index) => return index,
            Err(said) => last = said,
        }
        assert!(last.contains("does not answer"), "{last}");
    }
    panic!("the hub did not take an event within a minute: {last}");
}

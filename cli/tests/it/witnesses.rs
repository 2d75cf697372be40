//! A hub with witnesses, all as processes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::Note;
use daybook_core::trust::TrustPolicy;
use serde_json::Value;

use crate::bin::{Serving, Site, daybook, run, stderr, stdout};
use crate::keys::grow;

/// How long something may take that takes seconds at most.
const PATIENCE: Duration = Duration::from_mins(1);

/// A witness in a process of its own; killed when this value goes.
pub(crate) struct Witnessing {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Witnessing {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Makes a witness's key and answers with its public side.
pub(crate) fn new_witness(folder: &Path, name: &str) -> String {
    let made = run(&[
        "witness",
        "new",
        "--dir",
        folder.to_str().unwrap(),
        "--name",
        name,
    ]);
    assert!(made.status.success(), "{}", stderr(&made));
    stdout(&made).trim().to_owned()
}

/// Serves; what it printed, where it ends instead.
pub(crate) fn serve_witness(folder: &Path, log_key: &str, more: &[&str]) -> Result<Witnessing, String> {
    let mut child = daybook()
        .args([
            "witness",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log-key",
            log_key,
            "--dir",
        ])
        .arg(folder)
        .args(more)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once("Listening on ") {
            let address: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
                .collect();
            std::thread::spawn(move || lines.for_each(drop));
            let url = format!("http://{address}");
            return Ok(Witnessing { child, url });
        }
        log.push_str(&line);
        log.push('\n');
    }
    child.wait().unwrap();
    Err(log)
}

pub(crate) fn add_to_config(site: &Site, text: &str) {
    let path = site.path("daybook.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{config}{text}")).unwrap();
}

/// Waits until something is so.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn witnessed(hub: &Serving) -> Option<(u64, Value)> {
    let standing = hub.get("/v1/witnesses");
    let published = standing["published_size"].as_u64()?;
    let size = standing["witnessed_size"]
        .as_u64()
        .filter(|size| *size >= published)?;
    Some((size, standing))
}

#[test]
fn a_hub_asks_its_witnesses_takes_what_is_brought_and_stops_before_a_fork() {
    let site = Site::new();
    let log_key = site.init();
    let (one, two) = (site.path("w1"), site.path("w2"));
    let keys = [new_witness(&one, "w1.example"), new_witness(&two, "w2.example")];
    // A key without a record is refused.
    let refused = serve_witness(&one, &log_key, &[]).err().unwrap();
    assert!(refused.contains("--first-contact none"), "{refused}");
    let served = serve_witness(&one, &log_key, &["--first-contact", "none"]).unwrap();
    let policy = format!(
        "witness one {} {}\nwitness two {}\ngroup both all one two\nquorum both\n",
        keys[0], served.url, keys[1]
    );
    std::fs::write(site.path("witnesses.policy"), policy).unwrap();
    let copied = |from: &str, to: &str| {
        let (from, to) = (site.path(from), site.path(to));
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    for name in ["data", "guard"] {
        copied(name, &format!("{name}.backup"));
    }
    add_to_config(
        &site,
        &format!("[witnesses]\npolicy = \"{}\"\n", site.text("witnesses.policy")),
    );
    let hub = site.serve();
    // One is asked; the other is never called, and looks by itself.
    let follow = |more: &[&str]| {
        let (dir, url) = (two.to_str().unwrap(), hub.url.as_str());
        let mut args = vec![
            "witness",
            "follow",
            "--once",
            "--dir",
            dir,
            "--hub",
            url,
            "--log-key",
            &log_key,
        ];
        args.extend(more);
        run(&args)
    };
    assert!(follow(&["--first-contact", "none"]).status.success());
    grow(&site, &hub, &log_key, "main");
    let (cosigned, _) = until("both witnesses have cosigned", || {
        follow(&[]);
        witnessed(&hub)
    });
    let policy = TrustPolicy::parse(hub.text("/log/policy").as_bytes()).unwrap();
    // The clerk marks the time at any moment, and a newer checkpoint has no cosignature yet.
    let believed = until("a checkpoint that both have cosigned is served", || {
        follow(&[]);
        let note = Note::parse(hub.text("/log/checkpoint").as_bytes()).unwrap();
        policy.open(&note).ok()
    });
    assert!(believed.checkpoint.size() >= cosigned && believed.witnesses.len() == 2);
    shown_on_the_site(&hub);
    let held = Note::parse(Serving::text_at(&monitored(&served.url)).as_bytes()).unwrap();
    let held = Checkpoint::parse(held.text()).unwrap();
    assert!(hub.terminate());

    // The whole hub is taken back to a backup, guard and all; only the witness knows better.
    let moved = |name: &str, to: &str| std::fs::rename(site.path(name), site.path(to)).unwrap();
    for name in ["data", "guard"] {
        moved(name, &format!("{name}.later"));
        copied(&format!("{name}.backup"), name);
    }
    let refused = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(
        refused.contains("a witness holds a checkpoint") && refused.contains("older copy"),
        "{refused}"
    );

    // It is founded anew under its own key: another history.
    for name in ["data", "guard"] {
        moved(name, &format!("{name}.older"));
    }
    moved("keys", "keys.later");
    std::fs::create_dir(site.path("data")).unwrap();
    std::fs::create_dir(site.path("keys")).unwrap();
    std::fs::copy(site.path("keys.later/log.key"), site.path("keys/log.key")).unwrap();
    assert_eq!(site.init(), log_key);
    let refused = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    let fork = format!("{} entries of the database do not give the root", held.size());
    assert!(
        refused.contains("a witness holds a checkpoint") || refused.contains(&fork),
        "{refused}"
    );
}

/// The public register names both, says that neither is independent, and checks an entry against what they cosigned.
fn shown_on_the_site(hub: &Serving) {
    let record = hub.text("/record");
    for name in ["one", "two"] {
        let figure = format!("data-figure=\"witness.{name}\">");
        let (_, size) = record
            .split_once(&figure)
            .unwrap_or_else(|| panic!("{name} is not there: {record}"));
        assert!(
            size.starts_with(|digit: char| ('1'..='9').contains(&digit)),
            "{record}"
        );
    }
    assert!(record.contains("data-figure=\"witnesses\">2<"), "{record}");
    assert!(
        record.contains("w1.example") && record.contains(" ago)"),
        "{record}"
    );
    assert!(
        record.contains("None of the witnesses is independent"),
        "{record}"
    );
    let check = hub.text("/check/0");
    assert!(check.contains("signed the same checkpoint: one, two."), "{check}");
}

/// Where a witness shows what it has cosigned of the log of these tests.
fn monitored(url: &str) -> String {
    let hash = daybook_core::Hash::of(b"it.example/log");
    let hash = hash.0.map(|byte| format!("{byte:02x}")).concat();
    format!("{url}/{hash}/checkpoint")
}

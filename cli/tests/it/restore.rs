//! The drill of `docs/how-to/back-up-and-restore.md`: back up, lose the machine, restore.

use std::path::{Path, PathBuf};
use std::process::Command;

use daybook_agent::author::{Author, Draft};
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::Keys;
use daybook_core::Hash;
use daybook_core::id::{Actor, Stream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bin::{Serving, Site, run, stderr, stdout};
use crate::witnesses::until;

const ORIGIN: &str = "it.example/log";
const PACKET: &[u8] = b"a request that somebody sent";

/// A hub with a project, a member and the member's packet.
struct Drill {
    site: Site,
    log_key: String,
    project: Uuid,
    packet: Uuid,
    member: Keys,
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

/// An actor at a hub.
fn author(hub: &Serving, log_key: &str, keys: Keys) -> Author {
    let client = Client::new(&hub.url).unwrap();
    let follower = Follower::new(client.clone(), ORIGIN, log_key.parse().unwrap());
    Author::new(keys, client, follower)
}

fn random() -> Uuid {
    daybook_agent::random::id().unwrap()
}

fn draft(
    stream: Stream,
    kind: &'static str,
    clear: Value,
    sealed: Vec<(&'static str, Value)>,
) -> Draft<'static> {
    Draft {
        stream,
        kind,
        clear,
        sealed,
    }
}

impl Drill {
    fn new() -> (Self, Serving) {
        let site = Site::new();
        let log_key = site.init();
        let hub = site.serve();
        let (project, member, packet) = (random(), random(), random());
        let keys = Keys::fresh(Actor::Member { project, member }).unwrap();
        block_on(async {
            let registrar = Keys::fresh("registrar/main".parse().unwrap()).unwrap();
            let operator = Keys::read(&site.path("keys/operator.json")).unwrap();
            let clear = json!({ "id": "main", "keys": registrar.registration(ORIGIN), "role": "registrar" });
            let granted = draft(
                Stream::Federation,
                "role-granted",
                clear,
                vec![("name", "Registry".into())],
            );
            author(&hub, &log_key, operator).say(&granted).await.unwrap();
            let mut registrar = author(&hub, &log_key, registrar);
            let clear = json!({ "until": daybook_agent::random::now() + 100 * 86_400 });
            let stream = Stream::Project(project);
            let registered = draft(stream.clone(), "project-registered", clear, project_fields());
            registrar.say(&registered).await.unwrap();
            let clear = json!({ "keys": keys.registration(ORIGIN), "member": member });
            let added = draft(
                stream,
                "member-added",
                clear,
                vec![("name", "Ada Example".into())],
            );
            registrar.say(&added).await.unwrap();
            let client = Client::new(&hub.url).unwrap();
            client
                .put_packet(&keys, ORIGIN, packet, PACKET.to_vec())
                .await
                .unwrap();
        });
        let drill = Self {
            site,
            log_key,
            project,
            packet,
            member: keys,
        };
        (drill, hub)
    }

    /// The operator erases all that was said about the member.
    fn erase(&self, hub: &Serving) -> u64 {
        let entries = hub.get(&format!("/v1/events?stream=project/{}", self.project));
        let event = entries["entries"][1]["event"].as_str().unwrap();
        let event = daybook_core::event::Event::parse(event).unwrap();
        let digests: Vec<&str> = event.claims().digests().collect();
        let fields = json!([{ "digests": digests, "event": event.leaf().to_base64url() }]);
        let stream = Stream::Erasure(random());
        let clear = json!({ "fields": fields, "reason": "request" });
        let operator = Keys::read(&self.site.path("keys/operator.json")).unwrap();
        block_on(async {
            let mut operator = author(hub, &self.log_key, operator);
            let erased = draft(stream, "fields-erased", clear, vec![]);
            operator.say(&erased).await.unwrap();
        });
        entries["entries"][1]["index"].as_u64().unwrap()
    }

    fn packet(&self, hub: &Serving) -> Vec<u8> {
        block_on(async {
            let client = Client::new(&hub.url).unwrap();
            let packet = self.packet.to_string();
            client.get_packet(&self.member, ORIGIN, &packet).await.unwrap()
        })
    }

    /// What `daybook audit-db` answers: its exit code, and its report.
    fn audit(&self, more: &[&str]) -> (i32, Value) {
        let output = self.site.run(&[&["audit-db", "--json"], more].concat());
        let report = serde_json::from_slice(&output.stdout);
        let report = report.unwrap_or_else(|_| panic!("{}{}", stdout(&output), stderr(&output)));
        (output.status.code().unwrap(), report)
    }

    /// Asks the private cluster's database, while a hub runs.
    fn sql(&self, sql: &str) -> String {
        let output = Command::new(programs().join("psql"))
            .args([
                "-X",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                "daybook",
                "-U",
                "daybook",
                "-h",
            ])
            .arg(self.socket())
            .args(["-c", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {}", stderr(&output));
        stdout(&output)
    }

    /// The folder of the private cluster's socket, as its own file says.
    fn socket(&self) -> PathBuf {
        let pid = std::fs::read_to_string(self.site.path("data/pg/postmaster.pid")).unwrap();
        PathBuf::from(pid.lines().nth(4).unwrap())
    }

    /// Takes the database, and then the packets, of a hub that runs, once it has published all that there is. No TRE has
    /// approved the project, so the hub says nothing of it by itself.
    fn back_up(&self, hub: &Serving, into: &str) -> PathBuf {
        until("all of it is published", || {
            let all = hub.get("/v1/events?limit=1")["tree_size"].as_u64()?;
            (hub.get("/v1/witnesses")["published_size"].as_u64()? >= all).then_some(())
        });
        let folder = self.site.path(into);
        std::fs::create_dir(&folder).unwrap();
        let output = Command::new(programs().join("pg_basebackup"))
            .args(["-U", "daybook", "-X", "stream", "-c", "fast", "-h"])
            .arg(self.socket())
            .arg("-D")
            .arg(folder.join("pg"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        copy(&self.site.path("data/hub"), &folder.join("hub"));
        folder
    }

    /// The machine is gone: the data folder with it. The guard and the keys lie elsewhere.
    fn lose_and_restore(&self, backup: &Path) {
        std::fs::remove_dir_all(self.site.path("data")).unwrap();
        copy(backup, &self.site.path("data"));
        let owner = Command::new("chown")
            .args(["-R", "--reference"])
            .arg(self.owner_of_cluster())
            .arg(self.site.path("data/pg"))
            .status()
            .unwrap();
        assert!(owner.success());
    }

    /// A file of whoever runs the private cluster, remembered from before the loss.
    fn owner_of_cluster(&self) -> PathBuf {
        self.site.path("owner")
    }

    fn remember_owner(&self) {
        std::fs::write(self.owner_of_cluster(), "").unwrap();
        let status = Command::new("chown")
            .arg("--reference")
            .arg(self.site.path("data/pg"))
            .arg(self.owner_of_cluster())
            .status()
            .unwrap();
        assert!(status.success());
    }
}

fn project_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("commercial", "none".into()),
        ("lay_summary", "What we look at, in plain words.".into()),
        ("organisations", json!(["University of Examples"])),
        ("public_benefit", "What it is good for.".into()),
        ("title", "Asthma in children".into()),
    ]
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// PostgreSQL's client programs, beside the server's.
fn programs() -> PathBuf {
    let config = Command::new("pg_config").arg("--bindir").output();
    match config {
        Ok(output) if output.status.success() => PathBuf::from(stdout(&output).trim()),
        _ => newest_programs(),
    }
}

fn newest_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let mut versions: Vec<u32> = versions
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    PathBuf::from(format!("/usr/lib/postgresql/{}/bin", versions.pop().unwrap()))
}

/// The published size and root.
fn checkpoint(hub: &Serving) -> (u64, String) {
    let note = hub.text("/log/checkpoint");
    let lines: Vec<&str> = note.lines().collect();
    (lines[1].parse().unwrap(), lines[2].to_owned())
}

#[test]
fn complete_backup_brings_back_every_acknowledged_entry_every_packet_and_no_erased_opening() {
    let (drill, hub) = Drill::new();
    drill.remember_owner();
    let index = drill.erase(&hub);
    let backup = drill.back_up(&hub, "backup");
    let before = checkpoint(&hub);
    hub.kill();

    drill.lose_and_restore(&backup);
    let (code, report) = drill.audit(&["--packets"]);
    assert_eq!((code, &report["holds"]), (0, &json!(true)), "{report}");
    assert_eq!(report["root"], before.1);
    let hub = drill.site.serve();
    let after = checkpoint(&hub);
    assert!(after.0 >= before.0, "{after:?} is no continuation of {before:?}");
    assert!(after.0 > before.0 || after.1 == before.1);
    assert_eq!(drill.packet(&hub), PACKET);
    assert_eq!(
        drill
            .sql(&format!("SELECT count(*) FROM openings WHERE idx = {index}"))
            .trim(),
        "0"
    );
    assert!(hub.terminate());
}

#[test]
fn backup_older_than_what_was_published_is_refused_and_a_newer_one_is_taken() {
    let (drill, hub) = Drill::new();
    drill.remember_owner();
    let old = drill.back_up(&hub, "old");
    drill.erase(&hub);
    let new = drill.back_up(&hub, "new");
    let before = checkpoint(&hub);
    hub.kill();

    drill.lose_and_restore(&old);
    for trust in [&[][..], &["--trust-database"]] {
        let said = Serving::start(&drill.site.path("daybook.toml"), trust)
            .err()
            .unwrap();
        assert!(said.contains("older copy"), "{said}");
    }
    let (code, report) = drill.audit(&[]);
    assert_eq!(code, 1);
    let first = &report["findings"][0];
    assert_eq!(
        (&first["table"], &first["column"]),
        (&json!("guard"), &json!("size")),
        "{report}"
    );

    drill.lose_and_restore(&new);
    let hub = drill.site.serve();
    assert!(checkpoint(&hub).0 >= before.0);
}

#[test]
fn openings_restored_from_an_older_copy_are_erased_again_before_anybody_is_served() {
    let (drill, hub) = Drill::new();
    drill.remember_owner();
    drill.sql("CREATE TABLE aside AS SELECT * FROM openings");
    let index = drill.erase(&hub);
    let there = format!("SELECT count(*) FROM openings WHERE idx = {index}");
    assert_eq!(drill.sql(&there).trim(), "0");
    drill.sql("INSERT INTO openings SELECT * FROM aside ON CONFLICT DO NOTHING");
    assert_ne!(drill.sql(&there).trim(), "0");
    let (code, report) = drill.audit(&[]);
    assert_eq!(code, 1);
    let first = report["findings"][0]["derived"].as_str().unwrap();
    assert!(first.contains("erases it"), "{report}");
    assert!(hub.terminate());

    let hub = drill.site.serve();
    assert_eq!(drill.sql(&there).trim(), "0");
    assert_eq!(drill.audit(&[]).0, 0);
    assert!(hub.terminate());
}

#[test]
fn packets_that_are_missing_cut_or_other_than_listed_are_named() {
    let (drill, hub) = Drill::new();
    let place = drill.sql("SELECT place FROM packets").trim().to_owned();
    let file = drill.site.path("data/hub").join(place);
    let found = |more: &[&str]| {
        let (code, report) = drill.audit(more);
        let first = report["findings"][0]["column"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (code, first)
    };
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(Hash::of(&bytes), Hash::of(PACKET));
    let mut other = bytes.clone();
    other[3] ^= 1;
    std::fs::write(&file, &other).unwrap();
    assert_eq!(found(&[]), (0, String::new()), "bytes are read only if asked for");
    assert_eq!(found(&["--packets"]), (1, "sha256".to_owned()));
    std::fs::write(&file, &bytes[1..]).unwrap();
    assert_eq!(found(&[]), (1, "size".to_owned()));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(found(&[]), (1, "place".to_owned()));
    drill.sql("UPDATE packets SET place = 'packets/elsewhere'");
    assert_eq!(found(&[]), (1, "place".to_owned()));
    assert!(hub.terminate());
}

#[test]
fn audit_of_what_is_not_there_says_so() {
    let site = Site::new();
    let output = site.run(&["audit-db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("there is no database"),
        "{}",
        stderr(&output)
    );
    site.init();
    let url = "postgresql://127.0.0.1:1/nowhere";
    let output = site.run(&["audit-db", "--database-url", url]);
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert_eq!(run(&["audit-db", "--nonsense"]).status.code(), Some(2));
    let output = site.run(&["audit-db"]);
    assert!(
        output.status.success() && stdout(&output).contains("holds:"),
        "{}",
        stderr(&output)
    );
}

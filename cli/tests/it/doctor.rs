//! `daybook doctor`: every failure that it names, produced.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use daybook_core::note::{NoteSigner, VerifierKey};
use daybook_core::{Hash, base64url};
use serde_json::Value;
use tokio_postgres::NoTls;

use crate::bin::{Serving, Site, daybook, run, stdout};

/// What the doctor says, and whether it exits with 0.
fn findings(site: &Site, url: Option<&str>) -> (Vec<Value>, bool) {
    let mut command = daybook();
    command.args(["doctor", "--json", "--config", &site.text("daybook.toml")]);
    if let Some(url) = url {
        command.env("DATABASE_URL", url);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let findings: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    let fails = findings.iter().any(|finding| finding["level"] == "fail");
    assert_eq!(output.status.code(), Some(i32::from(fails)), "{findings:#?}");
    (findings, !fails)
}

/// The doctor fails this check, and says this.
fn fails(site: &Site, url: Option<&str>, check: &str, says: &str) {
    let (findings, _) = findings(site, url);
    let found = findings.iter().any(|finding| {
        let text = format!("{} {}", finding["says"], finding["todo"]);
        finding["check"] == check && finding["level"] == "fail" && text.contains(says)
    });
    assert!(found, "{check}: {says} is not among {findings:#?}");
}

/// Puts another file in a file's place, or none, lets the doctor fail, and puts the old one back.
fn fails_with(site: &Site, name: &str, text: Option<&str>, check: &str, says: &str) {
    let (path, away) = (site.path(name), site.path("away"));
    fs::rename(&path, &away).unwrap();
    if let Some(text) = text {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    fails(site, None, check, says);
    fs::rename(&away, &path).unwrap();
}

/// The address of something that answers every request with 503 and these words.
fn answering(words: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let length = words.len();
            // Whoever has gone is not answered.
            drop(connection.read(&mut [0; 1024]));
            drop(write!(
                connection,
                "HTTP/1.1 503 Away\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{words}"
            ));
        }
    });
    address
}

/// How to reach the private cluster of a hub that runs.
fn socket(site: &Site) -> String {
    let file = fs::read_to_string(site.path("data/pg/postmaster.pid")).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    format!("host={} port={} user=daybook", lines[4], lines[3])
}

#[test]
fn all_is_well_with_a_hub_that_runs_and_with_one_that_does_not() {
    let site = Site::new();
    site.init();
    assert!(findings(&site, None).1);
    let hub = site.serve();
    let (found, is_well) = findings(&site, None);
    assert!(is_well, "{found:#?}");
    for check in [
        "database", "schema", "log", "guard", "clock", "log key", "port", "space",
    ] {
        assert!(
            found
                .iter()
                .any(|finding| finding["check"] == check && finding["level"] == "ok"),
            "{check} {found:#?}"
        );
    }
    let operator = found
        .iter()
        .find(|finding| finding["check"] == "operator's key")
        .unwrap();
    assert_eq!(operator["level"], "warn");
    drop(hub);
}

#[test]
fn a_key_that_is_not_the_logs_is_told_before_serve_fails_by_it() {
    let site = Site::new();
    let log_key = site.init();
    let seed = |name: &str| {
        let made = site.text(name);
        let output = run(&["keys", "log", "--origin", "it.example/log", "--out", &made]);
        assert!(output.status.success());
        fs::read_to_string(made).unwrap()
    };
    // Nothing runs, as before a start.
    let own = fs::read_to_string(site.path("keys/log.key")).unwrap();
    let other = seed("other.key");
    fails_with(&site, "keys/log.key", Some(&other), "log", &log_key);
    fs::write(site.path("keys/log.key"), &other).unwrap();
    let refused = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(refused.contains("holds the log"), "{refused}");
    fs::write(site.path("keys/log.key"), &own).unwrap();
    let (found, is_well) = findings(&site, None);
    let log = found.iter().find(|finding| finding["check"] == "log").unwrap();
    assert!(
        is_well && log["says"].to_string().contains(&log_key),
        "{found:#?}"
    );

    // A hub runs, and its file is changed under it.
    let hub = site.serve();
    fails_with(&site, "keys/log.key", Some(&other), "log", &log_key);

    // The operator names a second key, and the hub ends: either key is right at the next start.
    let x = base64url::encode(other_key(&other).public_key());
    let note: Vec<String> = hub.text("/log/checkpoint").lines().map(str::to_owned).collect();
    let root = Hash::from_base64(&note[2]).unwrap().to_base64url();
    let data = format!(
        r#"{{"key":"{x}","reason":"planned","size":{},"root":"{root}"}}"#,
        note[1]
    );
    site.operator_says(&hub, &log_key, "log-key-rotated", [&data, "{}"])
        .unwrap();
    assert!(hub.terminate());
    fs::write(site.path("keys/log.key"), &other).unwrap();
    assert!(findings(&site, None).1);
    assert!(site.serve().terminate());
    let third = seed("third.key");
    fails_with(&site, "keys/log.key", Some(&third), "log", "bring back log.key");
}

/// The verifier key of a seed's text.
fn other_key(seed: &str) -> VerifierKey {
    let seed = daybook_agent::keyfile::parse_seed(seed.trim()).unwrap();
    let signer = NoteSigner::from_seed("it.example/log".parse().unwrap(), &seed).unwrap();
    signer.verifier().clone()
}

#[test]
fn faults_of_files_are_named() {
    let site = Site::new();
    site.init();
    let toml = fs::read_to_string(site.path("daybook.toml")).unwrap();
    let with = |more: &str| format!("{more}\n{toml}");
    fails_with(
        &site,
        "daybook.toml",
        Some("origin = 1"),
        "configuration",
        "origin",
    );
    fails_with(&site, "keys/log.key", None, "log key", "No such file");
    fails_with(&site, "keys/log.key", Some("short"), "log key", "43 characters");
    fails_with(
        &site,
        "keys/clerk.json",
        Some("{}"),
        "clerk's key",
        "not a key file",
    );
    let log_key = site.path("keys/log.key");
    fs::copy(&log_key, site.path("keys/cose.key")).unwrap();
    fails_with(&site, "keys/cose.key", Some("short"), "COSE key", "43 characters");
    let own = fs::read_to_string(&log_key).unwrap();
    fails_with(
        &site,
        "keys/cose.key",
        Some(&own),
        "COSE key",
        "the log's own key",
    );
    fs::remove_file(site.path("keys/cose.key")).unwrap();
    let operator = fs::read_to_string(site.path("keys/operator.json")).unwrap();
    fails_with(
        &site,
        "keys/clerk.json",
        Some(&operator),
        "clerk's key",
        "is of operator",
    );
    fails_with(
        &site,
        "data/pg/PG_VERSION",
        Some("9\n"),
        "postgresql",
        "PostgreSQL 9",
    );
    let certificate = with("tls_cert = \"/nowhere/a\"\ntls_key = \"/nowhere/b\"");
    fails_with(
        &site,
        "daybook.toml",
        Some(&certificate),
        "certificate",
        "tls_cert",
    );
    let bucket = format!(
        "{toml}\n[packets]\nstore = \"s3://nowhere\"\nregion = \"r\"\nendpoint = \"http://127.0.0.1:9\"\n"
    );
    fails_with(
        &site,
        "daybook.toml",
        Some(&bucket),
        "packets",
        "AWS_ACCESS_KEY_ID",
    );

    let key = site.path("keys/log.key");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    fails(&site, None, "log key", "chmod 600");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    let data = toml.replace("/data\"", "/daybook.toml/data\"");
    fails_with(&site, "daybook.toml", Some(&data), "folders", "is no folder");
    for (alive, says) in [("gone", "another program"), ("alive\n", "is not ready")] {
        let port = toml.replace("127.0.0.1:0", &answering(alive));
        fails_with(&site, "daybook.toml", Some(&port), "port", says);
    }
    let elsewhere = toml.replace("127.0.0.1:0", "192.0.2.1:8787");
    fails_with(
        &site,
        "daybook.toml",
        Some(&elsewhere),
        "port",
        "cannot be listened on",
    );
}

#[tokio::test]
async fn faults_of_the_database_are_named() {
    let site = Site::new();
    site.init();
    let hub = site.serve();
    let server = socket(&site);
    let log = format!("{server} dbname=daybook");
    assert!(findings(&site, Some(&log)).1);

    fails(
        &site,
        Some("host=db.example sslmode=prefer"),
        "database",
        "sslmode=prefer",
    );
    fails(
        &site,
        Some("host=127.0.0.1 port=9 user=x"),
        "database",
        "does not answer",
    );
    fails(
        &site,
        Some(&format!("{server} dbname=postgres")),
        "schema",
        "daybook migrate",
    );

    let (client, connection) = tokio_postgres::connect(&log, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE ROLE stranger LOGIN").await.unwrap();
    let stranger = log.replace("user=daybook", "user=stranger");
    fails(&site, Some(&stranger), "roles", "daybook_log");

    client
        .batch_execute("UPDATE schema_window SET min_binary_schema = 900")
        .await
        .unwrap();
    let history = "INSERT INTO refinery_schema_history SELECT 900, 'x', applied_on, '0' FROM refinery_schema_history LIMIT 1";
    client.batch_execute(history).await.unwrap();
    fails(&site, Some(&log), "schema", "install the newer program");
    client
        .batch_execute("DELETE FROM refinery_schema_history WHERE version = 900")
        .await
        .unwrap();

    let guard = site.path("guard/guard.json");
    let mark = fs::read_to_string(&guard).unwrap();
    let mut older: Value = serde_json::from_str(&mark).unwrap();
    older["size"] = 1_000_000.into();
    fs::write(&guard, older.to_string()).unwrap();
    fails(&site, Some(&log), "guard", "older copy");
    fs::write(&guard, "{").unwrap();
    fails(&site, Some(&log), "guard", "cannot be understood");
    fs::write(&guard, mark).unwrap();
    let key = site.path("keys/log.key");
    let seed = fs::read_to_string(&key).unwrap();
    fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
    fails(&site, Some(&log), "log", "bring back log.key in `key_dir`");
    fs::write(&key, seed).unwrap();
    let toml = fs::read_to_string(site.path("daybook.toml")).unwrap();
    let other = toml.replace("it.example/log", "other.example/log");
    fs::write(site.path("daybook.toml"), other).unwrap();
    fails(&site, Some(&log), "log", "holds the log it.example/log");
    fs::write(site.path("daybook.toml"), toml).unwrap();

    client
        .batch_execute("ALTER SYSTEM SET full_page_writes = off")
        .await
        .unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let setting = async || -> String {
        client
            .query_one("SHOW full_page_writes", &[])
            .await
            .unwrap()
            .get(0)
    };
    while setting().await == "on" {
        tokio::task::yield_now().await;
    }
    fails(&site, Some(&log), "durability", "full_page_writes");
    drop(hub);
}

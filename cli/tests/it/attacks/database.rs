//! A database administrator who changes what was committed, behind the hub's back.

use serde_json::Value;
use tokio_postgres::NoTls;

use crate::bin::{Site, run, stderr, stdout};

/// Runs statements in the private cluster of a hub that runs.
fn sql(site: &Site, statements: &str) {
    let file = std::fs::read_to_string(site.path("data/pg/postmaster.pid")).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    let address = format!("host={} port={} user=daybook dbname=daybook", lines[4], lines[3]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    });
}

fn audit(url: &str, log_key: &str) -> (Option<i32>, Value) {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let output = run(&[
        "audit",
        url,
        "--log-key",
        log_key,
        "--state",
        state,
        "--json",
        "--no-lists",
    ]);
    let report = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        report.unwrap_or_else(|_| panic!("{}", stderr(&output))),
    )
}

#[test]
fn what_is_changed_behind_the_hub_is_found_from_outside_and_named_from_inside() {
    let site = Site::new();
    let log_key = site.init();
    let hub = site.serve();
    let (code, report) = audit(&hub.url, &log_key);
    assert_eq!(code, Some(0), "{report}");
    let inside = || {
        let output = site.run(&["audit-db", "--json"]);
        (output.status.code(), stdout(&output))
    };
    assert_eq!(inside().0, Some(0));

    // A state that lets the hub accept what the rules forbid: nothing in the log shows it yet.
    sql(
        &site,
        "ALTER TABLE stream_heads DISABLE TRIGGER USER;
         UPDATE stream_heads SET state = '{}'::json WHERE stream = 'log';",
    );
    let (code, said) = inside();
    assert!(code == Some(1) && said.contains("stream_heads"), "{said}");

    // Another entry under the old index.
    sql(
        &site,
        "ALTER TABLE entries DISABLE TRIGGER USER;
         UPDATE entries SET event = overlay(event placing 'AAAA' from 200) WHERE idx = 1;",
    );
    let (code, said) = inside();
    assert!(code == Some(1) && said.contains("entries"), "{said}");
    let (code, report) = audit(&hub.url, &log_key);
    assert_eq!(code, Some(1), "{report}");
    assert!(report["counts"].get("root-differs").is_some(), "{report}");
}

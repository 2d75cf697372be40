//! A dataset that is a database: each run logs in with a role of its own, and the role is gone when the run is.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use daybook_store::cluster::{Cluster, Config};
use daybook_study::generate_data;
use serde_json::json;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, NoTls};

use super::place::{Job, Place};
use super::study::Plot;
use crate::bin::{run, stdout};
use crate::relay::federation::{Federation, until};

/// The password of the TRE's own role; no run ever sees it.
const LENDER: &str = "the-lender-s-own";

/// The database of a TRE, where everybody but its owner logs in with a password.
struct Database {
    cluster: Cluster,
    admin: Client,
    socket: PathBuf,
}

impl Database {
    async fn holding(csv: &str, folder: &Path) -> Self {
        fs::create_dir(folder).unwrap();
        let config = Config {
            fsync: false,
            ..Config::new(folder)
        };
        let cluster = Cluster::start(config).await.unwrap();
        let (admin, connection) = cluster.pg_config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        let mut setup = format!(
            "ALTER ROLE daybook PASSWORD '{LENDER}'; CREATE ROLE readers;
             CREATE ROLE lender LOGIN CREATEROLE PASSWORD '{LENDER}' IN ROLE pg_signal_backend;
             GRANT readers TO lender WITH ADMIN OPTION;
             CREATE TABLE admissions (person text, age text, sex text, admitted text, method text, diagnosis text);
             GRANT SELECT ON admissions TO readers; INSERT INTO admissions VALUES "
        );
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("person,age,sex,admitted,method,diagnosis"));
        for (at, line) in lines.enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(setup, "{comma}('{}')", line.replace(',', "','")).unwrap();
        }
        admin.batch_execute(&setup).await.unwrap();
        fs::write(folder.join("pg/pg_hba.conf"), "local all all scram-sha-256\n").unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let config = cluster.pg_config();
        let [Host::Unix(socket)] = config.get_hosts() else {
            panic!("a private cluster has one socket");
        };
        // A private cluster lets nobody in; before a server of the TRE's, runs are users like others.
        for (path, mode) in [(socket.clone(), 0o755), (socket.join(".s.PGSQL.5432"), 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        Self {
            socket: socket.clone(),
            cluster,
            admin,
        }
    }

    /// The roles that are lent now.
    async fn lent(&self) -> Vec<u32> {
        let rows = self
            .admin
            .query("SELECT oid FROM pg_roles WHERE rolname LIKE 'run\\_%'", &[])
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The role of a run whose question waits for a lock, other than one.
    async fn asker(&self, other: u32) -> Option<u32> {
        let sql =
            "SELECT usesysid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename LIKE 'run\\_%'";
        // Inside the transaction that holds the lock, what others do would be shown as it was at the first look.
        self.admin
            .batch_execute("SELECT pg_stat_clear_snapshot()")
            .await
            .unwrap();
        let found = self.admin.query(sql, &[]).await.unwrap();
        found.iter().map(|row| row.get(0)).find(|role| *role != other)
    }
}

/// The TRE with its dataset in the database.
async fn place(database: &Database) -> Place {
    let place = Place::of(Federation::new().await).await;
    let passwords = place.path("pgpass");
    fs::write(&passwords, format!("*:*:*:*:{LENDER}\n")).unwrap();
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    let lender = format!(
        "host={} dbname=daybook user=lender passfile={}",
        database.socket.display(),
        passwords.display()
    );
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/samples");
    let [issue, revoke] = ["database-issue.sh", "database-revoke.sh"].map(|name| samples.join(name));
    let dataset = json!([{
        "id": place.federation.dataset, "names": ["#emergency-admissions"],
        "database": { "issue": [issue, lender, "readers"], "revoke": [revoke, lender], "socket": database.socket },
    }]);
    let path = place.path("runner.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    config.insert("datasets".to_owned(), toml::Value::try_from(dataset).unwrap());
    fs::write(path, config.to_string()).unwrap();
    place
}

/// What the shipped scripts make of the data, run by hand.
fn expected(csv: &str, folder: &Path) -> Vec<u8> {
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("admissions.csv"), csv).unwrap();
    let bag = Plot::Shipped.request();
    for (script, arguments) in [
        ("count", ["admissions.csv", ""]),
        ("suppress", ["cells.csv", "5"]),
    ] {
        let name = format!("{script}.py");
        fs::write(
            folder.join(&name),
            &bag.payload[&format!("workflow/scripts/{name}")],
        )
        .unwrap();
        let status = Command::new("python3")
            .arg(&name)
            .args(arguments)
            .current_dir(folder)
            .status();
        assert!(status.unwrap().success());
    }
    fs::read(folder.join("counts.csv")).unwrap()
}

async fn assert_let_out(place: &Place, job: Job, expected: &[u8]) {
    place.until_state(job, "assessed").await;
    place.both("approve", job, &[]);
    place.until_state(job, "released").await;
    let bag = place.results(job).await;
    assert_eq!(
        String::from_utf8_lossy(&bag.payload["outputs/counts.csv"]),
        String::from_utf8_lossy(expected)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_reads_a_database_with_a_role_of_its_own_that_goes_with_it_however_it_ends() {
    let csv = generate_data("wessex", 2000);
    let folder = tempfile::Builder::new().prefix("daybook-it-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let database = Database::holding(&csv, &folder.path().join("cohort")).await;
    let expected = expected(&csv, &folder.path().join("by-hand"));
    let mut place = place(&database).await;
    let doctor = || {
        let config = place.federation.site.text("runner.toml");
        let output = run(&["runner", "--config", &config, "doctor"]);
        stdout(&output)
    };
    assert!(doctor().contains("or reached by, is there"), "{}", doctor());
    place.start();
    let workflow = place.adopt(Plot::Asks).await;

    let job = place.submit(Plot::Asks, workflow).await;
    assert_let_out(&place, job, &expected).await;
    assert!(database.lent().await.is_empty());
    let credentials = place.path(&format!("runner/jobs/{}/credentials", job.id));
    assert!(!credentials.exists() || fs::read_dir(credentials).unwrap().next().is_none());

    // Killed while its question waits, a run keeps nobody logged in: the next start takes the role back.
    database
        .admin
        .batch_execute("BEGIN; LOCK TABLE admissions")
        .await
        .unwrap();
    let job = place.submit(Plot::Asks, workflow).await;
    let first = until("a run asks", async || database.asker(0).await).await;
    place.kill_runner();
    assert_eq!(database.lent().await, [first]);
    place.start_runner();
    let second = until("another run asks with another role", async || {
        database.asker(first).await
    })
    .await;
    assert_eq!(database.lent().await, [second]);
    database.admin.batch_execute("COMMIT").await.unwrap();
    assert_let_out(&place, job, &expected).await;
    assert!(database.lent().await.is_empty());

    // No more of it left the zone than of any other dataset.
    for log in ["relay.log", "runner.log"] {
        let text = fs::read_to_string(place.path(log)).unwrap();
        assert!(!text.contains("password=") && !text.contains(LENDER), "{log}");
    }
    drop(place);
    database.cluster.stop().await.unwrap();
}

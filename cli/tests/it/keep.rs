//! What is kept and what is not: erasure down to the files, copies of the log, evidence, and a database made from a copy.

use std::fs;
use std::path::Path;
use std::process::Output;

use daybook_agent::author::Author;
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::Keys;
use daybook_agent::random;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::sealed::Opening;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bin::{Serving, Site, run, stderr, stdout};
use crate::register::{Federation, origin, say, until};

/// A word that stands in one public text.
const CANARY: &str = "vexillum";

fn works(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

/// Files below a folder that hold some bytes.
fn files_with(folder: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // The server removes files of its own while this goes on.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path)
                .unwrap_or_default()
                .windows(needle.len())
                .any(|part| part == needle)
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

async fn opening(client: &Client, index: u64, name: &str) -> Option<Opening> {
    let found: Value = client.get(&format!("/v1/events/{index}/openings")).await.unwrap();
    let mut openings = found["openings"].as_array().unwrap().iter();
    let one = openings.find(|one| one["name"] == name)?;
    Some(Opening::parse(one["opening"].as_str().unwrap()).unwrap())
}

/// How a project's evidence is asked for: its id, the log, the log's key and the file.
fn evidence([id, log, key, out]: [&str; 4]) -> Vec<&str> {
    vec![
        "evidence",
        "project",
        id,
        "--log",
        log,
        "--log-key",
        key,
        "--out",
        out,
    ]
}

/// Waits until a page shows the project's texts: then they are everybody's.
async fn until_shown(federation: &Federation, project: Uuid) {
    let page = format!("/projects/{project}");
    until("the page shows it", async || {
        federation.text(&page).await.contains(CANARY)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_gone_from_what_is_served_and_after_a_scrub_from_the_files() {
    let mut federation = Federation::new().await;
    let summary = format!("We look at the {CANARY} of shells.");
    let (project, registered) = federation.project("Shells", &summary).await;
    federation.until_state(project, "published").await;
    until_shown(&federation, project).await;
    let sealed = opening(&federation.client, registered.index, "lay_summary")
        .await
        .unwrap();
    let data = federation.site.path("data");
    assert!(!files_with(&data, sealed.as_str().as_bytes()).is_empty());

    let config = federation.site.text("daybook.toml");
    let erase = |fields: &str, more: &[&str]| {
        let url = federation.hub.url.as_str();
        let mut args = vec![
            "erase", "--config", &config, "--url", url, "--reason", "request", fields,
        ];
        args.extend(more);
        run(&args)
    };
    let field = format!("{}:lay_summary,lead", registered.index);
    let said = works(&erase(&field, &["--dry-run"]));
    assert!(
        said.contains("lay_summary") && !said.contains("Erased by"),
        "{said}"
    );
    assert!(
        opening(&federation.client, registered.index, "lay_summary")
            .await
            .is_some()
    );
    let unknown = erase(&format!("{}:nonsense", registered.index), &[]);
    assert_eq!(unknown.status.code(), Some(1));
    works(&erase(&field, &["--decision", "The controller asked for it."]));
    assert!(stderr(&erase(&field, &[])).contains("erased already"));

    until("the page goes on without it", async || {
        !federation.everything(project).await.contains(CANARY)
    })
    .await;
    let found = federation.text(&format!("/projects?q={CANARY}")).await;
    assert!(!found.contains(&project.to_string()));
    // Sent again with its opening it is the same entry, and nothing comes back.
    let entry = federation.client.entry(registered.index).await.unwrap();
    let event = Event::parse(&entry.event).unwrap();
    let again = federation
        .client
        .append(&event, std::slice::from_ref(&sealed), true)
        .await
        .unwrap();
    assert_eq!(again.index, registered.index);
    assert!(
        opening(&federation.client, registered.index, "lay_summary")
            .await
            .is_none()
    );

    let said = works(&run(&["scrub", "--config", &config]));
    assert!(!said.contains("may still stand"), "{said}");
    for needle in [CANARY.as_bytes(), sealed.as_str().as_bytes()] {
        assert_eq!(files_with(&data, needle), Vec::<String>::new());
    }
    works(&run(&["audit-db", "--config", &config]));
    let (url, key, state) = (
        federation.hub.url.clone(),
        federation.log_key.to_string(),
        federation.site.text("audit"),
    );
    let said = works(&run(&["audit", &url, "--log-key", &key, "--state", &state]));
    assert!(said.contains("1 erasures"), "{said}");
    let (id, zip) = (project.to_string(), federation.site.text("project.zip"));
    works(&run(&[
        "evidence",
        "project",
        &id,
        "--log",
        &url,
        "--log-key",
        &key,
        "--out",
        &zip,
    ]));
    let said = works(&run(&["verify", &zip, "--log-key", &key]));
    assert!(said.contains("was erased by the entry"), "{said}");
    assert!(federation.hub.terminate());
}

/// A connection to the private cluster of a hub that runs, as whoever owns it.
async fn owner(site: &Site) -> tokio_postgres::Client {
    let file = fs::read_to_string(site.path("data/pg/postmaster.pid")).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    let address = format!("host={} port={} user=daybook dbname=daybook", lines[4], lines[3]);
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// Lets the time of who leads a project be over, and answers whether the hub held that opening until now.
async fn is_over(site: &Site, index: u64) -> bool {
    let sql = "UPDATE openings SET retain_until = now() - interval '1 day' WHERE idx = $1 AND name = 'lead'";
    let index = i64::try_from(index).unwrap();
    let owner = owner(site).await;
    // No hub changes an opening, so that nothing lets one be over but time.
    let triggers = async |word: &str| {
        let sql = format!("ALTER TABLE openings {word} TRIGGER USER");
        owner.batch_execute(&sql).await.unwrap();
    };
    triggers("DISABLE").await;
    let changed = owner.execute(sql, &[&index]).await.unwrap();
    triggers("ENABLE").await;
    changed == 1
}

/// How many openings that end there are, of these entries.
async fn ending(site: &Site, indexes: [u64; 2]) -> i64 {
    let sql = "SELECT count(*) FROM openings WHERE retain_until IS NOT NULL AND idx = ANY($1)";
    let indexes = indexes.map(|index| i64::try_from(index).unwrap()).to_vec();
    let row = owner(site).await.query_one(sql, &[&indexes]).await.unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_its_time_is_erased_on_record_by_erase_due_and_goes_by_itself_at_a_start() {
    let mut federation = Federation::new().await;
    let (project, recorded) = federation.project("Shells", "We look at them.").await;
    let (other, silent) = federation.project("Waves", "We look at those.").await;
    federation.until_state(project, "published").await;
    federation.until_state(other, "published").await;
    let Federation {
        site,
        hub,
        log_key,
        client,
        ..
    } = federation;
    let (config, key) = (site.text("daybook.toml"), log_key.to_string());
    let indexes = [recorded.index, silent.index];
    let erase = |url: &str, more: &[&str]| {
        let due = ["erase", "--config", &config, "--url", url, "--due", "0"];
        works(&run(&[&due[..], more].concat()))
    };
    assert!(erase(&hub.url, &[]).contains("Nothing is due"));
    assert_eq!(ending(&site, indexes).await, 2);

    // On record: the operator's event names it.
    assert!(is_over(&site, recorded.index).await);
    let said = erase(&hub.url, &["--dry-run"]);
    assert!(
        said.contains(&format!("entry {}: lead", recorded.index)),
        "{said}"
    );
    assert!(!said.contains("Erased by"), "{said}");
    assert_eq!(ending(&site, indexes).await, 2);
    let said = erase(&hub.url, &[]);
    let by = said.split("Erased by entry ").nth(1).unwrap();
    let by: u64 = by.split('.').next().unwrap().parse().unwrap();
    assert_eq!(ending(&site, indexes).await, 1);
    let event = Event::parse(&client.entry(by).await.unwrap().event).unwrap();
    let claims = event.claims();
    assert_eq!(
        (claims.kind.as_str(), &claims.data["reason"]),
        ("fields-erased", &json!("retention"))
    );
    assert_eq!(claims.data["fields"][0]["event"], json!(recorded.leaf_hash));

    // By itself: nobody asks, and no event says so.
    assert!(is_over(&site, silent.index).await);
    assert!(hub.terminate());
    let hub = site.serve();
    let client = Client::new(&hub.url).unwrap();
    assert_eq!(ending(&site, indexes).await, 0);
    assert!(erase(&hub.url, &[]).contains("Nothing is due"));

    works(&run(&["audit-db", "--config", &config]));
    let state = site.text("audit");
    let said = works(&run(&["audit", &hub.url, "--log-key", &key, "--state", &state]));
    assert!(
        said.contains("1 erasures") && said.contains("The log holds"),
        "{said}"
    );
    for index in indexes {
        let (entry, proof) = (site.text("entry"), site.text("proof"));
        fs::write(&entry, client.entry(index).await.unwrap().event).unwrap();
        fs::write(&proof, client.proof(index).await.unwrap()).unwrap();
        let said = works(&run(&["verify", &proof, "--entry", &entry, "--log-key", &key]));
        assert!(said.starts_with(&format!("holds: entry {index}")), "{said}");
    }
    let (id, zip) = (project.to_string(), site.text("project.zip"));
    works(&run(&evidence([&id, &hub.url, &key, &zip])));
    let said = works(&run(&["verify", &zip, "--log-key", &key]));
    assert!(said.contains("was erased by the entry"), "{said}");
    assert!(hub.terminate());
}

/// Exports until the copy holds all that the hub has let out, and ends the hub.
fn export_and_stop(site: &Site, key: &str, copy: &str, mut hub: Serving) {
    for _ in 0..20 {
        works(&run(&["export", &hub.url, "--out", copy, "--log-key", key]));
        assert!(hub.terminate());
        let guard: Value = serde_json::from_slice(&fs::read(site.path("guard/guard.json")).unwrap()).unwrap();
        let note = fs::read_to_string(Path::new(copy).join("checkpoint")).unwrap();
        if note.lines().nth(1) == Some(guard["size"].to_string().as_str()) {
            return;
        }
        // The clerk has said something in between.
        hub = site.serve();
    }
    panic!("the clerk never rests");
}

fn again(site: &Site, hub: &Serving, key: &str, keys: Keys) -> Author {
    let client = Client::new(&hub.url).unwrap();
    let follower = Follower::new(client.clone(), &origin(site), key.parse().unwrap());
    Author::new(keys, client, follower)
}

async fn register(author: &mut Author, id: Uuid) {
    let about = vec![
        ("title", "Another".into()),
        ("lay_summary", "About it.".into()),
        ("public_benefit", "Better care.".into()),
        ("organisations", json!(["Somebody"])),
        ("commercial", "none".into()),
    ];
    let until = random::now() + 86_400 * 100;
    say(
        author,
        Stream::Project(id),
        "project-registered",
        json!({ "until": until }),
        about,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_audited_proves_and_becomes_a_database_again() {
    let mut federation = Federation::new().await;
    let (project, registered) = federation
        .project("Shells", &format!("We look at the {CANARY}."))
        .await;
    federation.until_state(project, "published").await;
    until_shown(&federation, project).await;
    let Federation {
        site,
        hub,
        log_key,
        registrar,
        client,
        ..
    } = federation;
    let (key, config, copy) = (log_key.to_string(), site.text("daybook.toml"), site.text("copy"));
    let early = site.text("early");
    works(&run(&["export", &hub.url, "--out", &early, "--log-key", &key]));
    let mut registrar = registrar;
    register(&mut registrar, random::id().unwrap()).await;
    let sealed = opening(&client, registered.index, "lay_summary").await.unwrap();

    // From the hub and from the copy the same evidence is made.
    works(&run(&["export", &hub.url, "--out", &copy, "--log-key", &key]));
    let (id, note) = (project.to_string(), format!("{copy}/checkpoint"));
    let make = |log: &str, out: &str| {
        let mut args = evidence([&id, log, &key, out]);
        args.extend(["--checkpoint", &note]);
        works(&run(&args));
        fs::read(out).unwrap()
    };
    let pack = make(&hub.url, &site.text("a.zip"));
    assert_eq!(pack, make(&copy, &site.text("b.zip")));
    let text = pack.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
    assert!(text, "the page shows what the register has published");
    let told = |more: &[&str], out: &str| {
        let mut args = evidence([&id, &hub.url, &key, out]);
        args.extend(more);
        works(&run(&args))
    };
    let editor = site.text("keys/editor.json");
    assert!(told(&["--closed"], &site.text("closed.zip")).contains("holds: 0 openings"));
    assert!(!told(&["--key", &editor], &site.text("keyed.zip")).contains("holds: 0 openings"));
    export_and_stop(&site, &key, &copy, hub);
    let verify = |file: &str| run(&["verify", file, "--log-key", &key]).status.code();
    assert_eq!(verify(&site.text("a.zip")), Some(0));
    let at = pack
        .windows(CANARY.len())
        .position(|part| part == CANARY.as_bytes())
        .unwrap();
    let mut tampered = pack.clone();
    tampered[at] ^= 1;
    fs::write(site.path("tampered.zip"), tampered).unwrap();
    assert_ne!(verify(&site.text("tampered.zip")), Some(0));
    fs::write(site.path("none.zip"), b"PK but no zip").unwrap();
    assert_eq!(verify(&site.text("none.zip")), Some(2));

    let state = site.text("state");
    works(&run(&["audit", &copy, "--log-key", &key, "--state", &state]));
    // The database is lost; guard and keys lie elsewhere.
    fs::rename(site.path("data"), site.path("lost")).unwrap();
    fs::create_dir(site.path("data")).unwrap();
    let restore = |from: &str| run(&["restore", "--config", &config, "--from-log", from]);
    let behind = restore(&early);
    assert!(
        !behind.status.success() && stderr(&behind).contains("older than the log"),
        "{}",
        stderr(&behind)
    );
    assert!(!site.path("data/pg").exists(), "nothing was made");
    works(&restore(&copy));
    let hub = site.serve();
    let again_audited = works(&run(&["audit", &hub.url, "--log-key", &key, "--state", &state]));
    assert!(again_audited.contains("The log holds"), "{again_audited}");
    let client = Client::new(&hub.url).unwrap();
    until("the published text is there again", async || {
        opening(&client, registered.index, "lay_summary").await == Some(sealed.clone())
    })
    .await;
    let mut registrar = again(&site, &hub, &key, registrar.keys);
    register(&mut registrar, random::id().unwrap()).await;
    assert!(hub.terminate());
    let nothing = restore(&early);
    assert!(!nothing.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_is_brought_up_to_a_copy_and_keeps_what_was_sealed() {
    let mut federation = Federation::new().await;
    let (project, registered) = federation.project("Shells", "We look at them.").await;
    federation.until_state(project, "published").await;
    let Federation {
        site,
        hub,
        log_key,
        registrar,
        ..
    } = federation;
    let (key, config, copy) = (log_key.to_string(), site.text("daybook.toml"), site.text("copy"));
    assert!(hub.terminate());
    let copied = |from: &str, to: &str| {
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([site.path(from), site.path(to)])
            .status();
        assert!(copied.unwrap().success());
    };
    copied("data", "backup");
    let hub = site.serve();
    let mut registrar = again(&site, &hub, &key, registrar.keys);
    register(&mut registrar, random::id().unwrap()).await;
    export_and_stop(&site, &key, &copy, hub);
    fs::rename(site.path("data"), site.path("lost")).unwrap();
    copied("backup", "data");
    let refused = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(refused.contains("older copy"), "{refused}");
    // Another history does not fit on it.
    let other = Site::new();
    let other_key = other.init();
    let other_hub = other.serve();
    works(&run(&[
        "export",
        &other_hub.url,
        "--out",
        &other.text("copy"),
        "--log-key",
        &other_key,
    ]));
    let foreign = run(&["restore", "--config", &config, "--from-log", &other.text("copy")]);
    assert!(stderr(&foreign).contains("own key"), "{}", stderr(&foreign));
    works(&run(&["restore", "--config", &config, "--from-log", &copy]));
    let hub = site.serve();
    let client = Client::new(&hub.url).unwrap();
    until("the text of the backup is there", async || {
        opening(&client, registered.index, "lay_summary").await.is_some()
    })
    .await;
    assert!(hub.terminate());
}

//! The relay as a witness, and the TRE's own counts.

use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::Note;
use daybook_core::trust::TrustPolicy;
use serde_json::Value;

use super::federation::{Federation, until};
use super::process::RelayProcess;
use crate::bin::{run, stderr, stdout};
use crate::witnesses::new_witness;

/// A federation whose hub asks for the relay's cosignature, with the witness's folder made.
async fn witnessed() -> (Federation, String) {
    let mut federation = Federation::new().await;
    let folder = federation.site.path("witness");
    let vkey = new_witness(&folder, "tre-wessex.example/witness");
    let policy = federation.site.path("witnesses.policy");
    std::fs::write(&policy, format!("witness wessex {vkey}\nquorum wessex\n")).unwrap();
    let config = federation.site.path("daybook.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let table = format!("[witnesses]\npolicy = \"{}\"\n", policy.display());
    std::fs::write(&config, text + &table).unwrap();
    federation.configure(
        "[retrieve]",
        &format!(
            "[witness]\ndir = \"{}\"\nevery = \"1 second\"\n[retrieve]",
            folder.display()
        ),
    );
    assert!(federation.hub.take().unwrap().terminate());
    federation.start_hub();
    (federation, vkey)
}

fn begin(federation: &Federation, first: &str) -> (bool, String) {
    let folder = federation.site.text("witness");
    let key = federation.log_key.to_string();
    let args = [
        "witness",
        "begin",
        "--dir",
        &folder,
        "--log-key",
        &key,
        "--first-contact",
        first,
    ];
    let output = run(&args);
    (output.status.success(), stdout(&output) + &stderr(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_cosigns_what_holds_its_own_entries_and_goes_on_after_its_record() {
    let (mut federation, vkey) = witnessed().await;
    // A key without its record cosigns nothing, and the relay does not start.
    let refused = RelayProcess::start(&federation.site).err().unwrap();
    assert!(
        refused.contains("there is no record of it.example/log"),
        "{refused}"
    );
    let (holds, said) = begin(&federation, "none");
    assert!(holds && said.contains(&vkey), "{said}");
    let (again, said) = begin(&federation, "none");
    assert!(!again && said.contains("never begun again"), "{said}");

    let relay = federation.relay();
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    let believed = until("the relay's cosignature is a quorum over the job", async || {
        let policy: String = text(&federation, "/log/policy").await;
        let note = text(&federation, "/log/checkpoint").await;
        let note = Note::parse(note.as_bytes()).unwrap();
        let policy = TrustPolicy::parse(policy.as_bytes()).unwrap();
        let believed = policy.open(&note).ok()?;
        let standing: Value = federation.client.get("/v1/witnesses").await.ok()?;
        (standing["witnessed_size"] == believed.checkpoint.size()).then_some(believed.checkpoint)
    })
    .await;
    let status = federation.until_status("As the witness").await;
    assert!(status.contains(&vkey), "{status}");
    let (_, doctor) = federation.command(&["doctor"]);
    assert!(doctor.contains("is in use by a relay that runs"), "{doctor}");
    relay.kill();

    // What was acknowledged is written down: the next process goes on from there, and brings what it says once more.
    let record = std::fs::read_dir(federation.site.path("witness")).unwrap();
    let record = record.map(|entry| entry.unwrap().path());
    let record = record.filter(|path| path.extension().is_some_and(|end| end == "checkpoint"));
    let record = record.last().unwrap();
    let kept = Note::parse(&std::fs::read(&record).unwrap()).unwrap();
    assert!(Checkpoint::parse(kept.text()).unwrap().size() >= believed.size());
    let relay = federation.relay();
    let size = Checkpoint::parse(kept.text()).unwrap().size();
    federation.submit().await;
    until("the relay cosigns what came since", async || {
        let standing: Value = federation.client.get("/v1/witnesses").await.ok()?;
        (standing["witnesses"][0]["size"].as_u64()? > size).then_some(())
    })
    .await;
    assert!(relay.terminate());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tre_reports_its_counts_and_an_audit_compares_them_with_the_log() {
    let mut federation = Federation::new().await;
    let relay = federation.relay();
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    let (asked, said) = federation.command(&["report"]);
    assert!(asked, "{said}");
    let reported = until("the counts are in the log", async || {
        let entries = federation.client.entries("tre/wessex", None).await.ok()?;
        let event = daybook_core::event::Event::parse(&entries.last()?.event).unwrap();
        (event.claims().kind == "tre-reported").then_some(event)
    })
    .await;
    let data = &reported.claims().data;
    let number = |name: &str| data[name].as_u64().unwrap();
    assert_eq!(
        number("made"),
        number("acknowledged") + number("waiting"),
        "{data:?}"
    );
    assert!((1..=4).contains(&number("made")), "{data:?}");
    let left = federation.command(&["outbound", "--words"]).1;
    assert!(left.contains("tre-reported of tre/wessex"), "{left}");

    let (hub, state) = (federation.client.base().to_owned(), federation.site.text("audit"));
    let key = federation.log_key.to_string();
    let audit = run(&["audit", &hub, "--log-key", &key, "--state", &state, "--json"]);
    let report: Value = serde_json::from_str(stdout(&audit).trim()).unwrap();
    assert!(audit.status.success(), "{report}");
    for none in ["acknowledged-missing", "report-gap"] {
        assert_eq!(report["counts"].get(none), None, "{report}");
    }
    assert!(relay.terminate());
}

async fn text(federation: &Federation, path: &str) -> String {
    let url = format!("{}{path}", federation.client.base());
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

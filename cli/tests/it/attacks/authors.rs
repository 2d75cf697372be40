//! What authors are told, and what they do: backdating, withheld events, and keys that somebody else made.

use axum::http::{Method, StatusCode};
use daybook_agent::author::Draft;
use daybook_agent::client::Client;
use daybook_agent::keyfile::Keys;
use daybook_core::event::Event;
use daybook_core::id::{Stream, Subject};
use daybook_core::note::NoteSigner;
use serde_json::{Value, json};
use uuid::Uuid;

use super::forger::{Forged, alter};
use super::liar::{Asked, Liar};
use super::scene::{Auditor, ORIGIN, Scene, shared};
use crate::bin::{run, stderr, stdout};
use crate::relay::federation::Federation;

const DAY: i64 = 86_400;

/// An event without sealed fields.
pub(crate) fn draft_for(stream: &str, kind: &'static str, clear: Value) -> Draft<'static> {
    Draft {
        stream: stream.parse().unwrap(),
        kind,
        clear,
        sealed: Vec::new(),
    }
}

/// What a TRE counts of itself: an event that is quickly made.
pub(crate) fn counts() -> (&'static str, &'static str, Value) {
    let journal = daybook_core::Hash::of(b"journal").to_base64url();
    let clear = json!({ "made": 0, "acknowledged": 0, "waiting": 0, "runs": 0, "journal": journal });
    ("tre/wessex", "tre-reported", clear)
}

/// The event that somebody posts, if it is of a type.
fn posted(asked: &Asked, kind: &str) -> Option<Event> {
    if asked.method != Method::POST || !asked.path.starts_with("/v1/events") {
        return None;
    }
    let body: Value = serde_json::from_slice(&asked.body).ok()?;
    let event = Event::parse(body["event"].as_str()?).ok()?;
    (event.claims().kind == kind).then_some(event)
}

/// What a hub answers that has appended nothing: a receipt for a place where another entry stands.
fn false_receipt(event: &Event, index: u64) -> (StatusCode, Vec<u8>) {
    let claims = event.claims();
    let receipt = json!({
        "index": index, "leaf_hash": event.leaf().to_base64url(), "stream": claims.sub.to_string(), "seq": claims.seq,
    });
    (StatusCode::CREATED, receipt.to_string().into_bytes())
}

#[test]
fn an_event_that_is_dated_back_is_told() {
    let scene = shared();
    {
        let _turn = scene.federation();
        let event = scene.sign(&scene.keys("relay"), counts(), |claims| claims.iat -= 10 * DAY);
        scene.post(&event).unwrap();
    }
    let verdict = Auditor::new(&scene).audit(&scene.url, &[]);
    assert!(verdict.says("late"), "{verdict:#?}");
    let words = verdict.report.to_string();
    assert!(
        words.contains("tre/wessex/relay: 1 events, the latest by 239 h")
            || words.contains("tre/wessex/relay: 1 events, the latest by 240 h"),
        "{words}"
    );
}

#[test]
fn a_tre_for_which_the_operator_made_the_key_is_found_by_what_the_tre_publishes() {
    let scene = shared();
    let by_operator = Keys::fresh("tre/kent/root".parse().unwrap()).unwrap();
    let thumbprint = |keys: &Keys| keys.event.public().thumbprint().to_base64url();
    {
        let mut federation = scene.federation();
        let invited = json!({ "tre": "kent", "root": thumbprint(&by_operator) });
        let invited = draft_for("federation", "tre-invited", invited);
        scene.block_on(federation.operator.say(&invited)).unwrap();
        let registration = by_operator.registration(ORIGIN);
        let mut kent = scene.author(by_operator, &scene.url);
        let joined = Draft {
            sealed: vec![("name", "Kent".into())],
            ..draft_for("tre/kent", "tre-joined", json!({ "keys": registration }))
        };
        let receipt = scene.block_on(kent.say(&joined)).unwrap();
        scene.until_published(&receipt);
    }
    let own = Keys::fresh("tre/kent/root".parse().unwrap()).unwrap();
    let anchors = scene.path("anchors.txt");
    let root = scene.federation().root.clone();
    std::fs::write(
        &anchors,
        format!("tre wessex {root}\ntre kent {}\n", thumbprint(&own)),
    )
    .unwrap();
    let anchors = anchors.to_str().unwrap();
    let verdict = Auditor::new(&scene).audit(&scene.url, &["--anchors", anchors]);
    verdict.finds("tre-root-differs");
    let words = verdict.report.to_string();
    assert!(
        words.contains("kent by the root") && !words.contains("wessex by the root"),
        "{words}"
    );
}

#[test]
fn a_withheld_withdrawal_has_no_proof() {
    let scene = shared();
    let liar = Liar::before(&scene);
    liar.lie(|asked| Some(false_receipt(&posted(asked, "approval-withdrawn")?, 10)));
    let (review, workflow) = (scene.keys("review"), scene.federation().workflow);
    let stream = format!("approval/wessex/workflow/{workflow}");
    let withdrawn = scene.sign(
        &review,
        (&stream, "approval-withdrawn", json!({ "reason": "other" })),
        |_| {},
    );
    let client = Client::new(&liar.url).unwrap();
    // The hub says that it stands there.
    let receipt = scene.block_on(client.append(&withdrawn, &[], false)).unwrap();
    let proof = scene.block_on(client.proof(receipt.index)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (entry, proof) = (file("entry", withdrawn.as_str()), file("proof", &proof));
    let verified = run(&["verify", &proof, "--entry", &entry, "--log-key", &scene.log_key]);
    assert_eq!(verified.status.code(), Some(1));
    // An honest hub, asked for that leaf, has none; the author keeps the event and appends it elsewhere or again.
    assert!(
        scene
            .block_on(client.entry_of(withdrawn.leaf()))
            .unwrap()
            .is_none()
    );
}

/// What a runner says of a job from the queue until its workflow runs.
fn run_begins(scene: &Scene, federation: &Federation, job: Uuid) {
    let runner = scene.keys("runner");
    let facts = json!({
        "datasets": [federation.dataset], "member": federation.member_id, "project": federation.project,
        "workflow": federation.workflow,
    });
    let dataset = scene.block_on(federation.version(&Stream::Dataset(federation.dataset)));
    let more = json!({ "attempt": 1, "engine": "command", "versions": [dataset] });
    for (kind, more) in [("job-admitted", json!({})), ("run-started", more)] {
        let mut clear = facts.clone();
        clear
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let event = scene.sign(&runner, (&format!("job/{job}"), kind, clear), |_| {});
        scene.post(&event).unwrap();
    }
}

#[test]
fn a_withheld_withdrawal_names_what_went_on_meanwhile_when_it_comes() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let mut federation = scene.federation();
    liar.lie(|asked| Some(false_receipt(&posted(asked, "approval-withdrawn")?, 10)));
    let workflow = federation.workflow;
    let stream = format!("approval/wessex/workflow/{workflow}");
    // An hour ago, which the test does not wait for.
    let withdrawn = scene.sign(
        &scene.keys("review"),
        (&stream, "approval-withdrawn", json!({ "reason": "other" })),
        |claims| claims.iat -= 3_600,
    );
    let client = Client::new(&liar.url).unwrap();
    scene.block_on(client.append(&withdrawn, &[], false)).unwrap();

    // The TRE's services hear of approvals by the log alone: they go on.
    let relay = federation.relay();
    let job = scene.block_on(federation.submit());
    scene.block_on(federation.until_state(job, "signed-off"));
    assert!(relay.terminate());
    run_begins(&scene, &federation, job);
    let auditor = Auditor::new(&scene);
    let before = auditor.audit(&scene.url, &[]);
    assert!(!before.says("withdrawal-late"), "{before:#?}");

    // The author sends it again, and the hub takes it.
    let receipt = scene.post(&withdrawn).unwrap();
    scene.until_published(&receipt);
    let after = auditor.audit(&scene.url, &[]);
    after.holds();
    for kind in ["withdrawal-late", "approval-lapsed"] {
        assert!(after.says(kind), "{kind}: {after:#?}");
    }
    let findings = after.report["findings"].as_array().unwrap();
    let late = findings
        .iter()
        .find(|finding| finding["kind"] == "withdrawal-late");
    let late = late.unwrap();
    assert_eq!(late["index"], receipt.index);
    let words = late["words"].as_str().unwrap();
    assert!(
        words.contains(&stream) && words.contains(&job.to_string()),
        "{words}"
    );

    // As it was, for the other tests.
    let clear = json!({ "began": true, "destroyed": true, "stopped": true });
    let ended = scene.sign(
        &scene.keys("runner"),
        (&format!("job/{job}"), "job-cancelled", clear),
        |_| {},
    );
    scene.post(&ended).unwrap();
    let version = scene.block_on(federation.version(&Stream::Workflow(workflow)));
    scene.block_on(federation.approve(Subject::Workflow, workflow, &version));
}

#[test]
fn a_receipt_is_believed_by_event_append_only_with_a_proof_under_the_logs_key() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.json");
    let append = |url: &str, log_key: &str| {
        let file = file.to_str().unwrap();
        let output = run(&["event", "append", "--hub", url, "--log-key", log_key, file]);
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let _turn = scene.federation();
    let event = scene.sign(&scene.keys("relay"), counts(), |_| {});
    std::fs::write(&file, json!({ "event": event.as_str() }).to_string()).unwrap();
    let key_of = |log: &str| {
        let signer = NoteSigner::from_seed(log.parse().unwrap(), &[9; 32]).unwrap();
        signer.verifier().to_string()
    };
    let (code, said) = append(&scene.url, &key_of("other.example/log"));
    assert!(code == Some(1) && said.contains("nothing was sent"), "{said}");
    let none = |scene: &Scene| scene.block_on(Client::new(&scene.url).unwrap().entry_of(event.leaf()));
    assert!(none(&scene).unwrap().is_none());

    // A hub that has appended nothing, and names a place where another entry stands.
    liar.lie(|asked| Some(false_receipt(&posted(asked, "tre-reported")?, 10)));
    let (code, said) = append(&liar.url, &scene.log_key);
    assert!(
        code == Some(1) && said.contains("receipt does not hold"),
        "{said}"
    );
    assert!(!said.contains("appended"), "{said}");
    // The same, and puts the proof off for ever.
    liar.lie(|asked| {
        if asked.path.ends_with("/proof") {
            let problem = json!({ "type": "https://daybook.example/problems/not-published" });
            return Some((StatusCode::NOT_FOUND, problem.to_string().into_bytes()));
        }
        Some(false_receipt(&posted(asked, "tre-reported")?, 10))
    });
    let (code, said) = append(&liar.url, &scene.log_key);
    assert!(
        code == Some(75) && said.contains("no checkpoint covers"),
        "{said}"
    );
    assert!(none(&scene).unwrap().is_none());

    // It is appended, under a key that is not the one that this author trusts.
    let (code, said) = append(&scene.url, &key_of(ORIGIN));
    assert!(
        code == Some(1) && said.contains("receipt does not hold"),
        "{said}"
    );
    let (code, said) = append(&scene.url, &scene.log_key);
    assert!(code == Some(0) && said.contains("holds: entry"), "{said}");
}

/// Runs the TRE's relay with the liar between it and the hub.
fn behind(federation: &Federation, liar: &Liar) -> crate::relay::process::RelayProcess {
    federation.configure(&federation.door.url(), &liar.url);
    federation.relay()
}

/// The relay as it was.
fn freed(federation: &Federation, liar: &Liar) -> crate::relay::process::RelayProcess {
    federation.configure(&liar.url, &federation.door.url());
    federation.relay()
}

fn size(scene: &Scene) -> u64 {
    scene.entries().len() as u64
}

#[test]
fn a_refusal_that_the_hub_hides_is_missed_by_the_relay_which_cosigns_no_more() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let mut federation = scene.federation();
    liar.lie(|asked| Some(false_receipt(&posted(asked, "job-refused")?, 10)));
    let relay = behind(&federation, &liar);
    let job = scene.block_on(federation.submit_nothing());
    scene.block_on(federation.until_state(job, "collected"));
    let status = scene.block_on(federation.until_status("the hub acknowledged entry 10"));
    assert!(status.contains("the proof of entry 10 does not hold"), "{status}");
    assert_eq!(
        scene.block_on(federation.state(job)).as_deref(),
        Some("collected")
    );
    relay.kill();
    // The event is still in the outbox: an honest hub gets it.
    let relay = freed(&federation, &liar);
    scene.block_on(federation.until_state(job, "refused"));
    assert!(relay.terminate());
}

#[test]
fn a_tree_of_its_own_for_one_tre_is_not_taken_by_its_relay() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let federation = scene.federation();
    let relay = behind(&federation, &liar);
    let seen = scene.block_on(federation.until_status("Seen of the log"));
    assert!(!seen.contains("disagree"), "{seen}");
    let before = size(&scene);
    liar.serve(Forged::with(&scene, |entries| {
        let last = entries.len() - 1;
        entries[last] = alter(&entries[last], |claims| claims.iat -= 1);
        entries.push(entries[0].clone());
    }));
    let status = scene.block_on(federation.until_status("disagree"));
    assert!(status.contains("Keep both: they prove it"), "{status}");
    // And nothing of that tree is cosigned.
    let record = witness_record(&scene);
    assert!(record <= before, "{record} of {before}");
    assert!(relay.terminate());
    let relay = freed(&federation, &liar);
    scene.block_on(federation.until_status("As the witness"));
    assert!(relay.terminate());
}

/// The size of the checkpoint that the relay's witness has cosigned last.
fn witness_record(scene: &Scene) -> u64 {
    let folder = std::fs::read_dir(scene.path("witness")).unwrap();
    let mut files = folder.map(|entry| entry.unwrap().path());
    let record = files.find(|path| path.extension().is_some_and(|end| end == "checkpoint"));
    let text = std::fs::read_to_string(record.unwrap()).unwrap();
    text.lines().nth(1).unwrap().parse().unwrap()
}

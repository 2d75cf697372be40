//! Events are outputs: what leaves before release says nothing of the data, and nothing uncleared leaves at all.

use std::fs;
use std::path::Path;

use daybook_core::event::Event;
use daybook_study::generate_data;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::place::{Job, Place, kinds};
use super::study::{CANARY, Plot};

/// An event without what differs between any two: ids, salts, commitments, signatures, time step.
fn plain(event: &Event) -> Value {
    let claims = event.claims();
    let mut data = Value::Object(claims.data.clone());
    if let Some(digests) = data.get_mut("_sd") {
        // How many there are is fixed by the type, and is compared.
        *digests = digests.as_array().unwrap().len().into();
    }
    for (name, value) in data.as_object_mut().unwrap() {
        let is_of_the_job = matches!(name.as_str(), "outputs" | "cause" | "submission");
        if is_of_the_job {
            *value = value.to_string().len().into();
        }
    }
    json!({
        "aud": claims.aud, "data": data, "iss": claims.iss.to_string(), "kid": event.kid().to_base64url(),
        "seq": claims.seq, "type": claims.kind, "v": claims.version,
        "has_prev": claims.prev.is_some(), "has_seen": claims.seen.is_some(),
    })
}

/// A job up to the moment when people decide, as the public can see it then.
async fn up_to_the_decision(place: &mut Place, data: &str) -> (Job, Vec<Value>) {
    place.put_data(data);
    let job = place.submit_shipped().await;
    place.until_state(job, "assessed").await;
    let events = place.events(job).await;
    let public: Vec<Value> = events.iter().map(plain).collect();
    (job, public)
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_differ_only_in_the_data_are_told_alike() {
    let mut place = Place::new().await;
    let (_, first) = up_to_the_decision(&mut place, &generate_data("wessex", 6000)).await;
    assert_eq!(first.len(), 8);
    let given = ("[a-z]{1,8}", 0_usize..4000);
    // Each case is a whole run, so there are few; the data that they draw are of every size.
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(4)
    });
    for _ in 0..4 {
        let (seed, rows) = given.new_tree(&mut runner).unwrap().current();
        let (_, other) = up_to_the_decision(&mut place, &generate_data(&seed, rows)).await;
        assert_eq!(first, other, "{rows} rows of {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_withheld_leaves_no_byte_outside_of_the_controlled_zone() {
    let mut place = Place::new().await;
    let workflow = place.adopt(Plot::Leaks).await;
    let data = generate_data("wessex", 20).replace("FICTIONAL-000007", CANARY);
    assert!(data.contains(CANARY));
    place.put_data(&data);
    let refused = place.submit(Plot::Leaks, workflow).await;
    let part = place.submit(Plot::Leaks, workflow).await;
    for job in [refused, part] {
        place.until_state(job, "assessed").await;
    }
    assert!(
        is_in(&place.path("runner"), CANARY),
        "the output does hold it, inside"
    );
    let id = refused.id.to_string();
    let no = ["--reason", "disclosure-risk", "--text", "It lists people."];
    place.review(&[&["refuse", &id, "--reviewer", "Rosalind"], &no[..]].concat());
    place.both("approve", part, &["--only", "summary.json"]);
    place.until_state(refused, "withheld").await;
    place.until_state(part, "released").await;
    place.results(refused).await;
    assert!(kinds(&place.events(refused).await).contains(&"disclosure-refused"));

    // Neither the output nor its name: on the disk of the polling zone, in a log, in the hub's own folder, in what was sent.
    for (folder, words) in [
        ("relay", &[CANARY, "counts.csv"][..]),
        ("relay.log", &[CANARY, "counts.csv"]),
        ("runner.log", &[CANARY]),
        ("data", &[CANARY]),
    ] {
        for word in words {
            assert!(!is_in(&place.path(folder), word), "{word} is in {folder}");
        }
    }
    for job in [refused, part] {
        let bag = place.results(job).await;
        for (path, bytes) in &bag.payload {
            assert!(!contains(bytes, CANARY) && !path.contains("counts"), "{path}");
            assert!(
                !contains(bytes, "counts.csv") || path.starts_with("workflow/"),
                "{path}"
            );
        }
    }
    let (_, outbound) = place.federation.command(&["outbound"]);
    assert!(!outbound.contains(CANARY) && outbound.len() > 1000);
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Whether a file, or one below a folder, holds a word.
fn is_in(path: &Path, word: &str) -> bool {
    if path.is_dir() {
        let mut entries = fs::read_dir(path).unwrap().filter_map(Result::ok);
        return entries.any(|entry| is_in(&entry.path(), word));
    }
    // A socket or a file that goes meanwhile holds nothing.
    fs::read(path).is_ok_and(|bytes| contains(&bytes, word))
}

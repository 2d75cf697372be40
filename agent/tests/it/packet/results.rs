//! Results as whole packets: every end of a job, held against our own rules and read by others.

use std::process::Command;

use daybook_agent::packet::{
    Bag, Limits, METADATA_PATH, Outcome, Output, RULES, Severity, check_result, commitment,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::crates::{released, result, review, step};
use super::edits::{RUN, edit, entity, metadata};
use crate::support::shared_data;

pub(super) fn withheld() -> Outcome {
    Outcome::Withheld {
        disclosure: step(5, "2026-11-03T10:00:00Z"),
    }
}

fn abandoned() -> Outcome {
    Outcome::Abandoned {
        attempts: 3,
        code: Some("memory-limit".to_owned()),
    }
}

/// A part of the outputs, one of them in a folder and with a name that needs care.
fn part() -> Outcome {
    let Outcome::Released {
        started,
        ended,
        engine,
        disclosure,
        mut outputs,
        salt,
        ..
    } = released()
    else {
        panic!()
    };
    outputs.push(Output {
        path: "figures/a <b> & \"c\".svg".to_owned(),
        name: "<script>alert('x')</script>".to_owned(),
        media_type: "image/svg+xml".to_owned(),
        bytes: b"<svg/>".to_vec(),
    });
    Outcome::Released {
        started,
        ended,
        engine,
        disclosure,
        partial: true,
        outputs,
        salt,
    }
}

#[rstest]
#[case::all(released())]
#[case::part(part())]
#[case::withheld(withheld())]
#[case::refused(Outcome::Refused)]
#[case::cancelled(Outcome::Cancelled { began: false })]
#[case::stopped(Outcome::Cancelled { began: true })]
#[case::abandoned(abandoned())]
fn every_end_of_a_job_makes_a_packet_without_a_finding(#[case] outcome: Outcome) {
    let bag = result(&outcome, &review());
    assert_eq!(check_result(&bag), Ok(Vec::new()));
    let opened = Bag::from_zip(&bag.to_zip().unwrap(), &Limits::default()).unwrap();
    assert_eq!(opened, bag);
    let page = String::from_utf8(bag.payload["ro-crate-preview.html"].clone()).unwrap();
    assert!(page.contains("Wessex Secure Data") && page.contains("Ada Example"));
    assert!(
        !page.contains("<script") && !page.contains("http-equiv=\"refresh"),
        "{page}"
    );
    let is_released = matches!(outcome, Outcome::Released { .. });
    assert_eq!(commitment::of_released(&bag).is_some(), is_released);
    for (path, bytes) in bag.payload.iter().filter(|_| !is_released) {
        let text = String::from_utf8_lossy(bytes);
        for trace in ["outputs/", "counts.csv", "outputs-salt", "planted"] {
            // The workflow's own files may name what it makes.
            assert!(
                path.starts_with("workflow/") || !text.contains(trace),
                "{path}: {trace}"
            );
        }
    }
}

#[test]
fn a_run_that_failed_says_why_by_its_code_alone() {
    let document = metadata(&result(&abandoned(), &review()));
    let run = entity(&document, RUN);
    let error = run["error"].as_str().unwrap();
    assert!(
        error.contains("3 runs") && error.contains("memory-limit"),
        "{error}"
    );
    assert!(run.get("result").is_none() && run.get("startTime").is_none());
    let began = metadata(&result(&Outcome::Cancelled { began: true }, &review()));
    assert!(entity(&began, RUN)["error"].as_str().unwrap().contains("stopped"));
}

#[test]
fn a_partial_release_says_so_and_names_what_it_holds_alone() {
    let bag = result(&part(), &review());
    let document = metadata(&bag);
    let results = entity(&document, RUN)["result"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let check = document["@graph"].as_array().unwrap().iter();
    let mut check =
        check.filter(|entity| entity["additionalType"]["@id"] == "https://w3id.org/shp#DisclosureCheck");
    assert!(
        check.next().unwrap()["name"]
            .as_str()
            .unwrap()
            .ends_with("approved in part")
    );
    let page = String::from_utf8(bag.payload["ro-crate-preview.html"].clone()).unwrap();
    assert!(page.contains("a part of its outputs") && page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
}

/// A released result after a change of its metadata.
fn changed(change: impl FnOnce(&mut Value)) -> Bag {
    let mut bag = result(&released(), &review());
    let mut document = metadata(&bag);
    change(&mut document);
    let bytes = document.to_string().into_bytes();
    bag.payload.insert(METADATA_PATH.to_owned(), bytes);
    bag
}

/// The id of the mentioned action of a phase.
fn phase(document: &Value, kind: &str) -> String {
    let wanted = format!("https://w3id.org/shp#{kind}");
    let graph = document["@graph"].as_array().unwrap();
    let found = graph
        .iter()
        .find(|entity| entity["additionalType"]["@id"] == *wanted);
    found.unwrap()["@id"].as_str().unwrap().to_owned()
}

fn set(kind: &str, key: &str, value: Value) -> Bag {
    changed(|document| {
        let id = phase(document, kind);
        edit(document, &id)[key] = value;
    })
}

fn broken() -> Vec<(&'static str, Bag)> {
    let mut stray = result(&withheld(), &review());
    stray
        .payload
        .insert("outputs/counts.csv".to_owned(), b"1".to_vec());
    let mut gone = result(&released(), &review());
    gone.payload.remove("outputs/counts.csv");
    let failed = json!("http://schema.org/FailedActionStatus");
    vec![
        (
            "result-assessed",
            changed(|document| {
                let id = phase(document, "SignOff");
                let mentions = edit(document, "./")["mentions"].as_array_mut().unwrap();
                mentions.retain(|mention| mention["@id"] != *id);
            }),
        ),
        ("result-phase", set("SignOff", "actionStatus", failed.clone())),
        ("result-action", set("ValidationCheck", "name", Value::Null)),
        (
            "result-action",
            set("ValidationCheck", "actionStatus", json!("done")),
        ),
        (
            "result-action",
            set("CheckValue", "agent", json!({"@id": "#nobody"})),
        ),
        (
            "result-provider",
            changed(|document| edit(document, "#relay")["provider"] = Value::Null),
        ),
        (
            "result-times",
            set("DisclosureCheck", "endTime", json!("2023-05-1518:00:00+01:00")),
        ),
        ("result-output", gone),
        (
            "result-output",
            changed(|document| edit(document, RUN)["actionStatus"] = failed.clone()),
        ),
        ("result-stray", stray),
        ("result-withheld", set("DisclosureCheck", "actionStatus", failed)),
    ]
}

#[test]
fn every_must_of_a_result_has_a_packet_that_breaks_it() {
    let mut seen = std::collections::BTreeSet::new();
    for (code, bag) in broken() {
        let found = check_result(&bag).expect_err(code);
        assert!(
            found.iter().any(|finding| finding.rule.code == code),
            "{code}: {found:?}"
        );
        seen.insert(code);
    }
    let musts = RULES.iter().filter(|rule| rule.severity == Severity::Must);
    let musts = musts
        .map(|rule| rule.code)
        .filter(|code| code.starts_with("result-"));
    assert_eq!(seen, musts.collect());
}

#[test]
fn the_published_result_has_the_same_structure_once_its_known_defects_are_mended() {
    let Some(folder) = shared_data() else { return };
    let bytes = std::fs::read(folder.join("five-safes-crates/example-result.bagit.zip")).unwrap();
    let mut bag = Bag::from_zip(&bytes, &Limits::default()).unwrap();
    let codes = |bag: &Bag| -> Vec<&'static str> {
        let mut codes: Vec<_> = check_result(bag)
            .unwrap_err()
            .iter()
            .map(|finding| finding.rule.code)
            .collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    assert_eq!(codes(&bag), ["result-action", "result-output", "result-stray"]);
    let text = String::from_utf8(bag.payload[METADATA_PATH].clone()).unwrap();
    let text = text
        .replace(
            "#validator-a4a66c63-2fe0-4c57-830d-268a40718313",
            "https://tre72.example.com/#crate-validator",
        )
        .replace("outputs/table.csv", "outputs/qa.csv")
        .replace(
            "http://schema.org/CompleteActionStatus",
            "http://schema.org/CompletedActionStatus",
        );
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let graph = document["@graph"].as_array_mut().unwrap();
    for (id, kind) in [
        ("http://proxy.example.com/", "SoftwareApplication"),
        ("https://orcid.org/0000-0002-1825-0097", "Person"),
    ] {
        graph.push(
            json!({"@id": id, "@type": kind, "name": "x", "provider": {"@id": "https://tre72.example.com/"}}),
        );
    }
    let parts = edit(&mut document, "./")["hasPart"].as_array_mut().unwrap();
    parts.extend(["outputs/qa.csv", "outputs/diagrams/"].map(|id| json!({"@id": id})));
    bag.payload
        .insert(METADATA_PATH.to_owned(), document.to_string().into_bytes());
    let warnings = check_result(&bag).unwrap_or_else(|found| panic!("{found:?}"));
    assert!(
        warnings
            .iter()
            .all(|finding| finding.rule.severity != Severity::Must)
    );
}

/// Another implementation of RO-Crate 1.2's rules reads every kind of result, without a network. It is `roc-validator`, whose
/// packages exclude ones that the other tests need: `DAYBOOK_ROC_PYTHON` names a Python that has it.
#[test]
fn an_independent_validator_finds_our_crates_to_be_ro_crates() {
    let Some(data) = shared_data() else { return };
    let Some(python) = std::env::var_os("DAYBOOK_ROC_PYTHON") else {
        eprintln!("DAYBOOK_ROC_PYTHON is not set: no other program validates our crates in this run");
        return;
    };
    let all = [part(), withheld(), Outcome::Refused, abandoned()];
    let folders = all.map(|outcome| {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in result(&outcome, &review()).payload {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    });
    let output = Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/packet/roc_validate.py"
        ))
        .arg(data.join("ro-crate-contexts/ro-crate-1.2-context.jsonld"))
        .args(folders.iter().map(tempfile::TempDir::path))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.ends_with("issues: 0\n"),
        "{output:?}"
    );
}

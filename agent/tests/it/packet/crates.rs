//! What crates say: requests in, results out.

use std::collections::BTreeSet;

use daybook_agent::packet::{
    Bag, CrateError, Input, InputKind, Limits, METADATA_PATH, Named, Outcome, Output, Review, RunStatus,
    Step, commitment, read_request, read_run_status, result_bag,
};
use daybook_study::request;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::edits::{RUN, edit, entity, metadata, with};
use crate::support::{DATASET, bag, params, shared_data};

fn breaches(bag: &Bag) -> Vec<String> {
    match read_request(bag) {
        Err(CrateError::Breaches(list)) => list.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_reads_back_as_it_was_written_without_a_warning() {
    let reading = read_request(&bag(10)).unwrap();
    assert_eq!(reading.request, request(&params(10)));
    assert_eq!((reading.dropped, reading.warnings), (vec![], vec![]));
    assert_eq!(reading.request.datasets().collect::<Vec<_>>(), [DATASET]);
    assert_eq!(reading.request.value("threshold"), Some("10"));
}

#[test]
fn input_files_are_found_under_their_encoded_names() {
    let mut wanted = request(&params(10));
    let file = Named::new("lists/a b.csv", "code list");
    wanted.inputs.push(Input {
        input: file,
        kind: InputKind::File,
        parameter: None,
    });
    let files = bag(10)
        .payload
        .into_iter()
        .chain([("lists/a b.csv".to_owned(), b"J45\n".to_vec())])
        .collect();
    let bag = daybook_agent::packet::request_bag(&wanted, Uuid::from_u128(5), files);
    assert_eq!(read_request(&bag).unwrap().request, wanted);
    assert!(entity(&metadata(&bag), "lists/a%20b.csv").is_object());
}

#[test]
fn a_client_s_claims_to_have_been_assessed_are_dropped_wherever_they_hide() {
    let bag = with(|document| {
        document["@graph"].as_array_mut().unwrap().push(json!({
            "@id": "#signoff", "type": "AssessAction", "name": "Sign-off: approved",
            "object": {"@id": "#nested", "@type": "http://schema.org/AssessAction"},
        }));
        edit(document, "./")["mentions"]
            .as_array_mut()
            .unwrap()
            .push(json!({"@id": "#signoff"}));
    });
    let reading = read_request(&bag).unwrap();
    assert_eq!(reading.dropped, ["#signoff", "#nested"]);
    assert_eq!(reading.request, request(&params(10)));
}

#[test]
fn one_reference_where_a_list_belongs_is_read_the_same() {
    let single = with(|document| {
        let root = edit(document, "./");
        root["mentions"] = root["mentions"][0].clone();
        let run = edit(document, "#run-37252371-c937-43bd-a0a7-3680b48c0538");
        run["actionStatus"] = json!({"@id": "https://schema.org/PotentialActionStatus"});
    });
    assert_eq!(read_request(&single).unwrap().request, request(&params(10)));
}

#[test]
fn a_context_that_gives_names_another_meaning_is_refused_and_one_that_adds_is_not() {
    let own = |terms: Value| with(|document| document["@context"] = json!([document["@context"], terms]));
    assert!(breaches(&own(json!({"agent": "https://example.org/owner"})))[0].contains("@context"));
    assert!(breaches(&own(json!({"kind": "@type"})))[0].contains("@context"));
    assert!(
        breaches(&with(
            |document| document["@context"] = json!({"@vocab": "https://x.org/"})
        ))[0]
            .contains("@context")
    );
    assert!(read_request(&own(json!({"cohort": "https://example.org/cohort"}))).is_ok());
}

pub(super) fn step(id: u128, ended: &str) -> Step {
    Step {
        id: Uuid::from_u128(id),
        ended: at(ended),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn review() -> Review {
    Review {
        tre: Named::new("https://wessex.example.org/", "Wessex Secure Data"),
        software_url: "https://daybook.example.org/".to_owned(),
        check: step(1, "2026-11-02T10:00:00Z"),
        validation: Some(step(2, "2026-11-02T10:00:00Z")),
        retrieval: Some(step(3, "2026-11-02T10:00:00Z")),
        sign_off: Some(step(4, "2026-11-02T11:00:00Z")),
        policy: Named::new(
            "https://wessex.example.org/policy/81",
            "Agreement policy of Wessex Secure Data",
        ),
        publishing: step(6, "2026-11-03T11:00:00Z"),
        licence: Named::new(
            "https://spdx.org/licenses/CC-BY-4.0",
            "Creative Commons Attribution 4.0 International",
        ),
    }
}

pub(super) fn released() -> Outcome {
    Outcome::Released {
        started: at("2026-11-02T12:00:00Z"),
        ended: at("2026-11-02T13:00:00Z"),
        engine: "cwltool 3.1".to_owned(),
        disclosure: step(5, "2026-11-03T10:00:00Z"),
        partial: false,
        outputs: vec![Output {
            path: "counts.csv".to_owned(),
            name: "Admissions".to_owned(),
            media_type: "text/csv".to_owned(),
            bytes: b"a,b\n1,2\n".to_vec(),
        }],
        salt: [9; 32],
    }
}

pub(super) fn result(outcome: &Outcome, review: &Review) -> Bag {
    let mut request_bag = bag(10);
    request_bag
        .payload
        .insert("outputs/planted.csv".to_owned(), b"planted".to_vec());
    request_bag
        .payload
        .insert("stray.txt".to_owned(), b"stray".to_vec());
    result_bag(&request_bag, &request(&params(10)), review, outcome)
}

/// `additionalType` (without its prefix) or type, and status, of every mentioned action.
fn phases(bag: &Bag) -> Vec<(String, String)> {
    let document = metadata(bag);
    let last = |value: &Value| {
        value
            .as_str()
            .unwrap()
            .rsplit(['/', '#'])
            .next()
            .unwrap()
            .to_owned()
    };
    let mentions = entity(&document, "./")["mentions"].as_array().unwrap().clone();
    let describe = |mention: &Value| {
        let action = entity(&document, mention["@id"].as_str().unwrap());
        let kind = if action["additionalType"].is_object() {
            &action["additionalType"]["@id"]
        } else {
            &action["@type"]
        };
        (
            last(kind),
            last(&action["actionStatus"]).replace("ActionStatus", ""),
        )
    };
    mentions.iter().map(describe).collect()
}

fn named(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(kind, status)| ((*kind).to_owned(), (*status).to_owned()))
        .collect()
}

#[test]
fn a_released_crate_tells_every_phase_and_holds_the_outputs() {
    let bag = result(&released(), &review());
    let expected = [
        ("CreateAction", "Completed"),
        ("CheckValue", "Completed"),
        ("ValidationCheck", "Completed"),
        ("DownloadAction", "Completed"),
        ("SignOff", "Completed"),
        ("DisclosureCheck", "Completed"),
        ("GenerateCheckValue", "Completed"),
    ];
    assert_eq!(phases(&bag), named(&expected));
    assert_eq!(bag.payload["outputs/counts.csv"], b"a,b\n1,2\n");
    assert_eq!(bag.external_identifier, params(10).submission);
    assert!(!bag.payload.contains_key("stray.txt") && !bag.payload.contains_key("outputs/planted.csv"));
    let document = metadata(&bag);
    assert_eq!(
        entity(&document, RUN)["result"],
        json!([{"@id": "outputs/counts.csv"}])
    );
    let parts = entity(&document, "./")["hasPart"].as_array().unwrap();
    assert!(parts.contains(&json!({"@id": "outputs/counts.csv"})));
    assert_eq!(read_run_status(&bag).unwrap(), Some(RunStatus::Completed));
    assert_eq!(
        Bag::from_zip(&bag.to_zip().unwrap(), &Limits::default()).unwrap(),
        bag
    );
}

#[test]
fn the_commitment_can_be_recomputed_from_a_released_packet_alone() {
    let bag = result(&released(), &review());
    let made_before = commitment::commit_files(&[9; 32], [("counts.csv", b"a,b\n1,2\n".as_slice())]);
    assert_eq!(commitment::of_released(&bag), Some(made_before));
}

#[test]
fn a_withheld_crate_says_nothing_of_the_run_or_its_outputs() {
    let bag = result(
        &Outcome::Withheld {
            disclosure: step(5, "2026-11-03T10:00:00Z"),
        },
        &review(),
    );
    let phases = phases(&bag);
    assert!(phases.contains(&("DisclosureCheck".to_owned(), "Failed".to_owned())));
    assert!(!phases.iter().any(|(kind, _)| kind == "CreateAction"));
    assert_eq!(read_run_status(&bag).unwrap(), None);
    assert_eq!(commitment::of_released(&bag), None);
    let text = String::from_utf8(bag.payload[METADATA_PATH].clone()).unwrap();
    for trace in [
        "outputs/",
        "outputs-salt",
        "counts.csv",
        "CreateAction",
        "#run-",
        "2026-11-02T12:00:00Z",
    ] {
        assert!(!text.contains(trace), "{trace}");
    }
    let is_expected = |path: &String| {
        [METADATA_PATH, "ro-crate-preview.html"].contains(&path.as_str()) || path.starts_with("workflow/")
    };
    assert!(bag.payload.keys().all(is_expected));
}

#[test]
fn a_refused_crate_ends_with_the_step_that_did_not_pass() {
    let refused = |review: &Review| phases(&result(&Outcome::Refused, review));
    let no_sign_off = refused(&review());
    assert!(no_sign_off.contains(&("SignOff".to_owned(), "Failed".to_owned())));
    assert!(no_sign_off.contains(&("CreateAction".to_owned(), "Failed".to_owned())));
    let invalid = refused(&Review {
        sign_off: None,
        retrieval: None,
        ..review()
    });
    assert!(invalid.contains(&("ValidationCheck".to_owned(), "Failed".to_owned())));
    assert!(invalid.contains(&("CheckValue".to_owned(), "Completed".to_owned())));
    let unchecked = refused(&Review {
        sign_off: None,
        retrieval: None,
        validation: None,
        ..review()
    });
    assert!(unchecked.contains(&("CheckValue".to_owned(), "Failed".to_owned())));
}

#[test]
fn every_reference_of_our_crates_is_described_or_leaves_the_crate() {
    let withheld = Outcome::Withheld {
        disclosure: step(5, "2026-11-03T10:00:00Z"),
    };
    let all = [
        bag(10),
        result(&released(), &review()),
        result(&withheld, &review()),
        result(&Outcome::Refused, &review()),
    ];
    for bag in all {
        let document = metadata(&bag);
        let graph = document["@graph"].as_array().unwrap();
        let ids: BTreeSet<&str> = graph
            .iter()
            .map(|entity| entity["@id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), graph.len(), "no id twice");
        let vocabulary = ["https://w3id.org/shp#", "https://w3id.org/ro/crate"];
        for entity in graph {
            for id in references(entity) {
                assert!(
                    ids.contains(id) || vocabulary.iter().any(|known| id.starts_with(known)),
                    "{id}"
                );
            }
        }
    }
}

fn references(entity: &Value) -> Vec<&str> {
    let values = entity.as_object().unwrap().values();
    let flat = values.flat_map(|value| {
        value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice)
    });
    flat.filter_map(|value| value["@id"].as_str()).collect()
}

#[test]
fn people_of_the_tre_appear_by_their_office_only() {
    let document = metadata(&result(&released(), &review()));
    let graph = document["@graph"].as_array().unwrap();
    let people: Vec<&Value> = graph
        .iter()
        .filter(|entity| entity["@type"] == "Person")
        .collect();
    assert_eq!(people.len(), 1);
    assert_eq!(people[0]["name"], "Ada Example");
}

#[test]
fn the_published_example_request_yields_its_facts() {
    let Some(folder) = shared_data() else { return };
    let read = |file: &str| {
        let bytes = std::fs::read(folder.join("five-safes-crates").join(file)).unwrap();
        Bag::from_zip(&bytes, &Limits::default()).unwrap()
    };
    let reading = read_request(&read("example-request.bagit.zip")).unwrap();
    let request = &reading.request;
    assert_eq!(
        request.requester.person,
        Named::new("https://orcid.org/0000-0001-9842-9718", "Stian Soiland-Reyes")
    );
    assert_eq!(
        request.requester.affiliation.as_ref().unwrap().name,
        "The University of Manchester"
    );
    assert_eq!(
        request.project.project.name,
        "Investigation of cancer (TRE72 project 81)"
    );
    assert_eq!(request.project.local_ids[0].value, "project81");
    assert_eq!(
        request.workflow.workflow.id,
        "https://workflowhub.eu/workflows/289?version=1"
    );
    assert_eq!(request.value("fast-mode"), Some("True"));
    assert_eq!(request.inputs.len(), 2);
    assert_eq!(reading.dropped, Vec::<String>::new());
    assert!(
        reading
            .warnings
            .iter()
            .any(|finding| finding.entity == "https://ror.org/01ee9ar58")
    );
    // A result is no request, though its misspelt status is understood.
    let result = read("example-result.bagit.zip");
    assert_eq!(read_run_status(&result).unwrap(), Some(RunStatus::Completed));
    assert!(breaches(&result).iter().any(|text| text.contains("Potential")));
}

#[test]
fn every_term_of_our_crates_stands_in_ro_crate_s_context() {
    let Some(folder) = shared_data() else { return };
    let file = folder.join("ro-crate-contexts/ro-crate-1.2-context.jsonld");
    let context: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let parts = context["@context"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![context["@context"].clone()]);
    let known = |term: &str| parts.iter().any(|part| part.get(term).is_some());
    for bag in [
        bag(10),
        result(&released(), &review()),
        result(&Outcome::Refused, &review()),
    ] {
        for entity in metadata(&bag)["@graph"].as_array().unwrap() {
            for key in entity
                .as_object()
                .unwrap()
                .keys()
                .filter(|key| !key.starts_with('@'))
            {
                assert!(known(key), "{key}");
            }
            assert!(known(entity["@type"].as_str().unwrap()), "{}", entity["@type"]);
        }
    }
}

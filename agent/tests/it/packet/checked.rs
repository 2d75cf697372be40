//! Packets that a TRE takes: with which warnings, and what is left of them.

use std::path::Path;

use daybook_agent::packet::{Checked, Limits, METADATA_PATH, RULES, Severity, check, document, read_request};
use daybook_study::request;
use serde_json::{Value, json};

use super::edits::{PROJECT, RUN, edit, metadata, with};
use super::refusals::{bagged, zip, zip_folder};
use crate::support::{bag, params, shared_data};

fn checked(bytes: &[u8]) -> Checked {
    check(bytes, &Limits::default()).unwrap_or_else(|refused| panic!("{refused}"))
}

fn codes(checked: &Checked) -> Vec<&'static str> {
    let mut codes: Vec<_> = checked.findings.iter().map(|finding| finding.rule.code).collect();
    codes.dedup();
    codes
}

#[test]
fn a_good_packet_is_taken_without_a_warning() {
    let checked = checked(&bag(10).to_zip().unwrap());
    assert_eq!(checked.request, request(&params(10)));
    assert_eq!(
        (checked.warnings(), checked.removed.len()),
        (Vec::<String>::new(), 0)
    );
    assert_eq!(checked.bag, bag(10));
}

/// A request with the defects of the profile's own published example: one object in `mentions`, a draft of RO-Crate, a
/// member that is not described, nothing that says what the crate is, and pages for people beside it.
fn like_the_published_one() -> Vec<u8> {
    let document = json!({
        "@context": "https://w3id.org/ro/crate/1.2-DRAFT/context",
        "@graph": [
            {"@type": "CreativeWork", "@id": METADATA_PATH, "about": {"@id": "./"},
             "conformsTo": {"@id": "https://w3id.org/ro/crate/1.2-DRAFT"}},
            {"@id": "./", "@type": "Dataset", "conformsTo": {"@id": "https://w3id.org/5s-crate/0.4"},
             "hasPart": [{"@id": "https://flows.example/9?version=2"}, {"@id": "list.txt"}],
             "mainEntity": {"@id": "https://flows.example/9?version=2"},
             "mentions": {"@id": "#query-5b7a1c7e-4b1e-4f0e-9d1c-7a6f5f2b9a11"},
             "sourceOrganization": {"@id": "#project"}},
            {"@id": "https://flows.example/9?version=2", "@type": "Dataset", "name": "Flow",
             "conformsTo": {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
             "distribution": {"@id": "https://flows.example/9/crate?version=2"}},
            {"@id": "#query-5b7a1c7e-4b1e-4f0e-9d1c-7a6f5f2b9a11", "@type": "CreateAction", "name": "Execute query 12",
             "actionStatus": "http://schema.org/PotentialActionStatus", "agent": {"@id": "https://orcid.example/1"},
             "instrument": {"@id": "https://flows.example/9?version=2"}, "object": [{"@id": "list.txt"}, {"@id": "#fast"}]},
            {"@id": "https://orcid.example/1", "@type": "Person", "name": "Ada",
             "affiliation": {"@id": "https://ror.example/1"}, "memberOf": [{"@id": "#project"}]},
            {"@id": "https://ror.example/1", "@type": "Organization", "name": "University"},
            {"@id": "#project", "@type": "Project", "name": "Project 81", "identifier": [{"@id": "_:localid:tre72:81"}],
             "member": [{"@id": "https://ror.example/1"}, {"@id": "https://ror.example/2"}]},
            {"@id": "_:localid:tre72:81", "@type": "PropertyValue", "name": "tre72", "value": "81"},
            {"@id": "list.txt", "@type": "File", "name": "list", "exampleOfWork": {"@id": "#codes"}},
            {"@id": "#codes", "@type": "FormalParameter", "name": "codes"},
            {"@id": "#fast", "@type": "PropertyValue", "name": "--fast", "value": true, "exampleOfWork": {"@id": "#f"}},
            {"@id": "#f", "@type": "FormalParameter", "name": "fast"},
        ],
    });
    zip(&bagged([
        ("data/list.txt", b"J45\n".to_vec()),
        ("data/index.html", b"<script>alert(1)</script>".to_vec()),
        ("data/ro-crate-preview.html", b"<p>".to_vec()),
        (
            &format!("data/{METADATA_PATH}"),
            document.to_string().into_bytes(),
        ),
    ]))
}

#[test]
fn what_published_crates_do_is_tolerated_and_told() {
    let checked = checked(&like_the_published_one());
    let expected = [
        "tolerated-draft",
        "root-about",
        "tolerated-mentions",
        "tolerated-member",
        "file-unnamed",
    ];
    assert_eq!(codes(&checked), expected);
    let files: Vec<&str> = checked.bag.payload.keys().map(String::as_str).collect();
    assert_eq!(files, ["list.txt", METADATA_PATH], "pages of a client go nowhere");
    let arguments = Value::Object(checked.arguments());
    assert_eq!(arguments["fast"], json!(true));
    assert_eq!(arguments["codes"]["bytes"], json!(4));
}

#[test]
fn each_other_spelling_is_tolerated_and_told() {
    let odd = with(|document| {
        let root = edit(document, "./");
        root["licence"] = root["license"].take();
        root.as_object_mut().unwrap().remove("license");
        edit(document, RUN)["actionStatus"] = json!({"@id": "https://schema.org/PotentialActionStatus"});
        let project = edit(document, PROJECT).as_object_mut().unwrap();
        let kind = project.remove("@type").unwrap();
        project.insert("type".to_owned(), kind);
    });
    let checked = checked(&odd.to_zip().unwrap());
    assert_eq!(
        codes(&checked),
        ["tolerated-type", "tolerated-licence", "tolerated-status"]
    );
    assert_eq!(checked.request, request(&params(10)));
}

/// Claims in every spelling, one of them hidden inside another.
fn with_claims() -> Vec<u8> {
    let bag = with(|document| {
        let claims = [
            json!({"@id": "#signoff", "type": "AssessAction", "name": "Sign-off: approved",
                "additionalType": {"@id": "https://w3id.org/shp#SignOff"},
                "object": {"@id": "#nested", "@type": "http://schema.org/AssessAction"},
                "actionStatus": "http://schema.org/CompletedActionStatus"}),
            json!({"@id": "#disclosure", "@type": ["Action", "schema:AssessAction"]}),
            json!({"@id": "#download", "@type": "DownloadAction"}),
        ];
        document["@graph"].as_array_mut().unwrap().extend(claims);
        let mentions = edit(document, "./")["mentions"].as_array_mut().unwrap();
        mentions.extend(["#signoff", "#disclosure", "#download"].map(|id| json!({"@id": id})));
    });
    bag.to_zip().unwrap()
}

#[test]
fn a_forged_sign_off_is_taken_out_and_its_removal_recorded() {
    let checked = checked(&with_claims());
    assert_eq!(
        checked.removed,
        ["#disclosure", "#download", "#signoff", "#nested"]
    );
    let warnings = checked.warnings();
    let told = |text: &String| text.contains("claim-removed");
    assert!(warnings.iter().any(told), "{warnings:?}");
    let left = metadata(&checked.bag).to_string();
    for word in ["AssessAction", "DownloadAction", "#signoff", "shp#"] {
        assert!(!left.contains(word), "{word}");
    }
    assert_eq!(checked.bag, bag(10), "what goes on is the request alone");
}

#[test]
fn warnings_fit_the_event_however_many_there_are() {
    let many = with(|document| {
        let graph = document["@graph"].as_array_mut().unwrap();
        let long = "é\u{7}".repeat(200);
        let claim = |n: usize| json!({"@id": format!("#{n}{long}"), "@type": "AssessAction"});
        graph.extend((0..500).map(claim));
    });
    let checked = checked(&many.to_zip().unwrap());
    let warnings = checked.warnings();
    assert_eq!((checked.removed.len(), warnings.len()), (500, 1));
    assert!(
        warnings[0].ends_with("(and 499 more)") && warnings[0].chars().count() <= 300,
        "{}",
        warnings[0]
    );
    assert!(!warnings[0].chars().any(char::is_control));
    // A text for each rule: there is room for all of them.
    assert!(
        RULES
            .iter()
            .filter(|rule| rule.severity != Severity::Must)
            .count()
            <= 40
    );
}

#[test]
fn a_cleaned_packet_is_a_packet_and_checking_it_again_changes_nothing() {
    let first = checked(&with_claims());
    let again = checked(&first.bag.to_zip().unwrap());
    assert_eq!((again.bag, again.request), (first.bag, first.request));
}

#[test]
fn the_retrieved_workflow_goes_where_nothing_else_is() {
    let without = {
        let mut bag = with(|document| {
            let parts = edit(document, "./")["hasPart"].as_array_mut().unwrap();
            parts.retain(|part| part["@id"] != "workflow/");
        });
        bag.payload.retain(|path, _| !path.starts_with("workflow/"));
        checked(&bag.to_zip().unwrap())
    };
    assert_eq!(without.workflow_digest(), None);
    let whole = checked(&bag(10).to_zip().unwrap());
    let files = daybook_agent::packet::workflow_copy(&whole.bag, &whole.request).unwrap();
    let with_it = without.clone().with_workflow(&files);
    assert_eq!(with_it.workflow_digest(), whole.workflow_digest());
    assert_eq!(read_request(&with_it.bag).unwrap().request, with_it.request);
    let mut taken = without;
    taken.bag.payload.insert("Workflow".to_owned(), Vec::new());
    let beside = taken.with_workflow(&files);
    assert_eq!(beside.request.workflow.folder.as_deref(), Some("workflow-1/"));
    assert_eq!(
        whole.clone().with_workflow(&files),
        whole,
        "a copy that is there stays"
    );
}

#[test]
fn the_published_request_is_taken_and_the_published_hutch_crate_is_not() {
    let Some(folder) = shared_data() else { return };
    let folder = folder.join("five-safes-crates");
    let request = std::fs::read(folder.join("example-request.bagit.zip")).unwrap();
    let expected = [
        "tolerated-draft",
        "root-about",
        "tolerated-mentions",
        "tolerated-member",
        "file-unnamed",
    ];
    assert_eq!(codes(&checked(&request)), expected);
    let hutch = check(&zip_folder(&folder.join("example-hutch")), &Limits::default()).unwrap_err();
    assert_eq!(hutch.code.as_str(), "packet");
    // The manifests of the other published one are right; it is a result, and no request.
    let result = std::fs::read(folder.join("example-result.bagit.zip")).unwrap();
    let refused = check(&result, &Limits::default()).unwrap_err();
    assert!(refused.text.contains("run-status"), "{refused}");
}

#[test]
fn the_page_of_packets_is_that_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PACKETS.md");
    if std::env::var_os("DAYBOOK_GENERATE").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == document(),
        "docs/PACKETS.md is out of date: run the tests again with DAYBOOK_GENERATE=1 and look at the difference"
    );
}

//! Packets that a TRE must not take, each broken in one way, and the rule that each must be refused by.

use std::collections::BTreeSet;
use std::io::Write as _;

use daybook_agent::packet::{Bag, Limits, METADATA_PATH, RULES, RefusalCode, Severity, check};
use serde_json::{Value, json};

use super::edits::{PERSON, PROJECT, RUN, WORKFLOW, edit, with};
use super::refusals::{bagged, changed, good, patch, records, set_header, stored, without, zip, zip_with};
use crate::support::bag;

/// A packet, what is wrong with it, and the code of the rule that it breaks.
struct Broken {
    what: &'static str,
    code: &'static str,
    limits: Limits,
    bytes: Vec<u8>,
}

fn broken(what: &'static str, code: &'static str, bytes: Vec<u8>) -> Broken {
    Broken {
        what,
        code,
        limits: Limits::default(),
        bytes,
    }
}

/// A packet that is good but for a limit.
fn limited(what: &'static str, code: &'static str, change: impl FnOnce(&mut Limits)) -> Broken {
    let mut limits = Limits::default();
    change(&mut limits);
    Broken {
        limits,
        ..broken(what, code, bag(10).to_zip().unwrap())
    }
}

/// The good bag with one entry more, whose tame name is patched, as the library that writes these files tidies names.
fn named(name: &str) -> Vec<u8> {
    let tame = "x".repeat(name.len());
    let bytes = zip_with(&good(), |zip| zip.start_file(tame.as_str(), stored()).unwrap());
    patch(bytes, tame.as_bytes(), name.as_bytes())
}

/// The good bag with one entry more of some Unix kind.
fn special(kind: u32) -> Vec<u8> {
    let bytes = zip_with(&good(), |zip| zip.start_file("bag/data/x", stored()).unwrap());
    let at = records(&bytes, b"PK\x01\x02", 46, b"bag/data/x")[0];
    let mut bytes = bytes;
    bytes[at + 5] = 3; // made on Unix
    bytes[at + 38..at + 42].copy_from_slice(&((kind | 0o644) << 16).to_le_bytes());
    bytes
}

fn zips() -> Vec<Broken> {
    let deflated = zip::write::SimpleFileOptions::default();
    let zeros = zip_with(&good(), |zip| {
        zip.start_file("bag/data/zeros", deflated).unwrap();
        zip.write_all(&vec![0; 8 << 20]).unwrap();
    });
    let shrunk = zip_with(&good(), |zip| {
        zip.start_file("bag/data/long", deflated).unwrap();
        zip.write_all(&[b'a'; 200]).unwrap();
    });
    let mut twins = zip_with(&good(), |zip| zip.start_file("bag/data/b.txt", stored()).unwrap());
    let (first, second) = (b"bag/data/a.txt".as_slice(), b"bag/data/b.txt".as_slice());
    let (from, to) = (
        records(&twins, b"PK\x01\x02", 46, first)[0] + 42,
        records(&twins, b"PK\x01\x02", 46, second)[0] + 42,
    );
    twins.copy_within(from..from + 4, to);
    let link = zip_with(&good(), |zip| {
        zip.add_symlink("bag/data/l", "../../../etc/passwd", stored())
            .unwrap();
    });
    let mut folder_beside = good();
    folder_beside.insert("other/x".to_owned(), Vec::new());
    let mut capitals = good();
    capitals.insert("bag/data/A.TXT".to_owned(), Vec::new());
    let mut both = good();
    both.insert("bag/data/a.txt/x".to_owned(), Vec::new());
    vec![
        broken("no zip", "zip-form", b"%PDF-1.7".to_vec()),
        broken("nothing", "zip-form", Vec::new()),
        broken("a cut zip", "zip-form", zip(&good())[..200].to_vec()),
        broken(
            "a program before the zip",
            "zip-surplus",
            [b"#!/bin/sh\n".as_slice(), &zip(&good())].concat(),
        ),
        broken(
            "a comment",
            "zip-surplus",
            zip_with(&good(), |zip| zip.set_comment("x").unwrap()),
        ),
        broken("two entries of the same bytes", "zip-inconsistent", twins),
        broken("the same name twice", "zip-duplicate", {
            let bytes = zip_with(&good(), |zip| zip.start_file("bag/data/b.txt", stored()).unwrap());
            patch(bytes, b"bag/data/b.txt", b"bag/data/a.txt")
        }),
        broken("names that differ in capitals", "zip-collision", zip(&capitals)),
        broken("a file that is a folder", "zip-collision", zip(&both)),
        broken("a climbing name", "zip-name", named("bag/data/../../x")),
        broken("an absolute name", "zip-name", named("/etc/cron.d/x")),
        broken("a drive", "zip-name", named("C:/x")),
        broken("a backslash", "zip-name", named("bag\\..\\x")),
        broken("a control character", "zip-name", named("bag/data/\u{1b}[2J")),
        broken(
            "an encrypted entry",
            "zip-encrypted",
            set_header(zip(&good()), b"bag/data/a.txt", 6, 8, [1, 0]),
        ),
        broken("a symbolic link", "zip-special", link),
        broken("a character device", "zip-special", special(0o020_000)),
        broken("a pipe", "zip-special", special(0o010_000)),
        broken("a bomb", "zip-ratio", zeros),
        broken(
            "a lie about its size",
            "zip-declared-size",
            set_header(shrunk, b"bag/data/long", 22, 24, [250, 0]),
        ),
        broken(
            "a changed byte",
            "zip-damaged",
            patch(zip(&good()), b"alpha", b"alphA"),
        ),
        broken("a second top folder", "zip-top-folder", zip(&folder_beside)),
        limited("a large packet", "zip-size", |limits| limits.packet_bytes = 100),
        limited("many entries", "zip-entries", |limits| limits.entries = 5),
        limited("a large file", "zip-file-size", |limits| limits.file_bytes = 100),
        limited("much in all", "zip-total-size", |limits| {
            limits.total_bytes = 1_000;
        }),
    ]
}

fn bags() -> Vec<Broken> {
    let info = |text: &str| {
        let mut bag = changed("bag-info.txt", text);
        bag.remove("bag/tagmanifest-sha512.txt").unwrap();
        zip(&bag)
    };
    let untagged = |name: &str, text: &str| {
        let mut bag = changed(name, text);
        bag.remove("bag/tagmanifest-sha512.txt").unwrap();
        zip(&bag)
    };
    let weak = {
        let mut bag = good();
        bag.insert(
            "bag/manifest-sha256.txt".to_owned(),
            format!("{}  data/a.txt\n", "0".repeat(64)).into_bytes(),
        );
        bag.remove("bag/tagmanifest-sha512.txt").unwrap();
        zip(&bag)
    };
    vec![
        broken("no declaration", "bag-missing", zip(&without("bagit.txt"))),
        broken("no manifest of SHA-512", "bag-missing", {
            let mut bag = without("manifest-sha512.txt");
            bag.remove("bag/tagmanifest-sha512.txt").unwrap();
            zip(&bag)
        }),
        broken(
            "files to be fetched",
            "bag-fetch",
            zip(&changed("fetch.txt", "https://example.org/x 3 data/x\n")),
        ),
        broken(
            "BagIt 0.97",
            "bag-tag-file",
            untagged(
                "bagit.txt",
                "BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n",
            ),
        ),
        broken(
            "a manifest of another form",
            "bag-tag-file",
            untagged("manifest-sha512.txt", "what\n"),
        ),
        broken(
            "a file that is not listed",
            "bag-unlisted",
            zip(&changed("data/new.txt", "")),
        ),
        broken(
            "a listed file that is not there",
            "bag-absent",
            zip(&without("data/a.txt")),
        ),
        broken(
            "a file changed after bagging",
            "bag-digest",
            zip(&changed("data/a.txt", "beta!")),
        ),
        broken("a second manifest that is wrong", "bag-digest", weak),
        broken("no identifier", "bag-identifier", info("Contact-Name: A\n")),
        broken(
            "an identifier that can be guessed",
            "bag-identifier",
            info("External-Identifier: urn:uuid:00000000-0000-1000-8000-000000000007\n"),
        ),
        broken("no payload", "bag-missing", zip(&bagged([]))),
    ]
}

/// The study's request as a packet after a change of its metadata.
fn changed_crate(what: &'static str, code: &'static str, change: impl FnOnce(&mut Value)) -> Broken {
    broken(what, code, with(change).to_zip().unwrap())
}

/// The same, with one property of one entity set.
fn set(what: &'static str, code: &'static str, id: &str, key: &str, value: Value) -> Broken {
    changed_crate(what, code, |document| edit(document, id)[key] = value)
}

fn metadata_file(what: &'static str, code: &'static str, bytes: Vec<u8>) -> Broken {
    let mut bag = bag(10);
    bag.payload.insert(METADATA_PATH.to_owned(), bytes);
    broken(what, code, bag.to_zip().unwrap())
}

fn add(document: &mut Value, entity: Value) {
    document["@graph"].as_array_mut().unwrap().push(entity);
}

fn crates() -> Vec<Broken> {
    let mut bare: Bag = bag(10);
    bare.payload.remove(METADATA_PATH).unwrap();
    vec![
        broken("no metadata file", "crate-missing", bare.to_zip().unwrap()),
        changed_crate("a crowd of entities", "crate-size", |document| {
            (0..10_001).for_each(|n| add(document, json!({ "@id": format!("#{n}") })));
        }),
        metadata_file("no JSON", "crate-json", b"{\"@graph\": [".to_vec()),
        metadata_file(
            "nested JSON-LD",
            "crate-shape",
            b"{\"@context\": \"x\", \"@graph\": [{\"name\": \"x\"}]}".to_vec(),
        ),
        changed_crate("words with another meaning", "crate-context", |document| {
            document["@context"] = json!([document["@context"], {"agent": "https://example.org/owner"}]);
        }),
        set(
            "a descriptor of something else",
            "crate-descriptor",
            METADATA_PATH,
            "about",
            json!({"@id": "#else"}),
        ),
        set(
            "RO-Crate 1.1",
            "crate-version",
            METADATA_PATH,
            "conformsTo",
            json!({"@id": "https://w3id.org/ro/crate/1.1"}),
        ),
        set(
            "a reference to a tag file",
            "crate-reference",
            WORKFLOW,
            "subjectOf",
            json!({"@id": "../bag-info.txt"}),
        ),
        set(
            "a reference to the host",
            "crate-reference",
            WORKFLOW,
            "subjectOf",
            json!({"@id": "file:///etc/passwd"}),
        ),
        changed_crate("a person who is the project", "crate-roles", |document| {
            edit(document, RUN)["agent"] = json!({"@id": PROJECT});
            let project = edit(document, PROJECT);
            project["@type"] = json!(["Project", "Person"]);
        }),
    ]
}

fn roots() -> Vec<Broken> {
    vec![
        set(
            "a root that is no Dataset",
            "root-dataset",
            "./",
            "@type",
            json!("CreativeWork"),
        ),
        set(
            "another profile",
            "root-version",
            "./",
            "conformsTo",
            json!({"@id": "https://w3id.org/5s-crate/1.0"}),
        ),
        set(
            "a part that is not there",
            "part-present",
            "./",
            "hasPart",
            json!([{"@id": "absent.txt"}]),
        ),
        changed_crate(
            "a client's file among the outputs",
            "place-reserved",
            |document| {
                edit(document, RUN)["object"] = json!([{"@id": "outputs/x.csv"}]);
                add(document, json!({"@id": "outputs/x.csv", "@type": "File"}));
            },
        ),
        set("no workflow", "workflow-one", "./", "mainEntity", Value::Null),
        set(
            "two workflows",
            "workflow-one",
            "./",
            "mainEntity",
            json!([{"@id": WORKFLOW}, {"@id": "b"}]),
        ),
        set(
            "a workflow that is a program",
            "workflow-dataset",
            WORKFLOW,
            "@type",
            json!("SoftwareSourceCode"),
        ),
        set(
            "a workflow of no profile",
            "workflow-conforms",
            WORKFLOW,
            "conformsTo",
            Value::Null,
        ),
    ]
}

fn requests() -> Vec<Broken> {
    let person = json!({"@id": PERSON});
    vec![
        set("no run", "run-one", "./", "mentions", json!([])),
        set(
            "a run of something else",
            "run-instrument",
            RUN,
            "instrument",
            json!({"@id": "#other"}),
        ),
        set(
            "a run that is done",
            "run-status",
            RUN,
            "actionStatus",
            json!("http://schema.org/CompletedActionStatus"),
        ),
        set(
            "a run of no known status",
            "run-status",
            RUN,
            "actionStatus",
            json!("approved"),
        ),
        set("nobody who asks", "agent-one", RUN, "agent", Value::Null),
        set(
            "two who ask",
            "agent-one",
            RUN,
            "agent",
            json!([person, {"@id": "#b"}]),
        ),
        set(
            "an organisation that asks",
            "agent-person",
            PERSON,
            "@type",
            json!("Organization"),
        ),
        set(
            "no project",
            "project-one",
            "./",
            "sourceOrganization",
            Value::Null,
        ),
        set(
            "a project that is none",
            "project-type",
            PROJECT,
            "@type",
            json!("Organization"),
        ),
        set(
            "an input without description",
            "input-described",
            RUN,
            "object",
            json!([{"@id": "#nothing"}]),
        ),
        changed_crate("an input file that is not there", "input-file", |document| {
            edit(document, RUN)["object"] = json!([{"@id": "codes.csv"}]);
            add(document, json!({"@id": "codes.csv", "@type": "File"}));
        }),
        set(
            "a value that is none",
            "input-kind",
            "#threshold",
            "value",
            json!({"a": 1}),
        ),
        changed_crate("two values of one parameter", "input-once", |document| {
            let second = json!({
                "@id": "#second", "@type": "PropertyValue", "value": "0", "exampleOfWork": {"@id": "#parameter-threshold"},
            });
            add(document, second);
            let object = edit(document, RUN)["object"].as_array_mut().unwrap();
            object.push(json!({"@id": "#second"}));
        }),
    ]
}

fn all() -> Vec<Broken> {
    [zips(), bags(), crates(), roots(), requests()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn every_broken_packet_is_refused_by_its_rule_in_words_for_its_maker() {
    let all = all();
    assert!(all.len() >= 30);
    for packet in all {
        let refused = check(&packet.bytes, &packet.limits).expect_err(packet.what);
        let codes: Vec<&str> = refused.findings.iter().map(|finding| finding.rule.code).collect();
        assert!(codes.contains(&packet.code), "{}: {codes:?}", packet.what);
        assert_eq!(refused.code, RefusalCode::Packet, "{}", packet.what);
        let good = |c: char| c == '\n' || !c.is_control();
        let is_text = refused.text.chars().all(good) && refused.text.chars().count() <= 4_000;
        assert!(is_text && refused.text.contains("Mend it"), "{}", refused.text);
    }
}

#[test]
fn every_must_of_a_request_has_a_packet_that_breaks_it() {
    let broken: BTreeSet<&str> = all().iter().map(|packet| packet.code).collect();
    let musts = RULES.iter().filter(|rule| rule.severity == Severity::Must);
    let of_requests: BTreeSet<&str> = musts
        .map(|rule| rule.code)
        .filter(|code| !code.starts_with("result-"))
        .collect();
    assert_eq!(broken, of_requests);
}

//! `daybook packet`: what a researcher is told before anything is sent.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use daybook_agent::packet::{METADATA_PATH, Named, Project, Requester};
use daybook_study::{Params, request_bag, request_packet};
use serde_json::Value;
use zip::write::SimpleFileOptions;

use crate::bin::{run, stderr, stdout};

type Zip = zip::ZipWriter<std::io::Cursor<Vec<u8>>>;

fn params() -> Params {
    Params {
        submission: "9796155a-fe44-4614-89b8-71945f718ffb".parse().unwrap(),
        run: "37252371-c937-43bd-a0a7-3680b48c0538".parse().unwrap(),
        made: "2026-11-02T09:30:00Z".parse().unwrap(),
        requester: Requester {
            person: Named::new("https://orcid.example.org/1", "Ada Example"),
            affiliation: Some(Named::new("https://ror.example.org/u", "University of Examples")),
        },
        project: Project {
            project: Named::new("urn:uuid:be6ffb55-4f5a-4c14-b60e-47e0951090c7", "Asthma"),
            local_ids: Vec::new(),
            funding: Vec::new(),
            members: Vec::new(),
        },
        workflow: Named::new("https://workflows.example.org/7?version=1", "Asthma admissions"),
        distribution: "https://workflows.example.org/7/crate.zip?version=1".to_owned(),
        dataset: Named::new("urn:uuid:6c1b1f0e-3b0c-4c37-9d63-8a1d7a4c2f10", "Admissions"),
        threshold: 10,
    }
}

/// The study's crate as a folder, with a file beside it that nobody named.
fn crate_folder(at: &Path) {
    for (path, bytes) in request_bag(&params()).payload {
        let path = at.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(at.join("diary.txt"), "private").unwrap();
}

fn check(path: &Path) -> (Option<i32>, Value) {
    let output = run(&["packet", "check", path.to_str().unwrap(), "--json"]);
    (
        output.status.code(),
        serde_json::from_str(&stdout(&output)).unwrap(),
    )
}

#[test]
fn a_zip_a_bag_and_a_crate_s_folder_are_all_packets() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    crate_folder(&at("crate"));
    let (status, found) = check(&at("crate"));
    assert_eq!(
        (status, &found["accepted"]),
        (Some(0), &Value::Bool(true)),
        "{found}"
    );
    assert_eq!(found["parameters"]["threshold"], 10);
    assert_eq!(
        found["findings"],
        Value::Array(Vec::new()),
        "what is not named is not packed"
    );

    let packet = at("packet.zip");
    let make = |from: &Path| {
        run(&[
            "packet",
            "make",
            from.to_str().unwrap(),
            "--out",
            packet.to_str().unwrap(),
        ])
    };
    let output = make(&at("crate"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = fs::read(&packet).unwrap();
    assert!(!text.windows(9).any(|window| window == b"diary.txt"));
    assert_eq!(check(&packet).0, Some(0));
    assert_eq!(make(&at("crate")).status.code(), Some(1), "an older packet stays");

    let mut zip = zip::ZipArchive::new(fs::File::open(&packet).unwrap()).unwrap();
    zip.extract(at("bag")).unwrap();
    let (status, again) = check(&at("bag/crate"));
    assert_eq!(status, Some(0), "{again}");
    assert_eq!(again["workflow_digest"], found["workflow_digest"]);
    let digest = run(&[
        "packet",
        "workflow-digest",
        at("crate/workflow").to_str().unwrap(),
    ]);
    assert_eq!(stdout(&digest).trim(), found["workflow_digest"]);
}

#[test]
fn what_is_wrong_is_told_with_its_code_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    crate_folder(folder.path());
    let metadata = folder.path().join(METADATA_PATH);
    let text = fs::read_to_string(&metadata).unwrap();
    fs::write(
        &metadata,
        text.replace("PotentialActionStatus", "CompletedActionStatus"),
    )
    .unwrap();
    let (status, found) = check(folder.path());
    assert_eq!(status, Some(1));
    assert_eq!(found["findings"][0]["code"], "run-status");
    let said = run(&["packet", "check", folder.path().to_str().unwrap()]);
    assert!(
        stdout(&said).contains("ask for a run that has not begun"),
        "{}",
        stdout(&said)
    );
}

#[test]
fn a_folder_that_is_no_packet_or_holds_a_link_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&["packet", "check", folder.path().to_str().unwrap()]);
    assert!(stderr(&said).contains("bagit.txt"), "{}", stderr(&said));
    crate_folder(folder.path());
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
    let said = run(&["packet", "check", folder.path().to_str().unwrap()]);
    assert!(
        stderr(&said).contains("replace it by a plain file"),
        "{}",
        stderr(&said)
    );
}

/// Every file and folder below a path, with the length of the files.
fn listing(root: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            found.insert(entry.path().display().to_string(), metadata.len());
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn a_hostile_packet_is_refused_and_nothing_is_written_anywhere() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("a/b/c");
    fs::create_dir_all(&place).unwrap();
    let hostile = |add: &dyn Fn(&mut Zip)| {
        let mut zip = Zip::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("bag/bagit.txt", SimpleFileOptions::default())
            .unwrap();
        add(&mut zip);
        zip.finish().unwrap().into_inner()
    };
    let mut climbing = hostile(&|zip| {
        zip.start_file("xx/xx/escaped", SimpleFileOptions::default())
            .unwrap();
        zip.write_all(b"out").unwrap();
    });
    let at: Vec<usize> = (0..climbing.len() - 5)
        .filter(|at| climbing[*at..].starts_with(b"xx/xx"))
        .collect();
    for at in at {
        climbing[at..at + 5].copy_from_slice(b"../..");
    }
    let link = hostile(&|zip| {
        zip.add_symlink("bag/data", "../..", SimpleFileOptions::default())
            .unwrap();
    });
    let bomb = hostile(&|zip| {
        zip.start_file("bag/data/zeros", SimpleFileOptions::default())
            .unwrap();
        zip.write_all(&vec![0; 32 << 20]).unwrap();
    });
    let mut cut = request_packet(&params()).unwrap();
    cut.truncate(2_000);
    for (name, code, bytes) in [
        ("climbing.zip", "zip-name", climbing),
        ("link.zip", "zip-special", link),
        ("bomb.zip", "zip-ratio", bomb),
        ("cut.zip", "zip-form", cut),
    ] {
        let path = place.join(name);
        fs::write(&path, bytes).unwrap();
        let before = listing(root.path());
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_daybook"))
            .args(["packet", "check", "--json", name])
            .current_dir(&place)
            .env("TMPDIR", &place)
            .env("HOME", &place)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(found["findings"][0]["code"], code, "{name}");
        assert_eq!(listing(root.path()), before, "{name}");
    }
}

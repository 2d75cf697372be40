//! Packets: what is written, what is read back, and what is refused.

mod broken;
mod checked;
mod crates;
mod edits;
mod refusals;
mod results;

use std::io::Write as _;
use std::process::{Command, Stdio};

use daybook_agent::packet::{Bag, Limits};
use proptest::prelude::*;

use crate::support::{bag, shared_data};

#[test]
fn the_study_s_packet_reads_back_as_it_was_written() {
    let written = bag(10);
    let bytes = written.to_zip().unwrap();
    assert_eq!(Bag::from_zip(&bytes, &Limits::default()).unwrap(), written);
    assert_eq!(bytes, bag(10).to_zip().unwrap(), "equal input gives equal bytes");
}

#[test]
fn python_s_own_library_finds_the_bag_complete() {
    const SCRIPT: &str = r#"
import hashlib, io, sys, zipfile
with zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())) as z:
    assert z.testzip() is None
    names = z.namelist()
    assert names == sorted(names), "sorted"
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 1, tops
    top = tops.pop() + "/"
    read = lambda name: z.read(top + name)
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        listed = dict(reversed(line.split("  ", 1)) for line in read(manifest).decode().splitlines())
        for path, digest in listed.items():
            assert hashlib.sha512(read(path)).hexdigest() == digest, path
        if manifest.startswith("manifest"):
            assert set(listed) == {n[len(top):] for n in names if n.startswith(top + "data/")}, "complete"
        else:
            assert set(listed) == {"bagit.txt", "bag-info.txt", "manifest-sha512.txt"}, "tags"
    assert read("bagit.txt") == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    assert read("bag-info.txt").startswith(b"External-Identifier: urn:uuid:9796155a-fe44-4614-89b8-71945f718ffb\n")
print("complete")
"#;
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 must be on the PATH; this test has the packet read by its zipfile and hashlib");
    python
        .stdin
        .take()
        .unwrap()
        .write_all(&bag(10).to_zip().unwrap())
        .unwrap();
    let answer = python.wait_with_output().unwrap();
    assert!(answer.status.success());
    assert_eq!(answer.stdout, b"complete\n");
}

#[test]
fn published_example_packets_verify_and_an_edited_one_does_not() {
    let Some(folder) = shared_data() else { return };
    let folder = folder.join("five-safes-crates");
    for (file, payload) in [("example-request.bagit.zip", 4), ("example-result.bagit.zip", 16)] {
        let opened = Bag::from_zip(&std::fs::read(folder.join(file)).unwrap(), &Limits::default()).unwrap();
        assert_eq!(
            opened.external_identifier.to_string(),
            "9796155a-fe44-4614-89b8-71945f718ffb",
            "{file}"
        );
        assert_eq!(opened.payload.len(), payload, "{file}");
    }
    // Its files were changed and moved after it was bagged.
    let hutch = refusals::zip_folder(&folder.join("example-hutch"));
    let error = Bag::from_zip(&hutch, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("manifest-sha512.txt"), "{error}");
}

#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, to)| Change::Set(at, to)),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        1 => (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>, tail_only: bool) -> Vec<u8> {
    for change in changes {
        // The directory at the end is what a parser believes; half of the cases work on it alone.
        let low = if tail_only {
            bytes.len().saturating_sub(1_000)
        } else {
            0
        };
        let room = bytes.len() - low;
        if room == 0 {
            break;
        }
        match change {
            Change::Set(at, to) => bytes[low + at.index(room)] = to,
            Change::Cut(at) => bytes.truncate(low + at.index(room)),
            Change::Insert(at, more) => {
                let at = low + at.index(room);
                bytes.splice(at..at, more);
            }
            Change::Swap(a, b) => bytes.swap(low + a.index(room), low + b.index(room)),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_packet_never_panics_and_never_opens_with_other_content(
        changes in prop::collection::vec(change(), 1..5),
        tail_only: bool,
    ) {
        let whole = bag(10);
        let bytes = changed(whole.to_zip().unwrap(), changes, tail_only);
        if let Ok(opened) = Bag::from_zip(&bytes, &Limits::default()) {
            prop_assert_eq!(opened.payload, whole.payload);
        }
    }

    #[test]
    fn unknown_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(Bag::from_zip(&bytes, &Limits::default()).is_err());
    }

    #[test]
    fn a_damaged_crate_never_panics_its_reader(changes in prop::collection::vec(change(), 1..5)) {
        let mut whole = bag(10);
        let metadata = whole.payload.remove("ro-crate-metadata.json").unwrap();
        whole.payload.insert("ro-crate-metadata.json".to_owned(), changed(metadata, changes, false));
        let _ = daybook_agent::packet::read_request(&whole);
        let _ = daybook_agent::packet::read_run_status(&whole);
    }
}

/// A result with outputs, for tests of what comes after.
pub(crate) fn released_packet() -> Bag {
    crates::result(&crates::released(), &crates::review())
}

/// A result of which nothing was let out.
pub(crate) fn withheld_packet() -> Bag {
    crates::result(&results::withheld(), &crates::review())
}

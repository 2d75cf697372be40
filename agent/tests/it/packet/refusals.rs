//! Each way in which a packet can be wrong, and the error that names it.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;

use daybook_agent::packet::{Bag, BagError, Limits, NameRule, manifest_line, sha512_hex};
use rstest::rstest;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The files of a small correct bag, by whole name.
pub(super) fn good() -> Files {
    let payload = [("data/ro-crate-metadata.json", "{}"), ("data/a.txt", "alpha")];
    bagged(payload.map(|(path, text)| (path, text.as_bytes().to_vec())))
}

/// Tag files for a payload, made by hand here rather than by the code under test.
pub(super) fn bagged<const N: usize>(payload: [(&str, Vec<u8>); N]) -> Files {
    let lines = |files: &[(&str, Vec<u8>)]| -> String {
        files
            .iter()
            .map(|(path, bytes)| manifest_line(&sha512_hex(bytes), path))
            .collect()
    };
    let tags = [
        (
            "bagit.txt",
            b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_vec(),
        ),
        (
            "bag-info.txt",
            b"External-Identifier: urn:uuid:9796155a-fe44-4614-89b8-71945f718ffb\n".to_vec(),
        ),
        ("manifest-sha512.txt", lines(&payload).into_bytes()),
    ];
    let tag_manifest = ("tagmanifest-sha512.txt", lines(&tags).into_bytes());
    let all = payload.into_iter().chain(tags).chain([tag_manifest]);
    all.map(|(path, bytes)| (format!("bag/{path}"), bytes)).collect()
}

pub(super) fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

pub(super) fn zip(files: &Files) -> Vec<u8> {
    zip_with(files, |_| {})
}

pub(super) fn zip_with(files: &Files, more: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), stored()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    more(&mut zip);
    zip.finish().unwrap().into_inner()
}

/// Zips a folder of a disk under its own name.
pub(super) fn zip_folder(folder: &Path) -> Vec<u8> {
    fn walk(folder: &Path, name: &str, files: &mut Files) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &name, files);
            } else {
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files = Files::new();
    walk(folder, folder.file_name().unwrap().to_str().unwrap(), &mut files);
    zip(&files)
}

fn open(bytes: &[u8]) -> Result<Bag, BagError> {
    Bag::from_zip(bytes, &Limits::default())
}

/// Replaces every occurrence of some bytes by others of the same length.
pub(super) fn patch(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at: Vec<usize> = (0..=bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!at.is_empty(), "nothing to patch");
    for at in at {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// Offsets of a kind of zip record whose name ends with `name`.
pub(super) fn records(bytes: &[u8], signature: &[u8], name_at: usize, name: &[u8]) -> Vec<usize> {
    let is = |at: &usize| {
        bytes[*at..].starts_with(signature)
            && bytes
                .get(*at + name_at..)
                .is_some_and(|rest| rest.starts_with(name))
    };
    (0..bytes.len()).filter(is).collect()
}

/// Sets two bytes at the given offsets of the local and the directory header of one entry.
pub(super) fn set_header(
    mut bytes: Vec<u8>,
    name: &[u8],
    local: usize,
    central: usize,
    to: [u8; 2],
) -> Vec<u8> {
    for (signature, name_at, field) in [(b"PK\x03\x04", 30, local), (b"PK\x01\x02", 46, central)] {
        let found = records(&bytes, signature, name_at, name);
        assert_eq!(found.len(), 1);
        bytes[found[0] + field..found[0] + field + 2].copy_from_slice(&to);
    }
    bytes
}

#[test]
fn the_unchanged_bag_opens() {
    let bag = open(&zip(&good())).unwrap();
    assert_eq!((bag.folder.as_str(), bag.payload.len()), ("bag", 2));
}

#[test]
fn folders_of_their_own_may_stand_in_the_zip() {
    let bytes = zip_with(&good(), |zip| {
        zip.add_directory("bag/", stored()).unwrap();
        zip.add_directory("bag/data/", stored()).unwrap();
    });
    open(&bytes).unwrap();
}

#[rstest]
#[case::climbs("bag/data/../x", NameRule::Dots)]
#[case::absolute("/etc/passwd", NameRule::Absolute)]
#[case::drive("C:/x", NameRule::Absolute)]
#[case::backslash("bag\\data\\x", NameRule::Backslash)]
#[case::control("bag/data/a\u{1b}[2J", NameRule::Control)]
#[case::trailing_dot("bag/data/a.", NameRule::TrailingDot)]
fn a_name_that_leaves_or_misleads_is_refused(#[case] name: &str, #[case] rule: NameRule) {
    // The library that writes these test files tidies names, so a tame name of the same length is patched.
    let tame = "x".repeat(name.len());
    let bytes = zip_with(&good(), |zip| zip.start_file(tame.as_str(), stored()).unwrap());
    let bytes = patch(bytes, tame.as_bytes(), name.as_bytes());
    match open(&bytes).unwrap_err() {
        BagError::Name {
            rule: broken,
            name: told,
        } => assert_eq!((broken, told.as_str()), (rule, name)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    let bytes = zip_with(&good(), |zip| zip.start_file("bag/data/xx", stored()).unwrap());
    let error = open(&patch(bytes, b"bag/data/xx", b"bag/data/x\xff")).unwrap_err();
    assert!(
        matches!(
            error,
            BagError::Name {
                rule: NameRule::NotUtf8,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_same_name_twice_is_refused_and_named() {
    let bytes = zip_with(&good(), |zip| zip.start_file("bag/data/b.txt", stored()).unwrap());
    let error = open(&patch(bytes, b"bag/data/b.txt", b"bag/data/a.txt")).unwrap_err();
    assert!(
        matches!(&error, BagError::Duplicate { name } if name == "bag/data/a.txt"),
        "{error}"
    );
}

#[rstest]
#[case("bag/data/A.txt")]
#[case("bag/DATA/x.txt")]
#[case("bag/data/a.txt/x")]
fn names_that_one_file_system_in_two_takes_for_one_are_refused(#[case] name: &str) {
    let mut files = good();
    files.insert(name.to_owned(), Vec::new());
    let error = open(&zip(&files)).unwrap_err();
    assert!(matches!(error, BagError::Collision { .. }), "{error}");
}

#[test]
fn links_and_encrypted_entries_are_refused() {
    let link = zip_with(&good(), |zip| {
        zip.add_symlink("bag/data/l", "/etc/passwd", stored()).unwrap();
    });
    assert!(matches!(open(&link), Err(BagError::NotAFile { .. })));
    let locked = set_header(zip(&good()), b"bag/data/a.txt", 6, 8, [1, 0]);
    let error = open(&locked).unwrap_err();
    assert!(
        matches!(&error, BagError::Encrypted { name } if name == "bag/data/a.txt"),
        "{error}"
    );
}

#[rstest]
#[case("stray.txt")]
#[case("other/x")]
fn anything_beside_the_one_top_folder_is_refused(#[case] name: &str) {
    let mut files = good();
    files.insert(name.to_owned(), Vec::new());
    let error = open(&zip(&files)).unwrap_err();
    assert!(matches!(&error, BagError::TopFolder { .. }), "{error}");
}

#[test]
fn bytes_before_and_after_the_zip_are_refused() {
    let bytes = zip(&good());
    assert!(open(&[b"#!/bin/sh\n".as_slice(), &bytes].concat()).is_err());
    assert!(matches!(
        open(&[&bytes, b"tail".as_slice()].concat()),
        Err(BagError::Surplus | BagError::NotZip(_))
    ));
    let commented = zip_with(&good(), |zip| zip.set_comment("hello").unwrap());
    assert!(matches!(open(&commented), Err(BagError::Surplus)));
    assert!(matches!(open(b"no zip at all"), Err(BagError::NotZip(_))));
    assert!(open(&[]).is_err());
}

#[test]
fn two_lists_of_entries_that_disagree_are_refused() {
    let bytes = zip(&good());
    let local = records(&bytes, b"PK\x03\x04", 30, b"bag/data/a.txt")[0];
    let mut other = bytes;
    other[local + 30 + 9] = b'z';
    assert!(matches!(open(&other), Err(BagError::Inconsistent(_))));
}

#[test]
fn sizes_over_the_limits_are_refused_before_anything_is_unpacked() {
    let bytes = zip(&good());
    let with = |limits: Limits| Bag::from_zip(&bytes, &limits).unwrap_err();
    let limits = Limits::default();
    assert!(matches!(
        with(Limits {
            packet_bytes: 100,
            ..limits
        }),
        BagError::PacketSize { limit: 100, .. }
    ));
    assert!(matches!(
        with(Limits { entries: 5, ..limits }),
        BagError::TooManyEntries { limit: 5 }
    ));
    assert!(matches!(
        with(Limits {
            file_bytes: 4,
            ..limits
        }),
        BagError::FileSize { limit: 4, .. }
    ));
    assert!(matches!(
        with(Limits {
            total_bytes: 300,
            ..limits
        }),
        BagError::TotalSize { limit: 300 }
    ));
}

#[test]
fn a_bomb_is_refused_by_its_ratio() {
    let bag = Bag {
        payload: [("zeros".to_owned(), vec![0; 8 << 20])].into(),
        ..open(&zip(&good())).unwrap()
    };
    let bytes = bag.to_zip().unwrap();
    assert!(bytes.len() < 20_000);
    assert!(matches!(open(&bytes), Err(BagError::Ratio { .. })));
}

#[rstest]
#[case::smaller(4)]
#[case::larger(6)]
fn a_declared_size_that_is_a_lie_is_refused(#[case] declared: u8) {
    let lie = set_header(zip(&good()), b"bag/data/a.txt", 22, 24, [declared, 0]);
    let error = open(&lie).unwrap_err();
    let refused = matches!(
        error,
        BagError::DeclaredSize { .. }
            | BagError::Inconsistent(_)
            | BagError::Unpack { .. }
            | BagError::NotZip(_)
    );
    assert!(refused, "{error:?}");
}

pub(super) fn without(name: &str) -> Files {
    let mut files = good();
    files.remove(&format!("bag/{name}")).unwrap();
    files
}

pub(super) fn changed(name: &str, text: &str) -> Files {
    let mut files = good();
    files.insert(format!("bag/{name}"), text.as_bytes().to_vec());
    files
}

#[rstest]
#[case("bagit.txt")]
#[case("manifest-sha512.txt")]
fn a_bag_without_its_tag_files_is_refused(#[case] name: &str) {
    let error = open(&zip(&without(name))).unwrap_err();
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn manifests_are_complete_both_ways_and_right() {
    let text = |files: &Files| open(&zip(files)).unwrap_err();
    assert!(matches!(text(&without("data/a.txt")), BagError::Absent { name, .. } if name == "data/a.txt"));
    assert!(
        matches!(text(&without("bag-info.txt")), BagError::Absent { name, .. } if name == "bag-info.txt")
    );
    assert!(
        matches!(text(&changed("data/a.txt", "beta!")), BagError::Digest { name, .. } if name == "data/a.txt")
    );
    assert!(
        matches!(text(&changed("data/new.txt", "")), BagError::Unlisted { name, .. } if name == "data/new.txt")
    );
    assert!(
        matches!(text(&changed("notes.txt", "")), BagError::Unlisted { name, .. } if name == "notes.txt")
    );
    assert!(
        matches!(text(&changed("bag-info.txt", "")), BagError::Digest { name, .. } if name == "bag-info.txt")
    );
}

#[test]
fn a_manifest_that_lists_something_outside_the_bag_is_refused() {
    let listed = format!("{}  ../x\n", "0".repeat(128));
    let manifest = |name| {
        matches!(
            open(&zip(&changed(name, &listed))),
            Err(BagError::Absent { .. } | BagError::Digest { .. })
        )
    };
    assert!(manifest("manifest-sha512.txt"));
    assert!(manifest("tagmanifest-sha512.txt"));
}

#[test]
fn a_bag_that_wants_files_fetched_is_refused() {
    let error = open(&zip(&changed("fetch.txt", "https://example.org/x 3 data/x\n"))).unwrap_err();
    assert!(matches!(error, BagError::Fetch), "{error}");
}

#[test]
fn a_bag_without_payload_is_refused() {
    let error = open(&zip(&bagged([]))).unwrap_err();
    assert!(error.to_string().contains("ro-crate-metadata.json"), "{error}");
}

#[test]
fn hostile_names_are_shown_escaped() {
    let tame = "bag/data/xxxxx";
    let bytes = zip_with(&good(), |zip| zip.start_file(tame, stored()).unwrap());
    let error = open(&patch(bytes, tame.as_bytes(), b"bag/data/\x1b[2Jx")).unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

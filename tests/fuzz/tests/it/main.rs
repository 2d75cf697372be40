//! Replays every target's corpus, as it is and mutated in ways that are the same at each run.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use daybook_fuzz::{TARGETS, Target};
use zip::ZipArchive;

/// How many mutations of each file of a corpus are tried, and of all its files together.
const MUTATIONS: usize = 3_000;
const ALL_MUTATIONS: usize = 20_000;

/// Bytes and words that mean something to one of the parsers.
const TOKENS: &[&[u8]] = &[
    b"\n",
    b"\n\n",
    b" ",
    b"+",
    b"=",
    b"/",
    b"0",
    b"\0",
    b"\xff",
    b"\xff\xff",
    b"x",
    b".p/",
    b"tile/",
    b"entries/",
    b"index ",
    b"extra ",
    b"\xe2\x80\x94 ",
    b"\xc2\xa0",
    b"-1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"AAAA",
    b"\r\n",
];

/// A generator of the xorshift family; the same seed always gives the same numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The seeds of a corpus in the order of their names, and what fuzzers have found.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder("corpus").join(name);
    let mut files: Vec<_> = names_in(&folder)
        .into_iter()
        .map(|file| (file.clone(), fs::read(folder.join(file)).unwrap()))
        .collect();
    files.extend(found(name));
    files
}

/// What `make fuzz-keep` has packed.
fn found(name: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(packed) = fs::File::open(folder("found").join(format!("{name}.zip"))) else {
        return Vec::new();
    };
    let mut archive = ZipArchive::new(packed).unwrap();
    let mut files = Vec::new();
    for n in 0..archive.len() {
        let mut file = archive.by_index(n).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.push((file.name().unwrap().into_owned(), bytes));
    }
    files
}

/// Changes one to four things about some bytes.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(24)).min(bytes.len());
        match numbers.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = numbers.below(256).to_le_bytes()[0],
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            5 => {
                let from = numbers.below(other.len() + 1);
                drop(bytes.splice(at..end, other[from..].iter().copied()));
            }
            _ => drop(bytes.splice(at..at, TOKENS[numbers.below(TOKENS.len())].iter().copied())),
        }
    }
}

fn run(name: &str, file: &str, target: Target, bytes: &[u8]) {
    let held = std::panic::catch_unwind(|| target(bytes)).is_ok();
    assert!(
        held,
        "target {name} panics on a mutation of {file}: {:?}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn no_file_of_a_corpus_and_no_mutation_of_one_breaks_a_promise() {
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "corpus/{name} has no seeds");
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mutations = (ALL_MUTATIONS / files.len()).clamp(1, MUTATIONS);
        for (file, seed) in &files {
            run(name, file, *target, seed);
            for _ in 0..mutations {
                let mut bytes = seed.clone();
                let other = &files[numbers.below(files.len())].1;
                mutate(&mut bytes, other, &mut numbers);
                run(name, file, *target, &bytes);
            }
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "two targets share a name");
    assert_eq!(names_in(&folder("corpus")), targets, "corpus/ against TARGETS");
    let files = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(
        names_in(&folder("libfuzzer/fuzz_targets")),
        files,
        "libfuzzer/fuzz_targets/ against TARGETS"
    );
    let manifest = fs::read_to_string(folder("libfuzzer/Cargo.toml")).unwrap();
    for name in targets {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "libfuzzer/Cargo.toml has no [[bin]] {name}"
        );
    }
}

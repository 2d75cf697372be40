//! The tree of heads: a vector for any implementation (`tests/vectors/heads.json`).
//!
//! `DAYBOOK_GENERATE=1` writes it anew; otherwise it is compared with what would be written, byte for byte.

use std::fs;
use std::path::Path;

use daybook_core::Hash;
use daybook_core::heads::{Absence, Head, Heads, Proven};
use daybook_core::id::Stream;
use serde_json::{Value, json};

const STREAMS: [(&str, u64); 7] = [
    ("tre/wessex", 4),
    ("federation", 12),
    ("job/16fd2706-8baf-433b-82eb-8c7fada847da", 9),
    ("log", 31),
    ("tre/mercia", 7),
    ("approval/wessex/project/7d444840-9dc0-41d1-b245-5ffdce74fad2", 1),
    ("project/7d444840-9dc0-41d1-b245-5ffdce74fad2", 3),
];
const ABSENT: [&str; 3] = [
    "approval/mercia/project/7d444840-9dc0-41d1-b245-5ffdce74fad2",
    "register/7d444840-9dc0-41d1-b245-5ffdce74fad2",
    "workflow/7d444840-9dc0-41d1-b245-5ffdce74fad2",
];

fn heads(count: usize) -> Heads {
    let head = |(stream, seq): &(&str, u64)| Head {
        stream: stream.parse().unwrap(),
        seq: *seq,
        leaf: Hash::leaf(format!("{stream} {seq}").as_bytes()),
    };
    Heads::new(STREAMS[..count].iter().map(head).collect()).unwrap()
}

fn proven(proven: &Proven) -> Value {
    let path: Vec<String> = proven.path.iter().map(Hash::to_base64url).collect();
    json!({ "index": proven.index, "leaf": proven.head.to_string(), "path": path })
}

fn absence(stream: &str, absence: &Absence) -> Value {
    let side = |side: &Option<Proven>| side.as_ref().map(proven);
    json!({ "stream": stream, "before": side(&absence.before), "after": side(&absence.after) })
}

fn vectors() -> Vec<Value> {
    let vector = |count| {
        let heads = heads(count);
        let all = heads.as_slice();
        let present: Vec<Value> = all
            .iter()
            .map(|head| proven(&heads.prove(&head.stream).unwrap()))
            .collect();
        let absent: Vec<Value> = ABSENT
            .iter()
            .map(|stream| absence(stream, &heads.prove_absence(&stream.parse().unwrap()).unwrap()))
            .collect();
        json!({
            "leaves": all.iter().map(ToString::to_string).collect::<Vec<_>>(), "streams": heads.streams(),
            "heads": heads.root().to_base64url(), "present": present, "absent": absent,
        })
    };
    [1, 2, 3, 7].into_iter().map(vector).collect()
}

#[test]
fn the_vector_is_what_it_should_be() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/heads.json");
    let about = "Trees over the heads of streams, as heads-committed has them; see tests/vectors/README.";
    let expected =
        serde_json::to_string_pretty(&json!({ "about": about, "vectors": vectors() })).unwrap() + "\n";
    if std::env::var_os("DAYBOOK_GENERATE").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), expected);
}

#[test]
fn every_proof_of_the_vector_holds_at_its_size_and_no_other() {
    let roots: Vec<(u64, Hash)> = [1, 2, 3, 7]
        .map(|count| (heads(count).streams(), heads(count).root()))
        .to_vec();
    for count in [1, 2, 3, 7] {
        let heads = heads(count);
        for (streams, root) in &roots {
            let is_own = *streams == heads.streams();
            for head in heads.as_slice() {
                let proof = heads.prove(&head.stream).unwrap();
                assert_eq!(
                    proof.verify(*streams, root).is_ok(),
                    is_own,
                    "{head} in {streams}"
                );
            }
            for name in ABSENT {
                let stream: Stream = name.parse().unwrap();
                let proof = heads.prove_absence(&stream).unwrap();
                assert_eq!(
                    proof.verify(&stream, *streams, root).is_ok(),
                    is_own,
                    "{name} in {streams}"
                );
            }
        }
    }
}

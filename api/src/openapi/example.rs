//! Ids of the examples, which the founded federation of the tests has, and answers as one may meet them.

use serde_json::{Value, json};

use super::schema::Named;

pub(super) const TRE: &str = "wessex";
pub(super) const PROJECT: &str = "1c9f0e8e-51f3-4538-b940-45cc53e2dccd";
pub(super) const DATASET: &str = "9b3591f6-6a5c-48df-889f-00e34b65fd30";
pub(super) const WORKFLOW: &str = "d0384bfd-c941-455e-899f-013bdd41c502";
pub(super) const MEMBER: &str = "fb162b63-bae9-4922-b541-3d9720582005";
pub(super) const SUBMISSION: &str = "e7d2b44b-1f42-4deb-b2ca-18ab2f61e531";
pub(super) const JOB: &str = "608078ed-7422-41de-904d-3f651fa038b8";
pub(super) const PACKET: &str = "9f800217-7420-4f7c-86cd-aab8c9ad3583";

const LEAF: &str = "0tkL_6SueJfNuyPxtkJa1w6hT5bpAT-6LSHQm8AQui4";
const TIME: &str = "2026-11-22T19:45:40Z";

/// An example for some of the schemas, by their names.
pub(super) fn answers() -> Vec<Named> {
    vec![
        (
            "Receipt",
            json!({ "index": 50, "leaf_hash": LEAF, "stream": "tre/wessex", "seq": 5 }),
        ),
        (
            "StreamHead",
            json!({ "stream": "tre/wessex", "seq": 5, "leaf_hash": LEAF }),
        ),
        (
            "Packet",
            json!({ "id": PACKET, "sha256": LEAF, "size": 104_857, "kind": "request" }),
        ),
        ("Job", job()),
        (
            "Dataset",
            json!({
                "as_of": 812, "id": DATASET, "tre": TRE, "state": "registered", "withdrawn": null, "version": LEAF,
                "details": 24, "registered": 24, "at": TIME, "latest": 24,
            }),
        ),
        (
            "Project",
            json!({
                "as_of": 812, "id": PROJECT, "state": "open", "closed": null, "registrar": "registrar/main",
                "version": LEAF, "details": 31, "until": "2027-11-22T00:00:00Z", "members": 2, "outputs": 0,
                "register": {
                    "state": "published", "version": 1, "cause": LEAF, "until": null, "code": null, "tre": null,
                    "latest": 35,
                },
                "registered": 31, "at": TIME, "latest": 36,
            }),
        ),
    ]
}

fn job() -> Value {
    json!({
        "id": JOB, "tre": TRE, "submission": SUBMISSION, "project": PROJECT, "member": MEMBER, "workflow": WORKFLOW,
        "datasets": [DATASET], "packet": PACKET, "results": null, "state": "running",
        "public": { "word": "Running", "sentence": "The analysis is running at wessex.", "turn": "tre" },
        "seq": 6, "leaf_hash": LEAF,
    })
}

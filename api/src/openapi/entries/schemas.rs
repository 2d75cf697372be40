//! What is said and answered about entries.

use serde_json::{Value, json};

use crate::openapi::schema::{
    Named, about, flag, hash, list_of, named, next, number, object, object_with, one_of, or_null, text, time,
};

pub(in crate::openapi) fn schemas() -> Vec<Named> {
    [of_appends(), of_reads()].concat()
}

fn of_appends() -> Vec<Named> {
    let openings = json!({ "type": "array", "items": { "type": "string" }, "maxItems": 64 });
    let offer = object_with(
        &[("event", about(text(), "A compact JWS."))],
        &[("openings", openings)],
    );
    let receipt = [
        ("index", number()),
        ("leaf_hash", hash()),
        ("stream", text()),
        ("seq", number()),
    ];
    let waited = [
        ("published", flag()),
        ("witnessed", flag()),
        ("proof", about(text(), "A `.tlog-proof`.")),
    ];
    let rehearsal = [
        ("dry_run", json!({ "const": true })),
        ("would", one_of(&["append", "repeat"])),
        ("leaf_hash", hash()),
        ("stream", text()),
        ("seq", number()),
        ("tree_size", number()),
        (
            "hits",
            about(
                list_of(&hit()),
                "What in the public openings may tell who somebody is. The register holds such a text until a person has looked.",
            ),
        ),
    ];
    vec![
        ("Offer", offer),
        ("Receipt", object_with(&receipt, &waited)),
        ("Rehearsal", object_with(&rehearsal, &[("index", number())])),
        (
            "Appended",
            json!({ "anyOf": [named("Receipt"), named("Rehearsal")] }),
        ),
        ("BatchAnswer", batch_answer()),
    ]
}

fn hit() -> Value {
    let kinds = [
        "health-number",
        "insurance-number",
        "birth-date",
        "email",
        "telephone",
        "postcode",
        "orcid",
        "name",
    ];
    object_with(
        &[
            ("field", text()),
            ("kind", one_of(&kinds)),
            (
                "from",
                about(number(), "Characters (Unicode code points) before it."),
            ),
            ("to", about(number(), "Characters up to its end.")),
        ],
        &[("item", about(number(), "Which text of a list, from 0."))],
    )
}

fn batch_answer() -> Value {
    let stands = object(&[
        ("status", json!({ "type": "integer", "enum": [200, 201] })),
        ("receipt", named("Receipt")),
    ]);
    let refused = object(&[
        (
            "status",
            json!({ "type": "integer", "minimum": 400, "maximum": 599 }),
        ),
        (
            "problem",
            about(named("Problem"), "As a single post would be answered."),
        ),
    ]);
    let results = list_of(&json!({ "anyOf": [stands, refused] }));
    let checkpoint = about(text(), "A signed note that covers them all.");
    object_with(
        &[("results", results)],
        &[
            ("published", flag()),
            ("witnessed", flag()),
            ("checkpoint", checkpoint),
        ],
    )
}

fn of_reads() -> Vec<Named> {
    let entry = object(&[
        ("index", number()),
        ("leaf_hash", hash()),
        ("stream", text()),
        ("seq", number()),
        ("type", text()),
        ("author", text()),
        (
            "at",
            about(or_null(&time()), "When it was, by its author's clock."),
        ),
        ("event", about(text(), "What is signed: a compact JWS.")),
    ]);
    let opening = object(&[
        ("name", text()),
        (
            "class",
            one_of(&["public", "public-from", "parties", "auditor", "issuer-only"]),
        ),
        ("opening", text()),
    ]);
    let openings = object(&[
        ("index", number()),
        (
            "withheld",
            about(
                number(),
                "Digests of the entry that stay closed, decoys included.",
            ),
        ),
        ("openings", list_of(&opening)),
    ]);
    let page = object(&[
        ("entries", list_of(&named("Entry"))),
        ("next", next()),
        ("tree_size", number()),
    ]);
    let head = object(&[
        ("stream", text()),
        ("seq", number()),
        ("leaf_hash", or_null(&hash())),
    ]);
    let key = object(&[
        ("kid", hash()),
        ("actor", text()),
        ("use", one_of(&["event", "access"])),
        ("x", hash()),
        ("index", number()),
    ]);
    vec![
        ("Entry", entry),
        ("EntryPage", page),
        ("Openings", openings),
        ("StreamHead", head),
        ("KeyPage", object(&[("keys", list_of(&key)), ("next", next())])),
        (
            "RuleTable",
            json!({ "type": "object", "additionalProperties": true }),
        ),
    ]
}

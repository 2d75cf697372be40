//! The rows of the lists.

use serde_json::Value;

use crate::openapi::jobs;
use crate::openapi::schema::{
    Named, about, hash, id, list_of, named, next, number, object, one_of, or_null, slug, state_of, text, time,
};

fn as_of() -> Named {
    (
        "as_of",
        about(number(), "The tree size up to which this is true."),
    )
}

/// A list of such rows, and one of them by itself.
fn both(list: &'static str, one: &'static str, rows: &'static str, members: &[Named]) -> [Named; 2] {
    let alone = [members, &[as_of()]].concat();
    [(list, page(rows, &object(members))), (one, object(&alone))]
}

fn page(rows: &'static str, row: &Value) -> Value {
    object(&[as_of(), (rows, list_of(row)), ("next", next())])
}

fn code() -> Value {
    or_null(&about(text(), "A code of the rule table."))
}

pub(in crate::openapi) fn schemas() -> Vec<Named> {
    let mut schemas = vec![
        ("JobList", page("jobs", &job())),
        ("SubmissionList", page("submissions", &submission())),
        ("ActivityList", page("activity", &activity())),
        ("RegisterEntry", object(&register())),
        (
            "RegisterList",
            page(
                "entries",
                &object(&[register(), vec![("project", id())]].concat()),
            ),
        ),
        ("MemberList", page("members", &member())),
        ("ApprovalList", page("approvals", &approval())),
    ];
    schemas.extend(both("ProjectList", "Project", "projects", &project()));
    schemas.extend(both(
        "DatasetList",
        "Dataset",
        "datasets",
        &[
            ("id", id()),
            ("tre", slug()),
            ("state", state_of("dataset")),
            ("withdrawn", code()),
            ("version", hash()),
            ("details", details()),
            ("registered", number()),
            ("at", or_null(&time())),
            ("latest", number()),
        ],
    ));
    schemas.extend(both(
        "WorkflowList",
        "Workflow",
        "workflows",
        &[
            ("id", id()),
            ("registrar", text()),
            ("state", state_of("workflow")),
            ("withdrawn", code()),
            ("version", hash()),
            ("digest", text()),
            ("registered", number()),
            ("at", or_null(&time())),
            ("latest", number()),
        ],
    ));
    let reported = object(&[
        ("at", or_null(&time())),
        ("made", or_null(&number())),
        ("acknowledged", or_null(&number())),
        ("outstanding", or_null(&number())),
        ("runs", or_null(&number())),
    ]);
    schemas.extend(both(
        "TreList",
        "Tre",
        "tres",
        &[
            ("id", slug()),
            (
                "root",
                about(hash(), "Thumbprint of the root key that was invited."),
            ),
            ("invited", number()),
            ("joined", or_null(&number())),
            ("joined_at", or_null(&time())),
            ("details", or_null(&details())),
            ("suspended", or_null(&number())),
            ("suspension", code()),
            ("reported", or_null(&reported)),
        ],
    ));
    schemas
}

fn details() -> Value {
    about(
        number(),
        "Index of the entry whose openings describe it as it is now.",
    )
}

fn job() -> Value {
    let mut job = jobs::job();
    job.extend([
        ("cause", about(hash(), "The event that submitted it.")),
        ("submitted", number()),
        ("at", or_null(&time())),
        ("attempts", or_null(&number())),
        ("held", code()),
        ("failure", code()),
        ("extent", or_null(&one_of(&["all", "part"]))),
        ("recalled", code()),
        ("latest", number()),
        ("latest_at", or_null(&time())),
    ]);
    object(&job)
}

fn submission() -> Value {
    let jobs = list_of(&object(&[("tre", slug()), ("id", id())]));
    object(&[
        ("id", id()),
        ("project", id()),
        ("member", id()),
        ("workflow", id()),
        ("packet", id()),
        ("replaces", or_null(&id())),
        ("jobs", jobs),
        ("submitted", number()),
        ("at", or_null(&time())),
        ("latest", number()),
        ("latest_at", or_null(&time())),
    ])
}

fn activity() -> Value {
    object(&[
        ("index", number()),
        ("at", or_null(&time())),
        ("type", text()),
        ("sentence", text()),
        ("project", or_null(&id())),
        ("tre", or_null(&slug())),
        ("job", or_null(&id())),
        ("thing", about(or_null(&id()), "The dataset or the workflow.")),
    ])
}

fn project() -> Vec<Named> {
    vec![
        ("id", id()),
        ("state", state_of("project")),
        ("closed", code()),
        ("registrar", text()),
        (
            "version",
            about(
                hash(),
                "Leaf hash of its last material version, which approvals name.",
            ),
        ),
        ("details", details()),
        ("until", or_null(&time())),
        ("members", about(number(), "Memberships that have not ended.")),
        ("outputs", number()),
        ("register", or_null(&named("RegisterEntry"))),
        ("registered", number()),
        ("at", or_null(&time())),
        ("latest", number()),
    ]
}

fn register() -> Vec<Named> {
    vec![
        ("state", state_of("register")),
        ("version", or_null(&number())),
        (
            "cause",
            about(
                or_null(&hash()),
                "Leaf hash of the project's version that was published last.",
            ),
        ),
        ("until", about(or_null(&time()), "When the embargo ends.")),
        ("code", code()),
        ("tre", or_null(&slug())),
        ("latest", or_null(&number())),
    ]
}

fn member() -> Value {
    object(&[
        ("id", id()),
        ("version", hash()),
        ("added", number()),
        ("at", or_null(&time())),
        ("removed", or_null(&number())),
        ("reason", code()),
        ("suspect_from", or_null(&number())),
    ])
}

fn approval() -> Value {
    object(&[
        ("tre", slug()),
        ("subject", one_of(&["member", "project", "workflow"])),
        ("id", id()),
        ("state", state_of("approval")),
        ("version", hash()),
        (
            "cause",
            about(hash(), "Leaf hash of the exact entry that is approved."),
        ),
        ("until", or_null(&time())),
        ("body", text()),
        ("project", or_null(&id())),
        ("datasets", list_of(&id())),
        ("sign_off", code()),
        ("egress", code()),
        ("withdrawn", code()),
        ("granted", number()),
        ("at", or_null(&time())),
        ("latest", number()),
    ])
}

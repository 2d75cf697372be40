//! `/v1/jobs/{id}`, `/v1/submissions/{id}` and the queues.

use serde_json::json;

use super::example;
use super::operation::Operation;
use super::schema::{
    Named, about, hash, id, list_of, named, next, number, object, one_of, or_null, slug, state_of, text,
};
use crate::problem::ProblemKind as Kind;

pub(super) fn operations() -> Vec<Operation> {
    let followed = |operation: Operation| {
        operation
            .in_query(
                "after",
                &number(),
                "Of a stream only: the index after which it goes on.",
            )
            .in_header("Last-Event-ID", &text(), "The same, as browsers send it.")
            .bytes(200, "", "text/event-stream", &text())
            .fails(&[Kind::NotFound, Kind::Busy])
    };
    let pages = json!({ "type": "integer", "minimum": 0, "maximum": 65_535 });
    vec![
        followed(
            Operation::get("jobs", "/v1/jobs/{id}", "get_job", "Where a job is; or follow it")
                .in_path("id", &id(), example::JOB, "The job.")
                .json(200, "Its state, in the rules' words and in the public's; or its events as they come.", "Job")
                .conditional(),
        ),
        followed(
            Operation::get("jobs", "/v1/jobs/{id}/history", "get_job_history", "Its events; or follow them")
                .in_path("id", &id(), example::JOB, "The job.")
                .in_query("cursor", &text(), "`next` of the page before.")
                .in_query("limit", &pages, "Events in the page: 1 to 500, and as many where it is missing; what is outside is taken for the nearest.")
                .json(200, "Every event of the job, the submission's first one before them.", "History")
                .conditional(),
        ),
        followed(
            Operation::get("jobs", "/v1/submissions/{id}", "get_submission", "A submission and its jobs; or follow them")
                .in_path("id", &id(), example::SUBMISSION, "The submission.")
                .json(200, "The submission, and where each of its jobs is.", "Submission")
                .conditional(),
        ),
        Operation::get("jobs", "/v1/tres/{tre}/queue", "get_queue", "Jobs that nobody has collected")
            .note("Always the whole queue: `after` only says when to wake.")
            .in_path("tre", &slug(), example::TRE, "The TRE.")
            .in_query("after", &number(), "With `wait`: answer once the log is larger than this.")
            .in_query("wait", &number(), "Seconds to wait at most; more than 30 is taken for 30.")
            .in_query("cursor", &text(), "`next` of the page before.")
            .in_query("limit", &pages, "Jobs in the page: 1 to 1,000, and as many where it is missing; what is outside is taken for the nearest.")
            .json(200, "The jobs that wait, each with the leaf hash of the event that submitted it.", "Queue")
            .fails(&[Kind::NotFound]),
    ]
}

pub(super) fn public() -> serde_json::Value {
    about(
        object(&[
            ("word", text()),
            ("sentence", text()),
            ("turn", one_of(&["team", "tre", "nobody"])),
        ]),
        "What the public reads: one of few words, what it means, and whose turn it is.",
    )
}

/// What every description of a job has, from its state or from a view.
pub(super) fn job() -> Vec<Named> {
    vec![
        ("id", id()),
        ("tre", slug()),
        ("submission", id()),
        ("project", id()),
        ("member", id()),
        ("workflow", id()),
        ("datasets", list_of(&id())),
        ("packet", id()),
        ("results", or_null(&id())),
        ("state", state_of("job")),
        ("public", public()),
    ]
}

pub(super) fn schemas() -> Vec<Named> {
    let mut job = job();
    job.extend([("seq", number()), ("leaf_hash", or_null(&hash()))]);
    let mut waiting = job.clone();
    waiting.push(("cause", about(hash(), "What `job-collected` must name.")));
    vec![
        ("Job", object(&job)),
        (
            "History",
            object(&[
                ("id", id()),
                ("entries", list_of(&named("Entry"))),
                ("next", next()),
            ]),
        ),
        (
            "Submission",
            object(&[
                ("id", id()),
                ("project", id()),
                ("member", id()),
                ("workflow", id()),
                ("packet", id()),
                ("seq", number()),
                ("leaf_hash", hash()),
                ("jobs", list_of(&named("Job"))),
            ]),
        ),
        (
            "Queue",
            object(&[
                ("tre", slug()),
                ("tree_size", number()),
                ("jobs", list_of(&object(&waiting))),
                ("next", next()),
            ]),
        ),
    ]
}

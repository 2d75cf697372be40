//! `/v1/events`, `/v1/event-batches`, `/v1/streams`, `/v1/keys`, `/v1/rules`.

mod schemas;

use daybook_rules::Table;
use serde_json::json;

pub(super) use self::schemas::schemas;
use super::operation::Operation;
use super::schema::{bytes, flag, hash, id, list_of, named, number, object, one_of, slug, text};
use crate::handlers::cose::COSE_SIGN1;
use crate::problem::ProblemKind as Kind;

/// What an append may be refused with.
const REFUSALS: [Kind; 18] = [
    Kind::MalformedRequest,
    Kind::MalformedEvent,
    Kind::MalformedOpening,
    Kind::UnknownKey,
    Kind::BadSignature,
    Kind::NotYourKey,
    Kind::NotYourStream,
    Kind::NotAllowed,
    Kind::NotNext,
    Kind::Conflict,
    Kind::TooLarge,
    Kind::OtherLog,
    Kind::DatedAhead,
    Kind::SeenUnknown,
    Kind::Refused,
    Kind::Busy,
    Kind::OutcomeUnknown,
    Kind::Stopped,
];

pub(super) fn operations() -> Vec<Operation> {
    [of_events(), of_one_event(), of_streams(), of_keys()].concat()
}

fn of_events() -> Vec<Operation> {
    let wait = one_of(&["published", "witnessed"]);
    let waits = "Answer only once a published checkpoint covers it, or after ten seconds.";
    vec![
        Operation::new("post", "events", "/v1/events", "append_event", "Append an event")
            .note("The event authenticates itself. The same bytes again answer 200 with the same index.")
            .in_query("wait", &wait, waits)
            .in_query("dry_run", &flag(), "Say what would happen and what the screen finds in public openings, and append nothing.")
            .takes("application/json", &named("Offer"))
            .json(200, "The bytes stand in the log already, or it was a dry run.", "Appended")
            .json(201, "Appended.", "Receipt")
            .fails(&REFUSALS)
            .fails(&[Kind::NoWitnesses, Kind::TooSlow]),
        Operation::new("post", "events", "/v1/event-batches", "append_batch", "Append up to 1,000 events")
            .note("Each stands or falls by itself, and sees those before it.")
            .in_query("wait", &wait, waits)
            .takes("application/json", &object(&[("events", list_of(&named("Offer")))]))
            .json(200, "An answer for each, in the order of the events.", "BatchAnswer")
            .fails(&[Kind::TooLarge, Kind::Busy, Kind::NoWitnesses, Kind::TooSlow]),
        Operation::get("events", "/v1/events", "list_events", "List entries, or follow the log")
            .note("With `Accept: text/event-stream`, entries are told as they are appended. `leaf_hash`, or `author` with `jti`, look one entry up.")
            .in_query_such_as("stream", &text(), "tre/wessex", "Only this stream.")
            .in_query_such_as("author", &text(), "tre/wessex/root", "Only by this actor.")
            .in_query_such_as("type", &text(), "key-added", "Only this type of event.")
            .in_query("leaf_hash", &hash(), "The entry with this leaf hash.")
            .in_query("jti", &id(), "The entry of `author` with this `jti`.")
            .in_query("after", &number(), "Only behind this index.")
            .in_query("before", &number(), "Only in front of this index.")
            .in_query("cursor", &text(), "`next` of the page before.")
            .in_query("limit", &json!({ "type": "integer", "minimum": 0, "maximum": 65_535 }), "Entries in the page: 100 where it is missing, and 1 to 500; what is outside is taken for the nearest.")
            .in_header("Last-Event-ID", &text(), "Of a stream only: the index after which it goes on.")
            .json(200, "A page of entries, in the order of the log.", "EntryPage")
            .bytes(200, "", "text/event-stream", &text())
            .fails(&[Kind::TooFarBack, Kind::Busy]),
    ]
}

fn of_one_event() -> Vec<Operation> {
    let index = |operation: Operation| {
        operation
            .in_path("index", &number(), "0", "The entry's index.")
            .fails(&[Kind::NotFound])
    };
    vec![
        index(Operation::get(
            "events",
            "/v1/events/{index}",
            "get_event",
            "One entry",
        ))
        .json(200, "The entry.", "Entry")
        .conditional(),
        index(Operation::get(
            "events",
            "/v1/events/{index}/proof",
            "get_event_proof",
            "Its proof",
        ))
        .note("A `.tlog-proof` (c2sp.org/tlog-proof@v1) against the newest checkpoint.")
        .bytes(200, "The proof.", "text/plain; charset=utf-8", &text())
        .fails(&[Kind::NotPublished]),
        index(Operation::get(
            "events",
            "/v1/events/{index}/cose-receipt",
            "get_event_cose_receipt",
            "A COSE receipt of it, where the hub signs them",
        ))
        .note("A tagged COSE_Sign1 over the root of the newest checkpoint, detached, with one inclusion proof of `RFC9162_SHA256` (RFC 9942). It says less than the proof does: no witness and no origin is in it.")
        .bytes(200, "The receipt.", COSE_SIGN1, &bytes(COSE_SIGN1))
        .fails(&[Kind::NotPublished]),
        index(Operation::get(
            "events",
            "/v1/events/{index}/openings",
            "get_event_openings",
            "Its openings, as far as the caller may read them",
        ))
        .token(false)
        .json(
            200,
            "Openings, and how many digests of the entry stay closed.",
            "Openings",
        ),
    ]
}

fn of_streams() -> Vec<Operation> {
    let route = "/v1/streams/{*rest}";
    let head = |path, id, summary| {
        Operation::get("events", path, id, summary)
            .by(route)
            .json(
                200,
                "Position and leaf hash of its last event; 0 and null before the first.",
                "StreamHead",
            )
            .conditional()
            .fails(&[Kind::MalformedRequest, Kind::NotFound])
    };
    let kinds = [
        "dataset",
        "erasure",
        "job",
        "project",
        "register",
        "submission",
        "workflow",
    ];
    let subjects = one_of(&["member", "project", "workflow"]);
    vec![
        head(
            "/v1/streams/{name}/head",
            "get_stream_head_of_one",
            "The head of a stream that there is once",
        )
        .in_path(
            "name",
            &one_of(&["federation", "log"]),
            "federation",
            "The stream.",
        ),
        head(
            "/v1/streams/tre/{tre}/head",
            "get_stream_head_of_tre",
            "The head of a TRE's own stream",
        )
        .in_path("tre", &slug(), super::example::TRE, "The TRE."),
        head(
            "/v1/streams/{kind}/{id}/head",
            "get_stream_head",
            "The head of a thing's stream",
        )
        .in_path("kind", &one_of(&kinds), "project", "What sort of thing it is.")
        .in_path("id", &id(), super::example::PROJECT, "Its random id."),
        head(
            "/v1/streams/approval/{tre}/{subject}/{id}/head",
            "get_stream_head_of_approval",
            "The head of an approval's stream",
        )
        .in_path("tre", &slug(), super::example::TRE, "The TRE that approves.")
        .in_path("subject", &subjects, "project", "What sort of thing it approves.")
        .in_path("id", &id(), super::example::PROJECT, "The random id of that."),
    ]
}

fn of_keys() -> Vec<Operation> {
    vec![
        Operation::get("events", "/v1/keys", "list_keys", "Keys that were ever registered")
            .note("Which are valid now is told by the streams.")
            .in_query_such_as("actor", &text(), "tre/wessex/relay", "Only of this actor.")
            .in_query("from", &number(), "Only those registered from this index on.")
            .in_query("cursor", &text(), "`next` of the page before.")
            .in_query("limit", &json!({ "type": "integer", "minimum": 0, "maximum": 65_535 }), "Keys in the page: 1 to 1,000, and as many where it is missing; what is outside is taken for the nearest.")
            .json(200, "A page of keys, in the order in which they were registered.", "KeyPage")
            .conditional(),
        Operation::get("events", "/v1/rules/{hash}", "get_rules", "A rule table that was adopted")
            .in_path("hash", &hash(), &Table::v1().hash().to_base64url(), "The digest of its canonical JSON.")
            .json(200, "The table, as its bytes stand in `policy-adopted`.", "RuleTable")
            .conditional()
            .fails(&[Kind::NotFound]),
    ]
}

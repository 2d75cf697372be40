//! The description of the API (`OpenAPI` 3.1), built from one small table for each group of routes.
//!
//! Tests hold it against the router, route by route, and against every answer that they get.

mod operation;
mod schema;

mod entries;
mod example;
mod hub;
mod jobs;
mod lists;
mod packets;

use serde_json::{Map, Value, json};

pub use self::operation::Operation;
use crate::handlers::problems;
use crate::problem::ProblemKind;

/// What the description is about, in the order in which it tells it.
const TAGS: [(&str, &str); 6] = [
    (
        "events",
        "Append events, and read, prove and open the entries that they became.",
    ),
    (
        "jobs",
        "Where jobs and submissions are. One thing's own state never trails the log.",
    ),
    (
        "lists",
        "Views over the log. Each answer says in `as_of` up to which tree size it is true.",
    ),
    ("packets", "The bytes of requests and results, never public."),
    (
        "log",
        "The log as C2SP tools read it (tlog-tiles, tlog-checkpoint).",
    ),
    (
        "hub",
        "The hub itself: this description, its problems, its health.",
    ),
];

/// Every operation of the hub.
pub fn operations() -> Vec<Operation> {
    [
        entries::operations(),
        jobs::operations(),
        lists::operations(),
        packets::operations(),
        hub::log_operations(),
        hub::operations(),
    ]
    .concat()
}

/// The whole description.
pub fn document() -> Value {
    let mut paths = Map::new();
    let mut responses = Map::new();
    for operation in operations() {
        responses.extend(operation.shared_responses());
        let path = paths.entry(operation.path()).or_insert_with(|| json!({}));
        path[operation.method()] = operation.describe();
    }
    let mut schemas: Map<String, Value> = [
        hub::schemas(),
        hub::witness_schemas(),
        entries::schemas(),
        jobs::schemas(),
        lists::schemas(),
        packets::schemas(),
    ]
    .concat()
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect();
    for (name, answer) in example::answers() {
        schemas[name]["examples"] = json!([answer]);
    }
    let examples: Map<String, Value> = ProblemKind::ALL
        .iter()
        .map(|kind| {
            (
                kind.slug().to_owned(),
                json!({ "value": problems::example(*kind) }),
            )
        })
        .collect();
    let tags: Vec<Value> = TAGS
        .iter()
        .map(|(name, about)| json!({ "name": name, "description": about }))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Daybook hub",
            "version": "1",
            "summary": "The record of every job that a federation of Trusted Research Environments runs on people's data.",
            "description": "JSON in snake_case. Times are RFC 3339 in UTC, hashes SHA-256 in unpadded base64url, ids random UUIDs. Every answer that is not a success is a problem document (RFC 9457) whose `type` leads to a page. Public reads need no account, and an event needs none either: it authenticates itself.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This hub" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "examples": examples,
            "securitySchemes": {
                "access_token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "A JWT of at most five minutes, `typ` daybook-access+jwt, signed by a key that is registered for access, for one log, one method and one path.",
                },
            },
        },
    })
}

/// The description as it is served, and as it is kept in `docs/openapi.json`.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

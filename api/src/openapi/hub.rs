//! `/log`, and the hub itself.

use serde_json::json;

use super::operation::Operation;
use super::schema::{
    Named, about, bytes, flag, hash, list_of, named, number, object, object_with, one_of, or_null, text,
};
use crate::handlers::cose::COSE_KEY_SET;
use crate::problem::ProblemKind as Kind;

const PLAIN: &str = "text/plain; charset=utf-8";

pub(super) fn log_operations() -> Vec<Operation> {
    let tiles = "application/octet-stream";
    let index = json!({ "type": "string", "pattern": "^[0-9]{3}$" });
    let width = json!({ "type": "integer", "minimum": 1, "maximum": 255 });
    let level = json!({ "type": "integer", "minimum": 0, "maximum": 5 });
    let tile = |path, id, summary| {
        Operation::get("log", path, id, summary)
            .by("/log/tile/{*path}")
            .bytes(200, "The bytes.", tiles, &bytes(tiles))
            .fails(&[Kind::MalformedRequest, Kind::NotFound])
    };
    let of_index = |operation: Operation| {
        operation.in_path(
            "index",
            &index,
            "000",
            "The tile's number in groups of three digits, each but the last as in `x001/`: from the thousandth tile on this is several segments.",
        )
    };
    let of_width =
        |operation: Operation| operation.in_path("width", &width, "1", "Entries of a tile that is not full.");
    let of_level =
        |operation: Operation| operation.in_path("level", &level, "0", "The level in the tree of tiles.");
    vec![
        Operation::get(
            "log",
            "/log/checkpoint",
            "get_checkpoint",
            "The newest checkpoint",
        )
        .bytes(200, "A signed note: origin, size, root.", PLAIN, &text())
        .conditional()
        .fails(&[Kind::NotFound]),
        Operation::get(
            "log",
            "/log/policy",
            "get_policy",
            "A copy of the policy to verify with",
        )
        .note("Take the policy that you verify with from somewhere that the hub cannot change.")
        .bytes(200, "A tlog-policy.", PLAIN, &text()),
        Operation::new(
            "post",
            "log",
            "/log/cosignatures",
            "post_cosignatures",
            "Bring a cosignature",
        )
        .note("For witnesses that are never called. The body is a published checkpoint with the witness's line under it.")
        .takes(PLAIN, &text())
        .json(200, "How many lines were taken.", "CosignaturesTaken")
        .fails(&[
            Kind::MalformedRequest,
            Kind::TooLarge,
            Kind::NoWitnesses,
            Kind::BadCosignature,
        ]),
        Operation::get(
            "log",
            "/v1/checkpoints/{size}",
            "get_checkpoint_of_size",
            "A published checkpoint with every cosignature that is kept of it",
        )
        .in_path("size", &number(), "1", "The number of entries.")
        .bytes(200, "A signed note.", PLAIN, &text())
        .fails(&[Kind::NotFound]),
        Operation::get(
            "log",
            "/v1/cose-keys",
            "get_cose_keys",
            "A copy of the key that signs COSE receipts",
        )
        .note("Take the key that you verify with from somewhere that the hub cannot change.")
        .bytes(200, "A COSE_KeySet of one key (RFC 9052).", COSE_KEY_SET, &bytes(COSE_KEY_SET))
        .fails(&[Kind::NotFound]),
        Operation::get("log", "/v1/witnesses", "list_witnesses", "How each witness stands")
            .json(200, "The witnesses of the policy, in its order.", "Witnesses"),
        of_level(of_index(tile(
            "/log/tile/{level}/{index}",
            "get_tile",
            "A tile of 256 hashes",
        ))),
        of_level(of_width(of_index(tile(
            "/log/tile/{level}/{index}.p/{width}",
            "get_partial_tile",
            "A tile of fewer hashes",
        )))),
        of_index(tile(
            "/log/tile/entries/{index}",
            "get_bundle",
            "256 entries, each after its length in two bytes",
        )),
        of_width(of_index(tile(
            "/log/tile/entries/{index}.p/{width}",
            "get_partial_bundle",
            "Fewer entries",
        ))),
    ]
}

pub(super) fn operations() -> Vec<Operation> {
    let page = json!({ "type": "string", "contentMediaType": "text/html" });
    let html = "text/html; charset=utf-8";
    let slug = json!({ "type": "string", "pattern": "^[a-z]+(-[a-z]+)*$" });
    vec![
        Operation::get("hub", "/openapi.json", "get_openapi", "This description")
            .json(200, "OpenAPI 3.1.", "Description")
            .conditional(),
        Operation::get("hub", "/problems", "list_problems", "All types of problems")
            .note("A page, or JSON for whoever asks for `application/json`.")
            .json(200, "All types of problems.", "ProblemTypes")
            .bytes(200, "", html, &page)
            .conditional(),
        Operation::get("hub", "/problems/{slug}", "get_problem", "One type of problem")
            .note("Where the `type` of a problem document leads. A page, or JSON for whoever asks for `application/json`.")
            .in_path("slug", &slug, "not-found", "The last part of the type.")
            .json(200, "The type of problem.", "ProblemType")
            .bytes(200, "", html, &page)
            .conditional()
            .fails(&[Kind::NotFound])
            .also_page(404, html, &page),
        Operation::get("hub", "/healthz", "get_healthz", "Whether the hub lives")
            .bytes(200, "It does.", PLAIN, &text()),
        Operation::get("hub", "/readyz", "get_readyz", "Whether the hub can do all that it is for")
            .json(200, "It can; every check in words.", "Ready")
            .fails(&[Kind::NotReady]),
    ]
}

pub(super) fn schemas() -> Vec<Named> {
    let checks = list_of(&object(&[("name", text()), ("holds", flag()), ("words", text())]));
    let kind = about(
        json!({ "type": "string", "format": "uri-reference", "pattern": "^/problems/[a-z-]+$" }),
        "Which problem it is; the page under this path explains it.",
    );
    let status = json!({ "type": "integer", "minimum": 400, "maximum": 599 });
    let problem_type = object(&[
        ("type", kind.clone()),
        ("title", text()),
        ("status", status.clone()),
        ("meaning", text()),
        ("remedy", text()),
        ("example", named("Problem")),
    ]);
    let code = one_of(daybook_rules::Refusal::CODES);
    let problem = object_with(
        &[
            ("type", kind),
            ("title", about(text(), "The same for each occurrence.")),
            ("status", status),
            ("detail", about(text(), "What is particular about this one.")),
        ],
        &[
            ("request_id", text()),
            ("code", about(code, "Which rule says no.")),
            (
                "seq",
                about(
                    number(),
                    "Of `not-next`: the position of the stream's next event.",
                ),
            ),
            (
                "prev",
                about(
                    or_null(&hash()),
                    "Of `not-next`: the leaf hash that the next event names.",
                ),
            ),
            ("as_of", about(number(), "Up to which tree size a view is true.")),
            ("checks", checks.clone()),
        ],
    );
    vec![
        ("Problem", about(problem, "A problem document (RFC 9457).")),
        ("ProblemType", problem_type.clone()),
        ("ProblemTypes", object(&[("problems", list_of(&problem_type))])),
        (
            "Ready",
            object(&[("ready", json!({ "const": true })), ("checks", checks)]),
        ),
        (
            "Description",
            json!({ "type": "object", "additionalProperties": true }),
        ),
    ]
}

pub(super) fn witness_schemas() -> Vec<Named> {
    let witness = object(&[
        ("name", text()),
        ("key", about(text(), "Its verifier key (C2SP vkey).")),
        (
            "is_independent",
            about(flag(), "Whether it is from outside of the federation."),
        ),
        (
            "size",
            about(
                number(),
                "The largest tree that it has cosigned; 0 before the first.",
            ),
        ),
        ("age_seconds", or_null(&number())),
        (
            "trouble",
            or_null(&about(text(), "Why it did not cosign when it was asked last.")),
        ),
    ]);
    vec![
        (
            "CosignaturesTaken",
            object(&[("size", number()), ("taken", number())]),
        ),
        (
            "Witnesses",
            object(&[
                ("published_size", number()),
                ("witnessed_size", or_null(&number())),
                (
                    "split_needs",
                    about(
                        number(),
                        "How many witnesses must lie for two checkpoints that disagree to meet the quorum both.",
                    ),
                ),
                (
                    "may_be_away",
                    about(
                        number(),
                        "How many may be away, whichever they are, with the quorum still met.",
                    ),
                ),
                ("witnesses", list_of(&witness)),
            ]),
        ),
    ]
}

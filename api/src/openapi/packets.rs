//! `/v1/packets/{id}`.

use serde_json::json;

use super::example;
use super::operation::Operation;
use super::schema::{Named, hash, id, number, object, one_of, text};
use crate::problem::ProblemKind as Kind;

pub(super) fn operations() -> Vec<Operation> {
    let path = "/v1/packets/{id}";
    let zip = json!({ "type": "string", "contentMediaType": "application/zip" });
    vec![
        Operation::new("put", "packets", path, "put_packet", "Send a packet")
            .note("What a member sends is a request, what a TRE sends a result. The digest is checked while the bytes come. The content type is not looked at.")
            .in_path("id", &id(), example::PACKET, "A random id, used once.")
            .in_query("sha256", &hash(), "The digest of the packet.")
            .needed()
            .takes("application/zip", &zip)
            .token(true)
            .json(200, "These bytes are there already under that id.", "Packet")
            .json(201, "The packet is durable and listed.", "Packet")
            .fails(&[
                Kind::NotAllowed,
                Kind::TooSlow,
                Kind::Conflict,
                Kind::LengthRequired,
                Kind::TooLarge,
                Kind::DigestMismatch,
                Kind::OverQuota,
                Kind::Busy,
                Kind::PacketsUnavailable,
            ]),
        Operation::get("packets", path, "get_packet", "Fetch a packet, or a part of it")
            .note("A request is for its sender's project and the TREs of its jobs, a result for the TRE that sent it and, once it is released, for the project's members.")
            .in_path("id", &id(), example::PACKET, "The packet.")
            .in_header("Range", &text(), "One range of bytes.")
            .in_header("If-Range", &text(), "The `ETag` of the bytes that the caller has a part of.")
            .token(true)
            .bytes(200, "The whole packet.", "application/zip", &zip)
            .bytes(206, "A part of it.", "application/zip", &zip)
            .header("ETag", "The digest of the whole packet.")
            .fails(&[Kind::NotFound, Kind::NoSuchRange, Kind::PacketsUnavailable]),
    ]
}

pub(super) fn schemas() -> Vec<Named> {
    let packet = [
        ("id", id()),
        ("sha256", hash()),
        ("size", number()),
        ("kind", one_of(&["request", "result"])),
    ];
    vec![("Packet", object(&packet))]
}

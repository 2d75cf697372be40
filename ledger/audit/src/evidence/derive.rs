//! The files of a pack that follow from what was taken from the log.

use daybook_core::canonical;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::sealed::Opening;
use serde_json::{Value, json};

use super::files::{Files, pretty};
use super::replay::{Replayed, replay};
use super::{Entry, Evidence, page};

/// The pack's own instructions.
const README: &str = include_str!("README.txt");

/// A packet that an entry names, and its digest where the pack shows it.
pub(super) struct Packet {
    pub(super) entry: u64,
    pub(super) id: String,
    pub(super) digest: Option<String>,
}

impl Evidence {
    /// All of them. What does not follow is left out of them, and told by [`Evidence::verify`].
    pub(super) fn derived(&self) -> Files {
        let origin = Checkpoint::parse(self.checkpoint.text());
        let origin = origin.map_or_else(|_| String::new(), |checkpoint| checkpoint.origin().to_owned());
        let replayed = replay(self, &origin);
        let mut files = Files::new();
        files.insert("README.txt".to_owned(), README.as_bytes().to_vec());
        files.insert("index.html".to_owned(), page::html(self, &replayed).into_bytes());
        files.insert("keys.json".to_owned(), pretty(&keys(&replayed)));
        files.insert("packets.json".to_owned(), pretty(&packets(self)));
        for (hash, table) in &replayed.tables {
            files.insert(format!("rules/{hash}.json"), canonical::text(table).into_bytes());
        }
        files
    }

    /// The packets that the entries name.
    pub(super) fn packets(&self) -> Vec<Packet> {
        let of = |(index, entry): (&u64, &Entry)| {
            let id = entry.event.claims().data.get("packet")?.as_str()?.to_owned();
            let digest = entry
                .openings
                .iter()
                .find(|opening| opening.name() == "packet_digest");
            let digest = digest
                .map(Opening::value)
                .and_then(Value::as_str)
                .map(str::to_owned);
            Some(Packet {
                entry: *index,
                id,
                digest,
            })
        };
        self.entries.iter().filter_map(of).collect()
    }
}

fn keys(replayed: &Replayed) -> Value {
    let key = |key: &super::replay::Lifetime| {
        json!({
            "actor": key.actor.to_string(), "ended_by": key.until, "in_doubt_from": key.doubted_from,
            "kid": key.kid.to_base64url(), "registered_by": key.from, "use": key.usage.as_str(), "x": key.x,
        })
    };
    replayed.keys.iter().map(key).collect()
}

fn packets(evidence: &Evidence) -> Value {
    let packet =
        |packet: Packet| json!({ "entry": packet.entry, "packet": packet.id, "sha256": packet.digest });
    evidence.packets().into_iter().map(packet).collect()
}

//! What the link asks of the desk besides.

use std::path::PathBuf;

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::sealed::Opening;
use uuid::Uuid;

use super::{Desk, DeskError};
use crate::link::wire::{Gate, Thing};

/// The request's bytes.
pub(crate) const PACKET: &str = "packet.zip";
/// The folder of workflows and images, each under its SHA-256.
const THINGS: &str = "things";

impl Desk {
    /// Takes an event that came over the link, after it was judged by what the relay knows of the log.
    #[expect(clippy::unused_async, reason = "the hub is not asked yet")]
    pub async fn take_judged(&self, event: &Event, openings: &[Opening]) -> Result<(), DeskError> {
        self.take(event, openings)
    }

    /// Whether what a job rests on stands now.
    #[expect(clippy::unused_async, reason = "the hub is not asked yet")]
    pub async fn gate(&self, job: Uuid) -> Result<Gate, DeskError> {
        let view = self.view(job)?;
        let names = ["project", "workflow", "member", "datasets"];
        let fields = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), view.facts.get(*name)?.clone())));
        Ok(Gate {
            fields: fields.collect(),
            versions: Vec::new(),
            approvals: Vec::new(),
            egress: None,
            lapsed: None,
            is_fresh: false,
        })
    }

    /// The newest verified checkpoint with the proof that it continues the tree of `since` entries; nothing where there is
    /// none that is newer, or where the proof cannot be had now.
    pub async fn newer_than(&self, since: u64) -> (Option<String>, Vec<String>) {
        let follower = self.log().lock().await;
        let (Some(seen), Some(note)) = (follower.seen(), follower.note()) else {
            return (None, Vec::new());
        };
        if seen.size <= since {
            return (None, Vec::new());
        }
        if since == 0 {
            return (Some(note.to_string()), Vec::new());
        }
        match follower.consistency(since, seen.size).await {
            Ok(proof) => (
                Some(note.to_string()),
                proof.iter().map(Hash::to_base64url).collect(),
            ),
            Err(_) => (None, Vec::new()),
        }
    }

    /// The file with a request's bytes.
    pub fn packet_file(&self, job: Uuid) -> PathBuf {
        self.folder(job).file(PACKET)
    }

    /// A workflow or an image, if it is here.
    pub fn thing(&self, digest: &Hash) -> Option<(PathBuf, Thing)> {
        let path = self.file(THINGS).join(digest.to_base64url());
        let size = std::fs::metadata(&path).ok()?.len();
        let sha256 = digest.to_base64url();
        Some((path, Thing { sha256, size }))
    }
}

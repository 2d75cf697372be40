//! What the link asks of the desk besides.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use daybook_core::Hash;
use sha2::{Digest as _, Sha256};
use tracing::info;
use uuid::Uuid;

use super::{Desk, DeskError};
use crate::link::wire::{Gate, Thing};
use crate::relay::standing::Rests;
use crate::spool::{SpoolError, make_folder, write_whole};

/// The request's bytes.
pub(crate) const PACKET: &str = "packet.zip";
/// The folder of workflows and images, each under its SHA-256.
const THINGS: &str = "things";

impl Desk {
    /// Whether what a job rests on stands now. The hub is asked; where it is away, what was last known counts.
    pub async fn gate(&self, job: Uuid) -> Result<Gate, DeskError> {
        let state = self.view(job)?.facts;
        let mut standing = self.standing().lock().await;
        let streams =
            Rests::of(&self.identity().tre, &state).map(|rests| rests.streams(&self.identity().tre));
        let is_fresh = match standing.refresh(&streams.unwrap_or_default()).await {
            Ok(()) => true,
            Err(error) => {
                let error = anyhow::Error::new(error);
                info!(%job, "The hub could not be asked what stands: {error:#}");
                false
            }
        };
        Ok(standing.gate(&state, is_fresh))
    }

    /// The newest verified checkpoint with the proof that it continues the tree of `since` entries; nothing where there is
    /// none that is newer, or where the proof cannot be had now.
    pub async fn newer_than(&self, since: u64) -> (Option<String>, Vec<String>) {
        let follower = self.log().lock().await.clone();
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

    /// Keeps some bytes under their digest.
    pub fn keep_thing(&self, digest: &Hash, bytes: &[u8]) -> Result<(), DeskError> {
        let folder = self.file(THINGS);
        make_folder(&folder)?;
        let path = folder.join(digest.to_base64url());
        if path.exists() {
            return Ok(());
        }
        Ok(write_whole(&path, bytes)?)
    }

    /// Makes a file of another folder a thing: it is read once to know its digest, and linked rather than copied where that
    /// can be done.
    pub fn lend_thing(&self, path: &Path) -> Result<Thing, DeskError> {
        let mut file = File::open(path).map_err(SpoolError::at(path))?;
        let mut digest = Sha256::new();
        let mut size = 0;
        let mut block = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut block).map_err(SpoolError::at(path))?;
            if count == 0 {
                break;
            }
            digest.update(block.get(..count).unwrap_or_default());
            size += count as u64;
        }
        let sha256 = Hash(digest.finalize().into()).to_base64url();
        let folder = self.file(THINGS);
        make_folder(&folder)?;
        let target = folder.join(&sha256);
        if !target.exists() && std::fs::hard_link(path, &target).is_err() {
            let half = folder.join(format!("{sha256}.half"));
            let copied = std::fs::copy(path, &half).and_then(|_| std::fs::rename(&half, &target));
            copied.map_err(SpoolError::at(&target))?;
        }
        Ok(Thing { sha256, size })
    }

    /// A workflow or an image, if it is here.
    pub fn thing(&self, digest: &Hash) -> Option<(PathBuf, Thing)> {
        let path = self.file(THINGS).join(digest.to_base64url());
        let size = std::fs::metadata(&path).ok()?.len();
        let sha256 = digest.to_base64url();
        Some((path, Thing { sha256, size }))
    }
}

//! Following a log: each checkpoint is verified against the one before, from the log's own tiles.

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Seen;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::tree::{
    Resource, TileId, TilePath, Tiles, consistency_proof, decode_tile, tiles_for_consistency,
    verify_consistency,
};

use super::{Client, ClientError};

/// What somebody has seen of a log.
#[derive(Clone)]
pub struct Follower {
    client: Client,
    origin: String,
    key: VerifierKey,
    seen: Option<Checkpoint>,
    note: Option<Note>,
}

impl Follower {
    /// Begins with nothing seen: the first checkpoint is taken as it is.
    pub fn new(client: Client, origin: &str, key: VerifierKey) -> Self {
        Self {
            client,
            origin: origin.to_owned(),
            key,
            seen: None,
            note: None,
        }
    }

    /// Goes on from a checkpoint that was verified before and kept.
    pub fn resume(&mut self, note: &[u8]) -> Result<()> {
        let note = Note::parse(note).context("what was kept is not a signed note")?;
        self.seen = Some(Checkpoint::open(&note, &self.key, &self.origin)?);
        self.note = Some(note);
        Ok(())
    }

    /// The newest checkpoint that was verified.
    pub fn seen(&self) -> Option<Seen> {
        self.seen.as_ref().map(|seen| Seen {
            root: *seen.root(),
            size: seen.size(),
        })
    }

    /// The same as the signed note that said so.
    pub fn note(&self) -> Option<&Note> {
        self.note.as_ref()
    }

    /// The key that signs the log's checkpoints.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Fetches the newest checkpoint, verifies that it continues the last one, and answers with it.
    pub async fn advance(&mut self) -> Result<Seen> {
        let (note, new) = self.client.checkpoint(&self.key, &self.origin).await?;
        if let Some(old) = &self.seen {
            ensure!(
                new.size() >= old.size(),
                "the log has gone back: it had {} entries and now shows {}. Keep both checkpoints: they prove it",
                old.size(),
                new.size()
            );
            // Tiles that cannot be had prove nothing: only what was fetched whole can disagree.
            let proof = self.consistency(old.size(), new.size()).await?;
            let holds = verify_consistency(old.size(), old.root(), new.size(), new.root(), &proof);
            holds.with_context(|| {
                format!(
                    "the checkpoints over {} and {} entries disagree. Keep both: they prove it",
                    old.size(),
                    new.size()
                )
            })?;
        }
        let seen = Seen {
            root: *new.root(),
            size: new.size(),
        };
        self.seen = Some(new);
        self.note = Some(note);
        Ok(seen)
    }

    /// The proof that a larger tree continues a smaller one, from the log's own tiles. Nobody has verified it yet.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        self.client.consistency(old, new).await
    }
}

impl Client {
    /// The newest checkpoint as it is served, verified by nobody.
    pub async fn checkpoint_note(&self) -> Result<String> {
        Ok(self.text("/log/checkpoint").await?)
    }

    /// The checkpoint of a size, with every cosignature that the hub keeps of it, verified by nobody.
    pub async fn checkpoint_note_of(&self, size: u64) -> Result<String> {
        Ok(self.text(&format!("/v1/checkpoints/{size}")).await?)
    }

    /// The consistency proof between two sizes, made from the log's own tiles; empty from nothing.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        if old == 0 {
            return Ok(Vec::new());
        }
        let tiles = self.tiles(tiles_for_consistency(old, new)?).await?;
        Ok(consistency_proof(old, new, &tiles)?)
    }

    /// Brings a note with a witness's line under it.
    pub async fn bring_cosignature(&self, note: &str) -> Result<(), ClientError> {
        let request = self.http.post(format!("{}/log/cosignatures", self.base));
        let request = request.header("content-type", "text/plain; charset=utf-8");
        self.send(request.body(note.to_owned())).await?;
        Ok(())
    }

    pub(crate) async fn tiles(&self, wanted: Vec<(TileId, u16)>) -> Result<Tiles> {
        let mut tiles = Tiles::new();
        for (id, width) in wanted {
            let path = TilePath::new(Resource::Hashes(id), width)?;
            let bytes = self.bytes(&format!("/log/{path}")).await?;
            let nodes = decode_tile(&bytes).with_context(|| format!("{path} is not a tile"))?;
            tiles.insert(id, nodes.into());
        }
        Ok(tiles)
    }
}

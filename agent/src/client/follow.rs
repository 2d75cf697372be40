//! Following a log: each checkpoint is verified against the one before, from the log's own tiles.

use anyhow::{Context as _, Result, ensure};
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Seen;
use daybook_core::note::VerifierKey;
use daybook_core::tree::{
    Resource, TilePath, Tiles, consistency_proof, decode_tile, tiles_for_consistency, verify_consistency,
};

use super::Client;

/// What somebody has seen of a log.
#[derive(Clone)]
pub struct Follower {
    client: Client,
    origin: String,
    key: VerifierKey,
    seen: Option<Checkpoint>,
}

impl Follower {
    /// Begins with nothing seen: the first checkpoint is taken as it is.
    pub fn new(client: Client, origin: &str, key: VerifierKey) -> Self {
        Self {
            client,
            origin: origin.to_owned(),
            key,
            seen: None,
        }
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Fetches the newest checkpoint, verifies that it continues the last one, and answers with it.
    pub async fn advance(&mut self) -> Result<Seen> {
        let new = self.client.checkpoint(&self.key, &self.origin).await?;
        if let Some(old) = &self.seen {
            ensure!(
                new.size() >= old.size(),
                "the log has gone back: it had {} entries and now shows {}. Keep both checkpoints: they prove it",
                old.size(),
                new.size()
            );
            self.verify(old, &new).await.with_context(|| {
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
        Ok(seen)
    }

    async fn verify(&self, old: &Checkpoint, new: &Checkpoint) -> Result<()> {
        let mut tiles = Tiles::new();
        for (id, width) in tiles_for_consistency(old.size(), new.size())? {
            let path = TilePath::new(Resource::Hashes(id), width)?;
            let bytes = self.client.bytes(&format!("/log/{path}")).await?;
            tiles.insert(
                id,
                decode_tile(&bytes).with_context(|| format!("{path} is not a tile"))?,
            );
        }
        let proof = consistency_proof(old.size(), new.size(), &tiles)?;
        verify_consistency(old.size(), old.root(), new.size(), new.root(), &proof)?;
        Ok(())
    }
}
